"""Fragments of HTML and lines the server writes; whatever a person typed passes `text` on its way."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.draw import region_titles
from pipeline.edit.kinds import KINDS
from pipeline.history import Step
from pipeline.models.catalog import CHECKPOINTS, PAINTER, get_preset
from pipeline.models.painting import of_folder
from pipeline.records import Region, Segmentation

from .session import Session
from .words import count, say

#: Of the plain surface, for browsers whose canvas cannot be read back.
PLAIN_TOOLS = (("Pick", "pick"), ("+ Point", "add"), ("− Point", "subtract"), ("Box", "box"))
PLAIN_LAYERS = (
    ("Fill", "fill"), ("Outlines", "outline"), ("Names", "names"), ("Prompts", "prompts"), ("Scores", "scores"),
)  # fmt: skip
#: So many of the words that the built-in inpainting model knows are told beside its kinds of change; all of them are
#: shown to whoever points at the line.
TOLD = 3


@dataclass(frozen=True)
class Told:
    """One line for the person. `kind` is "done", "hint", "stopped" or "error"; `details` is for whoever wants more."""

    text: str
    kind: str = "done"
    details: str = ""


def text(value: object) -> str:
    """Escape for HTML and for the page's template language: typed markup and braces show as they were typed."""
    escaped = html.escape(str(value), quote=True)
    for sign in "{}$`\\":
        escaped = escaped.replace(sign, f"&#{ord(sign)};")
    return escaped


def maker(region: Region, lang: str = "en") -> str:
    """Who drew a region's edges, for a person."""
    known = {"sam", "grabcut", "coarse", "mask", "outline"}
    return say(lang, f"maker_{region.made_by}") if region.made_by in known else region.made_by


def short(value: str, limit: int = 32) -> str:
    """The value on one line, cut with an ellipsis beyond `limit` characters."""
    value = " ".join(value.split())
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def called(region: Region, regions: Sequence[Region], lang: str = "en") -> str:
    """A region in a sentence: its name, or "the mask by hand"."""
    name = short(region_titles(regions)[region.id])
    return name if region.class_index >= 0 else say(lang, "the_mask", name=name)


def region_choices(regions: Sequence[Region], lang: str = "en") -> list[tuple[str, int]]:
    """The choices of the plain list of masks: name, score and maker; the value is the region's id."""
    names = region_titles(regions)

    def line(region: Region) -> str:
        score = [f"{region.score:.2f}"] if region.class_index >= 0 else []
        return "  ·  ".join([short(names[region.id]), *score, maker(region, lang)])

    return [(line(region), region.id) for region in regions]


def against(vocabulary, lang: str = "en") -> str:
    """What competes with the typed names, in one line."""
    if vocabulary is None:
        return ""
    names = ", ".join(vocabulary.background)
    line = say(lang, "against", count=len(vocabulary.background)) if names else say(lang, "against_nothing")
    if vocabulary.threshold:
        line += say(lang, "sure_above", value=f"{vocabulary.threshold:.2f}")
    more = f"{names}. {say(lang, 'against_more')}" if names else ""
    return f'<details class="nb-against"><summary>{text(line)}</summary><p>{text(more)}</p></details>'


def kind_choices(kinds: Sequence[str], lang: str = "en") -> list[tuple[str, str]]:
    """The kinds of change by their names."""
    return [(say(lang, f"kind_{kind}"), kind) for kind in kinds]


def kind_hint(kind: str, preset: str, lang: str = "en") -> str:
    """What a kind of change does, and plainly what it needs where the models in use cannot do it."""
    from_words = KINDS[kind].painters[:1] == ("diffusion",)
    painter = get_preset(preset).inpaint
    needs, more = say(lang, "needs_preset") if from_words and not painter else "", ""
    if from_words and painter and CHECKPOINTS[painter].painting is not None:
        nouns = (of_folder(PAINTER).known or {}).get("nouns", ())
        needs = say(lang, "knows_words", words=", ".join(nouns[:TOLD])) if nouns else ""
        more = ", ".join(nouns)
    return hint(say(lang, f"hint_{kind}") + needs, more)


def hint(sentence: str, more: str = "") -> str:
    """A quiet line of help; `more` shows when it is pointed at."""
    title = f' title="{text(more)}"' if more else ""
    return f'<p class="nb-hint"{title}>{text(sentence)}</p>'


def status(told: Told | None) -> str:
    """The status line."""
    told = told or Told("", "hint")
    return f'<p class="nb-status nb-{told.kind}" role="status" data-kind="{told.kind}">{text(told.text)}</p>'


def history(session: Session) -> str:
    """The steps of this branch as a line of small buttons; the current one is marked, and where others branch off."""
    marks, now = [], session.cursor
    for i, step in enumerate(session.steps):
        state = " nb-now" if i == now else " nb-later" if i > now else ""
        current = ' aria-current="step"' if i == now else ""
        marks.append(
            f'<button type="button" class="nb-step{state}" data-step="{step.id}"{current}>'
            f'<span dir="auto">{text(short(step.label, 28))}</span></button>{_branches(session, step)}'
        )
    steps, work, title = "<i></i>".join(marks), int(session.has_work), text(session.say("history"))
    return f'<nav class="nb-history" aria-label="{title}" data-work="{work}">{steps}</nav>'


def _branches(session: Session, step: Step) -> str:
    """A button to the next branch beside a step, or "" where there is no other."""
    beside = [s for s in session.history.steps if s.parent == step.parent]
    if len(beside) < 2:
        return ""
    at = next(i for i, s in enumerate(beside) if s.id == step.id)
    other = beside[(at + 1) % len(beside)]
    label = text(session.say("branch", number=at + 1, count=len(beside), name=short(other.label, 28)))
    return (
        f'<button type="button" class="nb-branch" data-step="{other.id}" title="{label}" aria-label="{label}">'
        f"{at + 1}/{len(beside)}</button>"
    )


def shape(size: tuple[int, int]) -> str:
    """A style rule that tells the page the photo's width to height."""
    return f"<style>#well{{--ratio:{size[1] / size[0]:.5f}}}</style>"


def preset_called(preset: str, lang: str = "en") -> str:
    """A preset in a sentence."""
    return say(lang, "builtin") if preset == "tiny" else say(lang, "other_models", preset=preset)


def models_line(segmentation: Segmentation | None, preset: str = "tiny", lang: str = "en") -> str:
    """Which models made what is on the screen, or are loaded while nothing is."""
    if segmentation is None or segmentation.method == "by hand":
        return text(preset_called(preset, lang))
    refine = segmentation.refine
    edges = say(lang, "edges_none") if refine == "none" else say(
        lang, "edges_by", maker=say(lang, "maker_sam") if refine == "sam" else refine
    )
    return text(" · ".join([preset_called(segmentation.preset, lang), segmentation.method, edges]))


def seconds(value: float) -> str:
    """A duration as a person says it."""
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def several(number: int, one: str, lang: str = "en") -> str:
    """`1 mask`, `3 masks`."""
    return count(lang, number, one)
