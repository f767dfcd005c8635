"""A method over a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dense.options import dataset_settings
from ..progress import Progress
from ..records import Vocabulary
from .datasets import Dataset
from .metrics import BOUNDARY_PIXELS, Tally

if TYPE_CHECKING:
    from ..pipeline import Pipeline

#: Which names are typed for a picture: all of the dataset's, or only those whose pixels are in it.
NAMES = ("all", "present")
#: A class of this name in a data set is what no other class and no name wins.
BACKGROUND = "background"


def evaluate(
    pipe: Pipeline, dataset: Dataset, /, names: str = "all", progress: Progress | None = None, **settings: Any
) -> dict[str, Any]:
    """Segment every picture and measure.

    No background names compete and no threshold holds unless the settings say so, because every pixel's truth is one
    of the dataset's classes. Where they say so and the dataset has a class "background", pixels without a class count
    as that class, as the papers count them, and it is not typed as a name.

    Args:
        pipe: the loaded engine.
        dataset: what to measure on.
        names: see `NAMES`.
        progress: told about every picture, may cancel between two.
        settings: as for `Pipeline.segment`; its `dataset` is the name of the data set whose published values hold.

    Returns:
        A table ready for JSON: what was run; mIoU with its 95 % interval, accuracies, boundary F1 and IoU as 0..1;
        mean seconds per stage; IoU, precision, recall and F1 per class.
    """
    if names not in NAMES:
        raise ValueError(f"names must be one of {', '.join(NAMES)}, got {names!r}")
    progress = progress or Progress()
    published = dataset_settings(settings.get("dataset", ""))
    if dataset.background:  # its background is a class with words of its own
        published.pop("background", None)
    settings = {"background": "none", "threshold": 0.0, **published, **settings}
    rest = 0 if dataset.background else _rest(dataset, settings)
    tally, seconds, made_by = Tally(len(dataset.classes)), {}, ("", "")
    for done, sample in enumerate(dataset):
        progress.step(f"Picture {done + 1} of {len(dataset)}", done / len(dataset))
        present = np.unique(sample.truth[sample.truth >= 0])
        used = np.arange(len(dataset.classes)) if names == "all" else present
        used = used if dataset.background else used[used != rest]
        if not len(used):
            continue
        found = pipe.segment(sample.photo, _vocabulary(dataset, used, settings), **settings)
        made_by = found.method, found.refine
        tally.add(sample.truth, np.append(used, rest)[found.labels])
        for stage, value in found.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    count = max(1, len(tally.boundary))
    shares = tally.confusion / max(1, tally.confusion.sum())
    return {
        "dataset": dataset.name,
        "pictures": len(tally.boundary),
        "names": names,
        "preset": pipe.preset,
        "method": made_by[0],
        "refine": made_by[1],
        "settings": settings,
        "miou": _number(tally.miou),
        "miou_interval": [_number(end) for end in tally.interval()],
        "pixel_accuracy": _number(tally.pixel_accuracy),
        "mean_accuracy": _number(tally.mean_accuracy),
        "frequency_weighted_iou": _number(tally.frequency_weighted_iou),
        "boundary_f1": _number(tally.boundary_f1),
        "boundary_iou": _number(tally.boundary_iou),
        "boundary_pixels": BOUNDARY_PIXELS,
        "seconds": {s: round(v / count, 4) for s, v in {**seconds, "mean": sum(seconds.values())}.items()},
        "classes": [
            {
                "name": one.name, "iou": _number(iou), "precision": _number(tally.precision[i]),
                "recall": _number(tally.accuracy[i]), "f1": _number(tally.f1[i]),
                "true_share": _number(shares[i].sum()), "given_share": _number(shares[:, i].sum()),
            }
            for i, (one, iou) in enumerate(zip(dataset.classes, tally.iou, strict=True))
        ],
    }  # fmt: skip


def _rest(dataset: Dataset, settings: dict[str, Any]) -> int:
    """The class that pixels without a class count as, or -1 where they count as missed."""
    if settings["background"] == "none" and not settings["threshold"]:
        return -1
    return next((i for i, one in enumerate(dataset.classes) if one.name.casefold() == BACKGROUND), -1)


def _vocabulary(dataset: Dataset, used: np.ndarray, settings: dict[str, Any]) -> Vocabulary:
    """The typed classes, made directly: the order must be the dataset's, and nothing may be dropped."""
    from ..vocabulary import parse_vocabulary

    classes = tuple(dataset.classes[i] for i in used)
    parsed = parse_vocabulary([c.name for c in classes], settings["background"], settings["threshold"])
    return Vocabulary(classes, parsed.background, parsed.threshold)


def _number(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return None if np.isnan(value) else round(float(value), 5)
