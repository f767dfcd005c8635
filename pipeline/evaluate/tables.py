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
        f"mIoU {_percent(table['miou'])}   pixel accuracy {_percent(table['pixel_accuracy'])}   "
        f"boundary F1 ({table['boundary_pixels']:g} px) {_percent(table['boundary_f1'])}   "
        f"{table['seconds']['mean']:.3f} s a picture",
        "seconds: " + ", ".join(f"{k} {v:.3f}" for k, v in table["seconds"].items() if k != "mean"),
        "",
    ]
    ranked = sorted(table["classes"], key=lambda c: -1.0 if c["iou"] is None else c["iou"], reverse=True)
    rows = [[c["name"], _percent(c["iou"]), _percent(c["true_share"]), _percent(c["given_share"])] for c in ranked]
    return "\n".join(lines + columns([["class", "IoU", "true", "given"], *rows], numbers=(1, 2, 3)))


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
