"""Assertions that wait: what the page shows follows what was done a moment later, on a busy machine many moments."""

from __future__ import annotations

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
expect.set_options(timeout=240_000)
