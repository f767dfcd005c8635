"""Sessions with large photos within a limit of memory, without a page and without models: what the account does alone.

    python -m benchmarks.sessions_memory --visitors 30 --megapixels 12 --limit 4GB --out curve.png

Every session opens a photo, gets a label map with masks, and an edit, with arrays as large as those of the page;
the account runs as it does in a server, and measures this process. Afterwards every step of every session is compared
with the hash of what was put in. `benchmarks.visitors_memory` does the same over HTTP with models at work.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from app import limits
from app.account import PER_PIXEL, Account
from app.session_store import SessionStore
from pipeline.errors import NamebrushError
from pipeline.history import Step, edited, segmented
from pipeline.photo import pixel_hash
from pipeline.records import ClassName, EditResult, Photo, Prompt, Region, Segmentation, Vocabulary

from .load import table

NAMES = ("house", "tree", "sky")


def photo_of(number: int, megapixels: float) -> Photo:
    """A photo that no other session has."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    small = np.random.default_rng(number).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return Photo(pixels, pixel_hash(pixels), name=f"{number}.jpg")


def found_in(photo: Photo) -> Segmentation:
    """Three names, a third of the photo each, and their masks."""
    height, width = photo.size
    labels = np.repeat(np.arange(3, dtype=np.int32), -(-height // 3))[:height, None].repeat(width, 1)
    regions = tuple(
        Region.from_mask(labels == i, id=i, class_index=i, name=name, score=0.9, prompt=Prompt(), made_by="sam")
        for i, name in enumerate(NAMES)
    )
    scores = np.zeros((3, height // 4, width // 4), np.float32)
    words = Vocabulary(tuple(map(ClassName, NAMES)))
    return Segmentation(photo, words, labels, scores, regions, "tiny", "trident", "sam")


def changed(photo: Photo, number: int) -> EditResult:
    """An edit of a box in the photo's middle."""
    height, width = photo.size
    used = np.zeros((height, width), bool)
    used[height // 3 : height // 2, width // 3 : width // 2] = True
    pixels = photo.pixels.copy()
    pixels[used] = number
    made = Photo(pixels, pixel_hash(pixels), name=photo.name)
    return EditResult(photo, (made,), used, (0,), "exemplar fill", 0)


def hashes(step) -> list[str]:
    """What a step's arrays hold."""
    found = step.segmentation
    masks = [] if found is None else [pixel_hash(found.labels), *(pixel_hash(r.crop) for r in found.regions)]
    return [pixel_hash(step.photo.pixels), *masks, *([] if step.edit is None else [pixel_hash(step.edit.mask)])]


def live(store: SessionStore, account: Account, number: int, megapixels: float) -> list[list[str]]:
    """One session's work: open, find, change, undo; the hashes of its steps."""
    session = store.session(str(number))
    photo = photo_of(number, megapixels)
    account.room(session, PER_PIXEL * photo.pixels.size // 3)
    session.push(Step("open", "photo", photo))
    account.room(session, PER_PIXEL * photo.pixels.size // 3)
    session.push(segmented(found_in(photo)))
    account.room(session, PER_PIXEL * photo.pixels.size // 3)
    session.push(edited(changed(photo, number)))
    known = [hashes(step) for step in session.history.steps]
    session.go(session.cursor - 1)
    return known


def measure(args: argparse.Namespace) -> dict:
    """Let all sessions come, and look whether all is there."""
    rows, begin, end = [], time.monotonic(), threading.Event()

    def watch() -> None:
        while not end.wait(0.1):
            rows.append((time.monotonic() - begin, float(limits.used())))

    known, refused, differing = {}, [], []
    with tempfile.TemporaryDirectory(prefix="namebrush-") as folder:
        store = SessionStore(Path(folder))
        account = Account(store, limits.parse_bytes(args.limit))
        account.start()
        threading.Thread(target=watch, daemon=True).start()
        for number in range(args.visitors):
            try:
                known[number] = live(store, account, number, args.megapixels)
            except NamebrushError as error:
                refused.append(f"{number}: {error}")
            held, now = limits.used() / 2**20, time.monotonic() - begin
            print(f"session {number:3d}: {held:6.0f} MiB, {now:6.1f} s", flush=True)
        worked = time.monotonic() - begin
        assert store.writer.flush(300)
        dropped = sum(not step.in_memory for v in store.visits() for step in v.session.history.steps)
        for number, wanted in known.items():
            if [hashes(step) for step in store.session(str(number)).history.steps] != wanted:
                differing.append(number)
        end.set()
        account.stop()
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    most = max(row[1] for row in rows)
    return {
        "sessions": len(known), "steps": sum(map(len, known.values())), "dropped": dropped, "differing": differing,
        "refused": refused, "limit": limits.parse_bytes(args.limit), "most": most, "disk": disk,
        "seconds": round(worked, 1), "memory": rows,
        "title": f"{args.visitors} sessions of {args.megapixels:g} megapixels, limit {args.limit}",
    }  # fmt: skip


def main() -> int:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--limit", default="4GB")
    parser.add_argument("--out", type=Path, help="a picture of memory over time")
    args = parser.parse_args()
    result = measure(args)
    if args.out:
        table.picture([result], args.out)
    print(json.dumps({k: v for k, v in result.items() if k not in ("memory", "title")}, indent=1))
    return int(bool(result["differing"]) or bool(result["refused"]) or result["most"] > result["limit"])


if __name__ == "__main__":
    sys.exit(main())
