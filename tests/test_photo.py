"""Opening and saving photos: every kind of file a person may bring, made here."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import NamebrushError
from pipeline.files import write_atomic, write_folder
from pipeline.photo import encode_photo, open_photo, photo_from_pixels, save_photo

ORIENTATION, SOFTWARE, EXIF_IFD, PIXEL_X = 0x0112, 305, 0x8769, 0xA002


def picture(height=12, width=20, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def as_file(image, format="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width, height, depth=8, kind=2) -> bytes:
    """A PNG that claims a size and carries almost nothing."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "file", "array", "pillow", "photo"])
def test_every_kind_of_source_gives_the_same_pixels(tmp_path, kind):
    pixels = picture()
    path = tmp_path / "my photo.png"
    path.write_bytes(as_file(pixels))
    source = {
        "path": path,
        "str": str(path),
        "bytes": path.read_bytes(),
        "file": io.BytesIO(path.read_bytes()),
        "array": pixels,
        "pillow": Image.fromarray(pixels),
        "photo": open_photo(path),
    }[kind]
    photo = open_photo(source)
    assert np.array_equal(photo.pixels, pixels)
    assert photo.pixels.flags.c_contiguous and not photo.pixels.flags.writeable
    assert photo.hash == open_photo(path).hash
    assert photo.alpha is None and photo.exif is None and photo.icc is None and photo.notes == ()
    assert photo.name == ("my photo.png" if kind in ("path", "str", "photo") else "photo")


def test_hash_tells_pixels_and_shapes_apart():
    flat = np.zeros((8, 18, 3), np.uint8)
    assert open_photo(flat).hash != open_photo(flat.reshape(12, 12, 3)).hash
    other = flat.copy()
    other[0, 0, 0] = 1
    assert open_photo(flat).hash != open_photo(other).hash
    assert len(open_photo(flat).hash) == 32


def test_an_array_is_copied():
    pixels = picture()
    photo = open_photo(pixels)
    pixels[:] = 0
    assert photo.pixels.any()


# Each stored picture shows the same upright scene once its orientation is applied.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_reset(tmp_path, orientation):
    upright = picture()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[SOFTWARE] = "a camera"
    exif.get_ifd(EXIF_IFD)[PIXEL_X] = 9999
    stored = np.ascontiguousarray(STORED[orientation](upright))
    photo = open_photo(as_file(stored, exif=exif))
    assert np.array_equal(photo.pixels, upright)
    save_photo(photo, tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as again:
        kept = again.getexif()
        assert kept[ORIENTATION] == 1 and kept[SOFTWARE] == "a camera"
        assert kept.get_ifd(EXIF_IFD)[PIXEL_X] == 20
    assert np.array_equal(open_photo(tmp_path / "again.png").pixels, upright)


def test_the_callers_image_keeps_its_exif():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = Image.open(io.BytesIO(as_file(picture(), exif=exif)))
    assert open_photo(image).size == (20, 12)
    assert image.getexif()[ORIENTATION] == 6 and image.size == (20, 12)


def jpeg_with_thumbnail() -> bytes:
    """A JPEG whose EXIF carries a second directory with a preview, byte by byte."""
    preview = as_file(np.full((8, 8, 3), 200, np.uint8), "JPEG")
    first = struct.pack("<H", 1) + struct.pack("<HHII", ORIENTATION, 3, 1, 6) + struct.pack("<I", 26)
    second = (
        struct.pack("<H", 2)
        + struct.pack("<HHII", 0x0201, 4, 1, 56)
        + struct.pack("<HHII", 0x0202, 4, 1, len(preview))
    )
    body = b"II*\0" + struct.pack("<I", 8) + first + second + struct.pack("<I", 0)
    return as_file(picture(), "JPEG", exif=b"Exif\0\0" + body.ljust(56, b"\0") + preview)


def test_a_preview_of_the_old_photo_is_not_kept():
    data = jpeg_with_thumbnail()
    assert data.count(b"\xff\xd8\xff") == 2
    photo = open_photo(data)
    assert photo.size == (20, 12)
    assert photo.exif and b"\xff\xd8\xff" not in photo.exif
    assert encode_photo(photo, "JPEG")[0].count(b"\xff\xd8\xff") == 1


def test_damaged_exif_is_left_out_not_fatal():
    photo = open_photo(as_file(picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"))
    assert photo.exif is None and photo.size == (12, 20)


def test_tiff_structure_is_not_mistaken_for_metadata():
    photo = open_photo(as_file(picture(), "TIFF", software="a scanner"))
    exif = Image.Exif()
    exif.load(photo.exif)
    assert dict(exif) == {SOFTWARE: "a scanner", ORIENTATION: 1}


def matrix_profile(red, green, blue, gamma=2.2, space=b"RGB ") -> bytes:
    """A small ICC matrix profile (version 2) with the given XYZ primaries."""

    def number(value):
        return struct.pack(">i", round(value * 65536))

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(number(v) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 79
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0\0\0\0", b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    if space == b"RGB ":
        tags |= {
            b"rXYZ": xyz(red),
            b"gXYZ": xyz(green),
            b"bXYZ": xyz(blue),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        }
    else:
        tags |= {b"kTRC": curve}
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data = data.ljust(-(-len(data) // 4) * 4, b"\0")
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", 0, b"\0\0\0\0", 0x02100000, b"mntr", space, b"XYZ ")
    head += (
        struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
        + b"acsp"
        + b"\0" * 28
        + b"".join(number(v) for v in (0.9642, 1, 0.8249))
    )
    head = head.ljust(128, b"\0")
    profile = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


# Adobe RGB's and sRGB's primaries under D50 (Lindbloom's tables).
WIDE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))


def test_a_wide_profile_is_converted_to_srgb():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:] = (100, 150, 100)
    photo = open_photo(as_file(pixels, icc_profile=matrix_profile(*WIDE)))
    # By hand: Adobe RGB (100, 150, 100) is sRGB (64, 151, 98) within rounding of the primaries above.
    linear = (np.array([100, 150, 100]) / 255) ** 2.2
    srgb = np.linalg.inv(np.array(SRGB).T) @ (np.array(WIDE).T @ linear)
    expected = 255 * np.where(srgb <= 0.0031308, 12.92 * srgb, 1.055 * np.abs(srgb) ** (1 / 2.4) - 0.055)
    assert np.abs(photo.pixels[3, 3] - expected).max() <= 2
    assert abs(int(photo.pixels[0, 0, 0]) - 100) > 20
    assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(photo.icc))
    assert photo.icc[24:36] == bytes([7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]), "the time it was made changes the file"
    assert np.array_equal(open_photo(encode_photo(photo, "PNG")[0]).pixels, photo.pixels)


def test_an_srgb_profile_changes_no_pixel_and_stays():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = picture(64, 64)
    photo = open_photo(as_file(pixels, icc_profile=profile))
    assert np.array_equal(photo.pixels, pixels) and photo.icc == profile and photo.notes == ()


def test_a_grey_profile_is_applied():
    pixels = np.full((8, 8), 128, np.uint8)
    photo = open_photo(as_file(pixels, icc_profile=matrix_profile(None, None, None, gamma=1.0, space=b"GRAY")))
    assert np.abs(photo.pixels.astype(int) - 188).max() <= 1  # linear .5 is 188 in sRGB
    assert (photo.pixels[..., 0] == photo.pixels[..., 2]).all()


@pytest.mark.parametrize("profile", [b"nonsense", matrix_profile(None, None, None, space=b"GRAY")])
def test_a_profile_that_does_not_fit_is_said(profile):
    pixels = picture()
    photo = open_photo(as_file(pixels, icc_profile=profile))
    assert np.array_equal(photo.pixels, pixels) and photo.icc is None
    assert "profile" in photo.notes[0]


def test_grey_one_bit_and_palette():
    grey = picture()[:, :, 0]
    assert np.array_equal(open_photo(as_file(grey)).pixels, np.dstack([grey] * 3))
    bits = grey > 128
    assert np.array_equal(open_photo(as_file(Image.fromarray(bits))).pixels, np.dstack([bits * np.uint8(255)] * 3))
    palette = Image.fromarray((grey % 3).astype(np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)[grey % 3]
    assert np.array_equal(open_photo(as_file(palette)).pixels, colours)
    clear = open_photo(as_file(palette, transparency=1))
    assert np.array_equal(clear.pixels, colours)
    assert np.array_equal(clear.alpha, np.where(grey % 3 == 1, 0, 255))


def test_alpha_is_kept_apart_and_survives_saving(tmp_path):
    rgba = np.dstack([picture(), picture(seed=1)[:, :, 0]])
    photo = open_photo(as_file(rgba))
    assert np.array_equal(photo.pixels, rgba[:, :, :3]) and np.array_equal(photo.alpha, rgba[:, :, 3])
    save_photo(photo, tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), rgba)
    save_photo(photo, tmp_path / "a.webp", quality=100)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.webp")), rgba)
    opaque = open_photo(as_file(np.dstack([picture(), np.full((12, 20), 255, np.uint8)])))
    assert opaque.alpha is None
    grey = Image.merge("LA", [Image.fromarray(rgba[:, :, 0]), Image.fromarray(rgba[:, :, 3])])
    both = open_photo(as_file(grey))
    assert np.array_equal(both.pixels[:, :, 1], rgba[:, :, 0]) and np.array_equal(both.alpha, rgba[:, :, 3])


def test_jpeg_lays_transparency_on_white_and_says_so(tmp_path):
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[:, 8:, 3] = 255
    notes = save_photo(open_photo(as_file(rgba)), tmp_path / "a.jpg")
    assert "transparency" in notes[0]
    saved = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert saved[:, :6].min() > 245 and saved[:, 10:].max() < 10
    assert save_photo(open_photo(picture()), tmp_path / "b.jpg") == ()


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_not_cut(tmp_path, ending, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (12, 20, channels)).astype(np.uint16)
    deep[0, 0], deep[0, 1], deep[0, 2] = 65535, 254, 386  # 254 / 257 rounds to 1, its high byte alone would be 0
    path = tmp_path / f"deep{ending}"
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    assert cv2.imwrite(str(path), deep[:, :, order])
    photo = open_photo(path)
    expected = np.rint(deep / 257.0).astype(np.uint8)
    assert np.array_equal(photo.pixels, expected[:, :, :3] if channels > 1 else np.repeat(expected, 3, 2))
    if channels == 4:
        assert np.array_equal(photo.alpha, expected[:, :, 3])
    assert any("16 bits" in note for note in photo.notes)


def test_big_endian_sixteen_bit_tiff():
    deep = (np.arange(160) * 400).reshape(8, 20).astype(">u2")
    head = b"MM\0*" + struct.pack(">I", 8)
    entries = [
        (256, 3, 20 << 16),
        (257, 3, 8 << 16),
        (258, 3, 16 << 16),
        (259, 3, 1 << 16),
        (262, 3, 1 << 16),
        (273, 4, 8 + 2 + 9 * 12 + 4),
        (277, 3, 1 << 16),
        (278, 3, 8 << 16),
        (279, 4, 320),
    ]
    data = head + struct.pack(">H", 9) + b"".join(struct.pack(">HHII", t, k, 1, v) for t, k, v in entries)
    photo = open_photo(data + struct.pack(">I", 0) + deep.tobytes())
    assert np.array_equal(photo.pixels[:, :, 0], np.rint(deep / 257.0))


def test_floating_point_tiffs(tmp_path):
    ramp = np.linspace(0, 1, 160, dtype=np.float32).reshape(8, 20)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "TIFF")
    photo = open_photo(buffer.getvalue())
    assert np.array_equal(photo.pixels[:, :, 0], np.rint(ramp * 255)) and "float32" in photo.notes[0]
    wild = open_photo(as_file(Image.fromarray(ramp * 3000 - 1000), "TIFF"))
    assert wild.pixels.min() == 0 and wild.pixels.max() == 255 and "stretched" in wild.notes[0]
    holes = ramp.copy()
    holes[0, 0] = np.nan
    assert open_photo(as_file(Image.fromarray(holes), "TIFF")).pixels[0, 0, 0] == 0
    colour = np.dstack([ramp, ramp * 0, ramp])
    cv2.imwrite(str(tmp_path / "c.tif"), colour[:, :, ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    opened = open_photo(tmp_path / "c.tif")
    assert np.array_equal(opened.pixels, np.rint(colour * 255))
    with pytest.raises(NamebrushError, match="megapixels"):
        open_photo(tmp_path / "c.tif", max_megapixels=0.0001)


def test_cmyk():
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, :8, 0], ink[:, 8:, 3] = 255, 255
    for format in ("JPEG", "TIFF"):
        photo = open_photo(as_file(Image.fromarray(ink, "CMYK"), format))
        left, right = photo.pixels[4, 3].astype(int), photo.pixels[4, 12].astype(int)
        assert left[0] < 40 and left[1:].min() > 215 and right.max() < 40


def test_animations_and_pages_use_the_first_and_say_so():
    frames = [Image.fromarray(np.full((10, 10, 3), value, np.uint8)) for value in (10, 120, 240)]
    for format, word in (("GIF", "frames"), ("WEBP", "frames"), ("PNG", "frames"), ("TIFF", "pages")):
        options = {"lossless": True} if format == "WEBP" else {}
        photo = open_photo(as_file(frames[0], format, save_all=True, append_images=frames[1:], **options))
        assert photo.notes == (f"Only the first of 3 {word} is used.",), format
        assert (photo.pixels == 10).all(), format


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(format, share):
    data = as_file(picture(64, 64), format)
    with pytest.raises(NamebrushError, match="damaged") as caught:
        open_photo(data[: int(len(data) * share)])
    assert "\n" not in str(caught.value)


def test_bombs_are_judged_by_their_header():
    with pytest.raises(NamebrushError, match=r"12000 x 9000 = 108.0 megapixels; the limit is 50"):
        open_photo(png_header(12000, 9000))
    with pytest.raises(NamebrushError, match=r"10000\.0 megapixels; the limit is 50"):
        open_photo(png_header(100000, 100000))
    with pytest.raises(NamebrushError, match="megapixels"):
        open_photo(picture(100, 100), max_megapixels=0.005)
    assert open_photo(picture(100, 100), max_megapixels=0.01).size == (100, 100)


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (1, 5000, "at least 8"),
        (7, 20, "at least 8"),
        (8, 300, "too thin"),
        (0, 10, "damaged"),
    ],
)
def test_sizes_that_cannot_work(width, height, words):
    data = png_header(0, 10) if width == 0 else as_file(np.zeros((height, width, 3), np.uint8))
    with pytest.raises(NamebrushError, match=words):
        open_photo(data)


def test_the_smallest_photo():
    assert open_photo(picture(8, 8)).size == (8, 8)


@pytest.mark.parametrize(
    "data", [b"hello, this is text", b"%PDF-1.7 ...", b"<svg xmlns=''/>", b"II*\0\x08\0\0\0", bytes(100)]
)
def test_not_a_photo(data):
    with pytest.raises(NamebrushError):
        open_photo(data)


def test_clear_words_for_files_that_are_not_there(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    os.mkfifo(tmp_path / "pipe")
    for source, words in (
        (tmp_path / "none.png", "no file"),
        (tmp_path, "folder"),
        (tmp_path / "empty.jpg", "empty"),
        ("a\0b", "no file|read"),
        (b"", "empty"),
        (tmp_path / "phone.heic", "HEIC"),
        ("x" * 5000, "no file|read"),
        ("two\nlines", "no file"),
        (tmp_path / "pipe", "ordinary"),
    ):
        with pytest.raises(NamebrushError, match=words) as caught:
            open_photo(source)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError):
        open_photo(42)
    with pytest.raises(TypeError):
        open_photo(io.StringIO("text"))


def test_arrays():
    pixels = picture()
    assert np.array_equal(open_photo(pixels / 255.0).pixels, pixels)
    assert np.array_equal(open_photo(pixels[:, :, 0]).pixels, np.dstack([pixels[:, :, 0]] * 3))
    assert np.array_equal(open_photo(pixels.astype(np.uint16) * 257).pixels, pixels)
    assert np.array_equal(open_photo(pixels[:, :, :1] > 99).pixels[:, :, 0], (pixels[:, :, 0] > 99) * 255)
    rgba = np.dstack([pixels, pixels[:, :, 0]])
    assert np.array_equal(open_photo(rgba).alpha, pixels[:, :, 0])
    for bad in (
        pixels.astype(np.int64),
        pixels * 1.0,
        np.zeros((9, 9, 2), np.uint8),
        np.zeros(9),
        np.zeros((0, 9, 3), np.uint8),
    ):
        with pytest.raises(NamebrushError):
            open_photo(bad)


def test_new_pixels_keep_what_belongs_to_the_photo():
    exif = Image.Exif()
    exif[SOFTWARE] = "a camera"
    old = open_photo(as_file(np.dstack([picture(), picture(seed=1)[:, :, 0]]), exif=exif))
    new = photo_from_pixels(picture(seed=2), like=old)
    assert np.array_equal(new.pixels, picture(seed=2)) and new.hash != old.hash
    assert new.exif == old.exif and np.array_equal(new.alpha, old.alpha) and new.name == old.name
    assert photo_from_pixels(picture(30, 30), like=old).alpha is None
    with pytest.raises(ValueError):
        photo_from_pixels(picture().astype(float), like=old)


def test_png_is_exact_and_the_rest_close(tmp_path):
    photo = open_photo(cv2.GaussianBlur(picture(64, 48), (0, 0), 3))
    for ending, error in ((".png", 0), (".PNG", 0), (".jpg", 8), (".jpeg", 8), (".webp", 16)):
        photo.save(tmp_path / f"x{ending}")
        again = open_photo(tmp_path / f"x{ending}").pixels
        assert np.abs(again.astype(int) - photo.pixels).max() <= error, ending


def test_saving_fails_clearly_and_leaves_nothing(tmp_path, monkeypatch):
    photo = open_photo(picture())
    (tmp_path / "kept.png").write_bytes(b"before")
    (tmp_path / "dir.png").mkdir()
    for name, words in (
        ("a.gif", "must end"),
        ("a", "must end"),
        ("no/such/a.png", "does not exist"),
        ("dir.png", "folder"),
    ):
        with pytest.raises(NamebrushError, match=words):
            photo.save(tmp_path / name)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NamebrushError, match="No space left"):
        photo.save(tmp_path / "kept.png")
    with pytest.raises(NamebrushError, match="No space left"):
        write_folder(tmp_path / "new" / "deep", {"a": b"1"})
    monkeypatch.undo()
    assert (tmp_path / "kept.png").read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["dir.png", "kept.png"]
    if os.path.exists("/dev/full"):
        with pytest.raises(NamebrushError, match="ordinary"):
            write_atomic("/dev/full", b"x")
    with pytest.raises(NamebrushError, match="65500"):
        encode_photo(photo_from_pixels(np.zeros((8, 65501, 3), np.uint8)), "JPEG")


def test_saving_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "real.png").write_bytes(b"")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    open_photo(picture()).save(tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink() and np.array_equal(open_photo(tmp_path / "real.png").pixels, picture())
