"""From what a person names to files on this machine: catalogue names, hub names, local files and folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import FetchError, NamebrushError
from ..progress import Progress
from . import hub
from .catalog import CHECKPOINTS, HAS_PAINTER, Checkpoint, Preset, Source, of_kind
from .download import Check, DownloadError, download, offline

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Choice:
    """One part as a person chose it, checked but not yet fetched.

    Attributes:
        kind: one of `catalog.KINDS`.
        title, licence, card: for a person.
        bytes: of the download or of the local files; 0 if unknown.
        architecture: as in `Checkpoint`; "" to find out from the weights.
        checkpoint: where to fetch it; None for a local path.
        path: a local file or folder; None for a checkpoint.
    """

    kind: str
    title: str
    licence: str
    card: str
    bytes: int
    architecture: str
    checkpoint: Checkpoint | None = None
    path: Path | None = None


def weights_dir() -> Path:
    """Where files from direct addresses are kept: `namebrush` in the hub library's home (`HF_HOME`)."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "namebrush"


def choose(kind: str, value: str | Path | None, preset: Preset) -> Choice:
    """Understand what a person named; nothing is fetched.

    Args:
        kind: one of `catalog.KINDS`.
        value: a name of the catalogue, a hub name `owner/name`, a local file or folder, or `ARCHITECTURE=FILE` for a
            CLIP file whose `open_clip` architecture is not the preset's; None: the preset's own part.
        preset: where a file's architecture is taken from when shapes do not tell.

    Raises:
        NamebrushError: no such name or path, or a checkpoint of another kind.
    """
    text = str(preset.part(kind) if value is None else value).strip()
    if not text:
        raise NamebrushError(_nothing(kind, preset))
    if text in CHECKPOINTS:
        known = CHECKPOINTS[text]
        if known.kind != kind:
            raise NamebrushError(f"{text} is a {known.kind} checkpoint; {kind} needs one of {_names(kind)}.")
        return _of(known)
    own = CHECKPOINTS.get(preset.part(kind))
    architecture = own.architecture if own else ""
    if kind == "clip" and "=" in text and not Path(text).exists():
        architecture, _, text = text.partition("=")
    path = Path(text).expanduser()
    if path.exists():
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        size = sum(file.stat().st_size for file in files)
        return Choice(kind, path.name, "unknown", f"From {path}.", size, architecture, path=path)
    if _HUB_NAME.fullmatch(text) and not isinstance(value, Path):
        return _of(_from_hub(kind, text))
    if "/" in text or "\\" in text or path.suffix:
        raise NamebrushError(f"There is no file or folder {text} to load as {kind}.")
    raise NamebrushError(
        f"{text!r} is no known {kind} checkpoint; choose one of {_names(kind)}, a hub name, a file or a folder."
    )


def fetch(checkpoint: Checkpoint, progress: Progress | None = None) -> Path:
    """The checkpoint's file, or its folder if it has several; fetched if it is not on this machine.

    Sources that are complete on this machine come before any that would need the network; the others in order.

    Raises:
        NamebrushError: no source gave it; the sentence says where it was looked for and what to do.
    """
    progress = progress or Progress()
    for source in checkpoint.sources:
        found = _local(source)
        if found is not None:
            return found
    places = " or ".join(dict.fromkeys(source.place for source in checkpoint.sources))
    remedy = f"fetch it from {places} and name the file or folder with {checkpoint.kind}=PATH"
    looked = f"{weights_dir()} and {hub.cache_dir()}"
    if offline():
        raise FetchError(
            f"{checkpoint.title} is not on this machine (looked in {looked}) and HF_HUB_OFFLINE forbids fetching it; "
            f"allow it, or {remedy}."
        )
    reasons = []
    for source in checkpoint.sources:
        try:
            return _remote(source, checkpoint.title, progress)
        except DownloadError as error:
            reasons.append(str(error).rstrip("."))
    raise FetchError(
        f"{checkpoint.title} is not on this machine (looked in {looked}) and could not be fetched "
        f"({'; '.join(dict.fromkeys(reasons))}); try again later, or {remedy}."
    )


def on_disk(checkpoint: Checkpoint) -> bool:
    """Whether `fetch` would answer without the network."""
    return any(_local(source) is not None for source in checkpoint.sources)


def _local(source: Source) -> Path | None:
    """The source's files if they are all on this machine."""
    if source.url:
        target = weights_dir() / source.url.rsplit("/", 1)[-1]
        return target if target.is_file() else None
    if not source.files:
        index = hub.cached_file(source.repo, "model_index.json")
        return index.parent if index is not None and not hub.missing_parts(index.parent) else None
    found = [hub.cached_file(source.repo, name) for name in source.files]
    return None if None in found else _answer(source, found)


def fetch_source(source: Source, title: str, progress: Progress | None = None) -> Path:
    """The file or folder of one source, from this machine or fetched.

    Raises:
        NamebrushError: it is not here and could not be fetched; the sentence says why.
    """
    found = _local(source)
    if found is not None:
        return found
    try:
        return _remote(source, title, progress or Progress())
    except DownloadError as error:
        raise FetchError(f"{title} could not be fetched from {source.place}: {error}") from error


def _remote(source: Source, title: str, progress: Progress) -> Path:
    """Fetch one source."""
    checks = tuple(Check.parse(text) for text in source.checks)
    if source.url:
        target = weights_dir() / source.url.rsplit("/", 1)[-1]
        return download(source.url, target, label=title, checks=checks, size=source.size, progress=progress)
    if not source.files:
        return hub.fetch_pipeline(source.repo, label=title, progress=progress)
    found = []
    for number, name in enumerate(source.files):
        mine = checks if number == 0 else ()
        found.append(hub.fetch_file(source.repo, name, label=title, checks=mine, progress=progress))
    for name in source.extras:
        try:
            hub.fetch_file(source.repo, name, label=title, progress=progress)
        except hub.NotThere:
            continue
    return _answer(source, found)


def _answer(source: Source, found: list[Path]) -> Path:
    """A single file itself, several by their folder."""
    return found[0] if len(source.files) == 1 else found[0].parent


def _of(checkpoint: Checkpoint) -> Choice:
    return Choice(
        checkpoint.kind, checkpoint.title, checkpoint.licence, checkpoint.card, checkpoint.bytes,
        checkpoint.architecture, checkpoint=checkpoint,
    )  # fmt: skip


def _from_hub(kind: str, repo: str) -> Checkpoint:
    """A checkpoint that only a hub name is known of."""
    if kind == "clip":
        weights = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
        sources = tuple(Source(repo=repo, files=("open_clip_config.json", name)) for name in weights)
    elif kind in ("dino", "sam"):  # hub folders of SAM are SAM 2; the first SAM has files of its own
        weights = ("model.safetensors", "pytorch_model.bin")
        extras = ("preprocessor_config.json",)
        sources = tuple(Source(repo=repo, files=("config.json", name), extras=extras) for name in weights)
    else:
        sources = (Source(repo=repo),)
    page = f"https://huggingface.co/{repo}"
    return Checkpoint(repo, kind, repo, "", sources, 0, f"see {page}", f"Chosen by its hub name; see {page}.")


def _names(kind: str) -> str:
    """The names of a kind that can be had: the built-in ones where this copy carries them."""
    return ", ".join(c.name for c in of_kind(kind) if c.sources or kind != "inpaint" or HAS_PAINTER)


def _nothing(kind: str, preset: Preset) -> str:
    if kind == "inpaint":
        return (
            f"The preset {preset.name} has no inpainting model, which filling from words needs; load the preset base, "
            f"or name one with inpaint=: {_names(kind)}, a hub name or a folder. Removing works without."
        )
    return f"The preset {preset.name} has no {kind}; name one of {_names(kind)}."
