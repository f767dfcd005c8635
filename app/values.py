"""Values from outside, checked: what a browser or a program sends is of these types and within these bounds.

Each function returns the value as the page's own code may use it, or raises a `NamebrushError` of one sentence that
says which value is wrong and quotes at most `QUOTED` characters of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from pipeline.errors import NamebrushError

#: Characters of a wrong value that a sentence quotes.
QUOTED = 80
MAX_TEXT = 20_000
MAX_POINTS = 1000
#: No coordinate, in pixels, is further from the photo's corner than this.
FAR = 1e6


def quoted(value: Any) -> str:
    """A value as JSON for a sentence, cut."""
    if isinstance(value, (str, bytes)):
        value = value[:QUOTED]
    elif isinstance(value, (list, tuple)):
        value = list(value[:QUOTED])
    elif isinstance(value, dict):
        value = dict(list(value.items())[:QUOTED])
    try:
        return json.dumps(value, default=lambda one: type(one).__name__)[:QUOTED]
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and not true or false."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)


def text(value: Any, what: str, longest: int = MAX_TEXT) -> str:
    """A text of at most `longest` characters."""
    if not isinstance(value, str):
        raise NamebrushError(f"{what} must be text, got {quoted(value)}.")
    if len(value) > longest:
        raise NamebrushError(f"{what} is {len(value)} characters long; at most {longest} can be read.")
    return value


def number(value: Any, what: str, low: float = -FAR, high: float = FAR) -> float:
    """A finite number from `low` to `high`."""
    if not is_number(value) or not low <= value <= high:
        raise NamebrushError(f"{what} must be a number between {low:g} and {high:g}, got {quoted(value)}.")
    return float(value)


def whole(value: Any, what: str, low: int = 0, high: int = 2**31 - 1) -> int:
    """A whole number from `low` to `high`."""
    if not is_number(value) or value != int(value) or not low <= value <= high:
        raise NamebrushError(f"{what} must be a whole number between {low} and {high}, got {quoted(value)}.")
    return int(value)


def from_digits(value: Any) -> Any:
    """A number written in at most ten digits, as an attribute of a button holds it, as a number; all else as it is."""
    written = isinstance(value, str) and len(value) <= 10 and value.isascii() and value.isdigit()
    return int(value) if written else value


def choice(value: Any, what: str, known: Sequence[str]) -> str:
    """One of the names in `known`."""
    if not isinstance(value, str) or value not in known:
        raise NamebrushError(f"{what} must be one of {', '.join(known)}; got {quoted(value)}.")
    return value


def items(value: Any, what: str, most: int) -> list:
    """A list of at most `most` things, whatever they are; None is the empty list."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise NamebrushError(f"{what} must be a list, got {quoted(value)}.")
    if len(value) > most:
        raise NamebrushError(f"{what} has {len(value)} entries; at most {most} can be read.")
    return list(value)


def ids(value: Any, what: str = "The picked masks", most: int = 100_000) -> list[int]:
    """Numbers of masks or steps."""
    return [whole(one, what) for one in items(value, what, most)]


def point(value: Any) -> tuple[float, float, int]:
    """`[x, y]` or `[x, y, label]` in pixels; label 1 belongs to the thing (also where it is left out), 0 does not."""
    numbers = value if isinstance(value, (list, tuple)) else ()
    if len(numbers) not in (2, 3) or not all(map(is_number, numbers)) or max(map(abs, numbers)) > FAR * 1e4:
        raise NamebrushError(f"A point must be [x, y] or [x, y, 1 or 0], got {quoted(value)}.")
    x, y, *label = numbers
    if label and label[0] not in (0, 1):
        raise NamebrushError(f"A point's label is 1 (this belongs) or 0 (this does not); got {quoted(label[0])}.")
    return float(x), float(y), int(label[0]) if label else 1


def points(value: Any, what: str = "points", most: int = MAX_POINTS) -> list[tuple[float, float, int]]:
    """A list of `point`s; None is the empty list."""
    if isinstance(value, str):
        raise NamebrushError(f"A point must be [x, y] or [x, y, 1 or 0], got {quoted(value)}.")
    return [point(one) for one in items(value, what, most)]


def box(value: Any) -> tuple[float, float, float, float] | None:
    """`[x0, y0, x1, y1]` in pixels with exclusive ends; None or an empty list is no box."""
    if value is None or value == []:
        return None
    numbers = value if isinstance(value, (list, tuple)) else ()
    if len(numbers) != 4 or not all(map(is_number, numbers)):
        raise NamebrushError(f"The box must be [x0, y0, x1, y1], got {quoted(value)}.")
    return tuple(float(one) for one in numbers)


def entry(data: Any, key: str) -> Any:
    """One entry of what an event of the browser brings along; None where it is left out."""
    if not isinstance(data, dict):
        raise NamebrushError(f"An event's data must be an object, got {quoted(data)}.")
    return data.get(key)


def flag(value: Any, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise NamebrushError(f"{what} must be true or false, got {quoted(value)}.")
    return value


def names(value: Any, what: str) -> str | list[str]:
    """Names as they are typed, or a list of them, each as if on a line of its own."""
    if not isinstance(value, (list, tuple)):
        return text(value, what)
    found = [text(one, f"A name of {what}") for one in items(value, what, 1000)]
    text("\n".join(found), what)
    return found
