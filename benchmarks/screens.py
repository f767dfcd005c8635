"""Photographs the page's states for `docs/screens`: `python -m benchmarks.screens [--out FOLDER] [--only PART,...]`.

A page is served with the built-in models, and a browser does on it what a person would: names, picks, corrects, moves,
removes, replaces, stops and undoes, compares and explains, light and dark, at 390, 1280 and 2560 pixels.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SIZES = {390: 844, 1280: 800, 2560: 1440}
QUALITY = 86


class Camera:
    """A browser on a served page, and where its pictures go."""

    def __init__(self, browser, address: str, out: Path):
        self.browser, self.address, self.out, self.page = browser, address, out, None

    def visit(self, width: int = 1280, scheme: str = "light"):
        """A new visitor's page with the first example named."""
        from tests.browser.hands import settle, wait_for_status

        if self.page is not None:
            self.page.context.close()
        context = self.browser.new_context(
            viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme, has_touch=width == 390
        )
        context.set_default_timeout(600_000)
        self.page = context.new_page()
        self.page.goto(self.address)
        wait_for_status(self.page, "mask")
        self.page.wait_for_selector(".nb-suggest, .nb-row")
        settle(self.page)
        self.page.wait_for_timeout(1500)
        self.name = f"{width}_{scheme}"
        return self.page

    def shoot(self, state: str, whole: bool = False) -> None:
        """One picture, JPEG."""
        from PIL import Image

        self.page.wait_for_timeout(400)
        data = self.page.screenshot(full_page=whole)
        path = self.out / f"{state}_{self.name}{'_whole' if whole else ''}.jpg"
        Image.open(io.BytesIO(data)).convert("RGB").save(path, quality=QUALITY, optimize=True)
        print(path.name, flush=True)


def _thing(page, name: str) -> dict:
    from tests.browser.hands import scene

    return max((r for r in scene(page)["regions"] if r["name"] == name), key=lambda r: r["area"])


def _pick(page, region: dict) -> None:
    from tests.browser.hands import click_at, settle, wait_for_status

    click_at(page, *(round(v) for v in region["at"]))
    wait_for_status(page, "is picked")
    settle(page)


def first_look(camera: Camera) -> None:
    """The page as it opens."""
    for width in SIZES:
        for scheme in ("light", "dark"):
            camera.visit(width, scheme)
            camera.shoot("edit")
            if width == 390:
                camera.shoot("edit", whole=True)


def front(camera: Camera) -> None:
    """The README's picture, PNG, beside the folder."""
    page = camera.visit()
    _pick(page, _thing(page, "car"))
    page.mouse.move(2, 2)
    page.wait_for_timeout(400)
    page.screenshot(path=camera.out.parent / "page.png")
    print("page.png", flush=True)


def removing(camera: Camera) -> None:
    """Pointed at, picked, removed, undone."""
    from tests.browser.hands import place, settle, wait_for_status

    for scheme in ("light", "dark"):
        page = camera.visit(scheme=scheme)
        car = _thing(page, "car")
        page.mouse.move(*place(page, *(round(v) for v in car["at"])))
        camera.shoot("hover")
        _pick(page, car)
        camera.shoot("picked")
        page.locator("#go:not([disabled])").click()
        wait_for_status(page, "changed outside")
        settle(page)
        camera.shoot("removed")
        page.locator("#undo").click()
        settle(page)
        camera.shoot("undone")


def correcting(camera: Camera) -> None:
    """A mask before, while and after it is corrected by a click."""
    from tests.browser.hands import click_at, place, settle, wait_for_status

    page = camera.visit()
    wrong = _thing(page, "tree")
    _pick(page, wrong)
    camera.shoot("correct_1_before")
    page.locator(".nbc-correct [data-tool=subtract]").click()
    x0, y0, x1, y1 = wrong["box"]
    spot = (x0 + 12, round(y0 + 0.25 * (y1 - y0)))
    page.mouse.move(*place(page, *spot))
    camera.shoot("correct_2_click")
    click_at(page, *spot)
    wait_for_status(page, "was corrected")
    settle(page)
    camera.shoot("correct_3_after")


def moving(camera: Camera) -> None:
    """Dragged elsewhere, made smaller, and there."""
    from tests.browser.hands import drag, settle, wait_for_status

    page = camera.visit()
    cat = _thing(page, "cat")
    _pick(page, cat)
    page.locator("#kind label:has(input[value=move])").click()
    settle(page)
    x, y = (round(v) for v in cat["at"])
    drag(page, (x, y), (x + 110, y + 60))
    camera.shoot("move_1_dragged")
    page.locator("#go:not([disabled])").click()
    wait_for_status(page, "changed outside")
    settle(page)
    camera.shoot("move_2_moved")


def painting(camera: Camera) -> None:
    """Painted from words: on the way, stopped, done, undone. Only with models that can."""
    from tests.browser.hands import settle, wait_for_status

    page = camera.visit()
    _pick(page, _thing(page, "car"))
    page.locator("#kind label:has(input[value=replace])").click()
    page.locator("#prompt textarea").fill("a red ball")
    settle(page)
    camera.shoot("replace_1_asked")
    page.locator("#go:not([disabled])").click()
    page.wait_for_function("() => namebrush.table.painter.preview || document.querySelector('[data-kind=error]')")
    if page.locator("#status [data-kind=error]").count():
        print(page.locator("#status").inner_text())
        return
    camera.shoot("replace_2_painting")
    page.locator("#stop").click()
    wait_for_status(page, "Stopped")
    settle(page)
    camera.shoot("replace_3_stopped")
    page.locator("#go:not([disabled])").click()
    wait_for_status(page, "was replaced")
    settle(page)
    page.locator("[data-do=wipe]").click()  # all of the result at once
    settle(page)
    camera.shoot("replace_4_done")
    page.locator("#undo").click()
    settle(page)
    camera.shoot("replace_5_undone")


def other_views(camera: Camera) -> None:
    """Compare, Explain, Models, German, help."""
    from tests.browser.hands import place, settle, wait_for_status

    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
        page = camera.visit(width, scheme)
        region = _thing(page, "car")
        page.locator("[data-view-name=explain]").click()
        settle(page)
        page.mouse.click(*place(page, *(round(v) for v in region["at"])))
        wait_for_status(page, "Correlations at")
        settle(page)
        camera.shoot("explain")
    page = camera.visit()
    page.locator("#models-button button").click()
    page.wait_for_selector("#nb-models")
    camera.shoot("models")
    page.keyboard.press("Escape")
    page.locator("#lang").click()
    page.wait_for_function("() => document.querySelector('#find').innerText === 'Finden'")
    settle(page)
    camera.shoot("german")
    page = camera.visit()
    page.locator("[data-view-name=compare]").click()
    page.wait_for_selector(".nbx-chip")
    page.locator("#run-compare").click()
    page.wait_for_function("() => document.querySelectorAll('.nbx-photo canvas').length >= 3")
    settle(page)
    camera.shoot("compare")


PARTS: dict[str, Callable[[Camera], None]] = {
    "front": front, "first": first_look, "remove": removing, "correct": correcting, "move": moving, "paint": painting,
    "others": other_views,
}  # fmt: skip


def main() -> None:
    """Serve, drive, photograph."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="docs/screens", metavar="FOLDER")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--address", default="", help="a page that is served already")
    args = parser.parse_args()
    from contextlib import nullcontext

    unknown = set(args.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS, chromium, serving

    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        page = nullcontext(args.address) if args.address else serving(Path(home), "app.py")
        with page as address:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
            camera = Camera(browser, address, out)
            for part in args.only.split(","):
                PARTS[part](camera)
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
