"""Compare, Explain, Models and German in a real browser."""

from __future__ import annotations

import zipfile

from .hands import settle, wait_for_status
from .waiting import expect

CHOSEN = "() => [...document.querySelectorAll('.nbx-chip')].map((c) => c.dataset.entry)"


def _compare(page, *entries):
    """Open Compare and choose exactly these panels with the mouse."""
    page.locator("[data-view-name=compare]").click()
    page.wait_for_selector(".nbx-chip")
    while page.locator(".nbx-chip button").count():
        page.locator(".nbx-chip button").first.click()
    for method, edges, models in entries:
        page.locator(".nbx-method").select_option(method)
        page.locator(".nbx-edges").select_option(edges)
        page.locator(".nbx-models").select_option(models)
        page.locator(".nbx [data-do=add]").click()


def _saved(page, folder, ending):
    page.locator(".nbx-ending").select_option(ending)
    with page.expect_download() as download:
        page.locator("#save-figure").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_panels_are_chosen_compared_looked_into_and_saved(named, tmp_path):
    _compare(named, ("clip", "none", ""), ("sclip", "none", ""), ("sclip", "pamr", "tiny"), ("sclip", "none", ""))
    assert named.evaluate(CHOSEN) == ["clip+none", "sclip+none", "tiny:sclip+pamr"]
    named.locator(".nbx-chip button").nth(2).press("Alt+ArrowLeft")
    assert named.evaluate(CHOSEN) == ["clip+none", "tiny:sclip+pamr", "sclip+none"]
    named.locator(".nbx-names").fill("dog, tree, car")
    named.locator("#run-compare").click()
    named.wait_for_function("() => document.querySelectorAll('.nbx-photo canvas').length === 4")
    expect(named.locator(".nbx-told")).to_contain_text("3 panels compared")
    expect(named.locator("#words textarea")).to_have_value("dog, tree, car")
    notes = named.locator(".nb-figure figcaption").all_inner_texts()
    assert [n.split("\n")[0] for n in notes[1:]] == ["(b) clip", "(c) sclip + pamr", "(d) sclip"]
    assert all(" s, " in n and " MB" in n for n in notes[1:])

    pixels = "i => { const c = document.querySelectorAll('.nbx-photo canvas')[i]; return c.toDataURL() }"
    plain = [named.evaluate(pixels, i) for i in range(4)]
    named.locator(".nb-key").nth(1).click()
    assert named.evaluate(pixels, 2) != plain[2], "one name alone looks like all of them"
    named.locator(".nb-key").nth(1).click()
    assert [named.evaluate(pixels, i) for i in range(4)] == plain
    named.locator(".nbx-title").nth(2).click()
    assert named.evaluate(pixels, 1) != plain[1]
    expect(named.locator(".nbx-grid")).to_contain_text("differ from (d)")
    assert named.evaluate(pixels, 0) == plain[0], "the photo itself changed"
    box = named.locator(".nbx-photo").nth(1).bounding_box()
    named.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    named.wait_for_selector(".nbx-photo em:not([hidden])")
    assert all(one in ("dog", "tree", "car", "–") for one in named.locator(".nbx-photo em").all_inner_texts() if one)

    named.locator(".nb-caption summary").nth(1).click()
    expect(named.locator(".nb-caption p:visible").first).to_contain_text("Names: dog, tree, car.")
    pdf = _saved(named, tmp_path, "pdf")
    assert pdf.name.endswith("-comparison.pdf") and pdf.read_bytes().startswith(b"%PDF")
    with zipfile.ZipFile(_saved(named, tmp_path, "zip")) as archive:
        assert {"figure.tex", "table.tex", "main.tex", "panels/b-clip-none.pdf"} <= set(archive.namelist())
        assert "What agrees with (d) is faded." in archive.read("caption.txt").decode()
    named.locator(".nbx-width").fill("5000")
    named.locator("#save-figure").click()
    named.wait_for_function("() => document.querySelector('#compare-status').innerText.includes('between 40 and 400')")


def test_what_cannot_be_compared_is_said_and_the_panels_stay(named):
    _compare(named, ("clip", "none", ""))
    expect(named.locator("#run-compare")).to_be_disabled()
    named.locator(".nbx-method").select_option("sclip")
    named.locator(".nbx [data-do=add]").click()
    named.locator(".nbx-names").fill(" , ")
    named.locator("#run-compare").click()
    named.wait_for_selector(".nbx-told [data-kind=error]")
    expect(named.locator(".nbx-told")).to_contain_text("name")
    assert len(named.evaluate(CHOSEN)) == 2


def test_a_page_opened_in_german_is_german_to_the_engines_last_word(visit):
    page = visit(locale="de-DE")
    wait_for_status(page, "Masken in")
    settle(page)
    expect(page.locator("#find")).to_have_text("Finden")
    expect(page.locator(".nb-models")).to_contain_text("mitgelieferte Modelle")
    page.locator("#name [data-settings]", has_text="Einstellungen").click()
    page.wait_for_selector("#find-threshold")
    expect(page.locator("#find-threshold")).to_contain_text("Schwelle")
    page.locator("#find-threshold textarea, #find-threshold input").first.fill("7")
    page.keyboard.press("Escape")
    page.locator("#find").click()
    page.wait_for_function("() => document.querySelector('#status .nb-status')?.dataset.kind === 'error'")
    expect(page.locator("#status")).to_contain_text("Schwelle muss")
    page.locator("[data-view-name=compare]").click()
    expect(page.locator("#run-compare")).to_have_text("Vergleichen")
    expect(page.locator(".nbx-about")).to_contain_text("CLIPs Felder")
    page.locator("#models-button button").click()
    page.wait_for_selector("#nb-models")
    expect(page.locator("#nb-models")).to_contain_text("Kleine Modelle, von uns")
    page.locator("#nb-models td summary").first.click()
    expect(page.locator("#nb-models .nb-readme").first).to_be_visible()
