"""Reads a visitor's saved steps back through the checks of session files; records that are alive are handed out again.

It imports what checks session files, which takes a moment; `visitor_folder` imports it when it is first needed.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path

from pipeline.errors import NamebrushError
from pipeline.history import Step
from pipeline.history.archive import Archive, Budget
from pipeline.history.manifest import MOST_TEXT, PhotoEntry, ResultEntry
from pipeline.history.unpacking import Unpacker
from pipeline.records import EditResult, Photo

#: Bounds for files this server wrote itself: a canvas may have been extended beyond what may be opened.
MOST_PIXELS, MOST_BYTES = 400_000_000, 16 << 30


class FolderArchive(Archive):
    """The files of saved steps in a folder."""

    def __init__(self, folder: Path):
        super().__init__(None, Budget(MOST_BYTES), MOST_PIXELS)
        self.folder = folder

    def step(self, number: int) -> bytes:
        """The text that tells a step."""
        return self._read(f"steps/{int(number)}.json", MOST_TEXT)

    def _read(self, name: str, most: int) -> bytes:
        path = self.folder / name
        if path.stat().st_size > most:
            raise NamebrushError("A part of this session file is larger than it can be.")
        return path.read_bytes()


class Reader(Unpacker):
    """Unpacks a step.

    Args:
        archive: its files.
        photos, edits: records that may be alive, by `_photo_key` and `_edit_key`; those read are added.
    """

    def __init__(
        self, archive: Archive, photos: MutableMapping[tuple, Photo], edits: MutableMapping[tuple, EditResult]
    ):
        super().__init__(archive)
        self.alive, self.edits = photos, edits

    def photo(self, entry: PhotoEntry) -> Photo:
        """As of `Unpacker`."""
        key = _photo_key(entry.model_dump())
        found = self.alive.get(key)
        if found is None:
            found = self.alive[key] = super().photo(entry)
        return found

    def result(self, entry: ResultEntry, before: Photo) -> EditResult:
        """As of `Unpacker`."""
        key = _edit_key(entry.model_dump(), before)
        found = self.edits.get(key)
        if found is None:
            found = self.edits[key] = super().result(entry, before)
        return found


def note_records(
    step: Step, entry: Mapping, photos: MutableMapping[tuple, Photo], edits: MutableMapping[tuple, EditResult]
) -> None:
    """Remember the records of a step that was packed as `entry`."""
    pairs = [(step.photo, entry["photo"])]
    if step.segmentation is not None:
        pairs.append((step.segmentation.photo, entry["segmented"]))
    if step.edit is not None:
        pairs += [(step.edit.photo, entry["before"]), *zip(step.edit.images, entry["edit"]["images"], strict=True)]
        edits.setdefault(_edit_key(entry["edit"], step.edit.photo), step.edit)
    for photo, packed in pairs:
        photos.setdefault(_photo_key(packed), photo)


def _photo_key(entry: Mapping) -> tuple:
    return entry["file"], entry["name"], tuple(entry["notes"]), entry.get("exif"), entry.get("icc")


def _edit_key(entry: Mapping, before: Photo) -> tuple:
    files = tuple(image["file"] for image in entry["images"])
    return files, tuple(entry["seeds"]), entry["mask"]["counts"], entry["made_by"], before.hash
