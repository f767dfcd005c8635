"""Hostile picture files: each is refused in one sentence or opens within the limits, and never ends the server."""

import re

import numpy as np
import pytest

from pipeline.decode import decode
from pipeline.decoding.limits import Limits
from pipeline.decoding.pool import Decoder
from pipeline.errors import NamebrushError
from pipeline.photo import open_photo

from .picture_bombs import BOMBS, OPENS, jpeg_of_scans, picture, saved


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(1, Limits(photos=1_000_000))  # a process that changes is one that died
    yield decoder
    decoder.close()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_its_sender_one_sentence(decoder, name):
    make, expected = BOMBS[name]
    data = make()
    assert len(data) < 10 << 20
    if expected == OPENS:
        photo = open_photo(data, decoder=decoder)
        assert photo.pixels.nbytes < 1 << 20 and (photo.exif is None or len(photo.exif) <= 1 << 20)
    else:
        with pytest.raises(NamebrushError, match=expected) as caught:
            open_photo(data, decoder=decoder)
        assert re.fullmatch(r'"photo" [^\n]{20,300}', str(caught.value))
    assert open_photo(saved("PNG"), decoder=decoder).size == (12, 20)


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """A file with a few bytes changed, cut out, doubled or cut off."""
    parts = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 8])):
        at = int(random.integers(0, min(len(parts), random.choice([200, 1 << 30]))))
        kind = random.integers(0, 5)
        if kind < 2:
            parts[at] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(0, 256)])
        elif kind == 2:
            parts[at : at + 4] = bytes.fromhex(random.choice(["ffffffff", "00000000", "7fffffff", "00004000"]))
        elif kind == 3:
            parts[at:at] = parts[at : at + int(random.integers(1, 200))]
        else:
            del parts[at if random.random() < 0.3 else max(0, at - 20) : max(1, at)]
        parts = parts or bytearray(b"x")
    return bytes(parts)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "JPEG2000", "ICO"])
def test_damaged_files_end_no_process(decoder, kind):
    random, whole = np.random.default_rng(len(kind)), saved(kind, 20, 30)
    open_photo(saved("PNG"), decoder=decoder)
    before = decoder.pids()
    for _ in range(40):
        try:
            open_photo(mutated(whole, random), decoder=decoder)
        except NamebrushError as error:
            assert "ends the program" not in str(error)
    assert decoder.pids() == before


HEADS = [b"II*\0", b"MM\0*\0", b"\xff\xd8\xff", b"GIF8", b"\0\0\1\0", b"BM", b"\xff\x4f\xff\x51", b"P6", b"P5 8",
         b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x0cjP  \r\n\x87\n"]  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_files_that_end_in_their_first_bytes_are_refused(head):
    for more in range(0, 20, 3):
        with pytest.raises(NamebrushError):
            decode(head + bytes(more), 50, "photo")


def test_an_ordinary_progressive_photo_opens_whatever_follows_it():
    data = saved("JPEG", 64, 64, progressive=True)
    # pictures behind the first, as phones store them, are not counted
    assert decode(data + jpeg_of_scans(200), 50, "photo").pixels.shape == (64, 64, 3)


def test_binary_ppm_of_any_depth_is_scaled_as_before():
    values = np.random.default_rng(0).integers(0, 1001, (12, 20, 3))
    data = b"P6 # a scanner\n20 12\n1000\n" + values.astype(">u2").tobytes()
    photo = open_photo(data)
    assert np.array_equal(photo.pixels, np.rint(values / 1000 * 255)) and "16 bits" in photo.notes[0]
    grey = picture()[:, :, 0] % 8
    assert np.array_equal(open_photo(b"P5 20 12 7 " + grey.tobytes()).pixels[:, :, 0], np.rint(grey / 7 * 255))
