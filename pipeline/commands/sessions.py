"""`replay`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import NamebrushError
from ..settings import LoadSettings, add_flags, from_flags
from .common import load, stderr_progress

#: Exit status of a replay that came out otherwise than stored.
DIFFERENT = 1


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Flags of `replay`."""
    parser.usage = "%(prog)s FILE [--out DIR] [options]"
    parser.add_argument("file", metavar="FILE", help="A session file, as the page saves it.")
    parser.add_argument("--out", metavar="DIR", help="Folder for the photo of every step that was done again, as PNG.")
    parser.add_argument("--quiet", action="store_true", help="No progress on standard error.")
    add_flags(parser, LoadSettings)


def run_replay(args: argparse.Namespace) -> int:
    """Do a session again and compare; status 1 where any pixel differs."""
    from ..history.replay import replay
    from ..history.session import open_session

    progress = stderr_progress(args)
    history = open_session(args.file, progress)
    if args.out and Path(args.out).exists() and not Path(args.out).is_dir():
        raise NamebrushError(f'"{args.out}" is a file; give the name of a folder.')
    presets = list(dict.fromkeys(s.segmentation.preset for s in history.steps if s.kind == "segment"))
    if presets and "preset" not in from_flags(args, LoadSettings):
        setattr(args, "LoadSettings.preset", presets[0])
    done = replay(history, load(args, progress), progress)
    for one in done:
        told = "as stored" if not one.computed else "the same" if one.same else f"{one.differing} pixels differ"
        took = f", {one.seconds:.2f} s" if one.computed else ""
        print(f"{one.step.id}: {one.step.kind}, {one.step.label}: {told}{took}{'; ' + one.note if one.note else ''}")
    if args.out:
        _write(done, args.out)
    different = sum(not one.same for one in done)
    computed = sum(one.computed for one in done)
    print(f"{computed} steps done again, {computed - different} with the same pixels")
    return DIFFERENT if different else 0


def _write(done, folder: str) -> None:
    from ..files import write_folder
    from ..photo import encode_photo

    files = {f"step-{one.step.id:02}.png": encode_photo(one.step.photo)[0] for one in done if one.computed}
    write_folder(folder, files)
    print(folder)
