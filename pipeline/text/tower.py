"""CLIP's text tower on as many tokens as the texts have.

A causal tower's token sees those before it alone, and what is read is the token at a text's end. So the tokens behind
the longest text of a batch change nothing: `open_clip` runs them all the same (77, of which a name in a sentence
takes about ten). Towers of another kind run as the library has them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

#: Tokens that run through the tower at once.
TOKENS = 4096


def encode_texts(model: nn.Module, tokens: Tensor) -> Tensor:
    """`model.encode_text(tokens)` of int64 [B, context]: [B, D], up to the rounding of another order of sums."""
    tower = getattr(model, "text", model)
    ends = text_ends(tower, tokens)
    if ends is None:
        return model.encode_text(tokens)
    length, kind = int(ends.max()) + 1, tower.transformer.get_cast_dtype()
    x = tower.token_embedding(tokens[:, :length]).to(kind) + tower.positional_embedding[:length].to(kind)
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    x = tower.ln_final(x[torch.arange(len(x), device=x.device), ends])
    if tower.text_projection is None:
        return x
    return tower.text_projection(x) if isinstance(tower.text_projection, nn.Module) else x @ tower.text_projection


def text_ends(tower: nn.Module, tokens: Tensor) -> Tensor | None:
    """Where the token that is read stands in each text, int64 [B]; None: not known, or tokens behind it matter."""
    from open_clip import CLIP
    from open_clip.transformer import TextTransformer

    if not isinstance(tower, (CLIP, TextTransformer)) or getattr(tower, "cls_emb", None) is not None:
        return None
    mask = tower.attn_mask
    # A causal mask has nothing but minus infinity above its diagonal.
    if mask is None or not bool(mask.isneginf().triu(1).sum() == mask.shape[0] * (mask.shape[0] - 1) // 2):
        return None
    pool = tower.text_pool_type if isinstance(tower, CLIP) else tower.pool_type
    if pool == "argmax":
        return tokens.argmax(dim=-1)
    end = tower.text_eos_id if isinstance(tower, CLIP) else tower.eos_id
    return (tokens == end).int().argmax(dim=-1) if pool == "eos" and end is not None else None


def batches(model: nn.Module, tokens: Tensor, most: int = TOKENS) -> Iterator[Tensor]:
    """Indices int64 of texts of like length to run together, each text once: the shortest texts first.

    Args:
        tokens: int64 [B, context].
        most: tokens of a batch, at least one text.
    """
    ends = text_ends(getattr(model, "text", model), tokens)
    lengths = torch.full((len(tokens),), tokens.shape[1]) if ends is None else ends.cpu() + 1
    order = lengths.argsort(stable=True)
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and int(lengths[order[stop]]) * (stop + 1 - start) <= most:
            stop += 1
        yield order[start:stop]
        start = stop
