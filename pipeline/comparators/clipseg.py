"""CLIPSeg: a decoder on three of CLIP's inner layers, conditioned on one phrase at a time.

Source: Lüddecke and Ecker, Image Segmentation Using Text and Image Prompts, CVPR 2022, by `transformers`'
`CLIPSegForImageSegmentation`. The image encoder runs once per photo, the decoder once per word; the score of a word is
the sigmoid of its map, so that words do not compete before the largest is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..progress import Progress
from .shelf import pretrained, processor_of

#: Words decoded at once.
BATCH = 16


def load(path: Path, device: torch.device) -> ClipSeg:
    """Load a folder of `save_pretrained`."""
    from transformers import CLIPSegForImageSegmentation

    return ClipSeg(pretrained(CLIPSegForImageSegmentation, path, "clipseg", device), processor_of(path))


class ClipSeg:
    """See `shelf.Asker`."""

    def __init__(self, model: Any, processor: Any):
        self._model, self._processor = model, processor

    @torch.inference_mode()
    def look(self, pixels: np.ndarray) -> tuple[Tensor, ...]:
        """Activations of the layers the decoder reads, each [1, N, D]."""
        model = self._model
        image = self._processor.image_processor(images=pixels, return_tensors="pt")["pixel_values"].to(model.device)
        seen = model.clip.get_image_features(
            pixel_values=image, interpolate_pos_encoding=True, output_hidden_states=True
        )
        return tuple(seen.hidden_states[layer + 1] for layer in model.extract_layers)

    @torch.inference_mode()
    def scores(self, seen: tuple[Tensor, ...], words: list[str], progress: Progress) -> Tensor:
        """Sigmoids [Q, S, S]."""
        model, found = self._model, []
        for start in range(0, len(words), BATCH):
            progress.step("CLIPSeg looks for the words", start / len(words))
            part = words[start : start + BATCH]
            tokens = self._processor.tokenizer(part, padding=True, truncation=True, return_tensors="pt")
            tokens = {key: value.to(model.device) for key, value in tokens.items()}
            asked = model.get_conditional_embeddings(batch_size=len(part), **tokens)
            decoded = model.decoder([one.expand(len(part), -1, -1) for one in seen], asked)
            found.append(decoded.logits.reshape(len(part), *decoded.logits.shape[-2:]).float().sigmoid().cpu())
        return torch.cat(found)
