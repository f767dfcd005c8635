"""The page works under the policy it sends: nothing it does is refused or reported by the browser."""

from __future__ import annotations

from .conftest import PATIENCE
from .hands import name_things, settle, wait_for_status

WATCH = """() => { window.refused = [];
  document.addEventListener('securitypolicyviolation', (e) => window.refused.push(
    [e.violatedDirective, e.blockedURI, (e.sample || '').slice(0, 80), e.sourceFile, e.lineNumber].join(' '))); }"""


def test_nothing_the_page_does_is_against_its_policy(browser, served):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.add_init_script(f"({WATCH})()")
    page.goto(served)
    page.wait_for_selector("#canvas [data-stamp]")
    wait_for_status(page, "mask")
    settle(page)
    name_things(page, "tree, sky")
    settle(page)
    with page.expect_download() as saved:
        page.locator("#save-photo").dispatch_event("click")
    assert saved.value.path().stat().st_size > 1000
    page.evaluate("() => document.querySelector('#models-button, .nb-models-button')?.click()")
    settle(page)
    refused = page.evaluate("() => window.refused")
    # A page that is against the policy is noticed: this one would be.
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = '1'; document.head.append(s); }"
    )
    page.wait_for_function("count => window.refused.length > count", arg=len(refused))
    context.close()
    assert not refused, refused
