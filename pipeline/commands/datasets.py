"""`datasets`: what can be measured on, and where it was looked for."""

from __future__ import annotations

import argparse

from ..errors import NamebrushError


def add_datasets(parser: argparse.ArgumentParser) -> None:
    """Flags of `datasets`."""
    parser.add_argument(
        "--root", metavar="DIR", help="The folder that holds the data sets [what NAMEBRUSH_DATA names]."
    )


def run_datasets(args: argparse.Namespace) -> None:
    """Print the published data sets with what they need and whether they are there."""
    from ..evaluate.datasets import ROOT_VARIABLE, data_root
    from ..evaluate.published import BENCHMARKS
    from ..evaluate.tables import columns

    root = data_root(args.root)
    rows = [["data set", "classes", "pictures", "download, about", "licence", "home"]]
    for one in BENCHMARKS.values():
        classes = str(len(one.classes()) or "its own")
        rows.append([one.name, classes, str(one.pictures), one.size, one.licence, one.home])
    print("\n".join(columns(rows, numbers=(1, 2))) + "\n")
    rows = [["data set", "folders tried below the root", "what it holds there"]]
    for one in BENCHMARKS.values():
        rows.append([one.name, ", ".join(one.places), "; ".join(" or ".join(any_of) for any_of in one.holds)])
    print("\n".join(columns(rows)) + "\n")
    if root is None:
        print(f"Nothing was looked for: name the folder that holds them with --root or the variable {ROOT_VARIABLE}.")
        return
    for one in BENCHMARKS.values():
        try:
            print(f"{one.name}: here, {len(one.pairs(one.folder(root)))} pictures in {one.folder(root)}")
        except NamebrushError as error:
            print(f"{one.name}: {error}")
