"""The command line: `python -m pipeline segment | edit | replay | compare | …`."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from .errors import Cancelled, NamebrushError

#: Every command, the sentence `--help` shows for it, and the module that adds its flags and runs it.
COMMANDS = {
    "segment": ("Find typed names in a photo.", "photos"),
    "edit": ("Change something in a photo: remove, replace, recolour, move and more.", "photos"),
    "replay": ("Do a saved session again and compare the pixels.", "sessions"),
    "compare": ("Draw what several methods find in a photo side by side.", "tables"),
    "evaluate": ("Measure a method on a labelled dataset.", "tables"),
    "datasets": ("List the published data sets, what each needs, and what is on this machine.", "datasets"),
    "methods": ("List the methods.", "tables"),
    "models": ("List the presets and models, and what is on this machine.", "tables"),
}
BAD_INPUT, INTERRUPTED = 2, 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage that nobody asked for."""

    def error(self, message: str):
        self.exit(BAD_INPUT, f"{self.prog}: {message}. See {self.prog} --help.\n")


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the chosen command gets its flags, so that help is there at once."""
    parser = _Parser(prog="python -m pipeline", description="Names to masks to edits.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, (about, module) in COMMANDS.items():
        sub = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        if name == chosen:
            home = importlib.import_module(f".commands.{module}", __package__)
            getattr(home, f"add_{name}")(sub)
            sub.set_defaults(run=getattr(home, f"run_{name}"))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0; 2 after one line on standard error where a person can put something right; 130 after Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(next((a for a in argv if a in COMMANDS), None)).parse_args(argv)
        status = args.run(args)
        sys.stdout.flush()
        return status or 0
    except (NamebrushError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # `| head` has read enough
            sys.stdout = open(os.devnull, "w")
            return 0
        print("python -m pipeline: " + " ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT
    except MemoryError:
        print("python -m pipeline: Not enough memory. Try a smaller photo or a smaller preset.", file=sys.stderr)
        return BAD_INPUT
    except (KeyboardInterrupt, Cancelled):
        print("python -m pipeline: Stopped; nothing was written.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _interrupt(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # so that half-written files are cleaned up then too
    sys.exit(main())
