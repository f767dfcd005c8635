"""Photos decoded in another process: the same pixels, and whatever happens to that process harms no one else."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.decode import decode, decode_png
from pipeline.decoding import pool, process
from pipeline.decoding.client import Client, InProcess, available, decoder_for_strangers
from pipeline.decoding.limits import MEMORY_ENFORCED, Limits
from pipeline.decoding.pool import Decoder
from pipeline.errors import Cancelled, NamebrushError
from pipeline.photo import open_photo

from .picture_bombs import jpeg_of_scans, picture, saved
from .test_photo import SRGB, WIDE, as_file, jpeg_with_thumbnail, matrix_profile

pytestmark = pytest.mark.skipif(not available(), reason="this system passes no open files between processes")
ROOT = Path(__file__).resolve().parents[1]
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(workers=1)
    yield decoder
    decoder.close()


@pytest.fixture
def made():
    """Makes decoders of its own for a test, and ends them."""
    decoders = []

    def make(workers=1, **limits):
        decoders.append(Decoder(workers, Limits(**limits)))
        return decoders[-1]

    yield make
    for one in decoders:
        one.close()


def slow() -> bytes:
    """A small picture that takes many seconds: 80 scans of 40 megapixels."""
    return jpeg_of_scans(80, 5000, 8000)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def at_work(decoder) -> list[int]:
    """Processes that decode right now."""
    return [one.pid for one in decoder._processes if Path(f"/proc/{one.pid}/stat").read_text().split()[2] == "R"]


def jobs(decoder) -> list:
    """Pictures that wait."""
    return [job for waiting in decoder._waiting.values() for job in waiting]


def until(condition, seconds: float = 60.0) -> None:
    """Wait for something that happens soon, but for long on a busy machine."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def background(work) -> tuple[threading.Thread, list]:
    """Run `work` in a thread; the list gets what it returned or raised."""
    came: list = []

    def run():
        try:
            came.append(work())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def formats() -> dict[str, bytes]:
    """Files of every kind that may be opened."""
    pixels, rgba = picture(40, 60), np.dstack([picture(40, 60), picture(40, 60, 1)[:, :, 0]])
    deep = np.random.default_rng(0).integers(0, 65536, (40, 60, 3)).astype(np.uint16)
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, :8, 0], ink[:, 8:, 3] = 255, 255
    exif = Image.Exif()
    exif[ORIENTATION], exif[305] = 6, "a camera"
    ramp = np.linspace(0, 1, 160, dtype=np.float32).reshape(8, 20)
    ok, deep_png = cv2.imencode(".png", deep)
    ok_too, float_tiff = cv2.imencode(".tif", np.dstack([ramp] * 3), [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    assert ok and ok_too
    frames = [Image.fromarray(np.full((10, 10, 3), v, np.uint8)) for v in (10, 120, 240)]
    animated = io.BytesIO()
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    palette = Image.fromarray(pixels[:, :, 0] % 3, "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        **{format: as_file(pixels, format) for format in
           ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "JPEG2000", "ICO")},
        "progressive": as_file(pixels, "JPEG", progressive=True), "alpha": as_file(rgba),
        "alpha WEBP": as_file(rgba, "WEBP", lossless=True), "grey": as_file(pixels[:, :, 0]),
        "turned, with EXIF": as_file(pixels, "JPEG", exif=exif), "preview": jpeg_with_thumbnail(),
        "wide": as_file(pixels, icc_profile=matrix_profile(*WIDE)), "16 bits": deep_png.tobytes(),
        "sRGB": as_file(pixels, icc_profile=srgb), "other sRGB": as_file(pixels, icc_profile=matrix_profile(*SRGB)),
        "floats": float_tiff.tobytes(), "grey floats": as_file(Image.fromarray(ramp), "TIFF"),
        "CMYK": as_file(Image.fromarray(ink, "CMYK"), "JPEG"), "GIF of three": animated.getvalue(),
        "palette": as_file(palette, transparency=1), "one bit": as_file(Image.fromarray(pixels[:, :, 0] > 128)),
    }  # fmt: skip


@pytest.mark.parametrize("kind", formats())
def test_the_photo_is_the_same_as_in_this_process(decoder, tmp_path, kind):
    data = formats()[kind]
    (tmp_path / "a photo").write_bytes(data)
    here, there = open_photo(data), open_photo(data, decoder=decoder)
    from_path = open_photo(tmp_path / "a photo", decoder=decoder)
    assert from_path.name == "a photo" and from_path.hash == there.hash
    assert np.array_equal(here.pixels, there.pixels) and there.hash == here.hash
    assert (here.alpha is None) == (there.alpha is None)
    assert here.alpha is None or np.array_equal(here.alpha, there.alpha)
    assert (here.exif, here.icc, here.notes) == (there.exif, there.icc, there.notes)
    assert there.pixels.flags.c_contiguous and not there.pixels.flags.writeable


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is text", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", saved("PNG")[:200],
             saved("PNG", 100, 100), saved("JPEG", 8, 300)]
)  # fmt: skip
def test_refusals_are_the_same_as_in_this_process(decoder, data):
    sentences = []
    for one in (None, decoder):
        with pytest.raises(NamebrushError) as caught:
            open_photo(data, max_megapixels=0.009, decoder=one)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


def test_samples_of_a_png_come_as_they_are(decoder):
    labels = np.random.default_rng(0).integers(0, 65536, (5, 7)).astype(np.uint16)
    rgba = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    for array in (labels, rgba, rgba[:, :, :3], rgba[:, :, 0]):
        data = as_file(np.ascontiguousarray(array))
        samples = decoder.decode_png(data, 1.0, "labels")
        assert samples.dtype == array.dtype and np.array_equal(samples.squeeze(), array)
        assert np.array_equal(samples, decode_png(data, 1.0, "labels"))
    for data, limit in ((as_file(rgba[:, :, :3], "JPEG"), 1.0), (as_file(rgba), 0.00003), (b"", 1.0)):
        with pytest.raises(NamebrushError):
            decoder.decode_png(data, limit, "labels")


@pytest.mark.skipif(not MEMORY_ENFORCED, reason="this system's kernel keeps no limit on address space")
def test_memory_is_limited_by_the_kernel(made):
    tight = made(memory=16 << 20, memory_per_pixel=1)
    data = saved("BMP", 2000, 3000)
    with pytest.raises(NamebrushError, match="too much memory"):
        open_photo(data, decoder=tight)
    assert open_photo(saved("PNG"), decoder=tight).size == (12, 20)


def test_processor_seconds_are_limited_by_the_kernel(made):
    with pytest.raises(NamebrushError, match="too long"):
        open_photo(slow(), decoder=(hasty := made(seconds=0.5, seconds_per_megapixel=0, patience=1000)))
    assert open_photo(saved("PNG"), decoder=hasty).size == (12, 20)


def test_seconds_on_the_clock_are_limited(made):
    hasty = made(seconds=0.5, seconds_per_megapixel=0, patience=0.2)
    with pytest.raises(NamebrushError, match="too long"):
        open_photo(slow(), decoder=hasty)
    assert open_photo(saved("PNG"), decoder=hasty).size == (12, 20)


def test_the_server_gives_up_on_a_process_that_stands_still(made):
    still = made()
    open_photo(saved("PNG"), decoder=still)
    still.limits = Limits(seconds=0.1, seconds_per_megapixel=0)
    (pid,) = still.pids()
    next(iter(still._processes))._limits = still.limits
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(NamebrushError, match="too long"):
        open_photo(saved("PNG"), decoder=still)
    assert not alive(pid) and open_photo(saved("PNG"), decoder=still).size == (12, 20)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_process_that_dies_is_replaced_and_costs_one_sentence(made, how):
    one = made()
    one.warm()
    until(lambda: one.pids())
    (pid,) = one.pids()
    thread, came = background(lambda: open_photo(slow(), decoder=one))
    until(lambda: at_work(one))
    os.kill(pid, how)
    thread.join(60)
    assert isinstance(came[0], NamebrushError) and "\n" not in str(came[0])
    assert open_photo(saved("PNG"), decoder=one).size == (12, 20)
    assert pid not in one.pids()


def test_a_process_serves_its_share_and_is_replaced(made):
    one = made(photos=3)
    seen = []
    for _ in range(7):
        open_photo(saved("PNG"), decoder=one)
        seen += [pid for pid in one.pids() if pid not in seen]
    until(lambda: len(one.pids()) == 1)
    assert len(set(seen) | set(one.pids())) == 3


def test_a_process_that_keeps_memory_is_replaced(made):
    one, seen = made(kept_memory=-(1 << 40)), set()
    for _ in range(3):
        open_photo(saved("PNG"), decoder=one)
        until(lambda: len(one.pids()) == 1 and seen.isdisjoint(one.pids()))
        seen.update(one.pids())
    assert len(seen) == 3


def test_many_threads_get_their_own_photos(made):
    two = made(workers=2)
    photos = {seed: as_file(picture(30 + seed, 40, seed)) for seed in range(24)}
    wrong, threads = [], []

    def check(seed):
        for _ in range(5):
            photo = open_photo(photos[seed], decoder=Client(two, seed))
            if not np.array_equal(photo.pixels, picture(30 + seed, 40, seed)):
                wrong.append(seed)

    for seed in photos:
        threads.append(background(lambda seed=seed: check(seed)))
    for thread, came in threads:
        thread.join(120)
        assert came == [None]
    assert not wrong and 1 <= len(two.pids()) <= 2


def test_who_brings_many_waits_for_who_brings_one(made):
    one, order, stopped = made(), [], threading.Event()

    def check():
        if stopped.is_set():
            raise Cancelled

    one.warm()
    threads = [background(lambda: open_photo(slow(), decoder=Client(one, "greedy", check)))]
    until(lambda: not jobs(one) and at_work(one))

    def noted(owner):
        open_photo(saved("PNG"), decoder=Client(one, owner))
        order.append(owner)

    for owner in ("greedy",) * 5 + ("modest",):
        before = len(jobs(one))
        threads.append(background(lambda owner=owner: noted(owner)))
        until(lambda before=before: len(jobs(one)) > before)
    stopped.set()
    for thread, _ in threads:
        thread.join(60)
    assert isinstance(threads[0][1][0], Cancelled)
    assert sorted(order) == ["greedy"] * 5 + ["modest"] and order.index("modest") <= 2


def test_too_many_are_refused_and_others_are_not(made, monkeypatch):
    monkeypatch.setattr(pool, "WAITING_EACH", 3)
    one, stopped = made(), threading.Event()

    def check():
        if stopped.is_set():
            raise Cancelled

    threads = [background(lambda: open_photo(slow(), decoder=Client(one, "greedy", check)))]
    until(lambda: not jobs(one) and at_work(one))
    threads += [background(lambda: open_photo(slow(), decoder=Client(one, "greedy", check))) for _ in range(3)]
    until(lambda: len(jobs(one)) == 3)
    with pytest.raises(NamebrushError, match="Too many photos"):
        open_photo(saved("PNG"), decoder=Client(one, "greedy"))
    other, came = background(lambda: open_photo(saved("PNG"), decoder=Client(one, "other")))
    stopped.set()
    for thread, _ in [*threads, (other, came)]:
        thread.join(60)
    assert came[0].size == (12, 20) and all(isinstance(c[0], Cancelled) for _, c in threads)


def test_stopping_ends_the_decoding(made):
    one, stopped = made(), threading.Event()

    def check():
        if stopped.is_set():
            raise Cancelled

    one.warm()
    until(lambda: one.pids())
    (pid,) = one.pids()
    thread, came = background(lambda: open_photo(slow(), decoder=Client(one, None, check)))
    until(lambda: at_work(one))
    stopped.set()
    thread.join(60)
    assert isinstance(came[0], Cancelled) and not alive(pid)
    assert open_photo(saved("PNG"), decoder=one).size == (12, 20)


def test_nothing_is_left_open(made):
    one = made(photos=5)
    files = [saved("PNG"), b"hello", saved("JPEG")[:300], saved("PNG", 300, 400)]

    def round_of_all():
        for data in files * 4:
            try:
                open_photo(data, decoder=one)
            except NamebrushError:
                pass

    round_of_all()
    until(lambda: len(one.pids()) == 1)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        round_of_all()
    until(lambda: len(one.pids()) == 1)
    assert len(os.listdir("/proc/self/fd")) <= before
    assert "namebrush-picture" not in Path("/proc/self/maps").read_text()
    one.close()
    assert not one.pids()
    with pytest.raises(NamebrushError, match="ending"):
        open_photo(saved("PNG"), decoder=one)


@pytest.mark.skipif(not MEMORY_ENFORCED, reason="only Linux ends a process with its parent")
def test_nothing_is_left_when_the_server_is_killed(tmp_path):
    (tmp_path / "slow.jpg").write_bytes(slow())
    program = textwrap.dedent("""
        import sys, threading, time
        from pipeline.decoding.pool import Decoder
        from pipeline.photo import open_photo
        decoder = Decoder(1)
        threading.Thread(target=lambda: open_photo(sys.argv[1], decoder=decoder)).start()
        while not decoder.pids():
            time.sleep(0.01)
        print(decoder.pids()[0], flush=True)
        time.sleep(600)
    """)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "slow.jpg")], cwd=ROOT, env=environment,
                          stdout=subprocess.PIPE, text=True) as server:  # fmt: skip
        pid = int(server.stdout.readline())
        until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "R")
        server.kill()
        server.wait()
        until(lambda: not alive(pid))
    assert os.listdir(tmp_path) == ["slow.jpg"]


def test_a_process_that_lies_is_not_believed(made, monkeypatch):
    one = made()
    honest = process.Process.decode

    def lying(**lies):
        def decode(self, *args):
            reply, handle = honest(self, *args)
            return {**reply, **lies}, handle

        monkeypatch.setattr(process.Process, "decode", decode)

    for lies in ({"shape": [12, 20, 4]}, {"shape": [-12, -20, 3]}, {"shape": [10**6, 10**6, 3]}, {"shape": "ab"},
                 {"exif": 10**9}, {"exif": -1}, {"alpha": True}, {"notes": 5}):  # fmt: skip
        lying(**lies)
        with pytest.raises(NamebrushError, match="damaged|megapixels"):
            open_photo(saved("PNG"), decoder=one)


def test_a_process_that_does_not_start_is_told(made, monkeypatch):
    one = made()
    monkeypatch.setattr(process.sys, "executable", "/no/such/python")
    with pytest.raises(NamebrushError, match="does not start"):
        open_photo(saved("PNG"), decoder=one)
    monkeypatch.undo()
    assert open_photo(saved("PNG"), decoder=one).size == (12, 20)


def test_a_process_knows_no_secrets(made, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    one = made()
    open_photo(saved("PNG"), decoder=one)
    assert b"secret" not in Path(f"/proc/{one.pids()[0]}/environ").read_bytes()


def test_the_file_is_read_from_its_start(decoder, tmp_path):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    with open(tmp_path / "a.png", "rb") as file:
        file.read(10)
        assert decoder.decode(file, 50, "a.png").pixels.shape == (12, 20, 3)
    assert np.array_equal(decode(saved("PNG"), 50, "a").pixels, picture())


def test_where_no_process_can_be_had_photos_open_and_the_log_says_what_is_lost(monkeypatch, caplog):
    monkeypatch.setattr("pipeline.decoding.client.available", lambda: False)
    one = decoder_for_strangers()
    assert isinstance(one, InProcess) and "hostile" in caplog.text
    assert open_photo(saved("PNG"), decoder=Client(one)).size == (12, 20)
    with pytest.raises(NamebrushError, match="scans"):
        open_photo(jpeg_of_scans(200), decoder=Client(one))
