"""The published evaluations' data sets, read as they are distributed.

Each is one `Benchmark`: what it is, what its folder must hold, and how label files become class indices. Labels are
read where they lie; what has to be converted once (Context's JSON) goes into a folder beside the data, never into it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import NamebrushError
from ..files import shown
from ..records import ClassName
from . import labels

WORDS = Path(__file__).resolve().parent / "classes"
#: Whose class words there are: those most methods share (""), and the lists of SCLIP and NACLIP, and of ClearCLIP.
AUTHORS = ("", "sclip", "clearclip")
#: A picture, and the file with its labels.
Pair = tuple[Path, Path]


@dataclass(frozen=True)
class Benchmark:
    """A published data set.

    Attributes:
        name, title: as a flag names it, and as a paper does.
        places: folders below the root where it may lie.
        holds: what it needs there: per need the paths any of which will do.
        pairs: lists the evaluated split's pictures with their label files, in its order; raises `NamebrushError`.
        read: a label file's classes, int32 [H, W], -1 where not counted.
        pictures: their published number.
        background: class 0 stands for whatever is no other class, so pixels without a class are given it.
        size, licence, home: of the download, for a person.
        listing: a file of the data set itself with its class words, where these are not kept here.
    """

    name: str
    title: str
    places: tuple[str, ...]
    holds: tuple[tuple[str, ...], ...]
    pairs: Callable[[Path], list[Pair]]
    read: Callable[[Path], np.ndarray]
    pictures: int
    background: bool
    size: str
    licence: str
    home: str
    listing: str = ""

    def classes(self, authors: str = "", folder: Path | None = None) -> tuple[ClassName, ...]:
        """The classes in the order of the labels, with the words of `authors` where these have their own.

        Args:
            authors: of `AUTHORS`.
            folder: where the data set lies, for one that brings its words along.

        Raises:
            NamebrushError: `authors` is none of `AUTHORS`.
        """
        if self.listing:
            return () if folder is None else read_numbered_words(folder / self.listing)
        if authors not in AUTHORS:
            raise NamebrushError(f'There are no class words of "{authors}", only of {" and ".join(AUTHORS[1:])}.')
        own = WORDS / f"{self.name}-{authors}.txt"
        return read_words(own if authors and own.is_file() else WORDS / f"{self.name}.txt")

    def folder(self, root: Path) -> Path:
        """Where it lies below a root.

        Raises:
            NamebrushError: nowhere; the first file that is missing is named.
        """
        there = [root / place for place in self.places if (root / place).is_dir()]
        for folder in there:
            if not self._missing(folder):
                return folder
        closest = min(there or [root / self.places[0]], key=lambda folder: len(self._missing(folder)))
        raise NamebrushError(
            f'{self.title} needs "{shown(closest / self._missing(closest)[0])}", which is missing; see '
            "`python -m pipeline datasets`."
        )

    def _missing(self, folder: Path) -> list[str]:
        """The paths of `holds` that are not in a folder."""
        return [any_of[0] for any_of in self.holds if not any((folder / one).exists() for one in any_of)]


def read_words(path: Path) -> tuple[ClassName, ...]:
    """A file of class words: a line per class, its words separated by `;`, in some authors' lists by `,`."""
    classes = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        words = [word.strip() for word in line.replace(",", ";").split(";") if word.strip()]
        if words:
            classes.append(ClassName(words[0], tuple(dict.fromkeys(words[1:]))))
    return tuple(classes)


def read_numbered_words(path: Path) -> tuple[ClassName, ...]:
    """A file of lines such as `1: accordion`, in the order of its numbers, which must count from 1.

    Raises:
        NamebrushError: it is laid out otherwise.
    """
    pairs = [line.split(":", 1) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    numbered = {int(pair[0]): pair[1].strip() for pair in pairs if len(pair) == 2 and pair[0].strip().isdigit()}
    if not numbered or sorted(numbered) != list(range(1, len(pairs) + 1)) or not all(numbered.values()):
        raise NamebrushError(f'"{shown(path)}" must hold lines such as "1: accordion", counted from 1.')
    return tuple(ClassName(numbered[number]) for number in sorted(numbered))


def _split(listing: Path) -> list[str]:
    """The names in a split's list; some lists hold more columns."""
    return [line.split()[0] for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]


def _checked(pairs: list[Pair], where: Path) -> list[Pair]:
    """The pairs, after a look whether all their files are there.

    Raises:
        NamebrushError: there are none, or a file is missing.
    """
    if not pairs:
        raise NamebrushError(f'There are no pictures in "{shown(where)}".')
    gone = [file for pair in pairs for file in pair if not file.is_file()]
    if gone:
        raise NamebrushError(f'{len(gone)} files of the split are missing, the first is "{shown(gone[0])}".')
    return pairs


def _voc(folder: Path) -> list[Pair]:
    names = _split(folder / "ImageSets/Segmentation/val.txt")
    pairs = [(folder / f"JPEGImages/{n}.jpg", folder / f"SegmentationClass/{n}.png") for n in names]
    return _checked(pairs, folder)


def _context(folder: Path) -> list[Pair]:
    """Context's pictures with PNGs made by others, MAT files as distributed, or PNGs made here from its JSON."""
    listing = folder / "ImageSets/SegmentationContext/val.txt"
    masks, ending = folder / "SegmentationClassContext", ".png"
    if not masks.is_dir() and (folder / "trainval").is_dir():
        masks, ending = folder / "trainval", ".mat"
    names = _split(listing) if listing.is_file() else None
    if not masks.is_dir():
        masks = folder.parent / f"{folder.name}-labels-by-namebrush"
        converted = labels.convert_context_json(folder / "trainval_merged.json", masks)
        names = names or converted
    if names is None:
        raise NamebrushError(f'"{shown(listing)}" is missing; it lists the pictures that are evaluated.')
    return _checked([(folder / f"JPEGImages/{n}.jpg", masks / f"{n}{ending}") for n in names], folder)


def _context_mat(folder: Path) -> list[Pair]:
    names = _split(folder / "ImageSets/SegmentationContext/val.txt")
    return _checked([(folder / f"JPEGImages/{n}.jpg", folder / f"trainval/{n}.mat") for n in names], folder)


def _coco(folder: Path) -> list[Pair]:
    """COCO's val2017 with the maps of COCO-Stuff, wherever of the usual places these were unpacked."""
    pictures = next(p for p in (folder / "images/val2017", folder / "val2017") if p.is_dir())
    maps = next(p for p in (folder / m for m in _COCO_MAPS) if p.is_dir())
    pairs = []
    for picture in sorted(pictures.glob("*.jpg")):
        contiguous = maps / f"{picture.stem}_labelTrainIds.png"
        pairs.append((picture, contiguous if contiguous.is_file() else maps / f"{picture.stem}.png"))
    return _checked(pairs, pictures)


_COCO_MAPS = ("annotations/val2017", "stuffthingmaps/val2017", "annotations/stuffthingmaps/val2017")


def _cityscapes(folder: Path) -> list[Pair]:
    pairs = []
    for picture in sorted((folder / "leftImg8bit/val").glob("*/*_leftImg8bit.png")):
        stem = folder / "gtFine/val" / picture.parent.name / picture.name.replace("_leftImg8bit.png", "_gtFine_")
        files = [stem.with_name(f"{stem.name}{kind}.png") for kind in ("labelTrainIds", "labelIds", "color")]
        pairs.append((picture, next((f for f in files if f.is_file()), files[0])))
    return _checked(pairs, folder / "leftImg8bit/val")


def _ade(folder: Path) -> list[Pair]:
    pictures = sorted((folder / "images/validation").glob("*.jpg"))
    return _checked([(p, folder / f"annotations/validation/{p.stem}.png") for p in pictures], folder)


_VOC = {
    "places": ("VOC2012", "VOCdevkit/VOC2012", "."), "pairs": _voc, "pictures": 1449, "size": "2.0 GB",
    "holds": (("ImageSets/Segmentation/val.txt",), ("JPEGImages",), ("SegmentationClass",)),
    "licence": "photos under Flickr's terms", "home": "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
}  # fmt: skip
_CONTEXT = {
    "places": ("VOC2010", "VOCdevkit/VOC2010", "."), "pairs": _context, "pictures": 5104, "size": "1.3 GB and 35 MB",
    "holds": (("JPEGImages",), ("SegmentationClassContext", "trainval", "trainval_merged.json")),
    "licence": "photos under Flickr's terms", "home": "https://cs.stanford.edu/~roozbeh/pascal-context/",
}  # fmt: skip
_CONTEXT_MAT = {
    **_CONTEXT, "pairs": _context_mat,
    "holds": (("JPEGImages",), ("trainval",), ("labels.txt",), ("ImageSets/SegmentationContext/val.txt",)),
}  # fmt: skip
_COCO = {
    "places": ("coco", "coco_stuff164k", "."), "pairs": _coco, "pictures": 5000, "size": "0.8 GB and 0.7 GB",
    "holds": (("images/val2017", "val2017"), _COCO_MAPS),
    "licence": "labels CC BY 4.0, photos under Flickr's terms", "home": "https://github.com/nightrome/cocostuff",
}  # fmt: skip

BENCHMARKS = {
    one.name: one
    for one in (
        Benchmark("voc21", "Pascal VOC 2012 with background", read=labels.read_kept, background=True, **_VOC),
        Benchmark("voc20", "Pascal VOC 2012", read=labels.read_reduced, background=False, **_VOC),
        Benchmark("context60", "Pascal Context with background", read=labels.read_context, background=True,
                  **_CONTEXT),
        Benchmark("context59", "Pascal Context", read=labels.read_context_reduced, background=False, **_CONTEXT),
        Benchmark("context459", "Pascal Context, all 459 classes", read=labels.read_context459, background=False,
                  listing="labels.txt", **_CONTEXT_MAT),
        Benchmark("coco-object", "COCO-Object", read=labels.read_coco_object, background=True, **_COCO),
        Benchmark("coco-stuff", "COCO-Stuff 164k", read=labels.read_coco_stuff, background=False, **_COCO),
        Benchmark(
            "cityscapes", "Cityscapes", ("cityscapes", "."), (("leftImg8bit/val",), ("gtFine/val",)), _cityscapes,
            labels.read_cityscapes, 500, False, "11 GB and 0.2 GB", "its own, for research; after registration",
            "https://www.cityscapes-dataset.com/",
        ),
        Benchmark(
            "ade20k", "ADE20K-150", ("ADEChallengeData2016", "ade/ADEChallengeData2016", "ade20k", "."),
            (("images/validation",), ("annotations/validation",)), _ade, labels.read_reduced, 2000, False, "0.9 GB",
            "BSD-3 for labels, photos for research", "http://sceneparsing.csail.mit.edu/",
        ),
    )
}  # fmt: skip


def get_benchmark(name: str) -> Benchmark:
    """A data set by its name.

    Raises:
        NamebrushError: there is none of that name.
    """
    if name not in BENCHMARKS:
        raise NamebrushError(f'There is no data set "{name}". There are {", ".join(BENCHMARKS)}.')
    return BENCHMARKS[name]
