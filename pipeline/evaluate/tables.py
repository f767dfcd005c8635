"""Tables of results, for a terminal and for files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def as_json(table: dict[str, Any]) -> bytes:
    """The table as a JSON file's bytes."""
    return (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode()


def as_text(table: dict[str, Any]) -> str:
    """The table of `run.evaluate` in lines, classes from best to worst."""
    pictures, names = table["pictures"], table["names"]
    lines = [
        f"{table['dataset']}, {pictures} picture{'s' * (pictures != 1)}, {names} names typed: "
        f"{table['preset']}, {table['method']}, refined by {table['refine']}",
        f"mIoU {_percent(table['miou'])} ({' to '.join(map(_percent, table['miou_interval']))})   "
        f"pixel accuracy {_percent(table['pixel_accuracy'])}   mean accuracy {_percent(table['mean_accuracy'])}   "
        f"frequency-weighted IoU {_percent(table['frequency_weighted_iou'])}",
        f"boundary F1 ({table['boundary_pixels']:g} px) {_percent(table['boundary_f1'])}   "
        f"boundary IoU {_percent(table['boundary_iou'])}   {table['seconds']['mean']:.3f} s a picture",
        "seconds: " + ", ".join(f"{k} {v:.3f}" for k, v in table["seconds"].items() if k != "mean"),
        "",
    ]
    ranked = sorted(table["classes"], key=lambda c: -1.0 if c["iou"] is None else c["iou"], reverse=True)
    shown = ("iou", "precision", "recall", "f1", "true_share", "given_share")
    rows = [[c["name"], *(_percent(c[key]) for key in shown)] for c in ranked]
    head = ["class", "IoU", "precision", "recall", "F1", "true", "given"]
    return "\n".join(lines + columns([head, *rows], numbers=tuple(range(1, len(head)))))


def columns(rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> list[str]:
    """Rows of texts as aligned lines; the columns in `numbers` are aligned right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligned = (
        "  ".join(v.rjust(w) if i in numbers else v.ljust(w) for i, (v, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )
    return [line.rstrip() for line in aligned]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
