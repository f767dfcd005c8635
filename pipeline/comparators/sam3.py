"""SAM 3: every instance of a phrase, with a score, a mask, and whether the phrase is in the photo at all.

Source: Carion et al., SAM 3: Segment Anything with Concepts, 2025, by `transformers`' `Sam3Model`. A word's score at a
pixel is the largest of presence * score * sigmoid(mask) over instances whose presence * score is above 0.3, the
library's own default. The image encoder runs once per photo, the rest once per word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import NamebrushError
from ..progress import Progress
from .shelf import pretrained, processor_of

#: Least presence * score of an instance that counts.
SCORE = 0.3


def load(path: Path, device: torch.device) -> Sam3:
    """Load a folder of `save_pretrained`.

    Raises:
        NamebrushError: the installed `transformers` does not know SAM 3.
    """
    try:
        from transformers import Sam3Model
    except ImportError as error:
        raise NamebrushError("The installed transformers does not know SAM 3; install transformers 5.") from error
    return Sam3(pretrained(Sam3Model, path, "sam3", device), processor_of(path))


class Sam3:
    """See `shelf.Asker`."""

    def __init__(self, model: Any, processor: Any):
        self._model, self._processor = model, processor

    @torch.inference_mode()
    def look(self, pixels: np.ndarray) -> Any:
        """The image encoder's output."""
        image = self._processor.image_processor(images=pixels, return_tensors="pt")["pixel_values"]
        return self._model.get_vision_features(pixel_values=image.to(self._model.device))

    @torch.inference_mode()
    def scores(self, seen: Any, words: list[str], progress: Progress) -> Tensor:
        """Best instance's score times mask [Q, h, w]."""
        model, found = self._model, []
        for index, word in enumerate(words):
            progress.step("SAM 3 looks for the words", index / len(words))
            tokens = self._processor.tokenizer(
                word, padding="max_length", max_length=32, truncation=True, return_tensors="pt"
            )
            tokens = {key: tokens[key].to(model.device) for key in ("input_ids", "attention_mask")}
            answer = model(vision_embeds=seen, **tokens)
            score = answer.pred_logits[0].float().sigmoid()
            if answer.presence_logits is not None:
                score = score * answer.presence_logits[0].float().sigmoid()
            score = torch.where(score > SCORE, score, 0.0)
            masks = answer.pred_masks[0].float().sigmoid()
            found.append((masks * score[:, None, None]).amax(dim=0).cpu())
        return torch.stack(found)
