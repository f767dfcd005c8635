"""Serves the page with an inpainting model of random weights that takes its time: `python -m tests.browser.painter`.

What it paints is noise; how long work shows itself, is stopped and is waited for can be watched with it anywhere.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import checkpoints

#: Seconds each step takes at least.
STEP = 0.08


def main() -> None:
    """Serve until interrupted."""
    from app import engine, serve
    from app.build import build_demo
    from pipeline import Pipeline

    with TemporaryDirectory() as folder:
        where = checkpoints.inpainting(Path(folder) / "inpainting")

        def load(preset: str) -> Pipeline:
            made = Pipeline.load(preset, inpaint=str(where))
            made.models.inpaint().unet.register_forward_pre_hook(lambda *_: time.sleep(STEP))
            return made

        engine._load = load
        serve.serve(build_demo())


if __name__ == "__main__":
    main()
