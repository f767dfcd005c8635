"""Everything one works with is in view and can be used on the screens people have."""

from __future__ import annotations

import pytest

from .hands import click_at, give, scene, settle, use, wait_for_status
from .waiting import expect

LAPTOPS = ((1280, 720), (1366, 768), (1440, 900), (1920, 1080))
#: The controls of the steps that lie outside the window, or under another element, by what a person would call them.
HIDDEN = """() => {
  const shown = (el) => el.offsetParent && getComputedStyle(el).visibility !== 'hidden';
  const found = [...document.querySelectorAll('#steps :is(button, input:not([type=file]), textarea, label, summary)')];
  const bad = [];
  for (const el of found.filter(shown)) {
    if (el.matches('input[type=radio], .nb-list *') || el.closest('[hidden]')) continue;
    const box = el.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2;
    if (!box.width || !box.height) continue;
    const inside = box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
    const over = document.elementFromPoint(x, y);
    const part = (one) => one.closest('label, .block');
    const free = over && (el.contains(over) || over.contains(el) || part(over) === part(el));
    const at = [...Object.values(box.toJSON())].map(Math.round);
    if (!inside || !free) bad.push(`${el.id || el.innerText || el.className} ${at}`);
  }
  return bad;
}"""
KINDS = ("remove", "replace", "restyle", "recolor", "blur", "background", "cutout", "move", "extend")


@pytest.fixture(params=["en-US", "de-DE"])
def picked(visit, request):
    """The page with the first example named and a mask picked."""
    page = visit(locale=request.param)
    page.wait_for_selector(".nb-row")
    settle(page)
    page.locator(".nb-row").first.click()
    expect(page.locator("#go")).to_be_enabled()
    return page


def test_every_kind_of_change_and_what_it_asks_for_is_in_view(picked):
    for width, height in LAPTOPS:
        picked.set_viewport_size({"width": width, "height": height})
        settle(picked)
        for kind in KINDS:
            picked.locator(f"#kind label:has(input[value={kind}])").click()
            asks = {"replace": "#prompt", "restyle": "#prompt", "recolor": "#edit-color", "move": "#edit-dx",
                    "background": "#edit-color", "blur": "#edit-blur", "extend": "#edit-bottom"}  # fmt: skip
            for field in set(asks.values()):
                expect(picked.locator(field)).to_be_visible(visible=asks.get(kind) == field)
            if asks.get(kind) == "#prompt":
                expect(picked.locator("#prompt textarea")).to_be_focused()
            assert picked.evaluate(HIDDEN) == [], (width, height, kind)
            assert picked.evaluate("() => [scrollY, document.querySelector('#steps').scrollTop]") == [0, 0]
        rows = picked.locator(".nb-list").bounding_box()
        assert rows["height"] >= 50, "fewer than two masks show"


def test_settings_have_a_drawer_of_their_own(picked):
    for width, height in ((1280, 720), (390, 844)):
        picked.set_viewport_size({"width": width, "height": height})
        button = picked.locator("#change [data-settings]")
        button.click()
        drawer = picked.get_by_role("dialog").filter(has=picked.locator("#find-threshold"))
        expect(drawer).to_be_visible()
        box = drawer.bounding_box()
        assert box["height"] == height and box["width"] >= min(width, 400) and box["x"] + box["width"] == width
        seed = picked.locator("#edit-seed input")  # the last of many
        seed.scroll_into_view_if_needed()
        seed.fill("11")
        expect(seed).to_be_in_viewport()
        for tab in drawer.get_by_role("tab").all():
            tab.click()
            expect(tab).to_have_attribute("aria-selected", "true")
            expect(tab).to_be_in_viewport()
        picked.keyboard.press("Escape")
        expect(drawer).to_be_hidden()
        expect(button).to_be_focused()


def test_on_a_phone_the_change_is_at_hand_and_fingers_have_room(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True)
    page.wait_for_selector(".nb-row")
    settle(page)
    region = max((r for r in scene(page)["regions"] if r["area"] < 90_000), key=lambda r: r["area"])
    click_at(page, *(round(v) for v in region["at"]))
    go = page.locator("#go")
    expect(go).to_be_in_viewport(ratio=1)
    expect(go).to_have_text(f"Remove {region['title']}")
    expect(page.locator("#kind label").first).to_be_in_viewport(ratio=1)
    expect(page.locator(".nbc-view")).to_be_in_viewport(ratio=0.8)
    small = page.evaluate(
        """() => [...document.querySelectorAll('.gradio-container :is(button, summary, .nb-seg label)')]
        .filter((el) => el.offsetParent && !el.closest('.nb-example, [data-example], #settings'))
        .filter((el) => el.getBoundingClientRect().height < 43.5).map((el) => el.outerHTML.slice(0, 90))"""
    )
    assert small == []


def test_ones_own_photo_is_met_with_a_word_and_the_way_to_the_photo_models(visit, tmp_path):
    from .test_page import _painted

    page = visit()
    page.wait_for_selector(".nb-row")
    settle(page)
    expect(page.locator(".nb-notice")).to_be_hidden()
    _painted(tmp_path / "mine.png", (40, 90, 60))
    give(page, tmp_path / "mine.png")
    wait_for_status(page, "mine.png")
    settle(page)
    expect(page.locator(".nb-notice")).to_contain_text("know drawings")
    expect(page.locator("#words textarea")).to_have_value("")
    expect(page.locator(".nb-suggest")).to_have_count(0)
    page.locator(".nb-notice [data-do=models]").click()
    expect(page.locator("#nb-models [data-preset=base]")).to_be_visible()
    page.keyboard.press("Escape")
    use(page, "box")  # the hand tools work at once
    click_at(page, 90, 50)
    click_at(page, 230, 190)
    wait_for_status(page, "was made")
    expect(page.locator("#go")).to_have_text("Remove what is picked")
    page.locator(".nb-example").first.click()
    expect(page.locator(".nb-notice")).to_be_hidden()


def test_a_failed_download_is_one_sentence_and_can_be_tried_again(offline, visit):
    page = visit(offline)
    page.wait_for_selector(".nb-row")
    settle(page)
    page.locator("#models-button button").click()
    page.locator("#nb-models [data-preset=base]").click()
    failed = page.locator("#nb-models .nb-failed")
    expect(failed.locator("> p")).to_have_text(
        "The base models could not be downloaded: the model server cannot be reached or does not answer. "
        "Nothing changed."
    )
    expect(failed.locator("details p")).to_be_hidden()
    failed.locator("summary").click()
    expect(failed.locator("details p")).to_contain_text("HF_HUB_OFFLINE")
    failed.locator("[data-again]").click()
    expect(page.locator("#nb-models .nb-failed details")).not_to_have_attribute("open", "")
    expect(failed).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".nb-models")).to_contain_text("built-in models")


def test_delete_removes_whatever_kind_is_chosen_and_the_line_gives_way(visit):
    page = visit()
    page.wait_for_selector(".nb-row")
    settle(page)
    region = max((r for r in scene(page)["regions"] if r["area"] < 90_000), key=lambda r: r["area"])
    page.locator("#kind label:has(input[value=blur])").click()
    expect(page.locator("#edit-blur")).to_be_visible()
    click_at(page, *(round(v) for v in region["at"]))
    wait_for_status(page, "is picked")
    page.locator(".nbc-view").focus()
    page.keyboard.press("Delete")
    wait_for_status(page, "was removed")
    line = page.locator(".nbc-wipe")
    expect(line).to_be_visible()
    settle(page)
    other = scene(page)["regions"][0]
    click_at(page, *(round(v) for v in other["at"]))
    expect(line).to_be_hidden()
    wait_for_status(page, "is picked")
    page.locator("[data-do=wipe]").click()
    expect(line).to_be_visible()
    use(page, "box")
    expect(line).to_be_hidden()
