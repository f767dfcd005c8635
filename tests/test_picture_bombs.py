"""Hostile picture files: each is refused in one sentence or opens within the limits, and never ends the server."""

import re

import numpy as np
import pytest

from pipeline.decode import decode
from pipeline.decoding.pool import Decoder
from pipeline.errors import NamebrushError
from pipeline.photo import open_photo

from .picture_bombs import BOMBS, OPENS, jpeg_of_scans, picture, saved


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(workers=1)
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
