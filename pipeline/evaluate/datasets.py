"""Labelled pictures to measure on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import NamebrushError
from ..files import shown
from ..photo import open_photo
from ..records import ClassName, Photo
from ..vocabulary import clean_name
from .published import BENCHMARKS, get_benchmark

DATASETS = ("scenes", "folder", *BENCHMARKS)
#: Names the folder that holds the published data sets, where no `--root` does.
ROOT_VARIABLE = "NAMEBRUSH_DATA"
#: Held-out scenes have the seeds from here on; training never draws them.
FIRST_HELD_OUT_SEED = 1_000_000_000
DEFAULT_SCENES = 100
SCENE_SIDE = 256
#: In mask files the value that is not counted.
NOT_COUNTED = 255
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture and its truth: `truth` int32 [H, W] indexes the dataset's classes, -1 is not counted."""

    name: str
    photo: Photo
    truth: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled pictures, read one at a time when iterated.

    Attributes:
        name: what a table calls it.
        classes: the classes a truth indexes.
        keys: one per picture.
        read: makes a key's sample.
        background: whether class 0 stands for whatever is no other class, so that pixels without a class are given it.
    """

    name: str
    classes: tuple[ClassName, ...]
    keys: tuple
    read: Callable[..., Sample]
    background: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Sample]:
        return (self.read(key) for key in self.keys)


def open_dataset(name: str, root: str | None = None, limit: int | None = None, words: str = "") -> Dataset:
    """A dataset by name.

    Args:
        name: "scenes" (drawn by `training.scenes`, held-out seeds), "folder", or one of `published.BENCHMARKS`.
        root: for "folder": a folder with `images/`, `masks/` (same stems, PNG, the value of a pixel is the line of
            its class counted from 0, 255 is not counted) and `classes.txt` (one class per line, synonyms after
            semicolons). For a published one: the folder it was unpacked into, or one with several of them; None
            takes what the variable `NAMEBRUSH_DATA` names.
        limit: pictures at most; None takes 100 scenes, or all of a folder or split.
        words: whose class words are typed for a published one, of `published.AUTHORS`.

    Raises:
        NamebrushError: no such dataset, or a folder that is not laid out so.
    """
    if limit is not None and limit < 1:
        raise NamebrushError(f"The limit must be a whole number of at least 1, got {limit}.")
    if name == "scenes":
        return _scenes(limit or DEFAULT_SCENES)
    if name == "folder":
        if not root:
            raise NamebrushError("The dataset folder needs --root: a folder with images/, masks/ and classes.txt.")
        return _folder(Path(root).expanduser(), limit)
    if name in BENCHMARKS:
        return _published(name, data_root(root), limit, words)
    raise NamebrushError(f'There is no dataset "{name}". Choose one of: {", ".join(DATASETS)}.')


def data_root(root: str | None) -> Path | None:
    """The folder of the published data sets: `root`, or what `NAMEBRUSH_DATA` names, or None."""
    given = root or os.environ.get(ROOT_VARIABLE)
    return Path(given).expanduser() if given else None


def _published(name: str, root: Path | None, limit: int | None, words: str) -> Dataset:
    benchmark = get_benchmark(name)
    if root is None:
        raise NamebrushError(f"{benchmark.title} needs --root, or the variable {ROOT_VARIABLE}: the folder it is in.")
    folder = benchmark.folder(root)
    pairs, classes = benchmark.pairs(folder)[:limit], benchmark.classes(words, folder)

    def read(pair: tuple[Path, Path]) -> Sample:
        photo, truth = open_photo(pair[0]), benchmark.read(pair[1])
        if truth.shape != photo.size:
            raise NamebrushError(f'"{shown(pair[1])}" has not the size of its photo.')
        if truth.max() >= len(classes):
            raise NamebrushError(f'"{shown(pair[1])}" holds class {truth.max()}; there are {len(classes)}.')
        return Sample(pair[0].name, photo, truth)

    return Dataset(name, classes, tuple(pairs), read, benchmark.background)


def _scenes(count: int) -> Dataset:
    try:
        from training.scenes import NOUNS, make_scene
    except ModuleNotFoundError as error:
        raise NamebrushError(
            "The scenes are drawn by the folder training/ of the repository; run this from there."
        ) from error

    def read(seed: int) -> Sample:
        scene = make_scene(seed, SCENE_SIDE, SCENE_SIDE)
        return Sample(str(seed), open_photo(scene.image), scene.classes.astype(np.int32))

    seeds = tuple(range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + count))
    return Dataset("scenes", tuple(ClassName(noun) for noun in NOUNS), seeds, read)


def _folder(root: Path, limit: int | None) -> Dataset:
    listing = root / "classes.txt"
    if not listing.is_file() or not (root / "images").is_dir() or not (root / "masks").is_dir():
        raise NamebrushError(f'"{root}" must hold images/, masks/ and classes.txt.')
    classes = tuple(_class(line, i) for i, line in enumerate(listing.read_text("utf-8-sig").rstrip().splitlines(), 1))
    if not 0 < len(classes) <= NOT_COUNTED:
        raise NamebrushError(f'"{listing}" must name 1 to {NOT_COUNTED} classes, one per line.')
    pictures = sorted(p for p in (root / "images").iterdir() if p.suffix.lower() in _PICTURES)[:limit]
    if not pictures:
        raise NamebrushError(f'There are no pictures in "{root / "images"}".')
    missing = [p.stem for p in pictures if not (root / "masks" / f"{p.stem}.png").is_file()]
    if missing:
        raise NamebrushError(f'{len(missing)} pictures have no mask, the first is masks/{missing[0]}.png.')

    def read(path: Path) -> Sample:
        photo = open_photo(path)
        return Sample(path.name, photo, _read_truth(root / "masks" / f"{path.stem}.png", photo, len(classes)))

    return Dataset(root.resolve().name, classes, tuple(pictures), read)


def _class(line: str, number: int) -> ClassName:
    words = [word for word in map(clean_name, line.split(";")) if word]
    if not words:
        raise NamebrushError(f"Line {number} of classes.txt is empty.")
    return ClassName(words[0], tuple(words[1:]))


def _read_truth(path: Path, photo: Photo, classes: int) -> np.ndarray:
    """A mask file's values as labels; a palette's indices are read, not its colours."""
    try:
        with Image.open(path, formats=("PNG", "TIFF", "BMP", "GIF")) as image:
            values = np.asarray(image).astype(np.int32)
    except (OSError, ValueError) as error:
        raise NamebrushError(f'"{path}" could not be read as a picture.') from error
    if values.shape != photo.size:
        height, width = photo.size
        raise NamebrushError(f'"{path}" must be a grey or palette picture of {width} x {height} pixels.')
    counted = values != NOT_COUNTED
    if values.min() < 0 or (counted.any() and values[counted].max() >= classes):
        raise NamebrushError(f'"{path}" holds values beyond the {classes} lines of classes.txt.')
    return np.where(counted, values, -1)
