"""How quickly the page answers a hand: `python -m benchmarks.page [--out page.json]`.

A photo of 2048 x 1365 pixels with 200 regions is put on the canvas by a stand-in for the engine, so that nothing but
the page is measured, and a real browser moves over it and clicks.

- hover: from the pointer event's own time stamp until the outline and the name are drawn (by the event the page
  listens to: `pointerrawupdate` where the browser has it, which comes before the next frame), and until that frame;
- click: from the pointer's release until the region is drawn as picked, and until the list shows it;
- redraw: drawing photo, fills and all 200 outlines once, as after every step of a zoom;
- requests: what the page asked the server for while the pointer moved;
- correction: with the built-in models and the first example, from a click's release until the new mask is drawn
  (`--corrections 0` leaves it out).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

HEIGHT, WIDTH, COUNT = 1365, 2048, 200

LISTEN = """() => {
  const area = document.querySelector('.nbc-view');
  window.timed = {hover: [], frame: [], click: [], listed: []};
  window.addEventListener(namebrush.table.hands.raw ? 'pointerrawupdate' : 'pointermove', (e) => {
    const drawn = performance.now() - e.timeStamp;
    requestAnimationFrame(() => timed.frame.push(performance.now() - e.timeStamp));
    timed.hover.push(drawn);
  });
  window.addEventListener('pointerup', (e) => {
    timed.click.push(performance.now() - e.timeStamp);
    const wait = () => document.querySelector('.nb-row[aria-pressed=true]')
      ? timed.listed.push(performance.now() - e.timeStamp) : requestAnimationFrame(wait);
    wait();
  });
}"""


CORRECT = """() => {
  const area = document.querySelector('.nbc-view'), home = document.querySelector('#canvas [data-stamp]');
  window.corrected = [];
  area.addEventListener('pointerup', (e) => {
    if (!['add', 'subtract'].includes(namebrush.table.hands.tool)) return;
    const before = home.dataset.stamp;
    const wait = () => (home.dataset.stamp === before ? requestAnimationFrame(wait)
      : setTimeout(() => corrected.push(performance.now() - e.timeStamp), 0)); // after this frame's drawing
    wait();
  });
}"""


def regions_of(seed: int = 0) -> np.ndarray:
    """A map int32 [H, W] of 200 areas with uneven edges: the nearest of 200 places, seen through a wobble."""
    import cv2

    rng = np.random.default_rng(seed)
    seeds = np.ones((HEIGHT, WIDTH), np.uint8)
    spots = rng.choice(HEIGHT * WIDTH, COUNT, replace=False)
    seeds.flat[spots] = 0
    _, cells = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    wobble = cv2.GaussianBlur(rng.normal(0, 60, (2, HEIGHT, WIDTH)).astype(np.float32)[0], (0, 0), 3)
    return cv2.remap(cells.astype(np.float32), x + wobble, y - wobble, cv2.INTER_NEAREST).astype(np.int32) - 1


def stand_in(folder: Path):
    """An engine that finds the 200 regions at once, and the photo's file."""
    import cv2

    from pipeline.photo import open_photo
    from pipeline.records import ClassName, Prompt, Region, Segmentation, Vocabulary

    labels = regions_of()
    rng = np.random.default_rng(1)
    pixels = rng.integers(40, 220, (COUNT, 3), dtype=np.uint8)[labels]
    pixels = np.clip(pixels.astype(np.int16) + rng.integers(-12, 13, pixels.shape), 0, 255).astype(np.uint8)
    path = folder / "two_hundred.png"
    cv2.imwrite(str(path), pixels)
    photo = open_photo(path)
    names = [f"name {i}" for i in range(20)]
    regions = tuple(
        Region.from_mask(
            labels == i, id=i, class_index=i % 20, name=names[i % 20], score=0.5,
            prompt=Prompt(points=np.float32([[1, 1]]), labels=np.int32([1]), box=(0.0, 0.0, 9.0, 9.0)), made_by="sam",
        )
        for i in range(COUNT)
    )  # fmt: skip
    scores = np.full((20, 8, 8), 0.05, np.float32)

    class Engine:
        class models:
            @staticmethod
            def title(kind):
                return f"a {kind} that stands in"

        def segment(self, picture, words, progress, **options):
            vocabulary = Vocabulary(tuple(ClassName(n) for n in names))
            return Segmentation(picture, vocabulary, labels % 20, scores, regions, "tiny", "none", "none")

    return Engine(), photo, path


def measure(page, moves: int, clicks: int) -> dict:
    """Move and click, and collect what the page timed, in milliseconds."""
    page.evaluate(LISTEN)
    box = page.locator(".nbc-view").bounding_box()
    rng = np.random.default_rng(2)
    spots = rng.uniform(0.1, 0.9, (moves, 2)) * (box["width"], box["height"]) + (box["x"], box["y"])
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for x, y in spots:
        page.mouse.move(float(x), float(y))
        page.wait_for_timeout(30)
    requests = len(asked)
    for x, y in spots[:clicks]:
        page.keyboard.press("Escape")
        page.wait_for_timeout(250)
        page.mouse.click(float(x), float(y))
        page.wait_for_timeout(250)
    timed = page.evaluate("() => timed")
    table = {name: _summary(values) for name, values in timed.items()}
    return {**table, "requests_while_hovering": requests}


def correct(page, clicks: int) -> dict:
    """Take points away from and add them to a mask of the first example, and collect how long each took."""
    page.evaluate(CORRECT)
    region = page.evaluate(
        "() => namebrush.table.scene.regions.filter(r => r.made === 'SAM').sort((a, b) => b.area - a.area)[1]"
    )
    rng = np.random.default_rng(3)
    x0, y0, x1, y1 = region["box"]
    page.evaluate("id => namebrush.tell('pick', [id])", region["id"])
    page.wait_for_timeout(500)
    made = []
    for i in range(clicks):
        x, y = rng.uniform(0.15, 0.85, 2) * (x1 - x0, y1 - y0) + (x0, y0)
        page.keyboard.press("a" if i % 2 else "s")
        left, top = page.evaluate(
            "([x, y]) => { const v = namebrush.table.view;"
            " const b = document.querySelector('.nbc-view').getBoundingClientRect();"
            " return [x * v.scale + v.left + b.left, y * v.scale + v.top + b.top] }", [float(x), float(y)],
        )  # fmt: skip
        page.mouse.click(left, top)
        page.wait_for_function("n => corrected.length === n", arg=i + 1)
        page.wait_for_timeout(400)
        made.append(page.evaluate("id => namebrush.table.scene.byId.get(id)?.made", region["id"]))
        page.locator("#undo").click()
        page.wait_for_timeout(600)
        page.evaluate("id => namebrush.tell('pick', [id])", region["id"])
        page.wait_for_timeout(300)
    first, *later = page.evaluate("() => corrected")
    told = _summary(later or [first])
    return {"correction": {**told, "first_ms": round(first, 2), "made_by": sorted(set(map(str, made)))}}


def _summary(values: list[float]) -> dict:
    ordered = sorted(values)
    return {
        "count": len(ordered), "median_ms": round(statistics.median(ordered), 2),
        "p95_ms": round(ordered[int(0.95 * (len(ordered) - 1))], 2), "max_ms": round(ordered[-1], 2),
    }  # fmt: skip


def main() -> None:
    """Serve, drive, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", metavar="FILE.json")
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--corrections", type=int, default=12)
    args = parser.parse_args()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from playwright.sync_api import sync_playwright

    from app import actions, engine, examples, serve
    from app.build import build_demo
    from tests.browser.conftest import FLAGS, chromium

    table: dict = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))

        def opened(demo):
            demo.launch(prevent_thread_lock=True, quiet=True, **serve.launch_options())
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.set_default_timeout(120_000)
            page.goto(demo.local_url)
            page.wait_for_selector(".nbc-view")
            return page

        if args.corrections:
            demo = build_demo()
            page = opened(demo)
            page.wait_for_function("() => document.querySelectorAll('.nb-row').length > 1")
            page.wait_for_timeout(4000)
            table.update(correct(page, args.corrections))
            page.close()
            demo.close()
        made, _, path = stand_in(Path(folder))
        engine.get_pipeline = lambda progress=None, preset=None: made
        examples.examples = lambda: ()
        actions.suggest = lambda *_: None
        demo = build_demo()
        page = opened(demo)
        page.locator("#shelf input[type=file]").set_input_files(str(path))
        page.wait_for_function("() => namebrush.table.scene.data.photo?.width === 2048")
        page.locator("#words textarea").fill("name 0")
        page.locator("#find").click()
        page.wait_for_function("n => document.querySelectorAll('.nb-row').length === n", arg=COUNT)
        page.wait_for_function("() => { const e = document.querySelector('#canvas [data-traced]'); "
                               "return e && e.dataset.traced === e.dataset.stamp }")
        page.wait_for_timeout(1500)
        table.update(measure(page, args.moves, args.clicks))
        table["redraw_ms"] = page.evaluate(
            "() => { const p = namebrush.table.painter, s = performance.now(); for (let i = 0; i < 10; i++) "
            "{ p.drawUnder(); p.under.getContext('2d').getImageData(0, 0, 1, 1); } "
            "return Math.round((performance.now() - s) / 10 * 100) / 100 }"
        )
        browser.close()
        demo.close()
    text = json.dumps({"photo": [WIDTH, HEIGHT], "regions": COUNT, **table}, indent=1)
    print(text)
    if args.out:
        Path(args.out).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
