"""Running a comparison: every entry on the same photo and words, each measured for itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..comparators.registry import COMPARATORS, get_comparator, own_settings
from ..device import shared_progress
from ..methods import get_method
from ..progress import Progress
from ..proposals.settings import ProposalSettings
from ..records import Photo, Segmentation, Vocabulary
from ..refine.names import REFINEMENTS
from ..refine.settings import RECORDS as REFINE_RECORDS
from ..settings import SegmentSettings
from .entries import Entry, parse_entries
from .memory import peak_above

if TYPE_CHECKING:
    from ..pipeline import Pipeline

#: Gives the pipeline of another preset.
Others = Callable[[str, Progress], "Pipeline"]
#: Settings that a figure says in words of its own.
SAID = frozenset({"method", "refine", "background", "threshold"})


def run(
    pipe: Pipeline,
    photo: Photo,
    classes: str | Sequence[str] | Vocabulary,
    what: str | Iterable[str | Entry],
    progress: Progress,
    settings: Mapping[str, Any],
    others: Others | None = None,
    alone: bool = True,
    keep: Callable[[Segmentation], Segmentation] = lambda one: one,
) -> tuple[Segmentation, ...]:
    """The same names in the same photo under every entry, in order; see `Pipeline.compare`."""
    common = settings.get("refine") or _default("refine")
    entries = [entry.resolved(common, pipe.preset) for entry in parse_entries(what)]
    pipes = {pipe.preset: pipe}
    found = []
    for i, entry in enumerate(entries):
        part = shared_progress(progress, i / len(entries), (i + 1) / len(entries))
        if entry.preset not in pipes:
            pipes[entry.preset] = others(entry.preset, part) if others else _loaded(entry.preset, pipe, part)
        found.append(keep(_panel(pipes[entry.preset], photo, classes, entry, part, settings, alone)))
        if entry.preset != pipe.preset and all(later.preset != entry.preset for later in entries[i + 1 :]):
            del pipes[entry.preset]  # large models need not wait for the end
    return tuple(found)


def _loaded(preset: str, pipe: Pipeline, progress: Progress) -> Pipeline:
    return type(pipe).load(preset, device=pipe.models.device, progress=progress)


def _panel(
    pipe: Pipeline, photo: Photo, classes, entry: Entry, progress: Progress, settings: Mapping[str, Any], alone: bool
) -> Segmentation:
    kept, notes = own_settings(entry.method, settings, SegmentSettings)
    kept["refine"] = entry.refine
    if not alone:
        one = pipe.segment(photo, classes, method=entry.method, progress=progress, **kept)
        return dataclasses.replace(one, notes=one.notes + notes, settings=told(pipe, entry, kept))
    ready(pipe, entry, kept, progress)
    # A cache of its own: features kept from another panel would make this one look quicker and lighter than it is.
    own = type(pipe)(pipe.models, pipe.cache.max_bytes, pipe.shelf)
    with peak_above(pipe.models.device) as memory:
        one = own.segment(photo, classes, method=entry.method, progress=progress, **kept)
    return dataclasses.replace(one, notes=one.notes + notes, settings=told(pipe, entry, kept), memory=memory)


def needs(entry: Entry) -> tuple[str, ...]:
    """The kinds of models an entry runs, of `catalog.KINDS`."""
    kinds = [kind for kind in get_method(entry.method).needs if kind not in COMPARATORS]
    wanted = {"sam": "sam", "unet": "inpaint"}.get(REFINEMENTS[entry.refine].needs)
    return tuple(dict.fromkeys([*kinds, *([wanted] if wanted else [])]))


def ready(pipe: Pipeline, entry: Entry, settings: Mapping[str, Any], progress: Progress) -> None:
    """Load what an entry runs, so that neither its seconds nor its memory hold the loading of weights."""
    kinds = [kind for kind in needs(entry) if pipe.models.has_part(kind)]
    if kinds:
        pipe.models.load(*kinds, progress=progress)
    comparator = get_comparator(entry.method)
    if comparator is not None:
        pipe.shelf.get(comparator, progress)
    if settings.get("upsample") == "loftup":
        from ..upsample.loftup import load_loftup

        load_loftup(pipe.models.device, progress)


def told(pipe: Pipeline, entry: Entry, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a figure says of a panel beside its method, edges, names and threshold.

    Returns:
        `models` (titles of what ran), `device`, `short_side`, `window`, `stride` of methods that have them, and every
        setting that is not at its default.
    """
    comparator = get_comparator(entry.method)
    models = [pipe.models.title(kind) for kind in needs(entry)]
    made: dict[str, Any] = {
        "models": tuple(([comparator.title] if comparator else []) + models), "device": _device(pipe.models.device),
    }  # fmt: skip
    if "clip" in needs(entry):
        geometry = pipe.models.geometry
        for name in ("short_side", "window", "stride"):
            given = settings.get(name)
            made[name] = getattr(geometry, name) if given is None else given
    for record in (SegmentSettings, *REFINE_RECORDS, ProposalSettings):
        for field in dataclasses.fields(record):
            if field.name in settings and field.name not in SAID and settings[field.name] != field.default:
                made[field.name] = settings[field.name]
    return made


def _device(device: torch.device) -> str:
    """Where the models run, for a caption."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' * (threads != 1)}" if device.type == "cpu" else str(device)


def _default(name: str) -> Any:
    return next(f.default for f in dataclasses.fields(SegmentSettings) if f.name == name)
