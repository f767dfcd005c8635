"""A stand-in engine for the page's tests: it answers at once with masks that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app import plain
from pipeline import regions_edit
from pipeline.comparison.entries import parse_entries
from pipeline.photo import open_photo
from pipeline.records import ClassName, EditRequest, EditResult, Prompt, Region, Segmentation, Vocabulary

H, W = 40, 60


def photo(seed=0, height=H, width=W):
    return open_photo(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def mask(x0, y0, x1, y1, height=H, width=W):
    made = np.zeros((height, width), bool)
    made[y0:y1, x0:x1] = True
    return made


def region(number, area, class_index=0, name="dog", points=(), made_by="sam"):
    prompt = Prompt(points=np.float32(points).reshape(-1, 2), labels=np.ones(len(points), np.int32))
    return Region.from_mask(
        area, id=number, class_index=class_index, name=name, score=0.9, prompt=prompt, made_by=made_by
    )


def segmentation(picture, *regions, names=("dog", "grass")):
    labels = np.full(picture.size, -1, np.int32)
    for r in regions:
        if r.class_index >= 0:
            labels[r.mask] = r.class_index
    vocabulary = Vocabulary(tuple(ClassName(n) for n in names))
    scores = np.zeros((len(names), 4, 4), np.float32)
    return Segmentation(picture, vocabulary, labels, scores, tuple(regions), "tiny", "trident", "sam", {"encode": 1.5})


class Engine:
    """Answers with known masks and keeps what it was asked."""

    class models:
        """Names its models."""

        @staticmethod
        def title(kind):
            return f"a {kind} that stands in"

    def __init__(self):
        self.asked = []
        self.before_answer = lambda: None

    def segment(self, picture, words, progress, **options):
        self.asked.append(("segment", words, options))
        progress.step("Looking", 0.5)
        self.before_answer()
        names = tuple(w.strip() for w in words.split(","))
        return segmentation(picture, region(0, mask(2, 2, 12, 12)), region(1, mask(30, 5, 50, 30)), names=names)

    def select(self, picture, points, box, progress):
        self.asked.append(("select", points, box))
        progress.step("Drawing", 0.5)
        self.before_answer()
        return region_by_hand(points, box)

    def correct(self, found, region, add, remove, progress, box=None):
        self.asked.append(("correct", region, add, remove))
        progress.step("Drawing", 0.5)
        self.before_answer()
        old = found.region(region)
        made = replace(region_by_hand(add, None), id=old.id, class_index=old.class_index, name=old.name)
        return regions_edit.put(found, made)

    def compare(self, picture, words, methods, progress, alone, others, keep, **options):
        self.asked.append(("compare", methods, alone, options))
        entries = [e.resolved("sam", "tiny") for e in parse_entries(methods)]
        memory = {"process": 5_000_000} if alone else {}
        return tuple(
            keep(replace(self.segment(picture, words, progress), method=e.method, refine=e.refine, preset=e.preset,
                         memory=memory))
            for e in entries
        )  # fmt: skip

    def edit(self, picture, what, kind, prompt, progress, **options):
        self.asked.append(("edit", kind, prompt, options))
        progress.step("Filling", 0.5)
        self.before_answer()
        used = np.logical_or.reduce([r.mask for r in what])
        pixels = picture.pixels.copy()
        pixels[used] = 7
        done = open_photo(pixels)
        request = EditRequest(kind, used)
        return EditResult(picture, (done,), used, (0,), "exemplar fill", 0, {"edit": 0.5}, request=request)


def region_by_hand(points, box):
    return replace(region(0, mask(20, 20, 28, 28), -1, "by hand", [p[:2] for p in points], "grabcut"))


def shown(x, y):
    """The shown pixel over the middle of a photo pixel."""
    fy, fx = (s / p for s, p in zip(plain.shown_size((H, W)), (H, W), strict=True))
    return (x + 0.5) * fx, (y + 0.5) * fy
