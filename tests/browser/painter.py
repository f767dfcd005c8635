"""Serves the page with an inpainting model that takes its time: `python -m tests.browser.painter [--built-in]`.

How long work shows itself, is stopped and is waited for can be watched with it anywhere. Its weights are random, so
what it paints is noise, but for the built-in model's.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import checkpoints

#: Seconds each step takes at least.
STEP = 0.08


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built-in", action="store_true", help="the built-in model in place of a random one")
    built_in = parser.parse_args().built_in
    from app import engine, folders, scheduler, serve
    from app.build import build_demo
    from pipeline import Pipeline

    with TemporaryDirectory() as folder:
        where = "namebrush-inpaint" if built_in else str(checkpoints.inpainting(Path(folder) / "inpainting"))

        def load(preset: str) -> Pipeline:
            made = Pipeline.load(preset, inpaint=where)
            made.models.inpaint().unet.register_forward_pre_hook(lambda *_: time.sleep(STEP))
            return made

        engine._load = load
        folders.prepare()  # before the page is built, which notes where its files go
        scheduler.SCHEDULER.places["models"] = 1  # so that a second visitor has somebody to wait for
        serve.serve(build_demo())


if __name__ == "__main__":
    main()
