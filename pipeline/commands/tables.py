"""`compare`, `evaluate`, `methods` and `models`."""

from __future__ import annotations

import argparse

from .common import add_shared, check_folder, load, segment_settings, stderr_progress, tell


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Flags of `compare`."""
    parser.usage = (
        "%(prog)s PHOTO --classes TEXT --methods clip,sclip+none,trident+crf,base:trident "
        "--out FIGURE.(png|pdf|svg|zip) [options]"
    )
    parser.add_argument("photo", metavar="PHOTO", help="The photo's file.")
    parser.add_argument("--classes", required=True, metavar="TEXT", help='Names, as in "dog; puppy, grass, sky".')
    parser.add_argument(
        "--methods", required=True, metavar="A,B,…",
        help="What is compared, separated by commas: METHOD, METHOD+EDGES, MODELS:METHOD or MODELS:METHOD+EDGES; "
        "edges and models left out are those of --refine and --preset.",
    )
    parser.add_argument(
        "--out", required=True, metavar="FIGURE",
        help="The figure, .png, .pdf or .svg; or .zip: a picture per panel with LaTeX sources around them.",
    )
    parser.add_argument(
        "--width", type=float, metavar="MM",
        help="Width on paper, from 20 to 1000, with letters of 8 and 7 points [as wide as suits the screen].",
    )
    parser.add_argument(
        "--differences", nargs="?", const="all", default="", metavar="PANEL",
        help="Fade what all panels agree on, or with a panel's letter (b, c, …) what agrees with that panel.",
    )
    parser.add_argument(
        "--together", action="store_true",
        help="Let panels share what the image encoders said: quicker, but seconds do not compare and memory is not "
        "measured.",
    )
    add_shared(parser, skip=frozenset({"method"}))


def run_compare(args: argparse.Namespace) -> None:
    """Draw the figure."""
    from ..photo import open_photo
    from ..vocabulary import parse_vocabulary

    photo = open_photo(args.photo)
    from ..compare import check_ending, write_figure
    from ..comparison.caption import caption, note, presets, title
    from ..comparison.entries import parse_entries
    from ..comparison.plate import check_differences, check_width

    check_ending(args.out)
    check_folder(args.out)
    check_width(args.width)
    entries = parse_entries(args.methods)
    check_differences(args.differences, len(entries))
    settings = segment_settings(args)
    parse_vocabulary(args.classes, settings.get("background", "auto"), settings.get("threshold"))
    tell(photo.notes)
    progress = stderr_progress(args)
    found = load(args, progress).compare(
        photo, args.classes, entries, progress=progress, alone=not args.together, **settings
    )
    tell(dict.fromkeys(note for one in found for note in one.notes))
    write_figure(found, args.out, args.width, differences=args.differences)
    several = len(presets(found)) > 1
    for one in found:
        print(f"{title(one)}: {len(one.regions)} regions, {note(one, several)}")
    print(caption(found))
    print(args.out)


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Flags of `evaluate`."""
    parser.usage = (
        "%(prog)s --dataset scenes|folder|NAME [--root DIR] --method NAME --out TABLE.json [--limit N] [options]"
    )
    parser.add_argument(
        "--dataset", required=True, metavar="NAME",
        help='"scenes": held-out drawn scenes; "folder": images/, masks/ and classes.txt under --root; or a published '
        "data set that `datasets` lists.",
    )
    parser.add_argument(
        "--root", metavar="DIR", help="Where the dataset lies; scenes need none [NAMEBRUSH_DATA, for published ones]."
    )
    parser.add_argument(
        "--class-words", default="", choices=("", "sclip", "clearclip"), metavar="AUTHORS",
        help="Whose class words a published data set is given: sclip (NACLIP too) or clearclip [those most share].",
    )
    parser.add_argument("--out", required=True, metavar="TABLE.json", help="The table, as JSON.")
    parser.add_argument("--limit", type=int, metavar="N", help="Pictures at most [100 scenes, all of a folder].")
    parser.add_argument(
        "--names", default="all", choices=("all", "present"),
        help="Which names are typed for a picture: all of the dataset's, or those whose pixels are in it [all].",
    )
    add_shared(parser)


def run_evaluate(args: argparse.Namespace) -> None:
    """Measure, write the table and print it."""
    from ..evaluate.datasets import open_dataset
    from ..evaluate.run import evaluate
    from ..evaluate.tables import as_json, as_text
    from ..files import write_atomic

    check_folder(args.out)
    settings = segment_settings(args)
    dataset = open_dataset(args.dataset, args.root, args.limit, args.class_words)
    progress = stderr_progress(args)
    table = evaluate(load(args, progress), dataset, args.names, progress, **settings)
    write_atomic(args.out, as_json(table))
    print(as_text(table))
    print(f"\n{args.out}")


def add_methods(parser: argparse.ArgumentParser) -> None:
    """`methods` has no flags."""


def run_methods(args: argparse.Namespace) -> None:
    """Print the family as a table, what each method fixes, and what can be borrowed from whom."""
    from ..dense.options import DATASETS, PROXIES
    from ..dense.recipes import RECIPES
    from ..evaluate.tables import columns
    from ..proposals.settings import PROPOSALS
    from ..refine.names import REFINEMENTS

    rows = [["method", "models", "family", "words by", "scale", "window/stride", "paper", "in a sentence"]]
    for recipe in RECIPES.values():
        rows.append([recipe.name, "+".join(recipe.needs), recipe.family, recipe.reader, f"{recipe.logit_scale:g}",
                     f"{recipe.window}/{recipe.stride}", recipe.paper, recipe.about])  # fmt: skip
    print("\n".join(columns(rows, numbers=(4, 5))) + "\n")
    rows = [["method", "constants (change them with --options name=value,...)"]]
    rows += [[recipe.name, recipe.constants or "none"] for recipe in RECIPES.values()]
    print("\n".join(columns(rows)) + "\n")
    borrowers = ", ".join(name for name, recipe in RECIPES.items() if recipe.foundation)
    print(f"--proxy for {borrowers}: own, sam, {', '.join(PROXIES)}, a hub name or a folder")
    print(f"--published-for, for Trident's published sizes and thresholds: {', '.join(DATASETS)}")
    rows = [["masks first", "models", "paper", "in a sentence"]]
    rows += [[one.name, "+".join(one.needs), one.paper, one.about] for one in PROPOSALS.values()]
    print("\n" + "\n".join(columns(rows)))
    rows = [["--refine", "acts on", "model", "paper", "in a sentence"]]
    rows += [[one.name, one.acts, one.needs or "none", one.paper, one.about] for one in REFINEMENTS.values()]
    print("\n" + "\n".join(columns(rows)))
    _print_comparators()


def _print_comparators() -> None:
    """The trained models that the family is compared with; they are chosen as methods too."""
    from ..comparators.registry import COMPARATORS
    from ..evaluate.tables import columns

    rows = [["trained comparator", "weights", "paper", "in a sentence", "constants"]]
    rows += [[one.name, one.repo, one.paper, one.about, one.states] for one in COMPARATORS.values()]
    print("\n" + "\n".join(columns(rows)))


def add_models(parser: argparse.ArgumentParser) -> None:
    """`models` has no flags."""


def run_models(args: argparse.Namespace) -> None:
    """Print presets and checkpoints, their sizes and licences, and which are on this machine."""
    from ..comparators.registry import COMPARATORS
    from ..comparators.shelf import place
    from ..evaluate.tables import columns
    from ..models.builtin import here
    from ..models.catalog import CHECKPOINTS, PRESETS
    from ..models.fetch import on_disk

    rows = [["preset", "CLIP", "DINO", "SAM", "inpainting", "in a sentence"]]
    rows += [[p.name, p.clip, p.dino, p.sam, p.inpaint or "none", p.card] for p in PRESETS.values()]
    print("\n".join(columns(rows)) + "\n")
    rows = [["model", "kind", "size", "here", "licence", "in a sentence"]]
    for one in CHECKPOINTS.values():
        there = on_disk(one) if one.sources else here(one.kind)
        rows.append([one.name, one.kind, _size(one.bytes), "yes" if there else "no", one.licence, one.card])
    for one in COMPARATORS.values():
        there = on_disk(place(one, None))
        rows.append([one.repo, one.name, _size(one.bytes), "yes" if there else "no", one.licence, one.about])
    print("\n".join(columns(rows, numbers=(2,))))


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


