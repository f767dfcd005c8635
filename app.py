"""Starts Namebrush in the browser: `python app.py`; `python app.py --help` lists what whoever runs it can decide."""

from __future__ import annotations

import os
import sys

# Read when the libraries are imported: nothing phones home.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

# Gradio sums up all its events anew after every one of them, with pandas; nobody reads that here.
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
# Threads of one sum that spin while they wait for each other take the processor from other jobs: with a second job
# beside it a search took seven times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from app import flags, folders, permissions

# Before the page is built: a wrong value is said at once, and the page starts with the models that were asked for.
given = flags.parse(sys.argv[1:] if __name__ == "__main__" else ())
os.environ["NAMEBRUSH_PRESET"] = given.preset
permissions.serve(given)
folders.of_flags(given.state_dir)

from app.build import build_demo  # noqa: E402
from app.serve import serve  # noqa: E402

demo = build_demo()

if __name__ == "__main__":
    serve(demo, given)
