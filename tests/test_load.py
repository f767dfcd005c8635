"""What the load measurement would notice: another's content in an answer, and a page that lost an event it needs."""

import asyncio

import cv2
import numpy as np
import pytest

from benchmarks.load import greedy, photos, table
from benchmarks.load.client import Config
from benchmarks.load.server import machine_seconds, tree, usage


@pytest.fixture(scope="module")
def drawn():
    return [photos.draw(visitor, 0, seed=1) for visitor in (0, 1)]


@pytest.fixture(scope="module")
def config():
    from app.build import build_demo

    return Config(build_demo().get_config_file())


def _png(pixels) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_a_visitors_own_photo_is_recognised_and_anothers_is_not(drawn):
    mine, other = drawn
    photos.check_picture(mine.png, 0, 2, "it")
    with pytest.raises(photos.Mixed, match="size"):
        photos.check_picture(other.png, 0, 2, "it")
    pixels = cv2.imdecode(np.frombuffer(mine.png, np.uint8), cv2.IMREAD_COLOR)
    pixels[: photos.MARK, : photos.MARK] = photos.mark_of(1)[..., ::-1]
    with pytest.raises(photos.Mixed, match="mark of 1"):
        photos.check_picture(_png(pixels), 0, 2, "it")
    with pytest.raises(photos.Mixed, match="none of its marks"):
        photos.check_picture(_png(np.zeros_like(pixels)), 0, 2, "it")


def test_another_visitors_name_in_an_answer_is_noticed():
    photos.check_text("visitor-003-1.png, 960 x 640", 3)
    with pytest.raises(photos.Mixed, match="4"):
        photos.check_text("visitor-003-1.png and visitor-004-0.png", 3)


def test_no_two_visitors_have_photos_of_one_size_or_one_mark():
    assert len({photos.size_of(v) for v in range(200)}) == 200
    marks = np.stack([photos.mark_of(v) for v in range(200)]).astype(np.int16)
    apart = min(np.abs(marks[i] - marks[j]).mean() for i in range(200) for j in range(i))
    assert apart > 2 * photos.NEAR


def test_the_page_has_every_event_that_visitors_use(config):
    used = [
        ("open", "upload"), ("find", "click"), ("canvas", "ask"), ("canvas", "pick"), ("go", "click"),
        ("undo", "click"), ("save-photo", "click"), ("save-session", "click"), ("models", "select"),
    ]  # fmt: skip
    numbers = [config.event(*one)["id"] for one in used]
    assert len(set(numbers)) == len(used)
    assert config.following(config.event("open", "upload")["id"]), "opening a photo starts nothing by itself"
    assert {"words", "find-short-side", "find-window", "find-stride"} <= set(config.names.values())
    with pytest.raises(LookupError, match="#nothing"):
        config.event("nothing", "click")


def test_a_jpeg_of_many_scans_is_a_picture_of_as_many_scans():
    data = greedy.many_scans(50, side=64)
    assert data.count(b"\xff\xda") >= 50 and cv2.imdecode(np.frombuffer(data, np.uint8), 0).shape == (64, 64)


def test_what_was_late_is_measured_but_not_counted_as_answered_in_time():
    rows = [("find", 0, 5.0, 1.0, "ok"), ("find", 1, 50.0, 9.0, "ok"), ("find", 1, 6.0, 1.0, "refused")]
    made = table.summary(rows, begin=0.0, seconds=10.0)
    assert made["requests"] == 1 and made["actions"]["find"]["count"] == 3
    assert made["actions"]["find"]["refused"] == 1 and made["actions"]["find"]["max"] == 9.0
    assert table.summary(rows, 0.0, 10.0, others_only=1)["actions"]["find"]["count"] == 1


def test_memory_is_drawn(tmp_path):
    result = {"title": "one", "memory": [(0.0, 1e9, 0.0), (1.0, 2e9, 1.0)]}
    table.picture([result], tmp_path / "memory.png")
    pixels = cv2.imread(str(tmp_path / "memory.png"))
    assert (pixels == np.array(table.INKS[0][::-1])).all(-1).any()


def test_a_process_is_measured_with_what_it_started():
    import os
    import subprocess
    import sys

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in tree(os.getpid())
        assert usage(os.getpid())[0] > usage(child.pid)[0] >= 0 and machine_seconds() > 0
    finally:
        child.communicate(b"\n")


def test_a_chain_of_events_follows_the_first(config):
    from benchmarks.load.client import Answer, Tab

    sent = []

    class Quiet(Tab):
        async def send(self, event, data=None, trigger=-1, **values):
            sent.append(event["id"])
            return Answer("ok", "", 0.0)

    class Http:
        base_url = "http://127.0.0.1"

    event = config.event("open", "upload")
    asyncio.run(Quiet(Http, config).chain(event))
    assert sent[0] == event["id"] and len(sent) == 1 + len(config.following(event["id"]))
