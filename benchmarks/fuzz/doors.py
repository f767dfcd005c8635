"""The doors, each with a way of making a damaged case and of sending it through as the page or an endpoint does.

A case is bytes, so that it can be kept as a file. `serve` returns whether the case was served or refused; whatever
else it raises is a fault.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import NamebrushError
from pipeline.progress import Progress
from pipeline.rle import decode_region, decode_rle, encode_rle

from . import bases
from .mutate import damaged_bytes, damaged_jpeg, damaged_json, damaged_npz, damaged_png, damaged_zip

SERVED, REFUSED = "served", "refused"


@dataclass(frozen=True)
class Door:
    """One door.

    Attributes:
        share: of all cases.
        good: inputs that are not damaged; serving them brings in all that is needed.
        make: draws a case from a generator.
        serve: sends it through, with a folder for files; returns `SERVED` or `REFUSED`.
    """

    share: int
    good: Callable[[], list[bytes]]
    make: Callable[[random.Random], bytes]
    serve: Callable[[bytes, Path], str]


def refused(work: Callable[[], object]) -> str:
    """Run what may refuse."""
    try:
        work()
    except NamebrushError as error:
        if not str(error) or "\n" in str(error) or len(str(error)) > 3000:
            raise AssertionError(f"no sentence: {str(error)[:200]!r}") from error
        return REFUSED
    return SERVED


def _picture(rng: random.Random) -> bytes:
    known = bases.pictures()
    name = rng.choice(list(known))
    if name.startswith(("png", "apng")) and rng.random() < 0.5:
        return damaged_png(rng, known[name])
    if name.startswith(("jpeg", "mpo")) and rng.random() < 0.5:
        return damaged_jpeg(rng, known[name])
    return damaged_bytes(rng, known[name], list(known.values()))


def _open_picture(data: bytes, folder: Path) -> str:
    from app import actions
    from app.scene import scene
    from app.session import Session

    path, session = folder / "photo.bin", Session()
    path.write_bytes(data)

    def work():
        actions.open_photo(session, str(path))
        json.dumps(scene(session, str(folder)), allow_nan=False)

    return refused(work)


def _session(rng: random.Random) -> bytes:
    known = bases.sessions()
    data = known[rng.choice(("whole", "whole", "whole", "photo"))]
    return damaged_bytes(rng, data, list(known.values())) if rng.random() < 0.2 else damaged_zip(rng, data, _part)


def _part(rng: random.Random, name: str, content: bytes) -> bytes:
    if rng.random() < 0.1:
        return damaged_bytes(rng, content)
    if name.endswith(".json"):
        return json.dumps(damaged_json(rng, json.loads(content))).encode()
    return damaged_png(rng, content) if name.endswith(".png") else damaged_npz(rng, content)


def _open_session(data: bytes, folder: Path) -> str:
    from app import actions
    from app.session import Session

    path, session = folder / "a.namebrush.zip", Session()
    path.write_bytes(data)
    outcome = refused(lambda: actions.open_session(session, str(path), Progress()))
    if outcome == SERVED:
        show_everything(session, folder)
    elif session.history.steps:
        raise AssertionError("a session that was refused changed the history")
    return outcome


def show_everything(session, folder: Path) -> None:
    """All that the page makes of every step of a history, with all regions picked; raises what fails."""
    from app import actions, texts
    from app.plain import compose
    from app.scene import scene

    for step in session.history.steps:
        actions.jump(session, step.id)
        actions.pick(session, [region.id for region in session.step.regions])
        json.dumps(scene(session, str(folder)), allow_nan=False).encode("utf-8")
        found = session.step.segmentation
        line = texts.history(session)
        assert line.count("data-step") >= len(session.steps), "a step has no button"
        for text in (
            line, texts.models_line(found, session.preset), actions.words_of(session),
            texts.against(found and found.vocabulary), texts.status(actions.picked_line(session)), session.step.told,
        ):  # fmt: skip
            text.encode("utf-8")
        texts.region_choices(session.step.regions)
        compose(session)
        if session.step.edit is not None:
            actions.choose(session, len(session.step.edit.images) - 1)
            json.dumps(scene(session, str(folder)), allow_nan=False)
            actions.go(session, session.cursor - 1)
    while session.history.can_redo:
        actions.go(session, session.cursor + 1)


_RLES = (
    encode_rle(np.eye(40, 48, dtype=bool)), {"size": [4, 5], "counts": [0, 1, 4, 2, 13]},
    {"size": [640, 960], "counts": [100, 614300]}, {"size": [0, 0], "counts": [0]},
)  # fmt: skip


def _rle(rng: random.Random) -> bytes:
    value = damaged_json(rng, rng.choice(_RLES))
    if isinstance(value, dict) and rng.random() < 0.3:
        value["counts"] = [rng.choice((0, 1, 7, 2**31, 2**62, 2**63, -1)) for _ in range(rng.randrange(1, 9))]
    return json.dumps(value).encode()


def _decode(data: bytes, folder: Path) -> str:
    value = json.loads(data)
    outcomes = [refused(lambda: decode_rle(value, max_pixels=1 << 26)), refused(lambda: decode_rle(value, (40, 48)))]
    outcomes.append(refused(lambda: decode_region(value, (40, 48))))
    return SERVED if SERVED in outcomes else REFUSED


def _option(rng: random.Random) -> bytes:
    from .options import good

    known = good()
    name = rng.choice(list(known))
    return json.dumps([name, damaged_json(rng, known[name])]).encode()


def _check_option(data: bytes, folder: Path) -> str:
    from .options import check

    name, arguments = json.loads(data)
    return refused(lambda: check(name, arguments))


def _event(rng: random.Random) -> bytes:
    from .page import GOOD

    name = rng.choice(list(GOOD))
    good = GOOD[name]
    data = damaged_json(rng, rng.choice(good))
    seed = rng.randrange(1 << 30) if rng.random() < 0.5 else None
    return json.dumps([name, data, rng.randrange(1 << 16), seed]).encode()


def _send_event(data: bytes, folder: Path) -> str:
    from .page import send

    name, value, which, seed = json.loads(data)
    return refused(lambda: send(name, value, which, None if seed is None else random.Random(seed)))


def _good_options() -> list[bytes]:
    from .options import good

    return [json.dumps([name, value]).encode() for name, value in good().items()]


def _good_events() -> list[bytes]:
    from .page import GOOD

    return [json.dumps([name, one, which, None]).encode() for name, known in GOOD.items() for one in known
            for which in range(10 if name in ("click", "select", "input") else 1)]  # fmt: skip


DOORS: dict[str, Door] = {
    "pictures": Door(8, lambda: list(bases.pictures().values()), _picture, _open_picture),
    "sessions": Door(6, lambda: list(bases.sessions().values()), _session, _open_session),
    "rle": Door(2, lambda: [json.dumps(one).encode() for one in _RLES], _rle, _decode),
    "options": Door(2, _good_options, _option, _check_option),
    "events": Door(2, _good_events, _event, _send_event),
}


def case_of(door: str, seed: int, index: int) -> bytes:
    """The case of a number: the same for the same seed."""
    rng = random.Random(f"{seed}/{door}/{index}")
    return DOORS[door].make(rng)
