"""Text embeddings on disk: kept across processes, never wrong, never in the way."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.models.builtin import load_clip
from pipeline.text import embed, store
from pipeline.text.embed import embed_words
from pipeline.text.store import TextStore, folder
from tests.test_text import model

ROOT = Path(__file__).parents[1]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NAMEBRUSH_CACHE", str(tmp_path))
    return tmp_path / "text"


def from_file(weights="w1"):
    """A model that says which file it came from."""
    clip, tower = model()
    return dataclasses.replace(clip, weights=weights), tower


def test_a_word_runs_once_for_all_models_of_one_file(kept):
    clip, tower = from_file()
    first = embed_words(clip, ["bee", "dad"], "simple")
    assert len(list(kept.iterdir())) == 2 and len(tower.seen) == 2
    again, other = from_file()
    np.testing.assert_array_equal(embed_words(again, ["dad", "bee", "jib"], "simple")[[1, 0]], first)
    assert other.seen == ["a photo of a jib"]


def test_other_weights_or_sentences_share_nothing(kept):
    embed_words(from_file()[0], ["bee"], "simple")
    for weights, templates in (("w2", "simple"), ("w1", "word"), ("w1", "adaptive")):
        clip, tower = from_file(weights)
        embed_words(clip, ["bee"], templates)
        assert tower.seen, (weights, templates)
    clip, tower = from_file()
    embed_words(clip, ["bee"], "simple")
    assert tower.seen == []


def test_a_model_made_in_memory_keeps_nothing(kept):
    embed_words(model()[0], ["bee"], "simple")
    assert not kept.exists()


@pytest.mark.parametrize("spoil", ["cut", "changed", "emptied", "another word's", "not finite", "a folder"])
def test_a_file_that_is_not_whole_is_no_answer_and_is_written_anew(kept, spoil):
    clip, _ = from_file()
    right = embed_words(clip, ["bee"], "simple")
    (path,) = kept.iterdir()
    data = path.read_bytes()
    if spoil == "cut":
        path.write_bytes(data[:-3])
    elif spoil == "changed":
        path.write_bytes(data[:12] + bytes([data[12] ^ 1]) + data[13:])
    elif spoil == "emptied":
        path.write_bytes(b"")
    elif spoil == "another word's":
        embed_words(clip, ["dad"], "simple")
        other = next(p for p in kept.iterdir() if p != path)
        path.write_bytes(other.read_bytes())
    elif spoil == "not finite":
        one = TextStore("x", kept)
        one.put({"s": np.array([np.nan, 1], np.float32)})
        assert one.get("s") is None
        path.write_bytes(b"NBTXT1\0\0")
    else:
        path.unlink()
        path.mkdir()
    clip, tower = from_file()
    np.testing.assert_array_equal(embed_words(clip, ["bee"], "simple"), right)
    assert tower.seen == ["a photo of a bee"]
    if spoil != "a folder":
        assert path.read_bytes() == data


def test_what_was_typed_is_not_written(kept):
    embed_words(from_file()[0], ["secret"], "simple")
    (path,) = kept.iterdir()
    assert b"secret" not in path.read_bytes() and "secret" not in path.name
    assert not list(kept.glob(".*")), "nothing half-written is left"


def test_the_oldest_go_first(kept, monkeypatch):
    monkeypatch.setattr(store, "MOST", 6)
    monkeypatch.setattr(store, "LEFT", 4)
    one = TextStore("m", kept)
    for i in range(6):
        one.put({f"s{i}": np.full(3, i, np.float32)})
        os.utime(one._place(f"s{i}")[1], (1000 + i, 1000 + i))
    assert one.get("s0") is not None  # used now, so it is the youngest
    one.put({"s6": np.zeros(3, np.float32)})
    there = [i for i in range(7) if one.get(f"s{i}") is not None]
    assert len(there) == 4 and {0, 6} <= set(there) and 1 not in there


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("NAMEBRUSH_CACHE", str(tmp_path / "file"))
    clip, tower = from_file()
    embed_words(clip, ["bee"], "simple")
    assert tower.seen == ["a photo of a bee"] and (tmp_path / "file").read_text() == "x"


def test_where_it_is_kept(monkeypatch, tmp_path):
    for off in ("off", " OFF ", "0"):
        monkeypatch.setenv("NAMEBRUSH_CACHE", off)
        assert folder() is None
    monkeypatch.delenv("NAMEBRUSH_CACHE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    assert folder() == tmp_path / "namebrush" / "text"


def test_another_process_reads_what_this_one_wrote(kept, monkeypatch):
    clip = load_clip()
    expected = embed_words(clip, ["dog", "sky"])
    code = (
        "import numpy as np, pipeline.text.embed as e\n"
        "from pipeline.models.builtin import load_clip\n"
        "def refuse(*_): raise SystemExit('the text tower ran')\n"
        "e._run = refuse\n"
        "print(np.abs(e.embed_words(load_clip(), ['sky', 'dog'])).sum(axis=1).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(eval(done.stdout), np.abs(expected[::-1]).sum(axis=1), rtol=1e-6)
    monkeypatch.setattr(embed, "_run", None)
    np.testing.assert_array_equal(embed_words(load_clip(), ["dog", "sky"]), expected)
