"""While something is painted: steps, time left, pictures on the way, stopping, and who is first."""

from __future__ import annotations

import numpy as np

from .hands import canvas_pixels, choose, click_at, name_things, place, save, scene, settle, wait_for_status
from .waiting import expect

PREVIEW = "() => namebrush.table.painter.preview !== null"


def test_painting_shows_itself_and_can_be_stopped(visit, painter, tmp_path):
    page = visit(painter)
    wait_for_status(page, "mask")
    settle(page)
    region = max((r for r in scene(page)["regions"] if r["area"] < 60_000), key=lambda r: r["area"])
    x, y = (round(v) for v in region["at"])
    click_at(page, x, y)
    wait_for_status(page, "is picked")
    settle(page)
    before, photo = canvas_pixels(page), save(page, "photo", tmp_path).read_bytes()
    steps = page.locator(".nb-step").count()
    choose(page, "#kind", "Replace")
    page.locator("#prompt textarea").fill("a red ball")
    page.locator("#go").click()

    # Steps, the time left, and what is painted, where it will be.
    page.wait_for_function(PREVIEW)
    plate = page.locator(".nb-working")
    page.wait_for_function("() => /Painting, step \\d+ of 50/.test(document.querySelector('.nb-doing').innerText)")
    page.wait_for_function("() => /about \\d+ s left/.test(document.querySelector('.nb-left').innerText)")
    expect(plate).to_be_visible()
    expect(page.locator("#stop")).to_be_visible()
    box = page.evaluate("() => namebrush.table.painter.preview.box")
    assert box[0] <= x < box[2] and box[1] <= y < box[3]
    left, top = place(page, x, y)
    area = page.locator(".nbc-view").bounding_box()
    shown = canvas_pixels(page, "over")[int(top - area["y"]), int(left - area["x"])]
    assert shown[3] == 255, "the picture on the way is not drawn on the photo"

    # Stopped within a step, everything is as it was.
    page.locator("#stop").click()
    wait_for_status(page, "Stopped. Everything is as it was.")
    settle(page)
    expect(plate).to_be_hidden()
    expect(page.locator(".nb-step")).to_have_count(steps)
    assert np.array_equal(canvas_pixels(page), before) and save(page, "photo", tmp_path).read_bytes() == photo
    assert page.evaluate("() => [...namebrush.table.scene.picked]") == [region["id"]]

    # The same again to its end, and taken back.
    page.locator("#go").click()
    page.wait_for_function(PREVIEW)
    assert "0 pixels changed outside" in wait_for_status(page, "was replaced")
    settle(page)
    assert page.evaluate("() => namebrush.table.painter.preview") is None
    assert save(page, "photo", tmp_path).read_bytes() != photo
    page.locator("#undo").click()
    page.wait_for_selector(".nbc-wipe", state="hidden")
    settle(page)
    assert save(page, "photo", tmp_path).read_bytes() == photo


def test_who_waits_hears_how_many_are_first_and_a_stop_leaves_the_line(visit, painter):
    first, second = visit(painter), visit(painter)
    for page in (first, second):
        wait_for_status(page, "mask")
        settle(page)
    region = scene(first)["regions"][0]
    click_at(first, *(round(v) for v in region["at"]))
    wait_for_status(first, "is picked")
    choose(first, "#kind", "Replace")
    first.locator("#prompt textarea").fill("a red ball")
    first.locator("#go").click()
    first.wait_for_function(PREVIEW)
    masks = second.locator(".nb-row").count()
    name_things(second, "sky")
    second.wait_for_function("() => document.querySelector('.nb-doing').innerText.includes('one other is first')")
    second.locator("#stop").click()
    wait_for_status(second, "Stopped. Everything is as it was.")
    expect(second.locator(".nb-row")).to_have_count(masks)
    expect(first.locator(".nb-working")).to_be_visible()
    first.locator("#stop").click()
    wait_for_status(first, "Stopped")
