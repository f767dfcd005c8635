"""Coming back after a reload: what one had is offered, restored with one button, and the offer can be switched off."""

from __future__ import annotations

import cv2
import numpy as np

from .hands import wait_for_status
from .waiting import expect


def test_what_one_had_is_offered_after_a_reload(visit, tmp_path):
    photo = tmp_path / "mine.png"
    cv2.imwrite(str(photo), np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8))
    page = visit()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#shelf input[type=file]").set_input_files(str(photo))
    wait_for_status(page, "mine.png")
    page.wait_for_function("localStorage.getItem('namebrush-session')")
    page.reload()
    page.locator("#restore-yes").wait_for()
    expect(page.locator("#restore p")).to_have_count(1)
    expect(page.locator("#restore button")).to_have_count(2)
    page.locator("#restore-yes").click()
    wait_for_status(page, "Everything is back")
    expect(page.locator("#history")).to_contain_text("mine.png")
    expect(page.locator("#restore-yes")).to_have_count(0)
    page.locator("#change [data-settings]").click()
    page.get_by_role("tab", name="Files").click()
    page.locator("#remember-box").uncheck()
    assert page.evaluate("localStorage.getItem('namebrush-session')") == ""
