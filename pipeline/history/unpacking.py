"""Entries of a session file as records again; what concerns pixels is checked here, all else was in `manifest`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from ..edit.settings import EditSettings
from ..edit_records import EditRequest, EditResult
from ..errors import NamebrushError
from ..kept_logits import KeptLogits
from ..photo import pixel_hash
from ..records import NO_CLASS, ClassName, Photo, Prompt, Region, Segmentation, Vocabulary
from ..rle import check_rle, decode_region, decode_rle
from .archive import Archive
from .manifest import PhotoEntry, RegionEntry, RequestEntry, ResultEntry, RleEntry, SegmentationEntry, StepEntry
from .packing import NO_LABEL, SCORES_SIDE
from .steps import Step

#: Side at most of a model's low-resolution answer.
_MOST_LOGITS = 1024


class Unpacker:
    """Makes records of one session's entries; what is the same in several steps is one record or array."""

    def __init__(self, archive: Archive):
        self.archive = archive
        self._photos: dict[tuple, Photo] = {}
        self._files: dict[str, tuple[np.ndarray, np.ndarray | None, str]] = {}
        # by the identity of what the archive read, which it keeps
        self._labels: dict[int, np.ndarray] = {}
        self._scores: dict[int, np.ndarray] = {}
        self._crops: dict[tuple[str, tuple[int, int]], tuple] = {}

    def step(self, entry: StepEntry) -> Step:
        """A step with its photo, masks and edit.

        Raises:
            NamebrushError, ValueError, KeyError: something is damaged, of another size than its photo, or too large.
        """
        photo, found, edit = self.photo(entry.photo), None, None
        if entry.segmentation is not None:
            segmented = self.photo(entry.segmented)
            if segmented.size != photo.size:
                raise ValueError("masks of a photo of another size")
            found = self.segmentation(entry.segmentation, segmented)
        if entry.edit is not None:
            edit = self.result(entry.edit, self.photo(entry.before))
            if edit.images[entry.choice].hash != photo.hash:
                raise ValueError("a photo that is not the result which was chosen")
        call = {name: value for name, value in entry.call if value is not None}
        return Step(
            entry.kind, entry.label, photo, found, edit, entry.choice, call, entry.told, entry.models, entry.id,
            entry.parent,
        )  # fmt: skip

    def photo(self, entry: PhotoEntry) -> Photo:
        """A photo, the same record for equal entries; that its pixels are the same is checked by the hash."""
        key = (entry.file, entry.name, tuple(entry.notes), entry.exif, entry.icc)
        if key not in self._photos:
            pixels, alpha, true_hash = self._pixels(entry.file)
            if true_hash != entry.hash:
                raise NamebrushError(f"The picture {entry.file} in this session file is damaged.")
            exif, icc = (None if name is None else self.archive.extra(name) for name in (entry.exif, entry.icc))
            self._photos[key] = Photo(pixels, entry.hash, alpha, exif, icc, entry.name, tuple(entry.notes))
        return self._photos[key]

    def _pixels(self, file: str) -> tuple[np.ndarray, np.ndarray | None, str]:
        """Colours, transparency and hash of a picture; the same arrays however many photos show it."""
        if file not in self._files:
            samples = self.archive.picture(file)
            if samples.ndim != 3:
                raise NamebrushError("A picture in this session file is not 8-bit colour.")
            pixels = np.ascontiguousarray(samples[..., :3])
            alpha = np.ascontiguousarray(samples[..., 3]) if samples.shape[2] == 4 else None
            true_hash, ending = pixel_hash(pixels), "" if alpha is None else f"-{pixel_hash(alpha)[:12]}"
            if file != f"photos/{true_hash}{ending}.png":  # a picture has one name, however many photos show it
                raise NamebrushError(f"The picture {file} in this session file is damaged.")
            self._files[file] = pixels, alpha, true_hash
        return self._files[file]

    def segmentation(self, entry: SegmentationEntry, photo: Photo) -> Segmentation:
        """A segmentation; its scores are as large as they were kept."""
        words = Vocabulary(
            tuple(ClassName(one[0], tuple(one[1:])) for one in entry.classes), tuple(entry.background),
            entry.threshold, tuple(entry.word_notes), tuple((one[0], tuple(one[1:])) for one in entry.groups),
        )  # fmt: skip
        arrays = self.archive.arrays(f"{entry.name}-regions.npz") if entry.arrays else {}
        return Segmentation(
            photo, words, self._labels_of(entry, photo), self._scores_of(entry),
            tuple(self._region(one, str(index), arrays, photo.size) for index, one in enumerate(entry.regions)),
            entry.preset, entry.method, entry.refine, entry.seconds, tuple(entry.notes),
        )  # fmt: skip

    def _labels_of(self, entry: SegmentationEntry, photo: Photo) -> np.ndarray:
        samples = self.archive.picture(f"{entry.name}-labels.png")
        if samples.ndim != 2 or samples.shape != photo.size:
            raise ValueError("a label map of another size than its photo")
        if id(samples) not in self._labels:  # steps that left the labels as they were share them, as they did
            self.archive.budget.take(samples.size * 4)
            labels = samples.astype(np.int32)
            labels[labels == NO_LABEL] = NO_CLASS
            self._labels[id(samples)] = labels
        labels = self._labels[id(samples)]
        if labels.max() >= len(entry.classes):
            raise ValueError("labels of no class")
        return labels

    def _scores_of(self, entry: SegmentationEntry) -> np.ndarray:
        scores = self.archive.arrays(f"{entry.name}-scores.npz")["scores"]
        channels = len(entry.classes) + bool(entry.background)
        fits = scores.ndim == 3 and len(scores) in (len(entry.classes), channels)
        if not fits or not 0 < min(scores.shape) or max(scores.shape[1:]) > SCORES_SIDE:
            raise ValueError("scores of another number of classes, or of no size")
        if id(scores) not in self._scores:
            self.archive.budget.take(scores.size * 4)
            self._scores[id(scores)] = scores.astype(np.float32)
        return self._scores[id(scores)]

    def _region(
        self, entry: RegionEntry, stem: str, arrays: Mapping[str, np.ndarray], size: tuple[int, int]
    ) -> Region:
        if entry.rle.size != tuple(size):
            raise ValueError("a region of a photo of another size")
        key = entry.rle.counts, entry.rle.size
        if key not in self._crops:
            box, crop = decode_region(_plain(entry.rle), size)
            self.archive.budget.take(crop.size)
            self._crops[key] = box, crop
        box, crop = self._crops[key]
        prompt = Prompt(
            np.array(entry.points, np.float32).reshape(-1, 2), np.array(entry.labels, np.int32), entry.prompt_box,
            _square(arrays.get(f"mask{stem}"), np.float32),
        )  # fmt: skip
        kept = {part: arrays.get(f"logits-{part}{stem}") for part in ("fine", "coarse", "place")}
        # Older files hold answers whole.
        whole = kept["place"] is None
        logits = _square(arrays.get(f"logits{stem}"), None) if whole else KeptLogits.unpacked(kept)
        return Region(
            entry.id, entry.class_index, entry.name, box, crop, tuple(size), entry.score, prompt, entry.made_by,
            entry.iou, logits, entry.accepted,
        )  # fmt: skip

    def result(self, entry: ResultEntry, before: Photo) -> EditResult:
        """What came of an edit of the photo before it."""
        images = tuple(map(self.photo, entry.images))
        size = images[0].size
        for thing in entry.things:
            check_rle(_plain(thing), size)
        return EditResult(
            before, images, self._mask(entry.mask, size), tuple(entry.seeds), entry.made_by, entry.changed_outside,
            entry.seconds, tuple(entry.origin), tuple(entry.notes), tuple(entry.ranks),
            None if entry.request is None else self._request(entry.request, before.size), entry.models,
            tuple({"name": thing.name, **_plain(thing)} for thing in entry.things),
        )  # fmt: skip

    def _request(self, entry: RequestEntry, size: tuple[int, int]) -> EditRequest:
        plain = {f.name: getattr(entry, f.name) for f in dataclasses.fields(EditSettings)}
        # what extends a canvas reads no mask, and may have been given one of any size
        mask = self._mask(entry.mask, None if entry.kind == "extend" else size)
        return EditRequest(**plain, mask=mask, picture=None if entry.picture is None else self.photo(entry.picture))

    def _mask(self, entry: RleEntry, size: tuple[int, int] | None) -> np.ndarray:
        check_rle(_plain(entry), size, self.archive.most_pixels)
        self.archive.budget.take(entry.size[0] * entry.size[1])
        return decode_rle(_plain(entry), size, self.archive.most_pixels)


def _plain(entry: RleEntry) -> dict:
    return {"size": list(entry.size), "counts": entry.counts}


def _square(array: np.ndarray | None, dtype: type | None) -> np.ndarray | None:
    """Logits of a low-resolution answer, [n, n]."""
    if array is None:
        return None
    if array.ndim != 2 or len(set(array.shape)) != 1 or not 0 < len(array) <= _MOST_LOGITS:
        raise ValueError("an answer that is no square")
    if array.dtype.kind != "f" or (dtype is not None and array.dtype != dtype):
        raise ValueError("an answer of another type")
    return array
