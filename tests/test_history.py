"""Steps, branches, session files: what is saved is what is opened, whatever happens in between."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from benchmarks.kill_session import kill_once, steps_of
from pipeline.edit import edit
from pipeline.errors import Cancelled, NamebrushError
from pipeline.history import History, Step, edited, open_session, opened, save_session, segmented
from pipeline.history.replay import replay
from pipeline.history.session import MANIFEST, session_bytes
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import (
    ClassName,
    EditRequest,
    Prompt,
    Region,
    Segmentation,
    Vocabulary,
)


def photo_of(seed=0, height=40, width=48):
    return open_photo(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def box_mask(height, width, y0, x0, y1, x1):
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def found_in(photo):
    """A segmentation with a region by words and one by hand."""
    labels = np.full(photo.size, -1, np.int32)
    labels[4:20, 6:30] = 1
    prompt = Prompt(np.array([[10.5, 8]], np.float32), np.array([1], np.int32), (6.0, 4.0, 30.0, 20.0))
    by_words = Region.from_mask(
        labels == 1, id=0, class_index=1, name="grass", score=0.75, prompt=prompt, made_by="sam", iou=0.5,
        logits=np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8), accepted=True,
    )  # fmt: skip
    hand = Region.from_mask(
        box_mask(*photo.size, 25, 1, 30, 9), id=1, class_index=-1, name="by hand", score=0.5,
        prompt=Prompt(mask=np.ones((8, 8), np.float32)), made_by="grabcut",
    )  # fmt: skip
    words = Vocabulary((ClassName("dog", ("puppy",)), ClassName("grass")), ("sky",), 0.25, ("A note.",))
    scores = np.random.default_rng(0).random((3, 10, 12), np.float32)
    return Segmentation(photo, words, labels, scores, (by_words, hand), "tiny", "sclip", "sam", {"encode": 0.5})


def edited_photo(photo, **fields):
    request = EditRequest(**{"kind": "recolor", "mask": box_mask(*photo.size, 5, 5, 20, 20), "color": "red", **fields})
    return edit(photo, request, None)


def test_undo_redo_jump_and_branches():
    photo = photo_of()
    history = History().add(opened(photo))
    assert not history.can_undo and history.undo() is history and history.redo() is history
    first = history.add(edited(edited_photo(photo)))
    second = first.add(edited(edited_photo(first.current.photo, color="blue")))
    assert [s.id for s in second.path()] == [0, 1, 2] and second.current.parent == 1
    back = second.undo().undo()
    assert back.at == 0 and not back.can_undo and back.can_redo
    assert back.redo().redo().at == 2 and not back.redo().redo().can_redo
    branch = back.add(edited(edited_photo(photo, color="green")))
    assert branch.at == 3 and [s.id for s in branch.children(0)] == [1, 3] and [s.id for s in branch.tips] == [2, 3]
    assert branch.undo().redo().at == 3
    assert branch.jump(2).undo().undo().redo().redo().at == 2  # redo follows the branch last stood on
    assert len(history.steps) == 1  # nothing was changed
    with pytest.raises(KeyError):
        branch.jump(9)
    other = branch.add(opened(photo_of(1)))
    assert other.current.parent is None and not other.can_undo


def test_trimming_keeps_where_one_stands():
    *_, history = steps_of(0, 6)
    branch = history.jump(2).add(edited(edited_photo(history.step(2).photo)))
    kept = branch.jump(6).trimmed(5, 1 << 40)
    assert [s.id for s in kept.steps] == [2, 3, 4, 5, 6] and kept.at == 6 and kept.steps[0].parent is None
    assert [s.id for s in branch.trimmed(4, 1 << 40).path()] == [0, 1, 2, 7]
    least = branch.jump(6).trimmed(40, 1)
    assert [s.id for s in least.path()] == [5, 6] and least.can_undo
    assert history.nbytes >= 7 * history.current.photo.pixels.nbytes


def assert_same(one, other):
    """Two records have the same content, arrays included."""
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype and np.array_equal(a, b), field.name
        elif dataclasses.is_dataclass(a):
            assert_same(a, b)
        elif isinstance(a, tuple) and a and dataclasses.is_dataclass(a[0]):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                assert_same(x, y)
        elif isinstance(a, (tuple, list)):
            assert list(a) == list(b), field.name
        else:
            assert a == b, field.name


def full_history():
    rng = np.random.default_rng(3)
    photo = dataclasses.replace(
        photo_of(), alpha=rng.integers(0, 256, (40, 48), np.uint8), exif=b"Exif\0\0abc", icc=b"profile", name="a.png",
        notes=("Told.",),
    )  # fmt: skip
    history = History().add(opened(photo, told="Opened."))
    found = found_in(photo)
    history = history.add(segmented(found, "dog; puppy, grass", {"method": "sclip"}, models={"clip": "x (sha256:1)"}))
    history = history.add(Step("hand", "grass corrected", photo, found))
    result = edited_photo(photo, kind="background", color="", picture=photo_of(9), shadow=0.0)
    history = history.add(edited(result, segmentation=dataclasses.replace(found, photo=result.images[0])))
    cut = edited_photo(photo_of(5), kind="cutout")
    history = history.add(opened(photo_of(5))).add(edited(cut))
    return history.jump(3)


def test_a_session_opens_as_it_was_saved(tmp_path):
    history, path = full_history(), tmp_path / "work.namebrush.zip"
    save_session(history, path)
    again = open_session(path)
    assert again.at == 3 and dict(again.ahead) == dict(history.ahead)
    for one, other in zip(history.steps, again.steps, strict=True):
        if one.segmentation is not None:
            scores = one.segmentation.scores.astype(np.float16).astype(np.float32)
            one = dataclasses.replace(one, segmentation=dataclasses.replace(one.segmentation, scores=scores))
        assert_same(one, other)
    assert again.steps[1].photo.pixels is again.steps[0].photo.pixels  # one photo is one array
    buffer = io.BytesIO()
    session_bytes(again, buffer)
    assert zipfile.ZipFile(buffer).testzip() is None
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_saving_again_takes_over_photos_and_survives_being_stopped(tmp_path):
    path = tmp_path / "a.zip"
    histories = list(steps_of(1, 3))
    save_session(histories[1], path)
    before = path.read_bytes()

    def stop(message, share):
        if share and share > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        save_session(histories[3], path, Progress(stop))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    save_session(histories[3], path)
    assert len(open_session(path).steps) == 4


def test_killed_at_random_instants_the_last_complete_step_is_there(tmp_path):
    rng = np.random.default_rng(0)
    for seed in range(10):
        kill_once(tmp_path, seed, rng.uniform(0, 0.25))


def test_files_that_are_no_sessions(tmp_path):
    save_session(next(steps_of(0, 0)), tmp_path / "good.zip")
    (tmp_path / "text.zip").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    broken = bytearray((tmp_path / "good.zip").read_bytes())
    broken[len(broken) // 3] ^= 255
    (tmp_path / "broken.zip").write_bytes(broken)
    for name in ("text.zip", "other.zip", "broken.zip", "missing.zip"):
        with pytest.raises(NamebrushError, match="session file|No such file"):
            open_session(tmp_path / name)

    def rewritten(change):
        with zipfile.ZipFile(tmp_path / "good.zip") as old, zipfile.ZipFile(tmp_path / "new.zip", "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == MANIFEST:
                    told = json.loads(data)
                    change(told)
                    data = json.dumps(told).encode()
                new.writestr(name, data)
        return tmp_path / "new.zip"

    for change in (
        lambda told: told.update(at=7), lambda told: told.update(steps=[]), lambda told: told.pop("edition"),
        lambda told: told["steps"][0].update(parent=0), lambda told: told["steps"][0]["photo"].update(file="../x"),
        lambda told: told["steps"][0]["photo"].update(hash="0"),
    ):  # fmt: skip
        with pytest.raises(NamebrushError, match="session file"):
            open_session(rewritten(change))
    with pytest.raises(NamebrushError, match="newer edition"):
        open_session(rewritten(lambda told: told.update(edition=99)))
    with pytest.raises(NamebrushError, match="nothing to save"):
        save_session(History(), tmp_path / "x.zip")
    with pytest.raises(NamebrushError, match="folder .* does not exist"):
        save_session(next(steps_of(0, 0)), tmp_path / "no" / "x.zip")


class Engine:
    """As much of a pipeline as a replay of edits without a model needs."""

    def __init__(self):
        self.models = self

    def do(self, photo, request, progress):
        return edit(photo, request, self.models, progress)

    def title(self, kind):
        return "small"


def test_a_replay_gives_the_same_pixels_and_says_where_not(tmp_path):
    photo = photo_of(2, 60, 60)
    history = History().add(opened(photo))
    for fields in (
        {"kind": "remove", "mask": box_mask(60, 60, 20, 20, 30, 34), "seed": 5, "candidates": 2},
        {"kind": "move", "mask": box_mask(60, 60, 5, 5, 20, 20), "dx": 22, "scale": 1.4},
        {"kind": "cutout", "mask": box_mask(60, 60, 5, 5, 40, 40)},
        {"kind": "extend", "mask": np.zeros((60, 60), bool), "left": 9, "bottom": 4},
    ):
        history = history.add(edited(edited_photo(history.current.photo, **{"color": "", **fields})))
    save_session(history, tmp_path / "a.zip")
    stored = open_session(tmp_path / "a.zip")
    done = replay(stored, Engine())
    assert [one.same for one in done] == [True] * 5 and [one.computed for one in done] == [False] + [True] * 4
    for one, step in zip(done, history.steps, strict=True):
        assert np.array_equal(one.step.photo.pixels, step.photo.pixels)
    # another seed in the file gives other pixels, and whatever stands on them differs too
    first = stored.steps[1]
    request = dataclasses.replace(first.edit.request, seed=6)
    changed = dataclasses.replace(first, edit=dataclasses.replace(first.edit, request=request), models={"x": "large"})
    steps = (stored.steps[0], changed, *stored.steps[2:])
    done = replay(History(steps, 4), Engine())
    assert not done[1].same and 0 < done[1].differing <= 2 * 60 * 60
    assert done[1].note == "made by large (now small)"


def test_a_session_with_a_picture_of_many_megabytes_opens(tmp_path):
    """Its PNG is larger than a zip's list of files may be."""
    noise = open_photo(np.random.default_rng(1).integers(0, 256, (1800, 2000, 3), dtype=np.uint8))
    save_session(History().add(opened(noise)), tmp_path / "large.namebrush.zip")
    assert (tmp_path / "large.namebrush.zip").stat().st_size > 10 << 20
    assert open_session(tmp_path / "large.namebrush.zip").current.photo.hash == noise.hash
