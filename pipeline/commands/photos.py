"""`segment` and `edit`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..edit.kinds import KINDS
from ..edit.settings import EditSettings
from ..errors import NamebrushError
from ..mask_formats import FORMATS, check_formats
from ..settings import SelectSettings, add_flags, from_flags
from .common import add_shared, check_folder, load, numbers, segment_settings, stderr_progress, tell

if TYPE_CHECKING:
    import numpy as np

    from ..pipeline import Pipeline
    from ..records import Photo


def add_segment(parser: argparse.ArgumentParser) -> None:
    """Flags of `segment`."""
    parser.usage = '%(prog)s PHOTO --classes "dog; puppy, grass, sky" --out DIR [options]'
    parser.add_argument("photo", metavar="PHOTO", help="The photo's file.")
    parser.add_argument("--classes", required=True, metavar="TEXT", help='Names, as in "dog; puppy, grass, sky".')
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="Folder for overlay.png, labels.png and regions.json."
    )
    parser.add_argument(
        "--masks", metavar="A,B,…", default="",
        help="Also write the masks: " + "; ".join(f"{name}, {about}" for name, about in FORMATS.items()) + ".",
    )
    parser.add_argument("--layers", action="store_true", help="Also write layers.ora, for GIMP and Krita.")
    add_shared(parser)


def run_segment(args: argparse.Namespace) -> None:
    """Segment a photo, write three files, print what was found."""
    from ..files import write_folder
    from ..masks_out import mask_files
    from ..photo import open_photo
    from ..vocabulary import parse_vocabulary

    photo = open_photo(args.photo)
    settings = segment_settings(args)
    parse_vocabulary(args.classes, settings.get("background", "auto"), settings.get("threshold"))
    if Path(args.out).exists() and not Path(args.out).is_dir():
        raise NamebrushError(f'"{args.out}" is a file; give the name of a folder.')
    formats = check_formats(name.strip() for name in args.masks.split(",") if name.strip())
    tell(photo.notes)
    progress = stderr_progress(args)
    found = load(args, progress).segment(photo, args.classes, progress=progress, **settings)
    tell(found.notes)
    from ..export import write_segmentation

    write_segmentation(found, args.out)
    more = {name: data for f in formats for name, data in mask_files(photo, found.regions, f).items()}
    if args.layers:
        from ..openraster import layers_of, ora_bytes

        more["layers.ora"] = ora_bytes(layers_of(photo, found), photo.size)
    if more:
        write_folder(args.out, more)
    for index, one in enumerate(found.vocabulary.classes):
        regions = sum(r.class_index == index for r in found.regions)
        print(f"{one.name}: {regions} region{'s' * (regions != 1)}, {(found.labels == index).mean():.1%} of the photo")
    print(f"no class: {(found.labels < 0).mean():.1%} of the photo")
    seconds = sum(found.seconds.values())
    print(f"{found.preset}, {found.method}, refined by {found.refine}, {seconds:.2f} s: {args.out}")


def add_edit(parser: argparse.ArgumentParser) -> None:
    """Flags of `edit`."""
    parser.usage = (
        "%(prog)s PHOTO --kind KIND --out FILE [options]; kinds: " + ", ".join(KINDS) + "\n"
        "       with one of: --classes TEXT --select NAME, --point X,Y[,0|1], --box X0,Y0,X1,Y1, --mask FILE"
    )
    parser.add_argument("photo", metavar="PHOTO", help="The photo's file.")
    parser.add_argument(
        "--out", required=True, metavar="FILE",
        help="The result, .png, .jpg or .webp; further candidates get -2, -3 … before the ending.",
    )
    parser.add_argument(
        "--session", metavar="FILE", help="Also write what was done as a session file, for the page and for replay."
    )
    what = parser.add_argument_group("what is changed, one of")
    what.add_argument("--classes", metavar="TEXT", help="Names; with --select.")
    what.add_argument(
        "--select", action="append", metavar="NAME", help="The name whose regions are changed; repeatable."
    )
    what.add_argument(
        "--point", action="append", metavar="X,Y[,0|1]", help="A pixel of the thing, or with 0 not of it; repeatable."
    )
    what.add_argument("--box", metavar="X0,Y0,X1,Y1", help="A box around the thing, in pixels.")
    what.add_argument("--mask", metavar="FILE", help="A picture of the photo's size, white where it is changed.")
    parser.add_argument("--minus", metavar="FILE", help="A picture of the photo's size, white where nothing changes.")
    parser.add_argument("--picture", metavar="FILE", help="The photo that becomes the background.")
    add_flags(parser, SelectSettings)
    add_flags(parser, EditSettings)
    add_shared(parser)


def run_edit(args: argparse.Namespace) -> None:
    """Edit a photo and write the result."""
    from ..files import write_folder
    from ..photo import SAVE_ENDINGS, encode_photo, open_photo

    changes = EditSettings(**from_flags(args, EditSettings))
    settings = segment_settings(args)
    by_hand = from_flags(args, SelectSettings)
    SelectSettings(**by_hand)
    _check_selection(args, KINDS[changes.kind].mask)
    points = _points(args.point or ())
    box = numbers(args.box, "--box", (4,), "X0,Y0,X1,Y1") if args.box else None
    if Path(args.out).suffix.lower() not in SAVE_ENDINGS:
        raise NamebrushError(f'"{args.out}" must end in {", ".join(SAVE_ENDINGS)}.')
    for path in filter(None, (args.out, args.session)):
        check_folder(path)
    photo = open_photo(args.photo)
    tell(photo.notes)
    progress = stderr_progress(args)
    mask = _read_mask(args.mask, photo) if args.mask else None
    minus = _read_mask(args.minus, photo) if args.minus else None
    picture = open_photo(args.picture) if args.picture else None
    pipe = load(args, progress)
    found, what = None, mask if mask is not None else ()
    if args.classes:
        found = pipe.segment(photo, args.classes, progress=progress, **settings)
        tell(found.notes)
        what = [region for name in args.select for region in found.find(name)]
    elif mask is None and _ways(args):
        wide = {"ample": changes.kind in ("remove", "replace"), **by_hand}
        what = pipe.select(photo, points, box, progress=progress, **wide)
        print(f"Selected {what.area} pixels by {what.made_by}, score {what.score:.2f}")
    fields = {name: getattr(changes, name) for name in from_flags(args, EditSettings)}
    result = pipe.edit(photo, what, minus=minus, picture=picture, progress=progress, **fields)
    tell(result.notes)
    target = Path(args.out)
    paths = [target] + [target.with_stem(f"{target.stem}-{i}") for i in range(2, len(result.images) + 1)]
    encoded = [encode_photo(image, SAVE_ENDINGS[target.suffix.lower()]) for image in result.images]
    tell(dict.fromkeys(note for _, notes in encoded for note in notes))
    write_folder(target.parent, {path.name: data for path, (data, _) in zip(paths, encoded, strict=True)})
    if args.session:
        _write_session(args.session, pipe, found, args.classes, settings, result)
    print(
        f"{changes.kind} by {result.made_by}: {int(result.mask.sum())} pixels may change, "
        f"{result.changed_outside} outside the mask, {sum(progress.seconds.values()):.2f} s"
    )
    for path, seed in zip(paths, result.seeds, strict=True):
        print(f"{path} (seed {seed})")


def _ways(args: argparse.Namespace) -> int:
    """In how many ways it is said what is changed."""
    return sum(bool(given) for given in (args.classes, args.point or args.box, args.mask))


def _check_selection(args: argparse.Namespace, needed: bool) -> None:
    if _ways(args) > 1 or (needed and not _ways(args)):
        raise NamebrushError("Say what is changed by one of --classes with --select, --point, --box or --mask.")
    if bool(args.classes) != bool(args.select):
        raise NamebrushError("--classes and --select belong together: the names, and the one that is changed.")


def _points(texts) -> list[tuple[float, float, int]]:
    points = []
    for text in texts:
        values = numbers(text, "--point", (2, 3), "X,Y or X,Y,0 or X,Y,1")
        if len(values) == 3 and values[2] not in (0, 1):
            raise NamebrushError(f"The third number of --point must be 0 or 1, got {text!r}.")
        points.append((values[0], values[1], int(values[2]) if len(values) == 3 else 1))
    return points


def _read_mask(path: str, photo: Photo) -> np.ndarray:
    from ..photo import open_photo

    mask = open_photo(path).pixels.max(axis=2) > 127
    if mask.shape != photo.size:
        size = f"{mask.shape[1]} x {mask.shape[0]}"
        raise NamebrushError(f"The mask is {size} pixels but the photo is {photo.size[1]} x {photo.size[0]}.")
    return mask


def _write_session(path: str, pipe: Pipeline, found, classes, settings, result) -> None:
    from ..history import History, edited, opened, save_session, segmented
    from ..models.revisions import revisions_of

    history = History().add(opened(result.photo))
    if found is not None:
        models = revisions_of(pipe.models, ("clip", "dino", "sam"))
        history = history.add(segmented(found, classes, settings, models=models))
    save_session(history.add(edited(result)), path)
    print(path)
