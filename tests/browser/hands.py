"""What a person does on the page, in words the tests share."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SETTLED = """() => !document.querySelector('#canvas [data-testid=status-tracker]:not(.hide)')"""


STEADY = """() => {
  const image = document.querySelector('#canvas img');
  const shown = image && image.complete && image.naturalWidth ? image.src : '';
  const seen = (window.seen ??= {shown: '', since: 0});
  if (shown !== seen.shown) Object.assign(seen, {shown, since: performance.now()});
  return shown && performance.now() - seen.since > 500;
}"""


def settle(page) -> None:
    """Wait until nothing is being worked on and the picture on the canvas stays."""
    page.wait_for_function(SETTLED)
    page.wait_for_function(STEADY)


def repainted(page, action) -> None:
    """Do something and wait until the canvas shows another picture for it."""
    before = page.locator("#canvas img").get_attribute("src")
    action()
    page.wait_for_function("src => document.querySelector('#canvas img')?.getAttribute('src') !== src", arg=before)
    settle(page)


def status(page) -> str:
    """The status line."""
    return page.locator("#status .nb-status").inner_text()


def wait_for_status(page, words: str) -> str:
    """Wait until the status line holds these words, and return it."""
    page.wait_for_function("words => document.querySelector('#status')?.innerText.includes(words)", arg=words)
    return status(page)


def wait_for_legend(page, names: list[str]) -> None:
    """Wait until the legend shows exactly these names."""
    page.wait_for_function(
        "names => JSON.stringify([...document.querySelectorAll('.nb-chip')].map(c => c.dataset.name)) === names",
        arg=json.dumps(names, separators=(",", ":"), ensure_ascii=False),
    )


def name_things(page, words: str) -> None:
    """Type names and press Find."""
    page.locator("#words textarea").fill(words)
    page.locator("#find").click()


def canvas_pixels(page) -> np.ndarray:
    """The picture on the canvas as it came from the server, uint8 [h, w, 3]."""
    url = page.locator("#canvas img").get_attribute("src")
    data = page.request.get(url).body()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def click_at(page, x: float, y: float, size: tuple[int, int]) -> None:
    """Click photo pixel x, y of a photo of height and width `size` on the canvas."""
    settle(page)
    box = page.locator("#canvas img").bounding_box()
    page.mouse.click(box["x"] + (x + 0.5) / size[1] * box["width"], box["y"] + (y + 0.5) / size[0] * box["height"])


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
