"""GroupViT: patches gather into few groups, and each group is compared with the words.

Source: Xu et al., GroupViT: Semantic Segmentation Emerges from Text Supervision, CVPR 2022, by `transformers`'
`GroupViTModel`. Its segmentation logits are scale^2 * sum over groups of cos(group, word) * share of the pixel in the
group; the image side of that is kept per photo. Words are asked as "a photo of a ...." and compete in a softmax.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..progress import Progress
from .shelf import pretrained, processor_of

SENTENCE = "a photo of a {}."


def load(path: Path, device: torch.device) -> GroupVit:
    """Load a folder of `save_pretrained`."""
    from transformers import GroupViTModel

    return GroupVit(pretrained(GroupViTModel, path, "groupvit", device), processor_of(path))


class GroupVit:
    """See `shelf.Asker`."""

    def __init__(self, model: Any, processor: Any):
        self._model, self._processor = model, processor

    @torch.inference_mode()
    def look(self, pixels: np.ndarray) -> tuple[Tensor, Tensor]:
        """Unit embeddings of the groups [G, D], and each pixel's shares in them [G, S, S]."""
        from transformers.models.groupvit.modeling_groupvit import get_grouping_from_attentions

        model, side = self._model, self._model.config.vision_config.image_size
        height, width = (side, side) if isinstance(side, int) else side
        # The whole photo, where the processor would cut out its middle.
        image = self._processor.image_processor(
            images=pixels, size={"height": height, "width": width}, do_center_crop=False, return_tensors="pt"
        )["pixel_values"].to(model.device)
        seen = model.vision_model(pixel_values=image, output_attentions=True, return_dict=True)
        groups = F.normalize(model.visual_projection(seen.last_hidden_state[0]), dim=-1)
        return groups, get_grouping_from_attentions(seen.attentions, image.shape[2:])[0]

    @torch.inference_mode()
    def scores(self, seen: tuple[Tensor, Tensor], words: list[str], progress: Progress) -> Tensor:
        """Softmax over the words [Q, S, S]."""
        progress.step("GroupViT looks for the words")
        model, (groups, shares) = self._model, seen
        sentences = [SENTENCE.replace("{}", word, 1) for word in words]
        tokens = self._processor.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt")
        text = model.get_text_features(**{key: value.to(model.device) for key, value in tokens.items()}).pooler_output
        scale = model.logit_scale.exp()
        likeness = F.normalize(text, dim=-1) @ groups.T * scale
        logits = (likeness @ shares.flatten(1) * scale).unflatten(1, shares.shape[1:])
        return logits.float().softmax(dim=0).cpu()
