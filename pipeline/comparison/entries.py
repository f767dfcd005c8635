"""What is compared, as a person types it: `sclip, trident+crf, base:trident+none`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import NamebrushError
from ..methods import canonical, get_method
from ..models.catalog import get_preset
from ..refine.names import REFINEMENTS

#: More panels than these fit no page.
MOST = 24


@dataclass(frozen=True)
class Entry:
    """One panel: a method, what finds the edges, and whose models.

    Attributes:
        method: a name of `methods.all_methods`.
        refine: a name of `REFINEMENTS`; "": as chosen for all panels.
        preset: a name of `PRESETS`; "": the models in use.
    """

    method: str
    refine: str = ""
    preset: str = ""

    @property
    def text(self) -> str:
        """As it is typed."""
        models = f"{self.preset}:" if self.preset else ""
        return models + self.method + (f"+{self.refine}" if self.refine else "")

    def resolved(self, refine: str, preset: str) -> Entry:
        """With everything named that was left to the common choice."""
        return replace(self, refine=self.refine or refine, preset=self.preset or preset)


def parse_entry(text: str) -> Entry:
    """One entry: `METHOD`, `METHOD+EDGES`, `MODELS:METHOD` or `MODELS:METHOD+EDGES`, in any case.

    Raises:
        NamebrushError: no such method, refinement or preset.
    """
    head, _, rest = text.strip().rpartition(":")
    method, plus, refine = (part.strip() for part in rest.partition("+"))
    preset, refine = head.strip().casefold(), refine.casefold()
    get_method(method)
    if (plus or refine) and refine not in REFINEMENTS:
        raise NamebrushError(
            f'There are no edges "{refine}" in "{text.strip()}". Known edges: {", ".join(REFINEMENTS)}.'
        )
    if preset:
        get_preset(preset)
    return Entry(canonical(method), refine, preset)


def parse_entries(what: str | Iterable[str | Entry]) -> tuple[Entry, ...]:
    """Entries in their order, those typed twice once.

    Args:
        what: texts or ready entries, or one text with commas or newlines between them.

    Raises:
        NamebrushError: none, too many, or one that is not known.
    """
    parts = what.replace("\n", ",").split(",") if isinstance(what, str) else list(what)
    made = [one if isinstance(one, Entry) else parse_entry(one) for one in parts if one and str(one).strip()]
    entries = tuple(dict.fromkeys(made))
    if not entries:
        raise NamebrushError("Name at least one method to compare, for example: clip,sclip,trident+none.")
    if len(entries) > MOST:
        raise NamebrushError(f"At most {MOST} panels can be compared at once, got {len(entries)}.")
    return entries
