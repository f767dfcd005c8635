"""What a comparison's figure says in words: titles, notes, the caption with all settings, rows for a table."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

from ..records import Segmentation
from .memory import shown

#: How seconds and memory were measured, in a sentence for a caption.
MEASURED = "Seconds and peak memory above the loaded models, each run alone on {device}, nothing kept from before."


def letter(index: int) -> str:
    """`(a)` for the photo, `(b)` for the first panel …"""
    return f"({ascii_lowercase[index % 26] * (1 + index // 26)})"


def title(one: Segmentation) -> str:
    """Method and edges: `trident + sam`."""
    return one.method if one.refine == "none" else f"{one.method} + {one.refine}"


def seconds(one: Segmentation) -> str:
    """All stages together."""
    return f"{sum(one.seconds.values()):.2f} s"


def note(one: Segmentation, several: bool = False) -> str:
    """Seconds and memory, and the preset where there are `several`."""
    return ", ".join(part for part in (one.preset if several else "", seconds(one), shown(one.memory)) if part)


def presets(found: Sequence[Segmentation]) -> tuple[str, ...]:
    """The presets in a comparison, in order."""
    return tuple(dict.fromkeys(one.preset for one in found))


def caption(found: Sequence[Segmentation], legend: str = "") -> str:
    """The figure's caption, with everything that is needed to make it again.

    Args:
        found: of one photo and one list of names.
        legend: a sentence about the drawing, such as what is faded.
    """
    first, several = found[0], len(presets(found)) > 1
    height, width = first.photo.size
    words = ", ".join("/".join(c.words) for c in first.vocabulary.classes)
    panels = [f"{letter(0)} The photo"]
    panels += [f"{letter(i)} {_panel(one, several)}" for i, one in enumerate(found, 1)]
    device = first.settings.get("device", "")
    measured = [MEASURED.format(device=device)] if first.memory else []
    return " ".join([
        f"Open-vocabulary segmentation of {first.photo.name} ({width} × {height} pixels).", f"Names: {words}.",
        "; ".join(panels) + ".", *([legend] if legend else []), *_shared(found), *measured, "Made with Namebrush.",
    ])  # fmt: skip


def _panel(one: Segmentation, several: bool) -> str:
    own = f"{one.preset}: " if several else ""
    return f"{own}{one.method}, edges: {one.refine} ({note(one)})"


def _shared(found: Sequence[Segmentation]) -> list[str]:
    """Sentences on models, sizes, background, threshold and changed settings; letters where panels differ."""
    lines = []
    for preset in presets(found):
        own = [one for one in found if one.preset == preset]
        titles = dict.fromkeys(t for one in own for t in one.settings.get("models", ()))
        listed = f" ({', '.join(titles)})" if titles else ""
        lines.append(f"Models: {preset}{listed}.")
    lines += _each(found, _sizes, "")
    lines += _each(found, _against, "")
    lines += _each(found, _changed, "Settings: ")
    return lines


def _sizes(one: Segmentation) -> str:
    made = one.settings
    if "window" not in made:
        return ""
    return f"short side {made['short_side']}, window {made['window']}, stride {made['stride']} pixels"


def _against(one: Segmentation) -> str:
    background = one.vocabulary.background
    names = f"{len(background)} background names" if background else "no background names"
    return f"{names}, threshold {one.vocabulary.threshold:.2f}"


def _changed(one: Segmentation) -> str:
    said = {"models", "device", "short_side", "window", "stride"}
    return ", ".join(f"{k} = {v}" for k, v in one.settings.items() if k not in said)


def _each(found: Sequence[Segmentation], say, head: str) -> list[str]:
    """One sentence where all panels say the same, else one per group of panels with their letters."""
    groups: dict[str, list[str]] = {}
    for i, one in enumerate(found, 1):
        groups.setdefault(say(one), []).append(letter(i))
    groups.pop("", None)
    if not groups:
        return []
    lines = []
    for text, letters in groups.items():
        where = "" if len(groups) == 1 and len(letters) == len(found) else f"{', '.join(letters)} "
        sentence = f"{where}{head}{text}."
        lines.append(sentence[0].upper() + sentence[1:])
    return lines


def rows(found: Sequence[Segmentation]) -> list[dict[str, Any]]:
    """A row per panel: what made it, seconds per stage and in all, bytes, regions, and the share without a name."""
    return [
        {
            "panel": letter(i), "preset": one.preset, "method": one.method, "refine": one.refine,
            "seconds": {k: round(float(v), 3) for k, v in one.seconds.items()},
            "total_seconds": round(float(sum(one.seconds.values())), 3), "memory": dict(one.memory),
            "regions": len(one.regions), "unnamed": round(float((one.labels < 0).mean()), 4),
            "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in one.settings.items()},
        }
        for i, one in enumerate(found, 1)
    ]  # fmt: skip


def command(found: Sequence[Segmentation], words: str) -> str:
    """The same comparison on the command line, except for settings that are not its own."""
    first = found[0]
    several = len(presets(found)) > 1
    what = ",".join(f"{one.preset + ':' if several else ''}{one.method}+{one.refine}" for one in found)
    names = " ".join(words.split()).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    preset = "" if first.preset == "tiny" or several else f" --preset {first.preset}"
    return (
        f'python -m pipeline compare "{first.photo.name}" --classes "{names}" --methods "{what}"{preset} '
        "--out figure.pdf --width 180"
    )
