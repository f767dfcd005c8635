"""Where comparators' weights are found, and the loaded models, each loaded once and shared."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..device import loading
from ..errors import NamebrushError
from ..models import fetch
from ..models.catalog import Checkpoint, Source
from ..models.official import fingerprint
from ..progress import Progress
from .registry import COMPARATORS, Comparator

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_EXTRAS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


class Asker(Protocol):
    """A loaded comparator: looks at a photo once, then answers any words. Holds no photo."""

    def look(self, pixels: np.ndarray) -> Any:
        """What its image encoder says of a photo uint8 [H, W, 3]; tensors, records or mappings of them."""

    def scores(self, seen: Any, words: list[str], progress: Progress) -> Tensor:
        """Scores 0..1, float32 [Q, h, w] over the whole photo, of every word on what `look` gave."""


class Shelf:
    """The comparators of a pipeline, loaded when first used.

    Args:
        device: where they run.
        chosen: folders or hub names in place of the published weights, by comparator; None or left out: published.
    """

    def __init__(self, device: torch.device, chosen: Mapping[str, str | Path | None] | None = None):
        self.device = device
        self._chosen = {name: value for name, value in (chosen or {}).items() if value is not None}
        self._locks = {name: threading.Lock() for name in COMPARATORS}
        self._loaded: dict[str, tuple[Asker, str]] = {}
        for name, value in self._chosen.items():
            place(COMPARATORS[name], value)  # a mistake is told at once

    def get(self, comparator: Comparator, progress: Progress) -> tuple[Asker, str]:
        """A loaded comparator and a name that changes with its weights.

        Raises:
            NamebrushError: its weights are not here and cannot be fetched, or are of another model.
        """
        with loading(self._locks[comparator.name], progress):
            if comparator.name not in self._loaded:
                where = place(comparator, self._chosen.get(comparator.name))
                path = where if isinstance(where, Path) else fetch.fetch(where, progress)
                progress.step(f"Loading {comparator.title}")
                self._loaded[comparator.name] = self._load(comparator, path)
            return self._loaded[comparator.name]

    def _load(self, comparator: Comparator, path: Path) -> tuple[Asker, str]:
        module = importlib.import_module(f".{comparator.name}", __package__)
        with readable(path, comparator):
            asker = module.load(path, self.device)
        weights = next((path / name for name in _WEIGHTS if (path / name).is_file()), None)
        if weights is None:  # weights in several files
            weights = next(p for p in sorted(path.iterdir()) if p.suffix in (".safetensors", ".bin"))
        return asker, f"{comparator.name}-{fingerprint(weights)}"


def place(comparator: Comparator, value: str | Path | None) -> Path | Checkpoint:
    """A folder on this machine, or what is to be fetched.

    Raises:
        NamebrushError: neither a folder nor a hub name.
    """
    text = comparator.repo if value is None else str(value).strip()
    path = Path(text).expanduser()
    if value is not None and path.is_dir():
        if not (path / "config.json").is_file():
            raise NamebrushError(f"{path} holds no {comparator.title}: config.json and weights are needed there.")
        return path
    if not _HUB_NAME.fullmatch(text) or isinstance(value, Path):
        raise NamebrushError(f"{text!r} is neither a folder nor a hub name such as {comparator.repo}.")
    sources = tuple(Source(repo=text, files=(*comparator.files, name), extras=_EXTRAS) for name in _WEIGHTS)
    return Checkpoint(
        text, comparator.name, comparator.title, "", sources, comparator.bytes, comparator.licence, comparator.about
    )


@contextmanager
def readable(path: Path, comparator: Comparator):
    """Turn what `transformers` raises on a broken or foreign folder into one line."""
    try:
        yield
    except (NamebrushError, MemoryError):
        raise
    except Exception as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise NamebrushError(f"{path} cannot be loaded as {comparator.title}: {first[:200]}") from error


def pretrained(family: Any, path: Path, kind: str, device: torch.device) -> Any:
    """A model of a `transformers` class from a folder: whole, of the right kind, in float32 and ready for use.

    Raises:
        NamebrushError: the folder holds a model of another kind, or weights are missing.
    """
    from transformers import AutoConfig

    from ..models.official import quiet

    found = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False).model_type
    if found not in (kind, f"{kind}_video"):
        raise NamebrushError(f"{path} is a {found!r} model; {kind} is needed.")
    with quiet():
        model, info = family.from_pretrained(
            path, dtype=torch.float32, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
    if info["missing_keys"]:
        raise NamebrushError(f"{path} lacks weights, among them {sorted(info['missing_keys'])[0]}.")
    return model.to(device).eval().requires_grad_(False)


def processor_of(path: Path) -> Any:
    """The folder's image processor and tokenizer together."""
    from transformers import AutoProcessor

    from ..models.official import quiet

    with quiet():
        return AutoProcessor.from_pretrained(path, local_files_only=True, trust_remote_code=False)
