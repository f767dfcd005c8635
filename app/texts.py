"""Every sentence and every fragment of HTML the page shows; whatever a person typed passes `text` on its way."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.draw import BY_HAND, region_color, region_titles
from pipeline.records import Region, Segmentation

from .session import Session

MADE_BY = {
    "sam": "SAM",
    "grabcut": "grabCut",
    "coarse": "the labels",
    "mask": "a given mask",
}
TOOLS = (("Pick", "pick"), ("+ Point", "add"), ("− Point", "subtract"), ("Box", "box"))
TOOL_HINTS = {
    "pick": "Click things in the photo, or tick them here.",
    "add": "Click what belongs. With one mask picked, the point widens it; with none, it starts a new one.",
    "subtract": "Pick one mask, then click what does not belong to it.",
    "box": "Click two opposite corners around a thing.",
}
LAYER_NAMES = (
    ("Fill", "fill"), ("Outlines", "outline"), ("Names", "names"), ("Prompts", "prompts"), ("Scores", "scores"),
)  # fmt: skip
KINDS = (("Remove", "remove"), ("Replace", "replace"), ("Restyle", "restyle"))
KIND_HINTS = {
    "remove": "Paints over it with what surrounds it.",
    "replace": "Say what shall stand there instead.",
    "restyle": "Say what it shall look like; its shape stays.",
}


@dataclass(frozen=True)
class Told:
    """One line for the person. `kind` is "done", "hint", "stopped" or "error"."""

    text: str
    kind: str = "done"


def text(value: object) -> str:
    """Escape for HTML and for the page's template language: typed markup and braces show as they were typed."""
    escaped = html.escape(str(value), quote=True)
    for sign in "{}$`\\":
        escaped = escaped.replace(sign, f"&#{ord(sign)};")
    return escaped


def maker(region: Region) -> str:
    """Who drew a region's edges, for a person."""
    return MADE_BY.get(region.made_by, region.made_by)


def short(value: str, limit: int = 32) -> str:
    """The value on one line, cut with an ellipsis beyond `limit` characters."""
    value = " ".join(value.split())
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def region_choices(regions: Sequence[Region]) -> list[tuple[str, int]]:
    """The choices of the list of masks: name, score and maker; the value is the region's id."""
    names = region_titles(regions)
    return [(f"{short(names[r.id])}  ·  {r.score:.2f}  ·  {maker(r)}", r.id) for r in regions]


def css_color(color: Sequence[int]) -> str:
    """An `rgb()` of three integers 0..255."""
    return "rgb({}, {}, {})".format(*(int(c) for c in color))


def legend(segmentation: Segmentation | None, colors: Sequence[Sequence[int]]) -> str:
    """The classes with their colours, number of masks and share of the photo; a class not found is shown as such.

    Carries the style rules that give the list of masks its coloured dots.
    """
    if segmentation is None:
        return ""
    regions = segmentation.regions
    color = {c.name: v for c, v in zip(segmentation.vocabulary.classes, colors, strict=True)} | {"by hand": BY_HAND}
    total = segmentation.photo.size[0] * segmentation.photo.size[1]
    names = [c.name for c in segmentation.vocabulary.classes] if segmentation.method != "by hand" else []
    if any(r.class_index < 0 for r in regions):
        names.append("by hand")
    chips = []
    for name in names:
        own = [r for r in regions if r.name == name]
        share = sum(r.area for r in own) / total
        amount = f"{len(own)}" if own else "not found"
        shown = "under 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")
        chips.append(
            f'<button type="button" class="nb-chip{"" if own else " nb-none"}" data-name="{text(name)}"'
            f' title="{text(name)}: {shown} of the photo. Click to pick all of it.">'
            f'<i style="background:{css_color(color[name])}"></i>'
            f'<span dir="auto">{text(short(name, 40))}</span><b>{amount}</b></button>'
        )
    dots = "".join(
        f"#regions label:nth-of-type({i}){{--dot:{css_color(region_color(r, colors))}}}"
        for i, r in enumerate(regions, 1)
    )
    return f'<div class="nb-legend">{"".join(chips)}</div><style>{dots}</style>'


def against(vocabulary) -> str:
    """What competes with the typed names, in one line."""
    if vocabulary is None:
        return ""
    names = ", ".join(vocabulary.background)
    rest = f"Against {len(vocabulary.background)} other names" if vocabulary.background else "Against nothing else"
    sure = f", sure above {vocabulary.threshold:.2f}" if vocabulary.threshold else ""
    more = f"{names}. What they win stays without a name. " if names else ""
    more += "Other names and another threshold: Settings, Names."
    return f'<details class="nb-against"><summary>{rest}{sure}</summary><p>{text(more)}</p></details>'


def kind_hint(kind: str, preset: str) -> str:
    """What a kind of change does, and plainly what it needs where the models in use cannot do it."""
    needs = " This needs a downloaded preset: the built-in models cannot paint from words yet."
    return hint(KIND_HINTS[kind] + (needs if preset == "tiny" and kind != "remove" else ""))


def hint(sentence: str) -> str:
    """A quiet line of help."""
    return f'<p class="nb-hint">{text(sentence)}</p>'


def status(told: Told | None) -> str:
    """The status line."""
    told = told or Told("", "hint")
    return f'<p class="nb-status nb-{told.kind}" role="status" data-kind="{told.kind}">{text(told.text)}</p>'


def history(session: Session) -> str:
    """The steps as a line of small buttons; the current one is marked."""
    marks = []
    for i, step in enumerate(session.steps):
        state = " nb-now" if i == session.cursor else " nb-later" if i > session.cursor else ""
        current = ' aria-current="step"' if i == session.cursor else ""
        marks.append(
            f'<button type="button" class="nb-step{state}" data-step="{i}"{current}>'
            f'<span dir="auto">{text(short(step.label, 28))}</span></button>'
        )
    steps, work = "<i></i>".join(marks), int(session.has_work)
    return f'<nav class="nb-history" aria-label="History" data-work="{work}">{steps}</nav>'


def shape(size: tuple[int, int]) -> str:
    """A style rule that tells the page the photo's width to height."""
    return f"<style>#well{{--ratio:{size[1] / size[0]:.5f}}}</style>"


def called(region: Region, regions: Sequence[Region]) -> str:
    """A region in a sentence: its name, or "the mask by hand"."""
    name = short(region_titles(regions)[region.id])
    return name if region.class_index >= 0 else f"the mask {name}"


def models_line(segmentation: Segmentation | None, seconds: float | None = None) -> str:
    """Which models made what is on the screen."""
    if segmentation is None or segmentation.method == "by hand":
        return '<span class="nb-models">built-in models</span>'
    edges = {"sam": "edges by SAM", "none": "edges as labelled"}.get(
        segmentation.refine, f"edges: {segmentation.refine}"
    )
    own = {"tiny": "built-in models"}.get(segmentation.preset, f"{segmentation.preset} models")
    return f'<span class="nb-models">{text(own)} · {text(segmentation.method)} · {text(edges)}</span>'


def seconds(value: float) -> str:
    """A duration as a person says it."""
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def several(count: int, one: str, many: str | None = None) -> str:
    """`1 mask`, `3 masks`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
