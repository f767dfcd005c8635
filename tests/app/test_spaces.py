"""What Hugging Face reads from the README's front matter, checked against the catalogue and the environment."""

from __future__ import annotations

from pathlib import Path

import gradio
import pytest

from app import zero
from pipeline.models import fetch
from pipeline.models.catalog import CHECKPOINTS, PRESETS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def front():
    import yaml

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.split("---\n")[1])


def test_the_space_runs_what_is_here(front):
    assert front["sdk"] == "gradio" and (ROOT / front["app_file"]).is_file()
    assert front["sdk_version"].split(".")[0] == gradio.__version__.split(".")[0]
    assert len(front["short_description"]) <= 60 and front["license"] == "apache-2.0"
    assert front["suggested_hardware"] == "cpu-basic"
    assert front["colorFrom"] in (colors := "red yellow green blue indigo purple pink gray".split())
    assert front["colorTo"] in colors


def test_what_is_preloaded_is_the_whole_of_the_base_preset_for_finding(front, tmp_path, monkeypatch):
    """The preloaded files, laid out as the hub's cache has them, are all that the catalogue looks for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "none"))
    parts = [CHECKPOINTS[PRESETS["base"].part(kind)] for kind in ("clip", "dino", "sam")]
    assert not any(fetch.on_disk(part) for part in parts)
    for line in front["preload_from_hub"]:
        repo, files = line.split(" ")
        folder = tmp_path / f"models--{repo.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("0" * 40)
        for name in files.split(","):
            path = folder / "snapshots" / ("0" * 40) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    assert all(fetch.on_disk(part) for part in parts)


def test_the_decorated_function_is_there_when_the_space_starts():
    """ZeroGPU looks for it before the page is served; it must not need the models' libraries."""
    assert callable(zero.on_card)
