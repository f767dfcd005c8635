"""Starts Namebrush in the browser: `python app.py`. `PORT` sets the port; without it the first free one from 7860."""

from __future__ import annotations

import os

# Read when the libraries are imported: nothing phones home.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

from app.build import build_demo
from app.serve import serve

demo = build_demo()

if __name__ == "__main__":
    serve(demo)
