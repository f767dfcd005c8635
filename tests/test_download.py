"""Downloads against a server on this machine: breaking off, resuming, wrong files, full disks, cancelling, offline."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from pipeline.errors import Cancelled, NamebrushError
from pipeline.models import download as loads
from pipeline.models import fetch, hub
from pipeline.models.catalog import Checkpoint, Source
from pipeline.models.download import Check, DiskFull, DownloadError, WrongFile, download
from pipeline.progress import Progress

from .fileserver import serving

DATA = bytes(range(256)) * 20_000  # 5.12 MB, several blocks
SHA = Check("sha256", hashlib.sha256(DATA).hexdigest())
MD5 = Check.parse("md5:" + hashlib.md5(DATA).hexdigest()[:6].upper())


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(loads, "PAUSE", 0.001)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    with serving() as running:
        running.files["/w.bin"] = DATA
        yield running


@pytest.fixture
def home(monkeypatch, tmp_path, site):
    """The hub library pointed at an empty cache and at the server."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", site.address)
    template = site.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "hf"


def leftovers(target: Path) -> set[str]:
    """Names beside the target, but for the locks."""
    return {p.name for p in target.parent.iterdir() if p.name != ".locks"}


def test_whole_file_with_progress(site, tmp_path):
    told = []
    target = download(
        f"{site.address}/w.bin", tmp_path / "in" / "w.bin", label="Weights", checks=(SHA, MD5), size=len(DATA),
        progress=Progress(lambda text, share: told.append((text, share))),
    )  # fmt: skip
    assert target.read_bytes() == DATA
    assert leftovers(target) == {"w.bin"}
    shares = [share for text, share in told if text.startswith("Downloading")]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and len(shares) >= 5
    assert told[0][0] == "Downloading Weights: 0.0 of 5.1 MB"
    assert told[-1] == ("Checking Weights", 1.0)


def test_file_that_is_there_asks_nobody(site, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"mine")
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W").read_bytes() == b"mine"
    assert site.requests == []


def test_broken_connection_goes_on_where_it_stopped(site, tmp_path):
    site.break_after = [2_000_000, 1_500_000]
    target = download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", checks=(SHA,))
    assert target.read_bytes() == DATA
    starts = [int(span.removeprefix("bytes=").rstrip("-") or 0) for span in site.gets()]
    assert starts[0] == 0 and 0 < starts[1] <= 2_000_000 and starts[1] < starts[2] <= 3_500_000


def test_cancel_keeps_the_part_and_a_new_process_resumes(site, tmp_path):
    def stop(text, share):
        if share is not None and share > 0.5:
            raise Cancelled

    url, target = f"{site.address}/w.bin", tmp_path / "w.bin"
    with pytest.raises(Cancelled):
        download(url, target, label="W", checks=(SHA,), progress=Progress(stop))
    assert leftovers(target) == {"w.bin.part", "w.bin.part.json"}
    kept = (tmp_path / "w.bin.part").stat().st_size
    assert len(DATA) / 2 < kept < len(DATA)
    code = (
        "import sys; from pathlib import Path; from pipeline.models.download import download\n"
        "download(sys.argv[1], Path(sys.argv[2]), label='W')"
    )
    subprocess.run([sys.executable, "-c", code, url, str(target)], check=True, timeout=60)
    assert target.read_bytes() == DATA and leftovers(target) == {"w.bin"}
    assert site.gets()[-1] == f"bytes={kept}-"


def test_server_that_ignores_ranges(site, tmp_path):
    site.break_after, site.ranges = [3_000_000], False
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", checks=(SHA,)).read_bytes() == DATA
    assert len(site.gets()) == 2 and site.gets()[1].startswith("bytes=")


def half_a_part(site, target: Path, data: bytes = DATA) -> None:
    """A part of 2,000,000 bytes with its note, as a broken-off download of `data` leaves it."""
    part = loads.Part(target)
    part.path.write_bytes(data[:2_000_000])
    tag = f'"{hashlib.sha256(data).hexdigest()}"' if site.tags else None
    part.write_note({"url": f"{site.address}/w.bin", "tag": tag, "size": len(data)})


def test_file_that_changed_on_the_server_begins_anew(site, tmp_path):
    half_a_part(site, tmp_path / "w.bin", bytes(len(DATA)))
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W").read_bytes() == DATA
    assert site.gets() == ["bytes=2000000-", ""]


def test_file_that_became_shorter_begins_anew(site, tmp_path):
    half_a_part(site, tmp_path / "w.bin")
    site.files["/w.bin"] = DATA[:1000]
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W").read_bytes() == DATA[:1000]


def test_part_of_an_unknown_version_is_not_trusted(site, tmp_path):
    site.tags = False
    half_a_part(site, tmp_path / "w.bin", bytes(len(DATA)))
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W").read_bytes() == DATA
    assert site.gets() == [""]


def test_part_of_another_address_is_not_trusted(site, tmp_path):
    half_a_part(site, tmp_path / "w.bin", bytes(len(DATA)))
    site.files["/other.bin"] = DATA
    assert download(f"{site.address}/other.bin", tmp_path / "w.bin", label="W").read_bytes() == DATA
    assert site.gets() == [""]


@pytest.mark.parametrize("check", [Check("sha256", "00" * 32), Check("md5", "000000")])
def test_wrong_checksum_keeps_nothing(site, tmp_path, check):
    with pytest.raises(WrongFile, match=f"{check.algorithm}.*nothing was kept"):
        download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", checks=(SHA, check))
    assert leftovers(tmp_path / "w.bin") == set()


def test_wrong_size(site, tmp_path):
    with pytest.raises(WrongFile, match="5120000 bytes, 17 were expected"):
        download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", size=17)
    assert leftovers(tmp_path / "w.bin") == set()


def test_no_room(site, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 10**6, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskFull, match=r"W needs 5\.1 MB more, but only 1\.0 MB are free in"):
        download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W")
    assert leftovers(tmp_path / "w.bin") == set()


def test_disk_that_fills_meanwhile_keeps_what_arrived(site, tmp_path, monkeypatch):
    real = os.fsync

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loads.os, "fsync", full)
    with pytest.raises(DiskFull, match="is full"):
        download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", checks=(SHA,))
    assert "w.bin.part" in leftovers(tmp_path / "w.bin")
    monkeypatch.setattr(loads.os, "fsync", real)
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", checks=(SHA,)).read_bytes() == DATA
    assert len(site.gets()) == 1, "all bytes were there; nothing was asked again"


def test_offline(site, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NamebrushError, match="HF_HUB_OFFLINE forbids"):
        download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W")
    assert site.requests == []


def test_busy_server_is_asked_again_and_missing_file_is_not(site, tmp_path):
    site.status = [503, 429]
    assert download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W").read_bytes() == DATA
    site.requests.clear()
    with pytest.raises(DownloadError, match="HTTP 404"):
        download(f"{site.address}/none.bin", tmp_path / "none.bin", label="W")
    assert len(site.requests) == 1


def test_nobody_listens(site, tmp_path):
    with pytest.raises(DownloadError, match=r"could not be fetched from 127\.0\.0\.1:9: it refuses connections"):
        download("http://127.0.0.1:9/w.bin", tmp_path / "w.bin", label="W")


def test_two_visitors_download_once(site, tmp_path):
    site.hold, results, waiting = threading.Event(), [], threading.Event()

    def visitor():
        def report(text, share):
            if text.startswith("Waiting for another download"):
                waiting.set()
                site.hold.set()

        results.append(download(f"{site.address}/w.bin", tmp_path / "w.bin", label="W", progress=Progress(report)))

    threads = [threading.Thread(target=visitor) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert waiting.is_set() and len(site.gets()) == 1
    assert [path.read_bytes() for path in results] == [DATA, DATA]


def test_folder_that_cannot_be_written(site, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(NamebrushError, match="cannot be written; set HF_HOME"):
        download(f"{site.address}/w.bin", tmp_path / "x" / "w.bin", label="W")


# --- the hub's cache


def test_hub_file_resumes_and_lies_in_the_hub_cache(site, home):
    from huggingface_hub import hf_hub_download

    site.add_repo("us/weights", {"model.safetensors": DATA})
    site.break_after = [1_200_000]
    found = hub.fetch_file("us/weights", "model.safetensors", label="W")
    assert found.read_bytes() == DATA and found.is_relative_to(home / "hub" / "models--us--weights" / "snapshots")
    assert any(span.startswith("bytes=") for span in site.gets())
    blobs = {p.name for p in (home / "hub" / "models--us--weights" / "blobs").iterdir()}
    assert blobs == {SHA.start}, "no part is left, and the name is the content's hash"
    assert Path(hf_hub_download("us/weights", "model.safetensors", local_files_only=True)) == found
    before = len(site.requests)
    assert hub.fetch_file("us/weights", "model.safetensors", label="W") == found
    assert len(site.requests) == before, "a cached file asks nobody"


def test_hub_file_that_is_corrupt_on_the_way(site, home, monkeypatch):
    site.add_repo("us/weights", {"model.safetensors": DATA})
    from huggingface_hub import file_download

    real = file_download.get_hf_file_metadata

    def other_tag(url, **kwargs):
        meta = real(url, **kwargs)
        return type(meta)(**{**meta.__dict__, "etag": "0" * 64})

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", other_tag)
    with pytest.raises(WrongFile, match="sha256"):
        hub.fetch_file("us/weights", "model.safetensors", label="W")
    assert hub.cached_file("us/weights", "model.safetensors") is None


def test_repo_that_is_not_there(site, home):
    with pytest.raises(hub.NotThere, match="us/none is not on the hub, or not public"):
        hub.fetch_file("us/none", "model.safetensors", label="W")


def test_file_the_repo_does_not_have(site, home):
    site.add_repo("us/weights", {"config.json": b"{}"})
    with pytest.raises(hub.NotThere, match="us/weights does not have this file"):
        hub.fetch_file("us/weights", "model.safetensors", label="W")


PIPELINE = {
    "model_index.json": json.dumps({
        "_class_name": "StableDiffusionInpaintPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"], "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None], "requires_safety_checker": False,
    }).encode(),
    "unet/config.json": b"{}", "unet/diffusion_pytorch_model.safetensors": b"full" * 9,
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half" * 4, "unet/diffusion_pytorch_model.bin": b"pickle",
    "unet/diffusion_pytorch_model.non_ema.safetensors": b"training",
    "vae/config.json": b"{}", "vae/diffusion_pytorch_model.fp16.safetensors": b"half" * 2,
    "vae/diffusion_pytorch_model.safetensors": b"full" * 3,
    "scheduler/scheduler_config.json": b"{}", "v1-5.ckpt": b"everything again", "README.md": b"#",
}  # fmt: skip


def test_pipeline_takes_the_smallest_sufficient_weights(site, home):
    site.add_repo("us/inpaint", PIPELINE)
    told = []
    folder = hub.fetch_pipeline(
        "us/inpaint", label="P", progress=Progress(lambda text, share: told.append(share))
    )
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names == {
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.fp16.safetensors", "scheduler/scheduler_config.json",
    }  # fmt: skip
    assert hub.variant(folder) == "fp16" and hub.missing_parts(folder) == []
    before = len(site.requests)
    assert hub.fetch_pipeline("us/inpaint", label="P") == folder and len(site.requests) == before
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    assert hub.missing_parts(folder) == ["vae"]


def test_full_precision_where_half_is_not_complete():
    names = [n for n in PIPELINE if n != "vae/diffusion_pytorch_model.fp16.safetensors"]
    chosen = hub.choose_files(["unet", "vae", "scheduler"], names)
    assert "unet/diffusion_pytorch_model.safetensors" in chosen and "vae/diffusion_pytorch_model.safetensors" in chosen
    assert not any("fp16" in name for name in chosen)


def test_missing_shard_is_noticed(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text('{"unet": ["diffusers", "UNet2DConditionModel"]}')
    (tmp_path / "unet" / "config.json").write_text("{}")
    first, second = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    (tmp_path / "unet" / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": first, "b": second}})
    )
    (tmp_path / "unet" / first).write_bytes(b"")
    assert hub.missing_parts(tmp_path) == ["unet"]
    (tmp_path / "unet" / second).write_bytes(b"")
    assert hub.missing_parts(tmp_path) == []


# --- sources in order


def checkpoint(*sources: Source) -> Checkpoint:
    return Checkpoint("w", "sam", "Weights", "vit_b", sources, len(DATA), "MIT", "")


def test_next_source_when_the_first_is_gone_or_wrong(site, home):
    site.files["/bad.pth"] = b"a page that says sorry"
    site.add_repo("us/mirror", {"checkpoints/w.pth": DATA})
    checks = (f"sha256:{SHA.start}",)
    one = checkpoint(
        Source(url=f"{site.address}/gone.pth", checks=checks),
        Source(url=f"{site.address}/bad.pth", checks=checks),
        Source(repo="us/mirror", files=("checkpoints/w.pth",), checks=checks),
    )
    assert not fetch.on_disk(one)
    assert fetch.fetch(one).read_bytes() == DATA and fetch.on_disk(one)
    before = len(site.requests)
    assert fetch.fetch(one).read_bytes() == DATA and len(site.requests) == before


def test_direct_files_lie_in_hf_home(site, home):
    one = checkpoint(Source(url=f"{site.address}/w.bin", checks=(f"sha256:{SHA.start}",)))
    assert fetch.fetch(one) == home / "namebrush" / "w.bin"


def test_no_source_gives_it(site, home):
    one = checkpoint(Source(url=f"{site.address}/gone.pth"), Source(repo="us/none", files=("w.pth",)))
    with pytest.raises(NamebrushError) as error:
        fetch.fetch(one)
    text = str(error.value)
    for part in ("Weights", "HTTP 404", "us/none", "gone.pth", str(home / "namebrush"), "sam=PATH"):
        assert part in text
    assert "\n" not in text


def test_offline_says_what_where_and_how(site, home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    one = checkpoint(Source(url=f"{site.address}/w.bin"), Source(repo="us/weights", files=("w.pth",)))
    with pytest.raises(NamebrushError) as error:
        fetch.fetch(one)
    text = str(error.value)
    for part in ("Weights is not on this machine", "HF_HUB_OFFLINE", f"{site.address}/w.bin", str(home), "sam=PATH"):
        assert part in text
    assert site.requests == []


def test_optional_files_may_be_missing(site, home):
    site.add_repo("us/dino", {"config.json": b"{}", "model.safetensors": DATA})
    source = Source(repo="us/dino", files=("config.json", "model.safetensors"), extras=("preprocessor_config.json",))
    folder = fetch.fetch(checkpoint(source))
    assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors"}


def test_environment_decides_the_folders(tmp_path):
    code = "from pipeline.models import fetch, hub; print(fetch.weights_dir()); print(hub.cache_dir())"
    cache = tmp_path / "elsewhere"
    env = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_CACHE": str(cache)}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.split() == [str(tmp_path / "home" / "namebrush"), str(cache)]
