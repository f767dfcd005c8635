"""Command line: `python -m tests.golden FILE.npz ...`."""

import argparse
import sys

import torch

from .registry import replay


def main(arguments: list[str] | None = None) -> int:
    """Replay each file, print one line per file; 1 if any is above its tolerance or cannot be replayed."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE.npz")
    torch.set_num_threads(1)
    ok = True
    for path in parser.parse_args(arguments).files:
        outcome = replay(path)
        print(outcome.line, flush=True)
        ok &= outcome.ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
