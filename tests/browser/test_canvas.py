"""The canvas in a real browser: what is hovered and picked, the tools, zoom, language, the plain surface, access."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from .hands import (
    canvas_pixels,
    click_at,
    drag,
    place,
    save,
    scene,
    settle,
    status,
    use,
    wait_for_status,
)
from .waiting import expect


def _seen(region):
    return [round(v) for v in region["at"]]


def _largest(page):
    return max(scene(page)["regions"], key=lambda r: r["area"])


def test_hover_outlines_and_names_without_a_request(named):
    asked = []
    settle(named)
    named.wait_for_timeout(1500)
    named.on("request", lambda request: asked.append(request.url))
    region = _largest(named)
    before = canvas_pixels(named, "over")
    named.mouse.move(*place(named, *_seen(region)))
    named.wait_for_selector(".nbc-tip:not([hidden])")
    expect(named.locator(".nbc-tip")).to_contain_text(region["title"])
    assert not np.array_equal(canvas_pixels(named, "over"), before)
    expect(named.locator(f'.nb-row.nb-over[data-region="{region["id"]}"]')).to_have_count(1)
    assert not asked


def test_click_shift_and_list_pick_the_same(named):
    first, second = sorted(scene(named)["regions"], key=lambda r: -r["area"])[:2]
    click_at(named, *_seen(first))
    named.wait_for_selector(f'.nb-row[data-region="{first["id"]}"][aria-pressed=true]')
    wait_for_status(named, "is picked")
    named.keyboard.down("Shift")
    click_at(named, *_seen(second))
    named.keyboard.up("Shift")
    wait_for_status(named, "2 masks are picked")
    named.locator(f'.nb-row[data-region="{first["id"]}"]').click()
    wait_for_status(named, "is picked")
    assert named.evaluate("() => [...namebrush.table.scene.picked]") == [second["id"]]
    named.locator(".nbc-view").focus()
    named.keyboard.press("Escape")
    wait_for_status(named, "Nothing is picked")
    named.locator(f'.nb-chip-main[data-name="{first["name"]}"]').click()
    own = [r["id"] for r in scene(named)["regions"] if r["name"] == first["name"]]
    named.wait_for_function("n => document.querySelectorAll('.nb-row[aria-pressed=true]').length === n", arg=len(own))


def test_a_drawn_box_makes_a_mask_and_a_point_takes_from_it(named):
    drag(named, (300, 300), (560, 520))
    wait_for_status(named, "was made")
    settle(named)
    made = scene(named)["regions"][-1]
    assert made["name"] == "by hand" and made["prompt_box"] and scene(named)["picked"] == [made["id"]]
    use(named, "subtract")
    click_at(named, *_seen(made))
    wait_for_status(named, "was corrected")
    settle(named)
    corrected = next(r for r in scene(named)["regions"] if r["id"] == made["id"])
    assert [p[2] for p in corrected["points"]] == [0] and corrected["area"] != made["area"]


def test_zoomed_in_the_pixels_are_the_photos_own(named):
    named.locator(".nbc-view").focus()
    for key in ("f", "o", "n"):
        named.keyboard.press(key)
    named.keyboard.press("1")
    for _ in range(6):
        named.keyboard.press("+")
    named.mouse.move(2, 2)
    left, top, scale = named.evaluate("() => { const v = namebrush.table.view; return [v.left, v.top, v.scale] }")
    assert scale > 6
    shown = canvas_pixels(named)[:, :, :3]
    photo = named.evaluate_handle("() => namebrush.table.scene.photo")
    x, y = (int(-offset / scale) + 12 for offset in (left, top))
    pixel = photo.evaluate(
        """(image, [x, y]) => { const c = document.createElement('canvas'); c.width = image.width;
        c.height = image.height; const g = c.getContext('2d'); g.drawImage(image, 0, 0);
        return [...g.getImageData(x, y, 1, 1).data].slice(0, 3); }""",
        [x, y],
    )
    middle = shown[int((y + 0.5) * scale + top), int((x + 0.5) * scale + left)]
    assert middle.tolist() == pixel
    named.keyboard.press("0")
    assert named.evaluate("() => namebrush.table.view.fitted")


def test_everything_can_be_done_by_keys(named):
    named.locator(".nbc-view").focus()
    named.keyboard.press(".")
    title = scene(named)["regions"][0]["title"]
    expect(named.locator(".nbc-live")).to_contain_text(title)
    named.keyboard.press("Enter")
    wait_for_status(named, "is picked")
    named.keyboard.press("Escape")
    named.keyboard.press("b")
    named.keyboard.press("ArrowLeft")
    named.keyboard.press(" ")
    for _ in range(12):
        named.keyboard.press("ArrowRight")
        named.keyboard.press("ArrowDown")
    named.keyboard.press(" ")
    wait_for_status(named, "was made")
    named.keyboard.press("?")
    assert named.locator("#nb-help kbd").count() > 20
    named.keyboard.press("Escape")
    named.wait_for_selector("#nb-help", state="detached")


def test_the_page_speaks_german(named):
    named.locator("#lang").click()
    named.wait_for_function("() => document.querySelector('#find').innerText === 'Finden'")
    expect(named.locator("[data-view-name=explain]")).to_have_text("Erklären")
    click_at(named, *_seen(_largest(named)))
    assert "ist gewählt" in wait_for_status(named, "gewählt")
    assert named.evaluate("() => document.documentElement.lang") == "de"


def test_without_a_readable_canvas_the_plain_surface_works(visit):
    page = visit("/?plain=1", "#picture img")
    wait_for_status(page, "mask")
    page.wait_for_function("() => document.querySelectorAll('#plain-regions label').length > 0")
    expect(page.locator("#canvas")).to_be_hidden()
    page.locator("#plain-regions label").first.click()
    assert "is picked" in wait_for_status(page, "is picked")


def test_explain_shows_scores_without_the_server_and_maps_with_it(named):
    named.locator("[data-view-name=explain]").click()
    region = _largest(named)
    named.wait_for_timeout(300)
    named.mouse.move(*place(named, *_seen(region)))
    named.wait_for_selector(".nb-bar")
    best = named.locator(".nb-bar span").first.inner_text()
    assert best == region["name"]
    named.mouse.click(*place(named, *_seen(region)))
    named.wait_for_selector("[data-map=sam]")
    wait_for_status(named, "Correlations at")
    expect(named.locator("[data-map=clip][aria-pressed=true]")).to_have_count(1)


def test_a_stranger_removes_something_in_six_actions(visit, tmp_path):
    page = visit()
    actions = 0
    wait_for_status(page, "mask")
    settle(page)
    click_at(page, *_seen(_largest(page)))
    actions += 1
    page.locator("#go:not([disabled])").click()
    actions += 1
    line = wait_for_status(page, "changed outside")
    saved = save(page, "photo", tmp_path)
    actions += 1
    assert saved.stat().st_size > 10_000 and "0 pixels changed outside" in line and actions <= 6
    assert status(page)


def _axe(tmp_path_factory) -> Path:
    """axe-core's script: from `AXE_SCRIPT`, or fetched once with npm."""
    given = os.environ.get("AXE_SCRIPT")
    if given:
        return Path(given)
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, so the accessibility checker axe-core cannot be fetched")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4"]
    done = subprocess.run(command, capture_output=True, timeout=300)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not script.exists():
        pytest.skip("npm could not fetch axe-core (no network?)")
    return script


def _serious(view: str, result: dict) -> dict:
    bad = [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    return {f"{view}: {one['id']}": [n["target"][0] for n in one["nodes"][:4]] for one in bad}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(visit, scheme, tmp_path_factory):
    script = _axe(tmp_path_factory).read_text(encoding="utf-8")
    page = visit(color_scheme=scheme)
    wait_for_status(page, "mask")
    settle(page)
    page.evaluate(script)
    page.locator(".nb-row").first.click()  # so that the bar on the photo and what masks allow are there too
    page.wait_for_selector(".nbc-correct:not([hidden])")
    found = {}
    for view in ("edit", "compare", "explain"):
        page.locator(f"[data-view-name={view}]").click()
        result = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        found.update(_serious(view, result))
    page.locator("[data-view-name=edit]").click()
    for button, dialog in (("#help", "#nb-help"), ("#models-button button", "#nb-models")):
        page.locator(button).click()
        page.wait_for_selector(dialog)
        found.update(_serious(dialog, page.evaluate("d => axe.run(d, {resultTypes: ['violations']})", dialog)))
        page.keyboard.press("Escape")
    assert not found, found
