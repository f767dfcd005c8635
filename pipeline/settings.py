"""Settings as validated records: the page's controls and the command line's flags are made from the same fields.

A stage's settings are a frozen dataclass whose fields are declared with `setting(...)`: a label, a plain sentence and
a range or choices. `validate` checks a record against them, `add_flags` and `from_flags` turn it into command-line
flags and back, `split` deals keyword arguments out to several records.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from .errors import NamebrushError
from .refine.names import REFINEMENTS
from .text.templates import TEMPLATE_HELP
from .upsample import UPSAMPLERS

R = TypeVar("R")
#: Characters of a text setting at most, where its declaration says nothing else.
MAX_TEXT = 2000


def setting(
    default: Any,
    label: str,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] | None = None,
    flag: str | None = None,
    longest: int = MAX_TEXT,
) -> Any:
    """A dataclass field that says what it is.

    Args:
        default: the default; None in a field typed `... | None` means "chosen for you", and `help` says how.
        label: two or three words for a control.
        help: one plain sentence for a person.
        min, max: inclusive range of a number.
        choices: allowed values of a text, or a function that lists them (called only when needed).
        flag: name of the command-line flag without dashes, where it differs from the field's; "" for no flag.
        longest: characters of a text at most.
    """
    metadata = {
        "label": label, "help": help, "min": min, "max": max, "choices": choices, "flag": flag, "longest": longest,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def choices_of(field: dataclasses.Field) -> tuple[str, ...] | None:
    """The allowed values of a text field, or None where any text will do."""
    choices = field.metadata.get("choices")
    return tuple(choices()) if callable(choices) else choices


def kind_of(record: type, field: dataclasses.Field) -> tuple[type, bool]:
    """The plain type of a field (bool, int, float, str) and whether it may be None."""
    hint = _hints(record)[field.name]
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    plain = [p for p in parts if p is not type(None)]
    return (float if float in plain else plain[0]), type(None) in parts


@cache
def _hints(record: type) -> dict[str, Any]:
    """The evaluated annotations of a record; they cost more to find than all the checks of its values."""
    return typing.get_type_hints(record)


def validate(record: Any) -> None:
    """Check every field of a settings record against its declaration.

    Raises:
        NamebrushError: a value is of the wrong kind, out of its range or not among its choices; the line says which.
    """
    for field in dataclasses.fields(record):
        if "label" in field.metadata:
            _check(type(record), field, getattr(record, field.name))


def _check(record: type, field: dataclasses.Field, value: Any) -> None:
    kind, optional = kind_of(record, field)
    label, low, high = (field.metadata.get(k) for k in ("label", "min", "max"))
    # A default is right by its declaration; listing the choices may mean importing a library.
    if (value is None and optional) or (isinstance(value, str) and value == field.default):
        return
    if kind in (int, float):
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and _finite(value)
        inside = number and (low is None or value >= low) and (high is None or value <= high)
        if not inside or (kind is int and value != int(value)):
            what = "a whole number" if kind is int else "a number"
            raise NamebrushError(f"{label} must be {what}{_range(low, high)}, got {_quoted(value)}.")
    elif not isinstance(value, kind):
        raise NamebrushError(f"{label} must be {'text' if kind is str else 'true or false'}, got {_quoted(value)}.")
    elif kind is str and len(value) > field.metadata["longest"]:
        longest = field.metadata["longest"]
        raise NamebrushError(f"{label} is {len(value)} characters long; at most {longest} can be read.")
    elif kind is str and (choices := choices_of(field)) is not None and value not in choices:
        raise NamebrushError(f'{label} must be one of {", ".join(choices)}; got "{value[:80]}".')


def _finite(value: float) -> bool:
    """Whether a number is finite and not beyond what a float or a 64-bit integer holds."""
    return -(2**63) <= value < 2**63 if isinstance(value, int) else math.isfinite(value)


def _quoted(value: Any) -> str:
    """A wrong value for a sentence, cut."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" between {low:g} and {high:g}"
    return f" of at least {low:g}" if low is not None else f" of at most {high:g}" if high is not None else ""


def split(values: Mapping[str, Any], *records: type) -> tuple[Any, ...]:
    """Deal keyword arguments out to settings records by their field names and build each.

    Raises:
        NamebrushError: a name belongs to none of them, or a value is refused by `validate`.
    """
    names = {record: {f.name for f in dataclasses.fields(record)} for record in records}
    unknown = [n for n in values if not any(n in own for own in names.values())]
    if unknown:
        known = ", ".join(sorted(set().union(*names.values())))
        raise NamebrushError(f'There is no setting "{unknown[0][:40]}". Known settings: {known}.')
    return tuple(record(**{n: v for n, v in values.items() if n in names[record]}) for record in records)


def flag_of(field: dataclasses.Field) -> str | None:
    """The command-line flag of a field, such as `--short-side`, or None where it has none."""
    name = field.metadata.get("flag")
    if name == "" or "label" not in field.metadata:
        return None
    return "--" + (name or field.name).replace("_", "-")


def add_flags(parser: argparse.ArgumentParser, record: type, skip: frozenset[str] = frozenset()) -> None:
    """Give a parser one flag per field of a settings record; a flag that is not given is absent from the result."""
    group = parser.add_argument_group(getattr(record, "TITLE", record.__name__))
    for field in dataclasses.fields(record):
        flag = flag_of(field)
        if flag is None or field.name in skip:
            continue
        kind, _ = kind_of(record, field)
        options: dict[str, Any] = {"dest": f"{record.__name__}.{field.name}", "default": argparse.SUPPRESS}
        text = field.metadata["help"].replace("%", "%%")
        if kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text, **options)
            continue
        if kind in (int, float):
            low, high = field.metadata.get("min"), field.metadata.get("max")
            text += f" From {low:g} to {high:g}." if low is not None and high is not None else ""
        elif isinstance(field.metadata.get("choices"), tuple):
            text += " Choices: " + ", ".join(field.metadata["choices"]) + "."
        shown = "" if field.default is None or field.default == "" else f" [{field.default}]"
        metavar = {int: "N", float: "X"}.get(kind, field.name.upper())
        group.add_argument(flag, type=_reader(kind), metavar=metavar, help=text + shown, **options)


def _reader(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {what}, got {text!r}") from None

    return read


def from_flags(args: argparse.Namespace, record: type) -> dict[str, Any]:
    """The fields of a settings record that were given on the command line, as keyword arguments."""
    prefix = f"{record.__name__}."
    return {name[len(prefix) :]: value for name, value in vars(args).items() if name.startswith(prefix)}


def _methods() -> tuple[str, ...]:
    from .methods import all_methods

    return tuple(all_methods())


@dataclass(frozen=True)
class SegmentSettings:
    """How a photo and words become labels."""

    TITLE: typing.ClassVar[str] = "segmentation"

    method: str = setting("trident", "Method", "Which paper's dense features are used.", choices=_methods)
    refine: str = setting(
        "sam", "Edges", "Who draws the edges: sam asks the SAM model, none keeps the coarse ones.",
        choices=tuple(REFINEMENTS),
    )
    background: str = setting(
        "auto", "Background", 'Names that draw pixels away from yours: "auto", "none" or names separated by commas.',
        longest=20_000,
    )
    threshold: float | None = setting(
        None, "Threshold", "Pixels less sure than this get no class; chosen from the names if left out.",
        min=0.0, max=1.0,
    )
    templates: str = setting(
        "auto", "Sentences", "Sentences put around every word.", choices=tuple(TEMPLATE_HELP)
    )
    residual: str = setting(
        "auto", "Last block's residual",
        "Whether the last block's residual and feed-forward are kept; auto: as the CLIP model asks.",
        choices=("auto", "keep", "drop"),
    )
    proxy: str = setting(
        "own", "Proxy", "Whose correlations are borrowed, by methods that borrow: own and sam are the preset's DINO "
        "and SAM; dino-s8, dino-s16, dino-b8, dino-b16, dinov2-s14, dinov2-b14, sam-b, a hub name or a folder.",
    )  # fmt: skip
    options: str = setting(
        "", "Method options", "What is changed about the method, as name=value, name=value; its constants are listed "
        "by `python -m pipeline methods`.",
    )  # fmt: skip
    dataset: str = setting(
        "", "As published for", "Trident's published sizes and thresholds for a data set; none if left out.",
        choices=("", "voc20", "voc21", "context59", "context60", "coco-object", "coco-stuff", "ade20k", "cityscapes"),
        flag="published-for",
    )  # fmt: skip
    upsample: str = setting(
        "bilinear", "Upsampling", "How coarse scores become pixels: bilinear is smooth, bilateral follows the photo's "
        "colours, loftup is a trained network for CLIP ViT-B/16.",
        choices=tuple(UPSAMPLERS),
    )
    groups: str = setting(
        "none", "Groups", 'Whether a pixel is given to a group of names first: given reads "animals: dog, cat | sky", '
        "auto groups names of like meaning.",
        choices=("none", "given", "auto"),
    )
    temperature: float = setting(
        1.0, "Temperature", "What logits are divided by: below 1 probabilities grow surer, above 1 less sure.",
        min=0.05, max=20.0,
    )
    uncertain: float | None = setting(
        None, "Temperature where unsure", "Another temperature for pixels of high entropy; the same if left out.",
        min=0.05, max=20.0,
    )
    uncertain_above: float = setting(
        0.5, "Unsure above", "Share of the largest possible entropy from which a pixel counts as unsure.",
        min=0.0, max=1.0,
    )
    denoise: bool = setting(
        False, "Set absent names aside", "Drop names whose best probability is below the median of all names; for "
        "long lists, of 8 names or more.",
    )
    denoise_floor: float = setting(
        0.12, "Absent below", "A name is also set aside where its best probability is below this.", min=0.0, max=1.0
    )
    scale: float | None = setting(
        None, "Scale", "Factor between cosines and logits; the method's own if left out.", min=0.1, max=1000.0
    )
    short_side: int | None = setting(
        None, "Short side", "The photo's short side for CLIP in pixels; the preset's if left out.", min=64, max=4096
    )
    window: int | None = setting(
        None, "Window", "Side of a sliding window in pixels; the preset's if left out.", min=32, max=4096
    )
    stride: int | None = setting(
        None, "Stride", "Pixels between two windows; the preset's if left out.", min=8, max=4096
    )

    def __post_init__(self):
        if isinstance(self.method, str) and self.method != "trident":
            from .methods import canonical

            object.__setattr__(self, "method", canonical(self.method))
        validate(self)
        if self.window and self.stride and self.stride > self.window:
            raise NamebrushError(f"The stride ({self.stride}) must not exceed the window ({self.window}).")


@dataclass(frozen=True)
class SelectSettings:
    """How a mask is made by hand."""

    TITLE: typing.ClassVar[str] = "selection by hand"

    gate: str = setting(
        "auto", "Masks by", "Who makes a mask from points and a box: auto takes whoever was measured to be better.",
        choices=("auto", "sam", "grabcut", "sam+grabcut"),
    )
    ample: bool | None = setting(
        None, "Ample", "A mask from points takes rather too much than too little, as removing needs; "
        "if left out, the command line does so to remove and to replace.",
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class LoadSettings:
    """Which models are loaded; a part can be chosen alone by its name, file or folder."""

    TITLE: typing.ClassVar[str] = "models"

    preset: str = setting("tiny", "Models", "Which set of models; see `python -m pipeline models`.")
    clip: str | None = setting(None, "CLIP", "Another CLIP model in the preset's place.")
    dino: str | None = setting(None, "DINO", "Another DINO model in the preset's place.")
    sam: str | None = setting(None, "SAM", "Another SAM model in the preset's place.")
    inpaint: str | None = setting(None, "Inpainting", "Another inpainting model in the preset's place.")
    clipseg: str | None = setting(None, "CLIPSeg", "A folder or hub name in place of CLIPSeg's published weights.")
    groupvit: str | None = setting(None, "GroupViT", "A folder or hub name in place of GroupViT's published weights.")
    sam3: str | None = setting(None, "SAM 3", "A folder or hub name in place of SAM 3's published weights.")
    device: str | None = setting(None, "Device", "cpu, cuda or mps; cuda where there is one, else cpu, if left out.")
    memory: str = setting(
        "auto", "Memory", "Where the inpainting model's parts wait: whole needs most memory, sequential least.",
        choices=("auto", "whole", "offload", "sequential"),
    )
    trust_weights: bool = setting(
        False, "Trust weights", "Weights that run code of their own (TorchScript) are loaded though they are not "
        "published ones.",
    )

    def __post_init__(self):
        validate(self)
