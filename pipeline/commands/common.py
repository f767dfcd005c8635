"""What several commands share: flags, progress lines, and the way to a loaded pipeline."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NamebrushError
from ..progress import Progress
from ..proposals.settings import ProposalSettings
from ..refine.settings import RECORDS as REFINE_RECORDS
from ..settings import LoadSettings, SegmentSettings, add_flags, from_flags

if TYPE_CHECKING:
    from ..pipeline import Pipeline

#: Seconds between two progress lines of the same stage.
LINE_EVERY = 1.0


def add_shared(parser: argparse.ArgumentParser, skip: frozenset[str] = frozenset()) -> None:
    """Flags of loading, segmentation and refinement, and `--quiet`."""
    parser.add_argument("--quiet", action="store_true", help="No progress on standard error.")
    add_flags(parser, LoadSettings)
    add_flags(parser, SegmentSettings, skip)
    for record in (*REFINE_RECORDS, ProposalSettings):
        add_flags(parser, record)


def segment_settings(args: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """The given flags of segmentation and refinement as keyword arguments, checked before any model is loaded."""
    chosen = {**from_flags(args, SegmentSettings), **more}
    SegmentSettings(**chosen)
    for record in (*REFINE_RECORDS, ProposalSettings):
        given = from_flags(args, record)
        record(**given)
        chosen.update(given)
    return chosen


def load(args: argparse.Namespace, progress: Progress) -> Pipeline:
    """The pipeline the flags ask for."""
    chosen = LoadSettings(**from_flags(args, LoadSettings))
    from ..pipeline import Pipeline

    progress.step("Loading the models")
    return Pipeline.load(progress=progress, **dataclasses.asdict(chosen))


def stderr_progress(args: argparse.Namespace) -> Progress:
    """Progress as lines on standard error: one when the work changes, then at most one a second."""
    if args.quiet:
        return Progress()
    last: dict[str, Any] = {"message": "", "time": 0.0}

    def report(message: str, share: float | None = None) -> None:
        now = time.monotonic()
        if message == last["message"] and now - last["time"] < LINE_EVERY:
            return
        last.update(message=message, time=now)
        print(message if share is None else f"{message} ({share:.0%})", file=sys.stderr, flush=True)

    return Progress(report)


def check_folder(path: str) -> None:
    """Refuse a file whose folder is not there, before any work is done.

    Raises:
        NamebrushError: the folder is missing.
    """
    folder = Path(path).expanduser().absolute().parent
    if not folder.is_dir():
        raise NamebrushError(f'The folder "{folder}" does not exist; make it first or choose another.')


def tell(notes) -> None:
    """Sentences a person should read, on standard error."""
    for note in notes:
        print(note, file=sys.stderr)


def numbers(text: str, flag: str, count: tuple[int, ...], form: str) -> list[float]:
    """Numbers separated by commas.

    Raises:
        NamebrushError: not numbers, or not as many as `count` allows.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in count or any(v != v or abs(v) == float("inf") for v in values):
        raise NamebrushError(f"{flag} must be {form}, got {text!r}.")
    return values
