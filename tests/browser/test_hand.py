"""Correcting by hand, moving by drag, two fingers, and sessions, in a real browser."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from .hands import click_at, drag, pixels_of, place, save, scene, settle, use, wait_for_status
from .waiting import expect


@pytest.fixture
def picked(visit):
    """The page with the first example named and one moderate mask picked, and that region."""
    page = visit()
    wait_for_status(page, "mask")
    settle(page)
    boxed = [r for r in scene(page)["regions"] if r["prompt_box"] and r["area"] < 60_000]
    region = max(boxed, key=lambda r: r["area"])
    click_at(page, *(round(v) for v in region["at"]))
    wait_for_status(page, "is picked")
    return page, region


def _region(page, number):
    return next(r for r in scene(page)["regions"] if r["id"] == number)


def test_a_mask_is_corrected_by_its_points_and_box(picked):
    page, region = picked
    settle(page)
    expect(page.locator(".nbc-who")).to_have_text(region["title"])
    x0, y0, x1, y1 = region["box"]
    page.locator(".nbc-correct [data-tool=subtract]").click()
    spot = (x0 + 6, y1 - 6)
    click_at(page, *spot)
    wait_for_status(page, "was corrected")
    settle(page)
    points = _region(page, region["id"])["points"]
    assert [*spot, 0] in points and len(points) == len(region["points"]) + 1
    drag(page, spot, (spot[0] + 12, spot[1] - 4))  # the point can be taken hold of
    page.wait_for_function("n => document.querySelectorAll('.nb-step').length === n", arg=4)
    settle(page)
    assert [spot[0] + 12, spot[1] - 4, 0] in _region(page, region["id"])["points"]
    click_at(page, spot[0] + 12, spot[1] - 4)  # and taken away
    page.wait_for_function("n => document.querySelectorAll('.nb-step').length === n", arg=5)
    settle(page)
    assert all(p[2] == 1 for p in _region(page, region["id"])["points"])
    use(page, "pick")
    bx0, by0, bx1, by1 = _region(page, region["id"])["prompt_box"]
    drag(page, (bx0 - 0.5, by0 - 0.5), (bx0 + 14.5, by0 + 9.5))
    page.wait_for_function("n => document.querySelectorAll('.nb-step').length === n", arg=6)
    settle(page)
    moved = _region(page, region["id"])["prompt_box"]
    assert moved == pytest.approx([bx0 + 15, by0 + 10, bx1, by1], abs=2)
    page.locator(".nbc-correct [data-do=frame]").click()  # the box can be taken away, where points are left
    page.wait_for_function("() => document.querySelector('[data-do=frame]').getAttribute('aria-pressed') === 'false'")
    assert _region(page, region["id"])["prompt_box"] is None


def test_masks_are_accepted_split_merged_renamed_and_rejected(picked):
    page, region = picked
    settle(page)
    count = len(scene(page)["regions"])
    page.locator("[data-tidy=accept]").click()
    wait_for_status(page, "accepted")
    settle(page)
    assert _region(page, region["id"])["accepted"]
    page.locator("[data-tidy=split]").click()
    wait_for_status(page, "Click once inside each part")
    settle(page)
    expect(page.locator("#hint")).to_contain_text("inside each part")
    inside = page.evaluate(  # two pixels of the mask far apart
        """id => { const { scene } = namebrush.table, [x0, y0, x1, y1] = scene.byId.get(id).box, at = [];
        for (let y = y0; y < y1; y += 2) for (let x = x0; x < x1; x += 2)
          if (scene.at(x, y)?.id === id) at.push([x, y]);
        at.sort((a, b) => a[0] - b[0]); return [at[Math.floor(at.length * .1)], at[Math.floor(at.length * .9)]]; }""",
        region["id"],
    )
    for spot in inside:
        click_at(page, *spot)
    page.get_by_role("button", name="Split (2)").click()
    page.wait_for_function("n => document.querySelectorAll('.nb-row').length === n", arg=count + 1)
    settle(page)
    assert len(scene(page)["picked"]) == 2
    page.locator("[data-tidy=merge]").click()
    page.wait_for_function("n => document.querySelectorAll('.nb-row').length === n", arg=count)
    settle(page)
    page.locator("[data-tidy=rename]").click()
    page.locator("#tidy .nb-edit input").fill("my thing")
    page.keyboard.press("Enter")
    page.wait_for_selector('.nb-chip-main[data-name="my thing"]', state="attached")  # it may be folded away
    page.locator("[data-tidy=drop]").click()
    page.wait_for_function("n => document.querySelectorAll('.nb-row').length === n", arg=count - 1)


def test_what_is_picked_is_moved_by_dragging(picked, tmp_path):
    page, region = picked
    page.locator("#kind label:has(input[value=move])").click()
    page.wait_for_selector("#edit-dx input")
    settle(page)
    expect(page.locator(".nbc-correct")).to_be_hidden()
    x, y = (round(v) for v in region["at"])
    drag(page, (x, y), (x + 60, y - 30))
    fields = [page.locator(f"#edit-{name} input") for name in ("dx", "dy", "scale")]
    for field, value in zip(fields, ("60", "-30", "1"), strict=True):
        expect(field).to_have_value(value)
    x1, y1 = region["box"][2] + 60, region["box"][3] - 30
    drag(page, (x1 - 0.5, y1 - 0.5), (x1 - 20.5, y1 - 15.5))
    expect(fields[2]).not_to_have_value("1")
    expect(fields[0]).to_have_value("60")
    assert float(fields[2].input_value()) < 1
    page.locator("#edit-scale input").fill("1")
    page.locator("#go").click()
    assert "0 pixels changed outside" in wait_for_status(page, "was moved")
    settle(page)
    page.wait_for_function(
        "['dx', 'dy', 'scale'].map(n => document.querySelector(`#edit-${n} input`).value).join() === '0,0,1'"
    )
    moved = _region(page, region["id"])  # its mask went along, and it is still picked
    assert moved["box"] == [v + d for v, d in zip(region["box"], (60, -30, 60, -30), strict=True)]
    assert scene(page)["picked"] == [region["id"]]


def test_what_is_replaced_becomes_what_is_asked_and_can_be_picked(picked):
    page, region = picked
    page.locator("#kind label:has(input[value=replace])").click()
    page.wait_for_function("document.querySelector('#kind-hint').innerText.includes('drawn things')")
    assert "umbrella" in page.locator("#kind-hint p").get_attribute("title")  # what it can paint
    page.locator("#prompt textarea").fill("a blue ball")
    settle(page)
    page.locator("#go:not([disabled])").click()
    assert "0 pixels changed outside" in wait_for_status(page, "was replaced")
    settle(page)
    (ball,) = (r for r in scene(page)["regions"] if r["name"] == "ball")
    page.locator("[data-do=wipe]").click()
    click_at(page, *ball["at"])
    wait_for_status(page, "Ball is picked")


def test_two_fingers_zoom_about_where_they_are(visit):
    page = visit(has_touch=True, viewport={"width": 390, "height": 844})
    wait_for_status(page, "mask")
    settle(page)
    page.locator("[data-tool=hand]").click()
    x, y = place(page, 480, 320)
    hand = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": px, "y": py, "id": i} for i, (px, py) in enumerate(places)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = page.evaluate("() => namebrush.table.view.scale")
    touch("touchStart", (x - 30, y))
    touch("touchStart", (x - 30, y), (x + 30, y))
    for apart in (45, 60, 75, 90):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    page.wait_for_function("s => namebrush.table.view.scale > 2.5 * s", arg=before)
    scale = page.evaluate("() => namebrush.table.view.scale")
    assert scale == pytest.approx(3 * before, rel=0.15)
    now = place(page, 480, 320)
    assert now == pytest.approx((x, y), abs=12)
    touch("touchStart", (x, y))
    touch("touchMove", (x - 40, y - 10))
    touch("touchMove", (x - 60, y - 10))
    touch("touchEnd")
    page.wait_for_function("() => namebrush.table.hands.pointers.size === 0")
    assert place(page, 480, 320)[0] < now[0] - 20


def test_a_session_is_saved_reopened_and_undone(picked, visit, tmp_path):
    page, region = picked
    page.locator("#go:not([disabled])").click()
    wait_for_status(page, "changed outside")
    settle(page)
    removed = pixels_of(save(page, "photo", tmp_path))
    kept = save(page, "session", tmp_path)
    assert kept.name.endswith(".namebrush.zip")
    words = page.locator("#words textarea").input_value()
    steps = page.locator(".nb-step").all_inner_texts()

    again = visit()
    wait_for_status(again, "mask")
    settle(again)
    (tmp_path / "broken.namebrush.zip").write_bytes(kept.read_bytes()[:4000])
    history = again.locator("#history").inner_text()
    again.locator("#whole input[type=file]").set_input_files(str(tmp_path / "broken.namebrush.zip"))
    line = wait_for_status(again, "damaged")
    assert "\n" not in line
    expect(again.locator("#history")).to_have_text(history, use_inner_text=True)
    again.locator("#words textarea").fill("something else")
    again.locator("#whole input[type=file]").set_input_files(str(kept))
    wait_for_status(again, "open again")
    settle(again)
    expect(again.locator(".nb-step")).to_have_text(steps)
    expect(again.locator("#words textarea")).to_have_value(words)
    assert np.array_equal(pixels_of(save(again, "photo", tmp_path)), removed)
    again.locator("#undo").click()
    again.wait_for_function("id => namebrush.table.scene.byId.has(id)", arg=region["id"])
    settle(again)
    back = _region(again, region["id"])
    assert back["area"] == region["area"] and back["points"] == region["points"]
    assert not np.array_equal(pixels_of(save(again, "photo", tmp_path)), removed)
    again.locator("#redo").click()
    again.wait_for_function("() => document.querySelector('#redo').disabled")
    assert np.array_equal(pixels_of(save(again, "photo", tmp_path)), removed)
    again.locator(".nb-step").first.click()
    again.wait_for_function("() => document.querySelectorAll('.nb-row').length === 0")
    # Another way from here: the old one stays as a branch.
    drag(again, (300, 300), (560, 520))
    wait_for_status(again, "was made")
    settle(again)
    expect(again.locator(".nb-branch")).to_have_count(1)
    again.locator(".nb-branch").click()
    again.wait_for_function(
        "steps => [...document.querySelectorAll('.nb-step')].map(b => b.innerText).join() === steps",
        arg=",".join(steps),
    )


def test_a_session_dropped_on_the_page_opens(picked, visit, tmp_path):
    page, _ = picked
    kept = save(page, "session", tmp_path)
    again = visit()
    wait_for_status(again, "mask")
    settle(again)
    again.evaluate(
        """([name, data]) => { const box = new DataTransfer();
        const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
        box.items.add(new File([bytes], name)); document.body.dispatchEvent(
          new DragEvent('drop', {dataTransfer: box, bubbles: true, cancelable: true})); }""",
        [kept.name, base64.b64encode(kept.read_bytes()).decode()],
    )
    wait_for_status(again, "open again")
