"""Where everything stands on the page. No behaviour: `events` gives it life."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gradio as gr

from . import examples, texts
from .session import DEFAULT_LAYERS, Session
from .words import say

HERE = Path(__file__).resolve().parent
CHIP_JS = """
element.addEventListener('click', (e) => {
  const b = e.target.closest('button[data-%(key)s]');
  if (b) trigger('select', {value: b.dataset.%(key)s});
});
"""
#: The canvas's script; it triggers 'pick', 'ask', 'remove' and 'plain'.
CANVAS_JS = "namebrush.canvas.mount(element, props, trigger, watch); // 'pick' 'ask' 'remove' 'plain'"
HEADER = """
<header class="nb-header">
  <h1><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M14.6 3.2 20.8 9.4 11 16.6 7.4 13Z"/>
  <path class="nb-hair" d="M6.4 14.2 9.8 17.6C9 20.4 6.2 21.4 3 21c1.4-1.2.9-2.3 1.1-3.9.1-1.4.9-2.5 2.3-2.9Z"/></svg>
  Namebrush</h1>
  <nav class="nb-views">
    <button type="button" data-view-name="edit" data-t="edit" aria-pressed="true">Edit</button>
    <button type="button" data-view-name="compare" data-t="compare" aria-pressed="false">Compare</button>
    <button type="button" data-view-name="explain" data-t="explain" aria-pressed="false">Explain</button>
  </nav>
  <span class="nb-right">
  <button type="button" id="lang" class="nb-quiet" data-t="lang">Deutsch</button>
  <button type="button" id="help" class="nb-quiet" data-t-label="help" data-key="?">?</button>
  <button type="button" id="theme" class="nb-quiet" data-t-label="theme" aria-label="Light or dark">◐</button></span>
</header>
"""
MODELS_BUTTON = (
    '<button type="button" class="nb-quiet" aria-haspopup="dialog"><span class="nb-models">${value}</span> ▾</button>'
)
MODELS_JS = "element.addEventListener('click', () => trigger('select', {}));"
TIDY = """
<div class="nb-tidy" role="group">
  <button type="button" data-tidy="accept" data-t="accept" data-t-title="accept_title">Accept</button>
  <button type="button" data-tidy="drop" data-t="drop" data-t-title="drop_title">Reject</button>
  <button type="button" data-tidy="rename" data-t="rename">Rename</button>
  <button type="button" data-tidy="split" data-t="split" data-t-title="hint_split">Split</button>
  <button type="button" data-tidy="merge" data-t="merge" data-t-title="merge_title">Merge</button>
</div>
"""
EXPLAIN = """
<div class="nb-panel"><h2 class="nb-title" data-t="scores_here">Scores here</h2>
<p class="nb-hint" data-t="explain_hint">Point at something.</p><div class="nb-here"></div></div>
<div class="nb-panel"><h2 class="nb-title" data-t="why">What decided it</h2><div class="nb-maps"></div></div>
<div class="nb-panel"><h2 class="nb-title" data-t="its_prompt">The mask's prompt</h2>
<div class="nb-prompt"></div></div>
"""
NOTICE = """
<p class="nb-notice" role="note" hidden><span data-t="drawings_only">The built-in models know drawings.</span>
<button type="button" data-do="models" data-t="photo_models">Photo models</button>
<button type="button" data-do="dismiss" class="nb-quiet" data-t-label="close" aria-label="Close">✕</button></p>
"""
SETTINGS = """
<h2 class="nb-title" data-t="settings">Settings</h2>
<button type="button" class="nb-quiet" data-settings="close" data-t="close">Close</button>
"""
#: Opens the settings at one of their tabs.
SETTINGS_BUTTON = (
    '<button type="button" class="nb-quiet nb-more" data-settings="{tab}" data-t="settings">Settings</button>'
)
WORKING = """
<div class="nb-working" role="status" hidden>
  <img class="nb-preview" alt="" hidden><p class="nb-doing"></p><p class="nb-left"></p>
  <button type="button" id="stop" data-t="stop">Stop</button><div class="nb-way"><i></i></div>
</div>
"""
HEADER_JS = "namebrush.header(element, trigger); // 'lang'"


REMEMBER = """
<label class="nb-remember"><input type="checkbox" id="remember-box"> <span data-t="remember">Remember</span></label>
<p class="nb-hint" data-t="remember_hint"></p>
"""


def remember() -> gr.HTML:
    """The switch whether the browser keeps the secret that finds a visitor's steps again."""
    return _own(REMEMBER, "remember", "namebrush.restore.control(element);")


class Page(SimpleNamespace):
    """The page's components by name, for `events` to wire."""


def _html(value: str = "", key: str | None = None, **options) -> gr.HTML:
    """HTML in our own style; with `key`, its buttons' `data-<key>` comes back as the `select` event's `value`."""
    script = CHIP_JS % {"key": key} if key else options.pop("js_on_load", None)
    return gr.HTML(value, js_on_load=script, apply_default_css=False, **options)


def _own(template: str, elem_id: str, script: str = "namebrush.speak(element)", value=None) -> gr.HTML:
    """HTML whose inside belongs to our scripts: the template never changes, so Gradio never draws it again."""
    return gr.HTML(value, html_template=template, js_on_load=script, apply_default_css=False, elem_id=elem_id)


def build(options_panel, change_panel, kinds: tuple[str, ...]) -> Page:
    """Lay the page out inside the current `gr.Blocks`.

    Args:
        options_panel: called inside the second layer; makes the controls of the engine's settings.
        change_panel: called below the kinds of change; makes the controls of what some of them ask for.
        kinds: the kinds of change the engine knows.
    """
    p = {"session": gr.State(Session())}
    with gr.Row(elem_id="top"):
        p["header"] = _own(HEADER, "header", HEADER_JS)
        p["models_button"] = gr.HTML(
            texts.models_line(None), html_template=MODELS_BUTTON, js_on_load=MODELS_JS, apply_default_css=False,
            elem_id="models-button",
        )  # fmt: skip
    with gr.Row(elem_id="table", equal_height=False):
        with gr.Column(scale=1, min_width=300, elem_id="stage"):
            _stage(p)
        with gr.Column(scale=0, min_width=344, elem_id="steps"):
            _name(p)
            _pick(p)
            _change(p, change_panel, kinds)
            _save(p)
            script = "namebrush.explain.mount(element, props, trigger, watch); // 'explain'"
            p["explained"] = _own(EXPLAIN, "explain", script)
    _compare(p)
    with gr.Column(elem_id="settings"):
        _own(SETTINGS, "settings-title", "namebrush.settings(element)")
        p["against"] = _html("", elem_id="against")
        options_panel()
    p["restore"] = _own(
        "", "restore", "namebrush.restore.mount(element, props, trigger, watch); // 'ask' 'restore' 'forget'"
    )
    p["working"] = _own(WORKING, "working", "namebrush.working.mount(element, props, trigger, watch); // 'stop'")
    p["models"] = _own("", "models", "namebrush.models.mount(element, props, trigger, watch); // 'select'")
    return Page(**p)


def _stage(p: dict) -> None:
    _own(NOTICE, "notice", "namebrush.notice(element)")
    p["canvas"] = _own((HERE / "canvas.html").read_text(encoding="utf-8"), "canvas", CANVAS_JS)
    with gr.Column(visible=False, elem_id="plain") as p["plain"]:
        _plain(p)
    with gr.Row(elem_id="line"):
        p["status"] = _html(texts.status(None), elem_id="status")
    with gr.Row(elem_id="past"):
        p["undo"] = gr.Button(
            say("en", "undo"), size="sm", scale=0, min_width=72, interactive=False, elem_id="undo"
        )
        p["redo"] = gr.Button(
            say("en", "redo"), size="sm", scale=0, min_width=72, interactive=False, elem_id="redo"
        )
        p["history"] = _html(key="step", elem_id="history")
    with gr.Row(elem_id="shelf"):
        p["open"] = gr.UploadButton(say("en", "open"), size="sm", scale=0, min_width=132, elem_id="open")
        p["examples"] = _html(examples.strip(), key="example", elem_id="examples")


def _plain(p: dict) -> None:
    """The surface for browsers whose canvas cannot be read back: a picture drawn by the server, and switches."""
    with gr.Row(elem_id="bar"):
        p["tool"] = gr.Radio(
            list(texts.PLAIN_TOOLS), value="pick", label="Tool", container=False, elem_id="tool",
            elem_classes="nb-seg",
        )  # fmt: skip
        p["layers"] = gr.CheckboxGroup(
            list(texts.PLAIN_LAYERS), value=list(DEFAULT_LAYERS), label="Layers", container=False, elem_id="layers",
            elem_classes="nb-toggles",
        )  # fmt: skip
        p["view"] = gr.Radio(
            [("Masks", "masks"), ("Before and after", "compare")], value="masks", label="View", container=False,
            elem_id="view", elem_classes="nb-seg", visible=False,
        )  # fmt: skip
    with gr.Column(elem_id="well"):
        p["picture"] = gr.Image(
            type="filepath", format="png", interactive=False, show_label=False, container=False, elem_id="picture",
            buttons=["fullscreen"], alt_text="The photo with its masks. Click it with the chosen tool.",
        )  # fmt: skip
        p["shape"] = _html("", elem_id="shape")
        p["slider"] = gr.ImageSlider(
            type="filepath", format="png", interactive=False, show_label=False, container=False, elem_id="slider",
            buttons=["fullscreen"], visible=False, max_height=2000,
        )  # fmt: skip


def _compare(p: dict) -> None:
    """The comparison: one component of our own, with which panels, the panels, and the figure."""
    with gr.Column(elem_id="compare"):
        template = (HERE / "compare.html").read_text(encoding="utf-8")
        script = "namebrush.compare.mount(element, props, trigger, watch); // 'run' 'figure'"
        p["compared"] = _own(template, "compared", script)
        p["compare_status"] = _html(texts.status(None), elem_id="compare-status")


def _step(number: int, key: str, extra: str = "") -> None:
    _own(f'<h2 class="nb-title"><b>{number}</b><span data-t="{key}">{key.title()}</span>{extra}</h2>', f"title-{key}")


def _name(p: dict) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="name"):
        _step(1, "name", SETTINGS_BUTTON.format(tab=0))
        p["words"] = gr.Textbox(
            value="", placeholder=say("en", "words_hint"), lines=1, max_lines=6, label="Names", show_label=False,
            container=False, elem_id="words",
        )  # fmt: skip
        with gr.Row(elem_classes="nb-tight"):
            p["edges"] = gr.Radio(
                [(say("en", "fine"), "sam"), (say("en", "fast"), "none")], value="sam", label="Edges",
                container=False, elem_id="edges", elem_classes="nb-seg",
            )  # fmt: skip
            p["find"] = gr.Button(say("en", "find"), variant="primary", scale=0, min_width=96, elem_id="find")
        _own('<div class="nb-names"></div>', "legend")


def _pick(p: dict) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="pick"):
        clear = '<button type="button" class="nb-quiet nb-clear" data-t="pick_nothing">Pick nothing</button>'
        _step(2, "pick", clear)
        _own('<p class="nb-hint" data-t="hint_pick"></p>', "hint", "namebrush.panel.hint(element)")
        _own('<div class="nb-list" role="group" data-t-label="pick"></div>', "regions")
        p["tidy"] = _own(TIDY, "tidy", "namebrush.panel.tidy(element, trigger); // 'tidy'")
        p["plain_regions"] = gr.CheckboxGroup(
            [], label="Masks", show_label=False, container=False, elem_id="plain-regions", interactive=True,
            visible=False,
        )  # fmt: skip


def _change(p: dict, change_panel, kinds: tuple[str, ...]) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="change"):
        _step(3, "change", SETTINGS_BUTTON.format(tab=2))
        p["kind"] = gr.Radio(
            texts.kind_choices(kinds), value="remove", label="Change", container=False, elem_id="kind",
            elem_classes="nb-seg nb-wide",
        )  # fmt: skip
        p["kind_hint"] = _html(texts.hint(say("en", "hint_remove")), elem_id="kind-hint")
        p["prompt"] = gr.Textbox(
            value="", placeholder=say("en", "prompt_hint"), label="Description", show_label=False, container=False,
            elem_id="prompt", visible=False, max_lines=3,
        )  # fmt: skip
        with gr.Row(elem_id="near"):
            change_panel()
        script = "namebrush.panel.candidates(element, trigger); // 'candidate'"
        p["candidates"] = _own('<div class="nb-candidates"></div>', "candidates", script)
        p["go"] = gr.Button(say("en", "change"), variant="primary", elem_id="go", interactive=False)


def _save(p: dict) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="save"):
        with gr.Row(elem_classes="nb-tight"):
            _own('<h2 class="nb-title" data-t="save">Save</h2>', "save-title")
            for kind in ("photo", "masks", "regions", "overlay", "layers"):
                p[f"save_{kind}"] = gr.Button(
                    say("en", f"save_{kind}"), size="sm", min_width=48, elem_id=f"save-{kind}"
                )
        with gr.Row(elem_classes="nb-tight", elem_id="whole"):
            p["save_session"] = gr.Button(say("en", "save_session"), size="sm", min_width=48, elem_id="save-session")
            p["open_session"] = gr.UploadButton(
                say("en", "open_session"), size="sm", min_width=48, elem_id="open-session", file_types=[".zip"]
            )
        p["file"] = gr.DownloadButton("File", visible="hidden", elem_id="file")
