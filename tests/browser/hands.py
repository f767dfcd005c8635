"""What a person does on the page, in words the tests share."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
from PIL import Image

BUSY = "body.nb-busy"
SETTLED = """() => {
  const busy = document.querySelector('BUSY');
  const canvas = document.querySelector('#canvas [data-stamp]')?.dataset ?? {};
  const stamp = canvas.stamp ?? '';
  const seen = (window.seen ??= {stamp, since: performance.now()});
  if (busy || stamp !== seen.stamp || stamp !== canvas.coming) Object.assign(seen, {stamp, since: performance.now()});
  return stamp !== '' && performance.now() - seen.since > 250;
}""".replace("BUSY", BUSY)


def settle(page) -> None:
    """Wait until nothing is being worked on and the scene on the canvas stays, from now on."""
    page.evaluate("() => { window.seen = undefined; }")  # the status line may be a moment ahead of the canvas
    page.wait_for_function(SETTLED)


def status(page) -> str:
    """The status line."""
    return page.locator("#status .nb-status").inner_text()


def wait_for_status(page, words: str) -> str:
    """Wait until the status line holds these words, and return it."""
    page.wait_for_function("words => document.querySelector('#status')?.innerText.includes(words)", arg=words)
    return status(page)


def wait_for_legend(page, names: list[str]) -> None:
    """Wait until the chips show exactly these names."""
    page.wait_for_function(
        "names => JSON.stringify([...document.querySelectorAll('.nb-chip-main')].map(c => c.dataset.name)) === names",
        arg=json.dumps(names, separators=(",", ":"), ensure_ascii=False),
    )


def name_things(page, words: str) -> None:
    """Type names and press Find."""
    page.locator("#words textarea").fill(words)
    page.locator("#find").click()


def scene(page) -> dict:
    """What the canvas was told."""
    return page.evaluate("() => namebrush.table.scene.data")


def canvas_pixels(page, which: str = "under") -> np.ndarray:
    """What is drawn on one of the canvas's two surfaces, uint8 [h, w, 4]."""
    # Two frames on, everything that was asked for is drawn.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    width, height, values = page.evaluate(
        """which => { const c = document.querySelector('.nbc-' + which);
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let s = ''; for (let i = 0; i < d.length; i += 8192) s += String.fromCharCode(...d.subarray(i, i + 8192));
        return [c.width, c.height, btoa(s)]; }""",
        which,
    )
    return np.frombuffer(base64.b64decode(values), np.uint8).reshape(height, width, 4)


def place(page, x: float, y: float) -> tuple[float, float]:
    """Where photo pixel x, y is on the screen."""
    area = page.locator(".nbc-view")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    dx, dy = page.evaluate(
        "([x, y]) => { const v = namebrush.table.view; return [x * v.scale + v.left, y * v.scale + v.top] }",
        [x + 0.5, y + 0.5],
    )
    return box["x"] + dx, box["y"] + dy


def click_at(page, x: float, y: float, **options) -> None:
    """Click photo pixel x, y on the canvas."""
    settle(page)
    page.mouse.click(*place(page, x, y), **options)


def drag(page, *points: tuple[float, float]) -> None:
    """Press at the first photo pixel, move through the others, let go."""
    settle(page)
    places = [place(page, *p) for p in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for at in places[1:]:
        page.mouse.move(*at, steps=4)
    page.mouse.up()


def use(page, tool: str) -> None:
    """Take a tool."""
    page.locator(f".nbc-tools [data-tool={tool}]").click()


def choose(page, group: str, label: str) -> None:
    """Choose one of a switch's options by its label."""
    page.locator(f"{group} label").filter(has_text=label).first.click()


def save(page, kind: str, folder: Path) -> Path:
    """Press a download button; returns the file."""
    with page.expect_download() as download:
        page.locator(f"#save-{kind}").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def pixels_of(path: Path) -> np.ndarray:
    """The pixels of a picture file, uint8 [H, W, 3]."""
    return np.asarray(Image.open(path).convert("RGB"))


def give(page, path: Path) -> None:
    """Open a file as a photo."""
    page.locator("#shelf input[type=file]").set_input_files(str(path))
