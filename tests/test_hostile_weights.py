"""Weights, folders and hubs of somebody hostile: nothing runs, nothing leaves its place, one sentence is said."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest
import torch

from pipeline.errors import NamebrushError
from pipeline.models import hub, official, trust
from pipeline.models.download import DownloadError, WrongFile, download
from pipeline.models.loaders import MOST_PROXIES, load_models
from pipeline.progress import Progress

from .fileserver import COMMIT, serving

DATA = b"weights" * 1000


@pytest.fixture
def site():
    with serving() as made:
        yield made


@pytest.fixture
def home(tmp_path, monkeypatch, site):
    """A cache of its own, and the hub at the little server."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", site.address)
    address = site.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
    site.add_repo("us/weights", {"model.bin": DATA})
    return tmp_path


def everything_in(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


@pytest.mark.parametrize("tag", ['"../../../evil"', '"a/b"', "W/x", '"' + "0" * 63 + '"', '"' + "g" * 64 + '"', '""',
                                 '"..%2f..%2fevil"', '"' + "0" * 40 + '/../x"'])  # fmt: skip
def test_what_a_hub_calls_a_files_version_is_a_checksum_or_nothing_is_kept(site, home, tag):
    site.stated = {"ETag": tag}
    with pytest.raises(DownloadError, match="does not say which file it is"):
        hub.fetch_file("us/weights", "model.bin", label="W")
    assert everything_in(home) == set()


@pytest.mark.parametrize("commit", ["../../evil", "main", "x" * 40, "0" * 39, COMMIT + "/.."])
def test_a_commit_is_forty_digits_or_nothing_is_kept(site, home, commit):
    site.stated = {"X-Repo-Commit": commit}
    with pytest.raises(DownloadError, match="does not say which file it is"):
        hub.fetch_file("us/weights", "model.bin", label="W")
    assert everything_in(home) == set()


@pytest.mark.parametrize("name", ["../evil.bin", "/etc/evil", "unet/../../evil.bin", "a\\..\\b", "a//b", ".", "a/./b",
                                  "x\x00y", "a\nb", "n" * 500, "C:evil"])  # fmt: skip
def test_a_listed_files_name_leads_nowhere_else(site, home, name):
    listing = [{"rfilename": n, "size": 3} for n in ("model_index.json", name)]
    about = {"id": "us/bad", "sha": COMMIT, "siblings": listing, "tags": [], "private": False}
    site.files["/api/models/us/bad"] = json.dumps(about).encode()
    with pytest.raises(DownloadError, match="no name of a file"):
        hub.fetch_pipeline("us/bad", label="P")
    assert everything_in(home) == set()


@pytest.mark.parametrize("size", [-1, 10**18])
def test_impossible_sizes_are_refused(site, home, size):
    listing = [{"rfilename": "model_index.json", "size": size}]
    about = {"id": "us/bad", "sha": COMMIT, "siblings": listing, "tags": [], "private": False}
    site.files["/api/models/us/bad"] = json.dumps(about).encode()
    with pytest.raises(DownloadError, match="impossible size"):
        hub.fetch_pipeline("us/bad", label="P")


def test_a_file_that_goes_on_after_its_end_is_not_kept(site, tmp_path):
    site.files["/w.bin"] = DATA
    with pytest.raises(WrongFile):
        download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", size=10)
    assert not (tmp_path / "w.bin").exists()


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/x", "http://localhost:{port}/other.bin", "file:///etc/passwd",
                                    "ftp://127.0.0.1/x"])  # fmt: skip
def test_a_redirect_to_a_place_without_encryption_is_not_followed(site, tmp_path, target):
    site.files["/other.bin"] = DATA
    site.redirects["/w.bin"] = target.format(port=site.address.rpartition(":")[2])
    with pytest.raises((DownloadError, OSError, ValueError), match="not encrypted|No connection adapters"):
        download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W")
    assert not (tmp_path / "w.bin").exists() and site.gets("/other.bin") == []
    site.redirects["/w.bin"] = f"{site.address}/other.bin"
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W").read_bytes() == DATA


# Programs among weights ----------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path):
    class Net(torch.nn.Module):
        def forward(self, x):
            return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Net()).save(str(tmp_path / "net.pt"))
    return tmp_path / "net.pt"


def test_an_unknown_torchscript_file_is_run_by_nobody_unasked(program, monkeypatch):
    def ran(*_, **__):
        pytest.fail("it was loaded")

    monkeypatch.setattr(torch.jit, "load", ran)
    for load in (
        lambda: official.load_clip(program), lambda: official.load_lama(program, torch.device("cpu")),
        lambda: load_models("tiny", clip=program, device="cpu").clip,
        lambda: load_models("tiny", inpaint=program, device="cpu").inpaint(),
    ):  # fmt: skip
        with pytest.raises(NamebrushError, match="runs code of its own.*--trust-weights"):
            load()


def test_published_programs_are_known_and_others_can_be_trusted(program, monkeypatch):
    openai = "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"
    lama = "344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9"
    assert {openai, lama} <= trust.published()
    trust.check_program(program, trusted=True)
    monkeypatch.setattr("pipeline.models.revisions.checksum", lambda path: lama)
    trust.check_program(program, trusted=False)
    assert official.load_lama(program, torch.device("cpu")).module is not None


# Folders -------------------------------------------------------------------------------------------------------------


def pipeline_folder(tmp_path, index) -> Path:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").write_bytes(b"x")
    (tmp_path / "unet" / "config.json").write_text("{}")
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    return tmp_path


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"_class_name": "NoSuchPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}, "has no class"),
        ({"_class_name": "StableDiffusionInpaintPipeline", "unet": ["diffusers", "NoSuchNet"]}, "has no class"),
        ({"_class_name": "StableDiffusionInpaintPipeline", "unet": ["os", "system"]}, "code that is not run"),
        ({"_class_name": "StableDiffusionInpaintPipeline", "unet": ["pipeline_evil", "Net"]}, "code that is not run"),
        ({"_class_name": ["evil.py", "Pipe"], "unet": ["diffusers", "UNet2DConditionModel"]}, "code that is not run"),
        ({"_class_name": "StableDiffusionInpaintPipeline", "../x": ["diffusers", "A"]}, "code that is not run"),
        ([1, 2], "cannot be read as the index"), ("x", "cannot be read as the index"),
    ],
)
def test_a_pipelines_index_names_classes_of_the_libraries_alone(tmp_path, index, said):
    with pytest.raises(NamebrushError, match=said) as error:
        official.load_inpaint(pipeline_folder(tmp_path, index), torch.device("cpu"))
    assert "\n" not in str(error.value) and "pipeline_evil" not in sys.modules


def test_a_comparators_folder_asks_nobody_to_run_code(tmp_path, monkeypatch):
    from pipeline.comparators.registry import COMPARATORS
    from pipeline.comparators.shelf import Shelf

    (tmp_path / "config.json").write_text(json.dumps({
        "model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},
    }))  # fmt: skip
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked on the terminal"))
    for name in ("clipseg", "groupvit", "sam3"):
        shelf = Shelf(torch.device("cpu"), {name: tmp_path})
        with pytest.raises(NamebrushError):
            shelf.get(COMPARATORS[name], Progress())
    assert not (tmp_path / "ran").exists()


def test_an_open_clip_folder_names_nothing_of_the_hub(tmp_path):
    for key in ("hf_model_name", "hf_tokenizer_name"):
        config = {"model_cfg": {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {key: "evil/repo"}}}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
        (tmp_path / "open_clip_model.safetensors").write_bytes(b"x")
        with pytest.raises(NamebrushError, match=f"names {key}"):
            official.load_clip(tmp_path)


def test_every_library_that_could_run_a_folders_code_is_told_not_to():
    """`transformers` asks on the terminal where it is told neither way; `diffusers` (`variant=`) never asks."""
    root = Path(official.__file__).resolve().parents[1]
    calls = [
        (path.name, call[:260])
        for path in root.rglob("*.py") for call in path.read_text(encoding="utf-8").split("from_pretrained(")[1:]
    ]  # fmt: skip
    assert len(calls) > 5
    assert not [call for call in calls if "trust_remote_code=False" not in call[1] and "variant=" not in call[1]]


# Proxies -------------------------------------------------------------------------------------------------------------


def test_proxies_that_stay_loaded_are_few_and_one_folder_is_one(tmp_path, monkeypatch):
    models, loaded = load_models("tiny", device="cpu"), []

    def load(kind, progress, chosen):
        loaded.append(chosen.path.name)
        return torch.nn.Linear(1, 1)

    monkeypatch.setattr(models, "_load", load)
    folders = [tmp_path / f"dino{i}" for i in range(5)]
    for folder in folders:
        folder.mkdir()
    for spelling in (folders[0], f"{folders[0]}/", f"{folders[0]}/../dino0", f"{folders[0]}/."):
        first = models.proxy(str(spelling))
        assert models.proxy(str(folders[0])) is first
    assert loaded == ["dino0"]
    for folder in folders:
        models.proxy(str(folder))
    assert sum(len(kind) for kind in models._proxies.values()) == MOST_PROXIES
    assert models.proxy(str(folders[-1])) is not None and loaded == [f.name for f in folders]
    models.proxy(str(folders[0]))
    assert loaded[-1] == "dino0"
