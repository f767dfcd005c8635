"""The models of a preset, each loaded when it is first used and then shared by everyone."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import torch

from ..device import loading
from ..errors import NamebrushError
from ..progress import Progress, checkpoint
from . import builtin, fetch, official
from .catalog import KINDS, get_preset
from .memory import PLANS
from .painting import Painting, of_folder
from .records import ClipModel, DinoModel, Geometry, Sam2, SamModel

_RECORDS = {"clip": ClipModel, "dino": DinoModel, "sam": (SamModel, Sam2)}
#: Foundation models of a kind, beside a preset's own, that stay loaded.
MOST_PROXIES = 2
Part = str | Path | ClipModel | DinoModel | SamModel | Sam2 | None


def load_models(
    preset: str = "tiny",
    *,
    clip: Part = None,
    dino: Part = None,
    sam: Part = None,
    inpaint: Any = None,
    device: str | torch.device | None = None,
    memory: str = "auto",
    trust_weights: bool = False,
    progress: Progress | None = None,
) -> Models:
    """The models of a preset, parts replaced where named; nothing is loaded or fetched before it is used.

    Args:
        preset: a name of `catalog.PRESETS`.
        clip, dino, sam, inpaint: another part: a name of the catalogue, a hub name, a local file or folder (see
            `fetch.choose`), or a model that is already in memory (`ClipModel`, `DinoModel`, `SamModel`, a `diffusers`
            pipeline).
        device: a torch device; None: a graphics card if there is one.
        memory: how the inpainting model lies in memory, a name of `memory.PLANS`.
        trust_weights: weights that run code of their own (TorchScript) are loaded though they are not published ones.
        progress: told when a part is fetched or loaded later on.

    Raises:
        NamebrushError: no such preset, name, path or device.
    """
    chosen = get_preset(preset)
    wanted = {"clip": clip, "dino": dino, "sam": sam, "inpaint": inpaint}
    parts: dict[str, Any] = {}
    for kind, value in wanted.items():
        named = isinstance(value, (str, Path))
        if value is not None and not named and kind in _RECORDS and not isinstance(value, _RECORDS[kind]):
            known = _RECORDS[kind][0] if isinstance(_RECORDS[kind], tuple) else _RECORDS[kind]
            raise NamebrushError(f"{kind} must be a name, a path or a {known.__name__}.")
        if value is not None and not named:
            parts[kind] = value
        elif kind == "inpaint" and value is None and not chosen.inpaint:
            parts[kind] = None  # said when it is needed
        else:
            parts[kind] = fetch.choose(kind, value, chosen)
    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise NamebrushError(f"The device {device} is not available here; use cpu.") from error
    if memory not in PLANS:
        raise NamebrushError(f"{memory!r} is no plan for memory; choose from {', '.join(PLANS)}.")
    return Models(chosen.name, chosen.geometry, parts, place, progress, memory, trust_weights)


def held_by(record: Any) -> int:
    """Bytes of the weights and buffers of a loaded part: of its module, or of a pipeline's parts; 0 for None."""
    modules = [getattr(record, field, None) for field in ("model", "sam")] + list(
        getattr(record, "components", {}).values()
    )
    return sum(
        t.numel() * t.element_size()
        for module in modules if isinstance(module, torch.nn.Module)
        for t in (*module.parameters(), *module.buffers())
    )  # fmt: skip


def with_checkpoints(model: Any) -> Any:
    """The same module, or `diffusers` pipeline, whose layers ask before they run whether the job shall stop."""
    parts = [model] if isinstance(model, torch.nn.Module) else getattr(model, "components", {}).values()
    for part in parts:
        if not isinstance(part, torch.nn.Module) or getattr(part, "_asks_to_stop", False):
            continue
        for module in part.modules():
            if isinstance(module, (torch.nn.ModuleList, torch.nn.Sequential)):
                for layer in module.children():  # `diffusers` has lists with None in them
                    layer.register_forward_pre_hook(checkpoint)
        part._asks_to_stop = True
    return model


class Models:
    """Models shared by all visitors; they hold no photo of anyone's. Made by `load_models`.

    Attributes:
        preset: name of the preset.
        geometry: how photos are cut for this CLIP unless a recipe or a setting says otherwise.
        device: where the models are.
        memory: plan for the inpainting model's memory.
    """

    def __init__(
        self, preset: str, geometry: Geometry, parts: dict[str, Any], device: torch.device, progress: Progress | None,
        memory: str = "auto", trust_weights: bool = False,
    ):  # fmt: skip
        self.memory, self._trusted = memory, trust_weights
        self.preset, self.geometry, self.device = preset, geometry, device
        self._parts, self._progress = parts, progress or Progress()
        self._locks = {kind: threading.RLock() for kind in KINDS}
        self._loaded: dict[str, Any] = {}
        self._proxies: dict[str, dict[str, Any]] = {"dino": {}, "sam": {}}

    def weights(self) -> dict[int, int]:
        """Bytes of the weights in memory by the identity of their record, so that shared ones count once."""
        held = [*self._loaded.values(), *(record for kind in self._proxies.values() for record in list(kind.values()))]
        return {id(record): held_by(record) for record in held}

    @property
    def clip(self) -> ClipModel:
        """CLIP; loaded at first use. Raises `NamebrushError` where its weights cannot be had."""
        return self._get("clip", self._progress)

    @property
    def dino(self) -> DinoModel:
        """DINO; loaded at first use. Raises `NamebrushError` where its weights cannot be had."""
        return self._get("dino", self._progress)

    @property
    def sam(self) -> SamModel | Sam2:
        """SAM or SAM 2; loaded at first use. Raises `NamebrushError` where its weights cannot be had."""
        return self._get("sam", self._progress)

    @property
    def distractors(self) -> tuple[str, ...]:
        """The background names that suit this CLIP, as `ClipModel.distractors`; read without loading its weights."""
        part = self._parts["clip"]
        if not isinstance(part, fetch.Choice):
            return part.distractors
        own = part.checkpoint is not None and not part.checkpoint.sources
        return builtin.distractors_of(part.path) if own or part.path is not None else ()

    def proxy(self, name: str) -> DinoModel | SamModel:
        """A foundation model to borrow correlations from, beside the preset's own; loaded at first use.

        Args:
            name: a name of `dense.options.PROXIES`, or anything `dino=` takes; what begins with "sam" is a SAM.

        Raises:
            NamebrushError: no such model, or its weights cannot be had.
        """
        from ..dense.options import PROXIES  # the engine's short names; imported late, it needs these records

        known = PROXIES.get(name, name)
        kind = "sam" if known.startswith("sam-") else "dino"
        own = self._parts[kind]
        if isinstance(own, fetch.Choice) and own.checkpoint is not None and own.checkpoint.name == known:
            return self._get(kind, self._progress)
        chosen = fetch.choose(kind, known, get_preset(self.preset))
        # One key for all spellings of a path; of those loaded, the ones used last stay.
        key = known if chosen.path is None else str(chosen.path.resolve())
        with loading(self._locks[kind], self._progress):
            found = self._proxies[kind].pop(key, None)
            self._proxies[kind][key] = found = found or self._load(kind, self._progress, chosen)
            for oldest in list(self._proxies[kind])[:-MOST_PROXIES]:
                del self._proxies[kind][oldest]
            return found

    def inpaint(self, progress: Progress | None = None):
        """The `diffusers` inpainting pipeline; loaded at first use.

        Raises:
            NamebrushError: the preset has none, or its weights cannot be had.
        """
        return self._get("inpaint", progress or self._progress)

    @property
    def painting(self) -> Painting:
        """How the inpainting model is asked, and the words it knows; read without loading its weights."""
        part = self._parts["inpaint"]
        if not isinstance(part, fetch.Choice):
            return Painting()
        usual = part.checkpoint.painting if part.checkpoint is not None else None
        own = part.checkpoint is not None and not part.checkpoint.sources
        folder = builtin.home("inpaint") if own else part.path
        return usual or Painting() if folder is None else of_folder(folder, usual)

    def load(self, *kinds: str, progress: Progress | None = None) -> Models:
        """Fetch and load parts now, with progress: the named kinds, or `clip`, `dino` and `sam`."""
        for kind in kinds or ("clip", "dino", "sam"):
            if kind not in KINDS:
                raise NamebrushError(f"{kind!r} is no kind of model; choose from {', '.join(KINDS)}.")
            self._get(kind, progress or self._progress)
        return self

    def has(self, kind: str) -> bool:
        """Whether a part is there: chosen, and on this machine (no network is asked)."""
        part = self._parts[kind]
        if part is None:
            return False
        if not isinstance(part, fetch.Choice) or part.path is not None:
            return True
        if not part.checkpoint.sources:
            return builtin.here(kind)
        return fetch.on_disk(part.checkpoint)

    def has_part(self, kind: str) -> bool:
        """Whether a part was chosen at all, on this machine or to be fetched."""
        return self._parts[kind] is not None

    def title(self, kind: str) -> str:
        """What a part is called in sentences; "none" where the preset has none."""
        part = self._parts[kind]
        if part is None:
            return "none"
        return part.title if isinstance(part, fetch.Choice) else getattr(part, "name", type(part).__name__)

    def revision(self, kind: str) -> str:
        """Which weights exactly: a hub's commit or a file's hash; see `revisions.revision`."""
        from .revisions import revision

        return revision(kind, self._parts[kind])

    def describe(self) -> list[dict[str, Any]]:
        """Every part for a person: `kind`, `title`, `licence`, `card`, `bytes`, `loaded`, `here` (as `has`), `memory`
        (bytes of the loaded weights, 0 where they are not) and `place` (where they are fetched from, or "")."""
        rows = []
        for kind in KINDS:
            part = self._parts[kind]
            row = {"kind": kind, "title": self.title(kind), "licence": "", "card": "", "bytes": 0, "place": ""}
            row["memory"] = held_by(self._loaded.get(kind))
            if isinstance(part, fetch.Choice):
                row.update(licence=part.licence, card=part.card, bytes=part.bytes)
                if part.checkpoint is not None and part.checkpoint.sources:
                    row["place"] = part.checkpoint.sources[0].place
                if part.checkpoint is not None and not part.checkpoint.sources and self.has(kind):
                    row["bytes"] = builtin.size_of(kind)
            rows.append({**row, "loaded": kind in self._loaded, "here": self.has(kind)})
        return rows

    def _get(self, kind: str, progress: Progress) -> Any:
        if kind not in self._loaded:
            with loading(self._locks[kind], progress):  # a second visitor waits for the first one's download
                if kind not in self._loaded:
                    self._loaded[kind] = self._load(kind, progress)
        return self._loaded[kind]

    def _load(self, kind: str, progress: Progress, chosen: fetch.Choice | None = None) -> Any:
        part = self._parts[kind] if chosen is None else chosen
        if part is None:
            part = fetch.choose(kind, None, get_preset(self.preset))  # raises, and says what to do
        if not isinstance(part, fetch.Choice):
            return self._placed(kind, part)
        own = part.checkpoint is not None and not part.checkpoint.sources
        if own and kind != "inpaint":
            progress.step(f"Loading {part.title}")
            return self._placed(kind, getattr(builtin, f"load_{kind}")())
        path = part.path or (self._own_painter() if own else fetch.fetch(part.checkpoint, progress))
        progress.step(f"Loading {part.title}")
        if kind == "clip":
            return self._placed(kind, official.load_clip(path, part.architecture, self._trusted))
        if kind == "dino":
            return self._placed(kind, official.load_dino(path))
        if kind == "sam":
            return self._placed(kind, official.load_sam(path))
        adapter = None
        if part.checkpoint is not None and part.checkpoint.adapter is not None:
            adapter = fetch.fetch_source(part.checkpoint.adapter, f"{part.title}, adapter", progress)
        return with_checkpoints(official.load_inpaint(path, self.device, adapter, self.memory, self._trusted))

    @staticmethod
    def _own_painter() -> Path:
        if not builtin.here("inpaint"):
            raise NamebrushError(
                f"The built-in inpainting model is not in {builtin.home('inpaint')}; train it with `python -m "
                "training.inpainting` or name another one with inpaint=."
            )
        return builtin.home("inpaint")

    def _placed(self, kind: str, record: Any) -> Any:
        """The same record with its module on the device."""
        if kind == "inpaint":
            return with_checkpoints(record.to(self.device))
        field = "sam" if isinstance(record, SamModel) else "model"
        return dataclasses.replace(record, **{field: with_checkpoints(getattr(record, field).to(self.device))})
