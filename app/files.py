"""Downloads: files at the photo's own size, written when they are asked for and deleted once they are handed over."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.draw import region_titles
from pipeline.errors import NamebrushError
from pipeline.history import save_session
from pipeline.history.session import ENDING
from pipeline.mask_formats import FORMATS
from pipeline.settings import setting, validate

from .session import Session


@dataclass(frozen=True)
class SaveSettings:
    """How photos and masks are written."""

    photo: str = setting(
        "png", "Photo as", "PNG loses nothing; JPEG has no transparency.", choices=("png", "jpg", "webp")
    )  # fmt: skip
    quality: int = setting(95, "Quality", "Of JPEG and WebP; at 100 WebP loses nothing.", min=1, max=100)
    masks: str = setting(
        "png", "Masks as", "Single PNGs, one indexed PNG, COCO's run lengths, or LabelMe's polygons.",
        choices=tuple(FORMATS),
    )  # fmt: skip

    def __post_init__(self):
        validate(self)


KINDS = ("photo", "masks", "regions", "overlay", "layers", "session")


def stem(name: str) -> str:
    """A file name without its ending, with only characters every file system takes."""
    cleaned = re.sub(r"[^\w.-]+", "_", Path(name).stem, flags=re.UNICODE).strip("._")
    return cleaned[:60] or "photo"


@contextmanager
def written(session: Session, kind: str, saving: SaveSettings | None = None) -> Iterator[Path]:
    """The file of one kind in a folder that is deleted afterwards.

    Args:
        session: whose current step is written.
        kind: "photo" (the photo as it is now), "masks" (a ZIP of labels.png, the masks, and after a change the mask
            it used), "regions"
            (regions.json), "overlay" (the photo with everything drawn on it, PNG), "layers" (OpenRaster: the
            photo as it was before the last change, the change, and every mask as a hidden layer) or "session" (the
            whole history, to be opened again).
        saving: formats; None: the defaults.

    Raises:
        NamebrushError: there is nothing of that kind yet.
    """
    step, saving = session.step, saving or SaveSettings()
    if step is None:
        raise NamebrushError(session.say("no_photo"))
    if kind not in KINDS:
        raise NamebrushError(f'There is no download called "{kind}"; there are {", ".join(KINDS)}.')
    used = kind == "masks" and step.edit is not None
    if kind not in ("photo", "layers", "session") and not step.regions and not used:
        raise NamebrushError(session.say("no_masks_to_save"))
    base = stem(step.photo.name)
    with TemporaryDirectory(prefix="namebrush-") as folder:
        out = Path(folder)
        if kind == "layers":
            path = out / f"{base}.ora"
            path.write_bytes(_layers(step))
        elif kind == "session":
            path = out / f"{base}{ENDING}"
            history = session.history
            save_session(history, path)
            session.kept = history.steps
        elif kind == "photo":
            path = out / f"{base}-namebrush.{saving.photo}"
            step.photo.save(path, quality=saving.quality)
        else:
            from pipeline.export import write_segmentation

            if step.segmentation is not None:
                write_segmentation(step.segmentation, out / "parts", colors=session.colors())
            if kind == "masks":
                path = _zip(step, out, base, saving.masks)
            else:
                name = {"regions": "regions.json", "overlay": "overlay.png"}[kind]
                path = (out / "parts" / name).rename(out / f"{base}-{name}")
        yield path


def _layers(step) -> bytes:
    from pipeline.openraster import layers_of, ora_bytes

    if step.edit is None:
        return ora_bytes(layers_of(step.photo, step.segmentation), step.photo.size)
    chosen = next((i for i, image in enumerate(step.edit.images) if image is step.photo), 0)
    edits = [(step.label, step.edit, chosen)]
    return ora_bytes(layers_of(step.edit.photo, step.segmentation, edits), step.photo.size)


def _zip(step, out: Path, base: str, format: str) -> Path:
    from pipeline.export import mask_png

    path = out / f"{base}-masks.zip"
    names = region_titles(step.regions)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for part in ("labels.png", "regions.json") if step.segmentation is not None else ():
            archive.write(out / "parts" / part, part, zipfile.ZIP_DEFLATED)
        if step.edit is not None:
            archive.writestr("changed.png", mask_png(step.edit.mask))
        if format != "png" and step.regions:
            from pipeline.masks_out import mask_files

            for name, data in mask_files(step.photo, step.regions, format).items():
                archive.writestr(name, data, zipfile.ZIP_DEFLATED)
            return path
        for region in step.regions:
            archive.writestr(f"masks/{region.id:03d}_{stem(names[region.id])}.png", mask_png(region.mask))
    return path
