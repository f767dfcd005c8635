"""The page in a real browser: the main job from the first look to the download, visitors, bad input, manners."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib

import cv2
import numpy as np
from PIL import Image

from app.examples import examples
from pipeline.export import decode_rle

from .hands import (
    canvas_pixels,
    click_at,
    drag,
    give,
    name_things,
    pixels_of,
    save,
    scene,
    settle,
    status,
    use,
    wait_for_legend,
    wait_for_status,
)
from .waiting import expect

SIZE = (640, 960)


def _painted(path, color, size=(240, 320)):
    """A photo of one colour with a disc on it, so that a mask by hand has an edge to find."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(-8, 9, (height, width, 3))
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2)[:, :, None]
    pixels = np.clip(np.where(disc, 255 - np.array(color), np.array(color)) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def _inside(regions):
    """A pixel well inside a region of moderate size and outside all others."""
    masks = {r["id"]: decode_rle(r["rle"]) for r in regions}
    chosen = max((r for r in regions if r["area"] < SIZE[0] * SIZE[1] / 4), key=lambda r: r["area"])
    others = np.logical_or.reduce([np.zeros(SIZE, bool), *(m for i, m in masks.items() if i != chosen["id"])])
    depth = cv2.distanceTransform((masks[chosen["id"]] & ~others).astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(x), int(y)


def test_the_first_look_shows_an_example_named(visit):
    page = visit()
    assert page.title() == "Namebrush"
    first = examples()[0]
    wait_for_legend(page, [n.split(";")[0].strip() for n in first.words.split(",")])
    settle(page)
    expect(page.locator("#words textarea")).to_have_value(first.words)
    assert "mask" in status(page)
    expect(page.locator("#regions .nb-row").first).to_be_visible()
    expect(page.locator(".nb-models")).to_contain_text("built-in models")


def test_the_main_job(visit, tmp_path):
    page = visit()
    wait_for_status(page, "mask")
    settle(page)
    plain = pixels_of(examples()[0].path)

    name_things(page, "tree, sky, grass")
    wait_for_legend(page, ["tree", "sky", "grass"])
    settle(page)
    named = canvas_pixels(page)
    page.locator("[data-layer=fill]").click()
    bare = canvas_pixels(page)
    assert np.abs(named.astype(int) - bare).max(axis=2).mean() > 2, "the fill changed nothing in the picture"
    page.locator("[data-layer=prompts]").click()
    assert not np.array_equal(canvas_pixels(page), bare), "the prompts changed nothing in the picture"

    found = json.loads(save(page, "regions", tmp_path).read_text(encoding="utf-8"))
    x, y = _inside(found["regions"])
    click_at(page, x, y)
    line = wait_for_status(page, "is picked")
    assert "edges by" in line
    expect(page.locator("#regions [aria-pressed=true]")).to_have_count(1)

    page.locator("#go").click()
    line = wait_for_status(page, "changed outside the mask")
    assert "0 pixels changed outside" in line
    page.wait_for_selector(".nbc-wipe:not([hidden])")
    edited = pixels_of(save(page, "photo", tmp_path))
    with zipfile.ZipFile(save(page, "masks", tmp_path)) as archive:
        used = np.asarray(Image.open(io.BytesIO(archive.read("changed.png")))) > 0
        assert "labels.png" in archive.namelist() and "regions.json" in archive.namelist()
    assert edited.shape == plain.shape == (*SIZE, 3)
    assert np.array_equal(edited[~used], plain[~used]), "pixels outside the mask were changed"
    assert (edited[used] != plain[used]).any(axis=1).mean() > 0.5
    assert used[y, x]

    page.locator("#undo").click()
    page.wait_for_selector(".nbc-wipe", state="hidden")
    settle(page)
    assert np.array_equal(pixels_of(save(page, "photo", tmp_path)), plain)
    page.locator("#redo").click()
    page.wait_for_function("() => document.querySelector('#redo').disabled")
    assert np.array_equal(pixels_of(save(page, "photo", tmp_path)), edited)


def test_a_mask_by_hand_needs_no_words(visit, tmp_path):
    page = visit()
    _painted(tmp_path / "disc.png", (40, 90, 60))
    give(page, tmp_path / "disc.png")
    wait_for_status(page, "disc.png, 320 × 240")
    use(page, "box")
    page.wait_for_function("() => document.querySelector('#hint').innerText.includes('corners')")
    click_at(page, 90, 50)
    click_at(page, 230, 190)
    line = wait_for_status(page, "edges by")
    assert "by hand" in line and ("SAM" in line or "grabCut" in line)
    expect(page.locator("#regions [aria-pressed=true]")).to_have_count(1)
    found = json.loads(save(page, "regions", tmp_path).read_text(encoding="utf-8"))["regions"]
    assert len(found) == 1 and 2000 < found[0]["area"] < 20000
    use(page, "brush")
    drag(page, (300, 225), (250, 225))
    wait_for_status(page, "corrected")
    settle(page)
    (grown,) = scene(page)["regions"]
    assert grown["area"] > found[0]["area"] and grown["box"][2] > 295 and grown["made"] == "hand"


def test_two_visitors_never_see_each_others_photo(visit, tmp_path):
    red, blue = _painted(tmp_path / "red.png", (200, 30, 30)), _painted(tmp_path / "blue.png", (30, 30, 200))
    first, second = visit(), visit()
    give(first, tmp_path / "red.png")
    give(second, tmp_path / "blue.png")
    wait_for_status(first, "red.png")
    wait_for_status(second, "blue.png")
    for page, channel in ((first, 0), (second, 2)):
        settle(page)
        pixels = canvas_pixels(page)
        middle = pixels[20:60, pixels.shape[1] // 2 - 20 : pixels.shape[1] // 2 + 20, :3]
        assert middle.reshape(-1, 3).mean(axis=0).argmax() == channel
    name_things(first, "ball")
    name_things(second, "ball, sky")
    wait_for_legend(first, ["ball"])
    wait_for_legend(second, ["ball", "sky"])
    settle(first)
    settle(second)
    addresses = [scene(page)["photo"]["file"]["url"] for page in (first, second)]
    assert addresses[0] != addresses[1] and all(len(a.split("/")[-2]) >= 32 for a in addresses)
    assert np.array_equal(pixels_of(save(first, "photo", tmp_path)), red)
    assert np.array_equal(pixels_of(save(second, "photo", tmp_path)), blue)
    expect(first.locator("#history")).not_to_contain_text("blue")
    expect(second.locator("#history")).not_to_contain_text("red")


def _bomb(path):
    """A PNG whose header promises 60000 x 60000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def test_long_work_can_be_stopped_and_leaves_everything(visit, tmp_path):
    page = visit()
    _painted(tmp_path / "large.png", (60, 90, 160), (1500, 2000))
    give(page, tmp_path / "large.png")
    wait_for_status(page, "large.png, 2000 × 1500")
    settle(page)
    before = canvas_pixels(page)
    name_things(page, "ball, sky, sea")
    page.locator("#stop").click()
    wait_for_status(page, "Stopped. Everything is as it was.")
    settle(page)
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator(".nb-row")).to_have_count(0)
    assert np.array_equal(canvas_pixels(page), before)


def test_bad_files_are_refused_in_one_line_and_nothing_is_lost(visit, tmp_path):
    page = visit()
    wait_for_status(page, "mask")
    settle(page)
    before = canvas_pixels(page)
    masks = page.locator("#regions .nb-row").count()
    (tmp_path / "letter.png").write_text("This is no picture.")
    (tmp_path / "empty.jpg").write_bytes(b"")
    _painted(tmp_path / "whole.png", (90, 90, 20))
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 3])
    _bomb(tmp_path / "huge.png")
    told = set()
    for name in ("letter.png", "empty.jpg", "broken.png", "huge.png"):
        page.evaluate("() => { document.querySelector('#status .nb-status').dataset.kind = 'waiting' }")
        give(page, tmp_path / name)
        page.wait_for_function("() => document.querySelector('#status .nb-status')?.dataset.kind === 'error'")
        line = status(page)
        assert 20 < len(line) < 240 and "\n" not in line and "Traceback" not in line and "inside" not in line
        told.add(line)
    assert len(told) >= 3
    name_things(page, " , ; ")
    wait_for_status(page, "Type at least one name")
    assert np.array_equal(canvas_pixels(page), before)
    expect(page.locator("#regions .nb-row")).to_have_count(masks)


def test_markup_typed_as_a_name_shows_as_text(visit):
    page = visit()
    wait_for_status(page, "mask")
    settle(page)
    typed = ["<img src=x onerror=window.run=1>", "{{value}} ${1+1}", "<b>tree</b>"]
    name_things(page, ", ".join(typed))
    wait_for_legend(page, typed)
    settle(page)
    assert page.evaluate("() => window.run") is None
    page.locator("#legend .nb-fold").click()  # long lists show their first names until they are unfolded
    expect(page.locator("#legend")).to_contain_text("<b>tree</b>")
    expect(page.locator("#legend")).to_contain_text("{{value}} ${1+1}")
    expect(page.locator("#legend img, #history img, #status img, #legend b b")).to_have_count(0)


def test_the_theme_follows_the_system_and_the_switch(visit):
    page = visit(color_scheme="dark")
    is_dark = "dark => document.body.classList.contains('dark') === dark"
    page.wait_for_function(is_dark, arg=True)
    page.locator("#theme").click()
    page.wait_for_function(is_dark, arg=False)
    page.reload()
    page.wait_for_selector("#canvas [data-stamp]")
    page.wait_for_function(is_dark, arg=False)


def test_nothing_sticks_out_of_the_screen(visit):
    page = visit()
    wait_for_status(page, "mask")
    for width in (390, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 844})
        settle(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        wide = page.evaluate("() => namebrush.table.view.width * namebrush.table.view.scale")
        assert wide > 0.55 * min(width, 1500)
