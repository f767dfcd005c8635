"""A pipeline that borrows a graphics card where a job needs one: see `zero`. It imports the engine's libraries."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Hashable
from typing import Any

import torch

from pipeline import Pipeline
from pipeline.cache import ByteCache
from pipeline.edit.door import check_request
from pipeline.models.loaders import load_models
from pipeline.progress import Progress

from . import zero

_on_cards: dict[str, Pipeline] = {}
_loading = threading.Lock()


class Missing(Exception):
    """Features that a job needs are not kept here."""


class Kept:
    """A cache's contents, of which nothing is made: what is missing raises `Missing`."""

    def __init__(self, cache: ByteCache):
        self.cache = cache
        self.max_bytes = cache.max_bytes

    def get(self, key: Hashable) -> Any | None:
        """As of the cache."""
        return self.cache.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """As of the cache."""
        self.cache.put(key, value)

    def get_or_make(self, key: Hashable, make: Callable, waiting: Callable | None = None) -> Any:
        """The value of a key; small things that no image encoder makes are made.

        Raises:
            Missing: it is not kept.
        """
        found = self.cache.get(key)
        if found is None:
            raise Missing
        return found


class BorrowingPipeline(Pipeline):
    """As `Pipeline`, its models on the processor; what needs image encoders or paints is sent to `zero.on_card`."""

    def segment(self, *args, progress: Progress | None = None, **kwargs):
        """As `Pipeline.segment`."""
        return self._borrowed("segment", args, kwargs, progress, kwargs.get("refine") == "diffusion")

    def encode(self, *args, progress: Progress | None = None, **kwargs):
        """As `Pipeline.encode`."""
        return self._borrowed("encode", args, kwargs, progress)

    def sam_features(self, photo, progress: Progress | None = None):
        """As `Pipeline.sam_features`."""
        return self._borrowed("sam_features", (photo,), {}, progress)

    def select(self, *args, progress: Progress | None = None, **kwargs):
        """As `Pipeline.select`."""
        return self._borrowed("select", args, kwargs, progress)

    def correct(self, *args, progress: Progress | None = None, **kwargs):
        """As `Pipeline.correct`."""
        return self._borrowed("correct", args, kwargs, progress)

    def compare(self, *args, progress: Progress | None = None, others=None, **kwargs):
        """As `Pipeline.compare`; always on the card, where it is measured."""
        return self._borrowed("compare", args, kwargs, progress, True)

    def do(self, photo, request, progress: Progress | None = None):
        """As `Pipeline.do`, which `edit` calls; only painting by diffusion asks for the card."""
        return self._borrowed("do", (photo, request), {}, progress, check_request(request) == "diffusion", True)

    def _borrowed(self, name: str, args: tuple, kwargs: dict, progress, always: bool = False, light: bool = False):
        """Here where nothing is missing, else on the card.

        Args:
            name, args, kwargs: a method of `Pipeline` and its arguments.
            progress: told of waiting; the card's own steps cannot be heard.
            always: the card is needed whatever is kept.
            light: where the card is not needed, the job runs here whatever is missing.
        """
        progress = progress or Progress()
        if name != "do":
            args = (self.open(args[0]) if not hasattr(args[0], "photo") else args[0], *args[1:])
        if not always:
            plain = Pipeline(self.models, self.cache.max_bytes, self.shelf)
            plain.cache = self.cache if light else Kept(self.cache)
            try:
                return getattr(plain, name)(*args, progress=progress, **kwargs)
            except Missing:
                pass
        progress.step("Waiting for a graphics card")
        with progress.stage("card"):
            result, made = zero.on_card(self.preset, name, args, kwargs)
        for key, value in made:
            self.cache.put(key, value)
        progress.step("Back from the graphics card")  # a job that was stopped meanwhile ends here
        return result


def run(preset: str, name: str, args: tuple, kwargs: dict[str, Any], device: str) -> tuple[Any, list]:
    """In the process with the card: a method of a pipeline whose models are there; see `zero.on_card`."""
    pipe = _on_card(preset, device)
    before = set(pipe.cache.keys())
    result = getattr(pipe, name)(*args, **kwargs)
    made = [(key, on_processor(pipe.cache.get(key))) for key in pipe.cache.keys() if key not in before]
    return on_processor(result), made


def _on_card(preset: str, device: str) -> Pipeline:
    """A pipeline on the card; its weights are those the program holds already, which this process was born with."""
    with _loading:
        if preset not in _on_cards:
            from . import engine

            held = engine.held(preset)
            parts = {} if held is None else {k: getattr(held.models, k) for k in ("clip", "dino", "sam")}
            _on_cards.clear()  # one preset fits beside a painter
            _on_cards[preset] = Pipeline(load_models(preset, device=device, **parts))
        return _on_cards[preset]


def on_processor(value: Any) -> Any:
    """The same value with every tensor in ordinary memory and in float32: a card's memory does not outlive the job."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().float() if value.is_floating_point() else value.detach().cpu()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {}
        for field in dataclasses.fields(value):
            old = getattr(value, field.name)
            new = on_processor(old)
            if new is not old:
                changed[field.name] = new
        return dataclasses.replace(value, **changed) if changed else value
    if isinstance(value, (tuple, list)):
        made = [on_processor(one) for one in value]
        same = all(a is b for a, b in zip(made, value, strict=True))
        return value if same else type(value)(made)
    if isinstance(value, dict):
        made = {k: on_processor(v) for k, v in value.items()}
        return value if all(made[k] is value[k] for k in made) else made
    return value
