"""What was measured, as a table, and memory over time as a picture."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np

#: What counts as a request that a person or a program made.
REQUESTS = ("open", "find", "hand mask", "pick", "remove", "undo", "save photo", "save session",
            "/segment", "/select", "/edit")  # fmt: skip
INKS = ((178, 60, 40), (40, 90, 170), (60, 130, 60), (120, 80, 150))


def summary(rows: list, begin: float, seconds: float, others_only: int | None = None) -> dict:
    """Per action: count, refused, errors, percentiles of the answered ones, and longest over mean.

    Args:
        rows: of a `Log`.
        begin: when the measurement began, on the same clock.
        seconds: how long it ran; what ended later is measured but not counted among the requests in time.
        others_only: a visitor to leave out.
    """
    table: dict = {"actions": {}}
    kept = [r for r in rows if r[1] != others_only]
    for action in dict.fromkeys(sorted(r[0] for r in kept)):
        mine = [r for r in kept if r[0] == action]
        took = sorted(r[3] for r in mine if r[4] == "ok")
        table["actions"][action] = {
            "count": len(mine), "refused": sum(r[4] == "refused" for r in mine),
            "errors": sum(r[4] == "error" for r in mine),
            **({name: round(float(np.percentile(took, q)), 2) for name, q in (("p50", 50), ("p95", 95), ("p99", 99))}
               if took else {"p50": None, "p95": None, "p99": None}),
            "max": round(took[-1], 2) if took else None,
            "fairness": round(took[-1] / max(statistics.mean(took), 1e-9), 1) if took else None,
        }  # fmt: skip
    done = [r for r in kept if r[0] in REQUESTS and r[4] == "ok" and r[2] <= begin + seconds]
    table["requests"] = len(done)
    table["per_second"] = round(len(done) / seconds, 2)
    waits: dict[int, list[float]] = {}
    for row in kept:
        if row[0] in REQUESTS and row[4] == "ok":
            waits.setdefault(row[1], []).append(row[3])
    means = [statistics.mean(v) for v in waits.values()]
    table["slowest_visitor_over_mean"] = round(max(means) / statistics.mean(means), 2) if means else None
    table["served"] = [min(map(len, waits.values()), default=0), max(map(len, waits.values()), default=0)]
    return table


def text(result: dict) -> str:
    """The table of one result for a terminal."""
    lines = [f"{result['title']}: {result['visitors']} visitors, {result['seconds']:g} s, mix seed {result['seed']}"]
    lines.append(f"{'action':<16}{'count':>6}{'refused':>8}{'errors':>7}{'p50':>8}{'p95':>8}{'p99':>8}"
                 f"{'longest/mean':>14}")  # fmt: skip
    for action, row in result["actions"].items():
        numbers = "".join(f"{'' if row[k] is None else format(row[k], '.2f'):>8}" for k in ("p50", "p95", "p99"))
        fair = "" if row["fairness"] is None else row["fairness"]
        lines.append(f"{action:<16}{row['count']:>6}{row['refused']:>8}{row['errors']:>7}{numbers}{fair:>14}")
    lines.append(f"{result['requests']} requests answered in time ({result['per_second']} a second); "
                 f"answers with another's content: {len(result['mixed'])}")  # fmt: skip
    lines.append(f"the visitor who waited longest on average: {result['slowest_visitor_over_mean']} times the mean; "
                 f"{result['served'][0]} to {result['served'][1]} answers a visitor")  # fmt: skip
    memory = [row[1] / 2**20 for row in result["memory"]]
    if memory:
        lines.append(f"memory of the server: {memory[0]:.0f} MB at first, {max(memory):.0f} MB at most, "
                     f"{memory[-1]:.0f} MB at the end; processors: server {result['server_cpu']:.0f} s, "
                     f"this client {result['client_cpu']:.0f} s, all of the machine "
                     f"{result['machine_cpu']:.0f} s")  # fmt: skip
    lines += [f"  {count} x {sentence}" for sentence, count in result["sentences"][:12]]
    lines += [f"  MIXED UP: {line}" for line in result["mixed"][:20]]
    return "\n".join(lines)


def beside(before: dict, after: dict) -> str:
    """Two results in one table, p50 / p95 in seconds."""

    def cell(result: dict, action: str) -> str:
        row = result["actions"].get(action)
        if row is None or row["p50"] is None:
            return "-"
        return f"{row['p50']:.2f} / {row['p95']:.2f} ({row['count']})"

    titles = before["title"], after["title"]
    lines = [f"{'p50 / p95 (count)':<18}{titles[0]:>26}{titles[1]:>26}{'p95 ratio':>11}"]
    for action in dict.fromkeys([*before["actions"], *after["actions"]]):
        rows = [r["actions"].get(action, {}).get("p95") for r in (before, after)]
        ratio = f"{rows[1] / rows[0]:.2f}" if all(rows) else ""
        lines.append(f"{action:<18}{cell(before, action):>26}{cell(after, action):>26}{ratio:>11}")
    for name in ("requests", "per_second"):
        lines.append(f"{name:<18}{before[name]:>26}{after[name]:>26}{after[name] / max(before[name], 1e-9):>11.2f}")
    lines.append(f"{'mixed up':<18}{len(before['mixed']):>26}{len(after['mixed']):>26}")
    lines.append(f"{'memory at most, MB':<18}" + "".join(
        f"{max((m[1] for m in r['memory']), default=0) / 2**20:>26.0f}" for r in (before, after)))  # fmt: skip
    return "\n".join(lines)


def picture(results: list[dict], path: Path) -> None:
    """Memory over time of some results as one chart."""
    from PIL import Image, ImageDraw

    from pipeline import glyphs

    width, height, left, bottom, top = 960, 420, 70, 44, 34
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    drawn = [r for r in results if r["memory"]]
    longest = max((r["memory"][-1][0] for r in drawn), default=1.0) or 1.0
    most = max((row[1] for r in drawn for row in r["memory"]), default=1.0) / 2**30 * 1.1
    step = next(s for s in (0.1, 0.25, 0.5, 1, 2, 5, 10, 50) if most / s <= 8)

    def at(seconds: float, gib: float) -> tuple[float, float]:
        return (left + seconds / longest * (width - left - 20), height - bottom - gib / most * (height - bottom - top))

    written = []
    for i in range(int(most / step) + 1):
        y = at(0, i * step)[1]
        draw.line([(left, y), (width - 20, y)], fill=(225, 225, 225))
        written.append((f"{i * step:g} GiB", 8, y - 7, (90, 90, 90)))
    for i in range(5):
        x = at(longest * i / 4, 0)[0]
        written.append((f"{longest * i / 4:.0f} s", min(x, width - 50), height - bottom + 10, (90, 90, 90)))
    for i, result in enumerate(drawn):
        draw.line([at(row[0], row[1] / 2**30) for row in result["memory"]], fill=INKS[i % 4], width=2)
        written.append((result["title"], left + 10 + i * 300, 10, INKS[i % 4]))
    pixels = np.array(sheet)
    for line, x, y, ink in written:
        glyphs.write(pixels, line, int(x), int(y), 13, ink)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
