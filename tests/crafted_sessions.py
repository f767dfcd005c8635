"""Session files nobody's program wrote: each differs from a good one in one way.

`CRAFTED` names the way and makes the file's bytes from the good one's. A file whose name begins with "opens" is odd
and sound; every other one must be refused.
"""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from benchmarks.fuzz.bases import good_history, session_of
from pipeline.history.session import MANIFEST
from pipeline.photo import pixel_hash

Files = dict[str, bytes]
CRAFTED: dict[str, Callable[[], bytes]] = {}


def good_bytes() -> bytes:
    """The good session file."""
    return session_of(good_history())


_GOOD = good_bytes()


def files_of(data: bytes = _GOOD) -> Files:
    """What lies in a session file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    """Files as a session file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _add(name: str, change: Callable[[Files], bytes | None]) -> None:
    def make() -> bytes:
        files = files_of()
        made = change(files)
        return zipped(files) if made is None else made

    assert name not in CRAFTED, name
    CRAFTED[name] = make


def _told(name: str, change: Callable[[dict], object]) -> None:
    """A file whose text is changed: as JSON values, or as the text that is returned."""

    def changed(files: Files) -> None:
        told = json.loads(files[MANIFEST])
        text = change(told)
        files[MANIFEST] = (text if isinstance(text, str) else json.dumps(told)).encode("utf-8", "surrogatepass")

    _add(name, changed)


def _set(*path_and_value: object) -> Callable[[dict], None]:
    *path, last, value = path_and_value

    def change(told: dict) -> None:
        for key in path:
            told = told[key]
        told[last] = value

    return change


def png(width: int, height: int, mode: int = 2, bits: int = 8, rows: int | None = None) -> bytes:
    """A PNG of one colour; `rows` fewer than `height` cut it off."""
    samples = {0: 1, 2: 3, 6: 4}[mode] * bits // 8
    packer, packed = zlib.compressobj(9), b""
    for _ in range(height if rows is None else rows):
        packed += packer.compress(bytes(1 + width * samples))
    packed += packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, mode, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def npz(**arrays: np.ndarray) -> bytes:
    """Arrays as an archive."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _npy(shape: str, descr: str = "'<f2'", data: bytes = b"") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def _file(name: str, data: bytes | Callable[[], bytes]) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files[name] = data() if callable(data) else data

    return change


def _photo_file(told: dict) -> str:
    return told["steps"][0]["photo"]["file"]


def _same_picture_under_many_names(files: Files) -> None:
    """One picture of 20 megapixels, shown by so many steps under names of their own; a few kilobytes."""
    told = json.loads(files[MANIFEST])
    data, first = png(5000, 4000), told["steps"][0]
    found = pixel_hash(np.zeros((4000, 5000, 3), np.uint8))
    told["steps"], told["ahead"], told["at"] = [], [], 0
    for index in range(60):
        name = f"photos/{found}-{index:012x}.png"
        files[name] = data
        told["steps"].append({**first, "id": index, "photo": {**first["photo"], "file": name, "hash": found}})
    files[MANIFEST] = json.dumps(told).encode()


def _with_flag(data: bytes, flag: int, method: int | None = None) -> bytes:
    """All entries marked: bit 0 says encrypted."""
    data = bytearray(data)
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(magic)
        while place >= 0:
            data[place + at] |= flag
            if method is not None:
                struct.pack_into("<H", data, place + at + 2, method)
            place = data.find(magic, place + 4)
    return bytes(data)


def _declared(size: int) -> Callable[[Files], bytes]:
    """The list of files says another unpacked size of the text than it has."""

    def change(files: Files) -> bytes:
        data = bytearray(zipped(files, zipfile.ZIP_DEFLATED))
        place = data.rfind(b"PK\x01\x02")
        struct.pack_into("<I", data, place + 24, size)
        return bytes(data)

    return change


def _doubled(files: Files) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name in (*files, MANIFEST):
            archive.writestr(zipfile.ZipInfo(name), files[name])
    return buffer.getvalue()


EDIT, FOUND, REGION = ("steps", 2, "edit"), ("steps", 1, "segmentation"), ("steps", 1, "segmentation", "regions", 0)
INF, NAN = float("inf"), float("nan")

# the tree of steps
_told("redo loops on itself", _set("ahead", [[0, 0], [1, 1], [2, 2]]))
_told("redo goes back", _set("ahead", [[0, 1], [1, 0]]))
_told("redo goes round", _set("ahead", [[0, 1], [1, 2], [2, 0]]))
_told("redo skips a step", _set("ahead", [[0, 2]]))
_told("redo to no step", _set("ahead", [[0, 99]]))
_told("redo from no step", _set("ahead", [[99, 0]]))
_told("redo of three numbers", _set("ahead", [[0, 1, 2]]))
_told("redo twice from a step", _set("ahead", [[0, 1], [0, 1]]))
_told("redo as a mapping", _set("ahead", {"0": 1}))
_told("ids twice", _set("steps", 1, "id", 0))
_told("id below zero", _set("steps", 0, "id", -1))
_told("id as text", _set("steps", 0, "id", "0"))
_told("id as a fraction", _set("steps", 0, "id", 0.0))
_told("id beyond all measure", _set("steps", 0, "id", 10**400))
_told("own parent", _set("steps", 1, "parent", 1))
_told("parent comes later", _set("steps", 1, "parent", 2))
_told("stands nowhere", _set("at", None))
_told("stands at no step", _set("at", 77))
_told("stands at true", _set("at", True))
_told("no steps", _set("steps", []))
_told("steps as text", _set("steps", "many"))
_told("kind unknown", _set("steps", 0, "kind", "format"))
_told("edit without its result", _set("steps", 0, "kind", "edit"))
_told("search without its masks", lambda told: told["steps"][1].update(segmentation=None, segmented=None))
_told("edit without its photo before", _set("steps", 2, "before", None))
_told("choice of no picture", _set("steps", 2, "choice", 2))
_told("choice of another picture than the photo", _set("steps", 2, "choice", 1))
_told("label is a list", _set("steps", 0, "label", ["a"]))
_told("label is a number", _set("steps", 0, "label", 7))
_told("label without end", _set("steps", 0, "label", "a" * 1_000_000))
_told("label is half a pair", _set("steps", 0, "label", "\ud800"))
_told("told is null", _set("steps", 1, "told", None))
_told("call is a text", _set("steps", 1, "call", "dog"))
_told("call without words", _set("steps", 1, "call", {}))
_told("words are numbers", _set("steps", 1, "call", "classes", [1, 2]))
_told("settings within settings", _set("steps", 1, "call", "settings", {"a": {"b": 1}}))
_told("models are a list", _set("steps", 1, "models", [1]))
_told("another format", _set("format", "png"))
_told("edition of nobody", _set("edition", 0))
_told("a field of tomorrow", _set("steps", 0, "future", 1))

# pictures
_told("photo outside the file", lambda told: told["steps"][0]["photo"].update(file="../../etc/passwd"))
_told("photo without a hash", lambda told: told["steps"][0]["photo"].pop("hash"))
_told("photo of another hash", lambda told: told["steps"][0]["photo"].update(hash="0" * 32))
_told("photo that is a label map", lambda told: told["steps"][0]["photo"].update(file="steps/1-labels.png"))
_told("exif that is the text", lambda told: told["steps"][0]["photo"].update(exif=MANIFEST))
_told("notes are one text", lambda told: told["steps"][0]["photo"].update(notes="a note"))
_add("one picture under many names", _same_picture_under_many_names)


def _one_photo(data: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({_photo_file(json.loads(files[MANIFEST])): data})


_add("photo of 4 gigapixels by its header", _one_photo(png(65535, 65535, rows=1)))
_add("photo of 100 megapixels", _one_photo(png(10_000, 10_000, rows=1)))
_add("photo of 45 megapixels cut off", _one_photo(png(9000, 5000, rows=10)))
_add("photo of no pixel", _one_photo(png(0, 8)))
_add("photo of one row", _one_photo(png(48, 1)))
_add("photo of a long row", _one_photo(png(70_000, 100, rows=1)))
_add("photo in grey", _one_photo(png(48, 40, mode=0)))
_add("photo is text", _one_photo(b"hello"))
_add("photo is empty", _one_photo(b""))
_add("labels of another size", _file("steps/1-labels.png", png(48, 41, mode=0, bits=16)))
_add("labels in colour", _file("steps/1-labels.png", png(48, 40)))
_add("labels of no class", _file("steps/1-labels.png", lambda: _labels(7)))
_add("labels huge", _file("steps/1-labels.png", png(65535, 65535, mode=0, bits=16, rows=1)))


def _labels(value: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 48), value, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


# arrays
_add("scores not there", _file("steps/1-scores.npz", npz(other=np.zeros(3, np.float16))))
_add("scores of other classes", _file("steps/1-scores.npz", npz(scores=np.zeros((7, 4, 4), np.float16))))
_add("scores flat", _file("steps/1-scores.npz", npz(scores=np.zeros((3, 4), np.float16))))
_add("scores of no size", _file("steps/1-scores.npz", npz(scores=np.zeros((3, 0, 4), np.float16))))
_add("scores infinite", _file("steps/1-scores.npz", npz(scores=np.full((3, 4, 4), np.inf, np.float16))))
_add("scores are texts", _file("steps/1-scores.npz", npz(scores=np.full((3, 4, 4), "a"))))
_add("scores are objects", _file("steps/1-scores.npz", zipped({"scores.npy": _npy("(3,)", "'|O'", b"cos\nsystem\n")})))
_add("scores by header huge", _file("steps/1-scores.npz", zipped({"scores.npy": _npy("(3, 99999, 99999)")})))
_add("scores by header negative", _file("steps/1-scores.npz", zipped({"scores.npy": _npy("(3, -1, -1)")})))
_add("scores by header odd", _file("steps/1-scores.npz", zipped({"scores.npy": _npy("((((3,),),),)")})))
_add("scores by a header of code", _file("steps/1-scores.npz", zipped({"scores.npy": _npy("__import__('os')")})))
_add("scores are no archive", _file("steps/1-scores.npz", b"PK\x05\x06" + bytes(18)))
_add("scores within scores", _file("steps/1-scores.npz", zipped({"scores.npz": npz(scores=np.zeros(3))})))
_add("scores by their zip huge", _file("steps/1-scores.npz", zipped(
    {"scores.npy": _npy("(3, 1000, 10000)", data=bytes(60_000_000))}, zipfile.ZIP_DEFLATED)))  # fmt: skip


def _region_arrays(**changed: np.ndarray) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        with np.load(io.BytesIO(files["steps/1-regions.npz"])) as archive:
            arrays = {name: archive[name] for name in archive.files}
        files["steps/1-regions.npz"] = npz(**{**arrays, **changed})

    return change


_add("answer beyond its side", _region_arrays(**{"logits-place0": np.array([8, 0, 0, 99, 99])}))
_add("answer of a side without end", _region_arrays(**{"logits-place0": np.array([2**40, 0, 0, 8, 8])}))
_add("answer of a side below zero", _region_arrays(**{"logits-place0": np.array([-8, 0, 0, 8, 8])}))
_add("answer of a box turned round", _region_arrays(**{"logits-place0": np.array([8, 8, 8, 0, 0])}))
_add("answer of two places", _region_arrays(**{"logits-place0": np.array([8, 0])}))
_add("answer with too few means", _region_arrays(**{"logits-coarse0": np.zeros((0, 0), np.float16)}))
_add("answer without its part", _region_arrays(**{"logits-fine0": np.zeros((1, 1), np.float16)}))
_add("prompt's mask is no square", _region_arrays(mask0=np.zeros((8, 4), np.float32)))
_add("prompt's mask is infinite", _region_arrays(mask0=np.full((8, 8), np.nan, np.float32)))
_add("prompt's mask is too large", _region_arrays(mask0=np.zeros((4096, 4096), np.float32)))

# regions and words
_told("region of a mask that wraps", _set(*REGION, "rle", {"size": [40, 48], "counts": "oooooo7" * 8}))
_told("region of another size", _set(*REGION, "rle", {"size": [46340, 46340], "counts": "0"}))
_told("region with no pixel", _set(*REGION, "rle", {"size": [40, 48], "counts": "PT1"}))
_told("region's runs as numbers", _set(*REGION, "rle", {"size": [40, 48], "counts": [2**62] * 4}))
_told("region without runs", _set(*REGION, "rle", {"size": [40, 48]}))
_told("region of no class", _set(*REGION, "class_index", 9))
_told("region of a class below", _set(*REGION, "class_index", -2))
_told("region's id is true", _set(*REGION, "id", True))
_told("region's score is infinite", _set(*REGION, "score", INF))
_told("region's score is nothing", _set(*REGION, "score", NAN))
_told("region's score is a text", _set(*REGION, "score", "1"))
_told("region's name is a mapping", _set(*REGION, "name", {"a": 1}))
_told("region's maker is a number", _set(*REGION, "made_by", 3))
_told("region accepted by a text", _set(*REGION, "accepted", "yes"))
_told("region's points are flat", _set(*REGION, "points", [1, 2]))
_told("region's points are far", _set(*REGION, "points", [[1e30, 0]]))
_told("region's points are infinite", lambda told: json.dumps(told).replace("[[10.5, 8.0]]", "[[1e999, 8.0]]"))
_told("region's points have no labels", _set(*REGION, "labels", []))
_told("region's labels are others", _set(*REGION, "labels", [2]))
_told("region's box is turned round", _set(*REGION, "prompt_box", [30, 20, 6, 4]))
_told("region's box has three numbers", _set(*REGION, "prompt_box", [1, 2, 3]))
_told("regions twice", lambda told: told["steps"][1]["segmentation"]["regions"].append(
    told["steps"][1]["segmentation"]["regions"][0]))  # fmt: skip
_told("regions are null", _set(*FOUND, "regions", None))
_told("classes are none", _set(*FOUND, "classes", []))
_told("classes are one text", _set(*FOUND, "classes", "dog"))
_told("classes have no name", _set(*FOUND, "classes", [[], ["grass"]]))
_told("threshold above one", _set(*FOUND, "threshold", 2))
_told("threshold is nothing", _set(*FOUND, "threshold", NAN))
_told("groups of no class", _set(*FOUND, "groups", [["all", 0, 9]]))
_told("groups without a name", _set(*FOUND, "groups", [[0, 1]]))
_told("groups with a class twice", _set(*FOUND, "groups", [["a", 0], ["b", 0]]))
_told("files of another step", _set(*FOUND, "name", "steps/0"))
_told("files outside", _set(*FOUND, "name", "../steps/1"))
_told("seconds are a list", _set(*FOUND, "seconds", [1]))
_told("method is null", _set(*FOUND, "method", None))

# edits
_told("edit without pictures", _set(*EDIT, "images", []))
_told("edit with a seed too few", _set(*EDIT, "seeds", [3]))
_told("edit's seed is a text", _set(*EDIT, "seeds", ["3", "4"]))
_told("edit's mask is of another size", _set(*EDIT, "mask", {"size": [30000, 30000], "counts": "PPWZk0"}))
_told("edit's origin is far", _set(*EDIT, "origin", [-1, 10**9]))
_told("edit's things are too few", _set(*EDIT, "things", [{"name": "a", "size": [40, 48], "counts": "PP2"}]))
_told("edit's things are no masks", _set(*EDIT, "things", [{"name": "a", "size": [40, 48], "counts": "zz"}] * 2))
_told("edit's ranks are texts", _set(*EDIT, "ranks", [{"seam": "a"}, {"seam": "b"}]))
_told("edit's seconds are infinite", _set(*EDIT, "seconds", {"paint": INF}))
_told("request of no kind", _set(*EDIT, "request", "kind", "explode"))
_told("request grows without end", _set(*EDIT, "request", "grow", 10**9))
_told("request of many candidates", _set(*EDIT, "request", "candidates", 10**6))
_told("request's seed is a fraction", _set(*EDIT, "request", "seed", 1.5))
_told("request's mask is of another size", _set(*EDIT, "request", "mask", {"size": [8, 8], "counts": "P2"}))
_told("request of what nobody knows", _set(*EDIT, "request", "picture_path", "/etc/passwd"))
_told("request's picture is a path", _set(*EDIT, "request", "picture", "/etc/passwd"))
_told("request's shape is unknown", _set(*EDIT, "request", "shape", "spiral"))

# the text itself
_told("text nests", lambda told: '{"at":' + "[" * 200_000)
_told("text nests with ends", lambda told: '{"at":' + "[" * 50_000 + "]" * 50_000 + "}")
_told("text of empty lists", lambda told: '{"steps":[' + "[]," * 3_000_000 + "0]}")
_told("text of many names", lambda told: "{" + ",".join(f'"{i}":0' for i in range(900_000)) + "}")
_told("text with an endless number", lambda told: '{"edition":' + "9" * 100_000 + "}")
_told("text is a list", lambda told: "[]")
_told("text is empty", lambda told: "")
_add("text in another alphabet", lambda files: files.update({MANIFEST: files[MANIFEST].decode().encode("utf-16")}))
_add("text cut off", lambda files: files.update({MANIFEST: files[MANIFEST][:-20]}))
_add("text not there", lambda files: None if files.pop(MANIFEST) else None)

# the zip around it
_add("encrypted", lambda files: _with_flag(zipped(files), 1))
_add("packed by LZMA", lambda files: zipped(files, zipfile.ZIP_LZMA))
_add("packed by bzip2", lambda files: zipped(files, zipfile.ZIP_BZIP2))
_add("packed by nobody", lambda files: _with_flag(zipped(files), 0, 99))
_add("said to be packed", lambda files: _with_flag(zipped(files), 0, 8))
_add("text by its size huge", _declared(0xFFFFFFF0))
_add("text by its size short", _declared(100))
_add("text twice", _doubled)
_add("a bomb beside", lambda files: zipped({**files, "steps/9-scores.npz": bytes(40_000_000)}, zipfile.ZIP_DEFLATED))
_add("a path that climbs", lambda files: files.update({"../../evil.png": b""}))
_add("a path from the root", lambda files: files.update({"/tmp/evil": b""}))
_add("a file of another kind", lambda files: files.update({"run.py": b"print()"}))
_add("no zip", lambda files: b"PK\x03\x04" + bytes(5000))
_add("nothing", lambda files: b"")
_add("a list of files without end", lambda files: zipped(files)[:-22] + struct.pack(
    "<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 50_000_000, 0, 0))  # fmt: skip

# odd, and sound
_told("opens with control characters", _set("steps", 0, "label", "a\x00b\x1b\ufffec"))
_told("opens with markup", _set("steps", 0, "label", "<script>alert(1)</script>{{}}$`\\"))
_told("opens with a region's name of another alphabet", _set(*REGION, "name", "\u202e\u05d0 <b>"))
_told("opens with points outside", _set(*REGION, "points", [[-5000, 99999]]))
_told("opens with an unknown maker", _set(*REGION, "made_by", "somebody"))
_told("opens with an unknown method", _set(*FOUND, "method", "by nobody"))
_told("opens without what could be redone", _set("ahead", []))
_told("opens standing at the last", _set("at", 2))
_add("opens packed again", lambda files: zipped(files, zipfile.ZIP_DEFLATED))
_add("opens with folders listed", lambda files: zipped({"photos/": b"", "steps/": b"", **files}))
