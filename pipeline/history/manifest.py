"""What `session.json` may say: the one door a session file's text passes before any of its pictures is read.

Everything has a type, a range and a length here. What concerns pixels (sizes that must agree, masks, label maps) is
checked where the pixels are read, in `unpacking`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Annotated, Literal, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, create_model

from ..edit.kinds import MAX_CANDIDATES
from ..edit.settings import EditSettings
from ..errors import NamebrushError
from ..files import shown
from .session import EDITION, FORMAT
from .steps import check_tree

#: Bytes of the text, and values in it: a value of two bytes becomes an object of a hundred.
MOST_TEXT, MOST_VALUES, MOST_KEYS = 64 << 20, 2_000_000, 1000
MOST_STEPS, MOST_REGIONS, MOST_POINTS, MOST_CLASSES, MOST_WORDS = 2000, 20_000, 20_000, 1000, 10_000
_FAR = 1_000_000

# Characters that neither XML nor a page can show: controls, and code points that are never characters.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17)) + "]"
)  # fmt: skip


def _showable(text: str) -> str:
    return _UNSHOWABLE.sub("", text)


Text = Annotated[str, Field(max_length=250_000), AfterValidator(_showable)]
Name = Annotated[str, Field(max_length=1000), AfterValidator(_showable)]
Number = Annotated[int, Field(ge=0, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**64)]
Finite = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Place = Annotated[float, Field(ge=-_FAR, le=_FAR, allow_inf_nan=False)]
Names = Annotated[list[Name], Field(fail_fast=True, max_length=MOST_WORDS)]
Notes = Annotated[list[Text], Field(fail_fast=True, max_length=MOST_WORDS)]
Size = Annotated[tuple[Number, Number], Strict(False)]  # JSON has lists alone; what lies in them stays strict
Point = Annotated[tuple[Place, Place], Strict(False)]
Box = Annotated[tuple[Place, Place, Place, Place], Strict(False)]
Seconds = Annotated[dict[Name, Finite], Field(max_length=1000)]
Models = Annotated[dict[Name, Name], Field(max_length=100)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**64)]
Scalar = bool | Whole | Finite | Name | None
Setting = Scalar | Annotated[list[Scalar], Field(max_length=1000)]


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PhotoEntry(_Entry):
    """A picture and what belongs to it; `file` is checked against its `hash` when it is read."""

    file: Annotated[str, Field(pattern=r"^photos/[0-9a-f]{32}(-[0-9a-f]{12})?\.png$")]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    name: Name
    notes: Notes
    exif: Annotated[str, Field(pattern=r"^exif/[0-9a-f]{32}\.bin$")] | None = None
    icc: Annotated[str, Field(pattern=r"^icc/[0-9a-f]{32}\.bin$")] | None = None


class RleEntry(_Entry):
    """A mask; see `rle`."""

    size: Size
    counts: str


class RegionEntry(_Entry):
    """A region but for its arrays, which lie in an archive beside the text."""

    id: Number
    class_index: Annotated[int, Field(ge=-1, lt=MOST_CLASSES)]
    name: Name
    score: Finite
    made_by: Name
    iou: Finite | None
    accepted: bool = False
    rle: RleEntry
    points: Annotated[list[Point], Field(fail_fast=True, max_length=MOST_POINTS)]
    labels: Annotated[list[Literal[-1, 0, 1]], Field(fail_fast=True, max_length=MOST_POINTS)]
    prompt_box: Box | None


class SegmentationEntry(_Entry):
    """A segmentation but for its photo and arrays; `name` is the stem of their files."""

    name: Annotated[str, Field(pattern=r"^steps/[0-9]{1,10}$")]
    classes: Annotated[
        list[Annotated[Names, Field(min_length=1)]], Field(fail_fast=True, min_length=1, max_length=MOST_CLASSES)
    ]
    background: Names
    threshold: Annotated[float, Field(ge=0, le=1)]
    word_notes: Notes
    groups: Annotated[list[list[Name | Number]], Field(fail_fast=True, max_length=MOST_CLASSES)] = []
    regions: Annotated[list[RegionEntry], Field(fail_fast=True, max_length=MOST_REGIONS)]
    arrays: bool
    preset: Name
    method: Name
    refine: Name
    seconds: Seconds
    notes: Notes


def _request_fields() -> dict:
    """Fields of a request that are plain values: typed as the settings of an edit declare them."""
    hints = get_type_hints(EditSettings)
    texts = {str: Text}
    return {f.name: (texts.get(hints[f.name], hints[f.name]), f.default) for f in dataclasses.fields(EditSettings)}


RequestEntry = create_model(
    "RequestEntry", __base__=_Entry,
    **{**_request_fields(), "kind": (Name, ...), "mask": (RleEntry, ...), "picture": (PhotoEntry | None, ...)},
)  # fmt: skip


class ThingEntry(RleEntry):
    """The outline of what was painted, and its name."""

    name: Name


class ResultEntry(_Entry):
    """What came of an edit but for the photo before it."""

    request: RequestEntry | None
    images: Annotated[list[PhotoEntry], Field(min_length=1, max_length=MAX_CANDIDATES)]
    mask: RleEntry
    seeds: Annotated[list[Seed], Field(max_length=MAX_CANDIDATES)]
    made_by: Name
    changed_outside: Annotated[int, Field(ge=0, lt=2**40)]
    seconds: Seconds
    origin: Size
    notes: Notes
    ranks: Annotated[list[Seconds], Field(max_length=MAX_CANDIDATES)]
    models: Models
    things: Annotated[list[ThingEntry], Field(max_length=MAX_CANDIDATES)] = []


class Call(_Entry):
    """What a replay needs to look for names again; other steps keep nothing here."""

    classes: Text | Names | None = None
    settings: Annotated[dict[Annotated[str, Field(max_length=100)], Setting], Field(max_length=200)] | None = None


class StepEntry(_Entry):
    """One step."""

    id: Number
    parent: Number | None
    kind: Literal["open", "segment", "edit", "hand"]
    label: Text
    told: Text
    choice: Number
    call: Call
    models: Models
    photo: PhotoEntry
    before: PhotoEntry | None
    edit: ResultEntry | None
    segmentation: SegmentationEntry | None
    segmented: PhotoEntry | None


class Manifest(_Entry):
    """The whole text."""

    format: Literal["namebrush-session"]
    edition: Annotated[int, Field(ge=1, le=EDITION)]
    at: Number
    ahead: Annotated[list[Size], Field(fail_fast=True, max_length=MOST_STEPS)]
    steps: Annotated[list[StepEntry], Field(fail_fast=True, min_length=1, max_length=MOST_STEPS)]


def read_manifest(data: bytes) -> Manifest:
    """The text of a session file, checked.

    Raises:
        NamebrushError: a newer edition wrote it, or it holds what this edition does not know.
        ValueError, RecursionError: it is damaged, or was never written by this program.
    """
    if len(data) > MOST_TEXT or data.count(b",") + data.count(b"{") > MOST_VALUES or data.count(b"[") > MOST_VALUES:
        raise NamebrushError("This session file tells more steps and masks than a session has.")
    told = json.loads(data.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_mapping)
    try:
        manifest = Manifest.model_validate(told)
    except ValidationError as error:
        _explain(told, error)
        raise
    _check_steps(manifest)
    return manifest


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MOST_KEYS:
        raise ValueError("an entry with too many names")
    return dict(pairs)


def _explain(told: object, error: ValidationError) -> None:
    """Raise what a person can act on, where it is that; a text that is merely damaged is left to the caller."""
    if not isinstance(told, dict) or told.get("format") != FORMAT or not isinstance(told.get("edition"), int):
        return
    if told["edition"] > EDITION:
        raise NamebrushError(
            "This session file was written by a newer edition of the program; update this one."
        ) from error
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "extra_forbidden":
        strange = shown(str(first["loc"][-1])[:60])
        raise NamebrushError(
            f"This session file asks for {strange}, which this edition does not know; update it."
        ) from error


def _check_steps(told: Manifest) -> None:
    """What must hold between the entries; raises ValueError."""
    ahead = dict(told.ahead)
    if len(ahead) != len(told.ahead):
        raise ValueError("a step has two steps ahead")
    check_tree([(step.id, step.parent) for step in told.steps], told.at, ahead)
    for step in told.steps:
        if (step.segmentation is None) != (step.segmented is None) or (step.edit is None) != (step.before is None):
            raise ValueError("a photo without what was done to it")
        if (step.kind == "segment" and step.segmentation is None) or (step.kind == "edit" and step.edit is None):
            raise ValueError(f"a step of the kind {step.kind} without its result")
        if step.kind == "segment" and step.call.classes is None:
            raise ValueError("a search without its words")
        if step.segmentation is not None:
            _check_segmentation(step.segmentation, step.id)
        if step.edit is not None:
            _check_result(step.edit, step.choice)


def _check_segmentation(found: SegmentationEntry, number: int) -> None:
    classes = len(found.classes)
    if found.name != f"steps/{number}":
        raise ValueError("the files of another step")
    if len({region.id for region in found.regions}) != len(found.regions):
        raise ValueError("two regions have the same id")
    for region in found.regions:
        if region.class_index >= classes or len(region.labels) != len(region.points):
            raise ValueError("a region of no class, or points without labels")
        box = region.prompt_box
        if box is not None and not (box[0] <= box[2] and box[1] <= box[3]):
            raise ValueError("a box whose ends come before its start")
    members = [member for group in found.groups for member in group[1:]]
    names = [group[:1] for group in found.groups]
    if not all(len(name) == 1 and isinstance(name[0], str) for name in names):
        raise ValueError("a group without a name")
    if not all(isinstance(m, int) and m < classes for m in members) or len(set(members)) != len(members):
        raise ValueError("a group of no classes, or a class in two groups")


def _check_result(result: ResultEntry, choice: int) -> None:
    count = len(result.images)
    if choice >= count or len(result.seeds) != count:
        raise ValueError("another number of pictures than of seeds, or none of them chosen")
    if len(result.ranks) not in (0, count) or len(result.things) not in (0, count):
        raise ValueError("another number of pictures than of what is told of them")
    if result.request is not None:
        plain = {f.name: getattr(result.request, f.name) for f in dataclasses.fields(EditSettings)}
        EditSettings(**plain)
