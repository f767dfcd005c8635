"""Controls made from the engine's settings records: label, sentence and choices come from there and nowhere else."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import gradio as gr

from pipeline.errors import NamebrushError
from pipeline.settings import kind_of

from . import values

START_COLOR = "#2f6fb0"


def hex_of(value: str) -> str:
    """A colour picker's value as `#rrggbb`; it gives hexadecimal or `rgba(12.3, 4, 5, 1)`."""
    if not value.startswith("rgb"):
        return value
    numbers = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", value)[:3]]
    return "#" + "".join(f"{min(max(round(n), 0), 255):02x}" for n in numbers)


@dataclasses.dataclass(frozen=True)
class Control:
    """One setting's component and how its value is read back; `late` lists its choices where that takes a while."""

    name: str
    label: str
    kind: type
    optional: bool
    component: gr.components.Component
    info: str = ""
    placeholder: str = ""
    late: Callable[[], tuple[str, ...]] | None = None

    def read(self, value):
        """The component's value as the engine wants it; None is "chosen for you".

        Raises:
            NamebrushError: the field was left empty though the engine has no choice of its own, or is not a number.
        """
        if value is None or (isinstance(value, str) and not value.strip()):
            if self.optional:
                return None
            if self.kind is str:
                return ""
            raise NamebrushError(f"{self.label} is empty. Type a number there.")
        if self.name == "color":
            return hex_of(values.text(value, self.label, 100))
        if self.kind is bool and isinstance(value, str):  # one that may also be chosen for you
            return value == "yes"
        if self.kind is bool:
            return values.flag(value, self.label)
        if self.kind is str:
            return values.text(value, self.label)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise NamebrushError(f'{self.label} must be a number, got "{str(value)[:20]}".') from None
        if self.kind is int and number.is_integer():
            return int(number)
        return number  # a number that is not whole where one is needed is refused by the engine, in its own words


def control(record: type, name: str, elem_id: str, start=None, blank: str = "", **options) -> Control:
    """The control of one field of a settings record.

    Args:
        record, name: which field.
        elem_id: of the component.
        start: what it shows at first, where not the default.
        blank: for a field with choices: the label of one more that is read as "", and is what it starts with.
        options: further arguments of the component.
    """
    field = next(f for f in dataclasses.fields(record) if f.name == name)
    kind, optional = kind_of(record, field)
    label, low, high = (field.metadata.get(k) for k in ("label", "min", "max"))
    shared = {"label": label, "info": field.metadata["help"], "elem_id": elem_id, "interactive": True, **options}
    choices = field.metadata.get("choices")
    if kind is bool and optional:
        names = {None: "", True: "yes", False: "no"}
        made = gr.Dropdown([("chosen for you", ""), "yes", "no"], value=names[field.default], **shared)
    elif kind is bool:
        made = gr.Checkbox(value=field.default, **shared)
    elif choices is not None and blank:
        made = gr.Dropdown([(blank, ""), *choices], value="", **shared)
    elif choices is not None:
        # A function lists what only the models' libraries know, and importing those must not hold up the first page.
        value = field.default if start is None else start
        made = gr.Dropdown([value] if callable(choices) else list(choices), value=value, **shared)
    elif name == "color":
        made = gr.ColorPicker(value=START_COLOR, **shared)
    elif kind is str:
        made = gr.Textbox(value=field.default or "", max_lines=4, **shared)
    elif optional:  # an empty gr.Number shows a 0, which would be a value of its own
        shown = "" if field.default is None else f"{field.default:g}"
        made = gr.Textbox(value=shown, max_lines=1, placeholder="chosen for you", **shared)
    elif kind is float and not optional and low is not None and high is not None and high <= 1:
        made = gr.Slider(low, high, value=field.default, step=0.01 if field.default >= 0.01 else 0.001, **shared)
    else:
        made = gr.Number(value=field.default, precision=0 if kind is int else None, **shared)
    late = choices if callable(choices) else None
    return Control(name, label, kind, optional, made, shared["info"], getattr(made, "placeholder", None) or "", late)


def controls(record: type, prefix: str, skip: tuple[str, ...] = (), **start: str) -> list[Control]:
    """The controls of all fields of a record that say what they are, in their order; `start` as for `control`."""
    names = [f.name for f in dataclasses.fields(record) if "label" in f.metadata and f.name not in skip]
    return [control(record, name, f"{prefix}-{name.replace('_', '-')}", start.get(name)) for name in names]


def read(made: list[Control], values: list) -> dict:
    """Keyword arguments for the engine from the components' values."""
    return {c.name: c.read(v) for c, v in zip(made, values, strict=True)}
