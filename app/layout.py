"""Where everything stands on the page. No behaviour: `events` gives it life."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr

from . import examples, texts
from .session import DEFAULT_LAYERS, Session

#: Seconds a session is kept after its last change.
KEPT = 6 * 3600
CHIP_JS = """
element.addEventListener('click', (e) => {
  const b = e.target.closest('button[data-%(key)s]');
  if (b) trigger('select', {value: b.dataset.%(key)s});
});
"""

HEADER = """
<header class="nb-header">
  <h1><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M14.6 3.2 20.8 9.4 11 16.6 7.4 13Z"/>
  <path class="nb-hair" d="M6.4 14.2 9.8 17.6C9 20.4 6.2 21.4 3 21c1.4-1.2.9-2.3 1.1-3.9.1-1.4.9-2.5 2.3-2.9Z"/></svg>
  Namebrush</h1>
  <span class="nb-right">${value}
  <button type="button" id="theme" aria-label="Light or dark" title="Light or dark">◐</button></span>
</header>
"""
HEADER_JS = """
element.addEventListener('click', (e) => {
  if (!e.target.closest('#theme')) return;
  const dark = !document.body.classList.contains('dark');
  document.body.classList.toggle('dark', dark);
  try { localStorage.setItem('namebrush-theme', dark ? 'dark' : 'light'); } catch (_) {}
});
"""


class Page(SimpleNamespace):
    """The page's components by name, for `events` to wire."""


def _html(value: str = "", key: str | None = None, **options) -> gr.HTML:
    """HTML in our own style; with `key`, its buttons' `data-<key>` comes back as the `select` event's `value`."""
    script = CHIP_JS % {"key": key} if key else options.pop("js_on_load", None)
    return gr.HTML(value, js_on_load=script, apply_default_css=False, **options)


def build(options_panel) -> Page:
    """Lay the page out inside the current `gr.Blocks`.

    Args:
        options_panel: called inside the second layer; makes the controls of the engine's settings.
    """
    p = {"session": gr.State(Session(), time_to_live=KEPT), "job": gr.State(0), "ask": gr.State(None)}
    p["header"] = _html(texts.models_line(None), html_template=HEADER, js_on_load=HEADER_JS, elem_id="header")
    with gr.Row(elem_id="table", equal_height=False):
        with gr.Column(scale=1, min_width=300, elem_id="stage"):
            _stage(p)
        with gr.Column(scale=0, min_width=344, elem_id="steps"):
            _name(p)
            _pick(p)
            _change(p)
            _save(p)
            with gr.Accordion("Settings", open=False, elem_id="settings"):
                options_panel()
    return Page(**p)


def _stage(p: dict) -> None:
    with gr.Row(elem_id="bar"):
        p["tool"] = gr.Radio(
            list(texts.TOOLS), value="pick", label="Tool", container=False, elem_id="tool", elem_classes="nb-seg",
        )  # fmt: skip
        p["layers"] = gr.CheckboxGroup(
            list(texts.LAYER_NAMES), value=list(DEFAULT_LAYERS), label="Layers", container=False, elem_id="layers",
            elem_classes="nb-toggles",
        )  # fmt: skip
        p["view"] = gr.Radio(
            [("Masks", "masks"), ("Before and after", "compare")], value="masks", label="View", container=False,
            elem_id="view", elem_classes="nb-seg", visible=False,
        )  # fmt: skip
    with gr.Column(elem_id="well"):
        p["canvas"] = gr.Image(
            type="filepath", format="png", interactive=False, show_label=False, container=False, elem_id="canvas",
            buttons=["fullscreen"], alt_text="The photo with its masks. Click it with the chosen tool.",
        )  # fmt: skip
        p["shape"] = _html("", elem_id="shape")
        p["slider"] = gr.ImageSlider(
            type="filepath", format="png", interactive=False, show_label=False, container=False, elem_id="slider",
            buttons=["fullscreen"], visible=False, max_height=2000,
        )  # fmt: skip
    with gr.Row(elem_id="line"):
        p["status"] = _html(texts.status(None), elem_id="status")
        p["stop"] = gr.Button("Stop", size="sm", scale=0, min_width=72, elem_id="stop")
    with gr.Row(elem_id="past"):
        p["undo"] = gr.Button("Undo", size="sm", scale=0, min_width=72, interactive=False, elem_id="undo")
        p["redo"] = gr.Button("Redo", size="sm", scale=0, min_width=72, interactive=False, elem_id="redo")
        p["history"] = _html(key="step", elem_id="history")
    with gr.Row(elem_id="shelf"):
        p["open"] = gr.UploadButton("Open a photo", size="sm", scale=0, min_width=132, elem_id="open")
        p["examples"] = _html(examples.strip(), key="example", elem_id="examples")


def _step(number: int, title: str) -> None:
    _html(f'<h2 class="nb-title"><b>{number}</b>{title}</h2>')


def _name(p: dict) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="name"):
        _step(1, "Name")
        p["words"] = gr.Textbox(
            value="", placeholder="dog; puppy, grass, sky", lines=2, max_lines=6, show_label=False, container=False,
            elem_id="words",
        )  # fmt: skip
        with gr.Row(elem_classes="nb-tight"):
            p["edges"] = gr.Radio(
                [("Fine edges", "sam"), ("Fast", "none")], value="sam", label="Edges", container=False,
                elem_id="edges", elem_classes="nb-seg",
            )  # fmt: skip
            p["find"] = gr.Button("Find", variant="primary", scale=0, min_width=96, elem_id="find")
        p["legend"] = _html(key="name", elem_id="legend")
        p["against"] = _html("", elem_id="against")


def _pick(p: dict) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="pick"):
        with gr.Row(elem_classes="nb-tight"):
            _step(2, "Pick")
            p["clear"] = gr.Button("Pick nothing", size="sm", scale=0, min_width=90, elem_id="clear", visible=False)
        p["hint"] = _html(texts.hint(texts.TOOL_HINTS["pick"]), elem_id="hint")
        p["regions"] = gr.CheckboxGroup(
            [], label="Masks", show_label=False, container=False, elem_id="regions", interactive=True,
        )  # fmt: skip


def _change(p: dict) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="change"):
        _step(3, "Change")
        p["kind"] = gr.Radio(
            list(texts.KINDS), value="remove", label="Change", container=False, elem_id="kind",
            elem_classes="nb-seg nb-wide",
        )  # fmt: skip
        p["kind_hint"] = _html(texts.hint(texts.KIND_HINTS["remove"]), elem_id="kind-hint")
        p["prompt"] = gr.Textbox(
            value="", placeholder="a red fox", show_label=False, container=False, elem_id="prompt", visible=False,
            max_lines=3,
        )  # fmt: skip
        p["go"] = gr.Button("Change", variant="primary", elem_id="go", interactive=False)


def _save(p: dict) -> None:
    with gr.Column(elem_classes="nb-panel", elem_id="save"):
        with gr.Row(elem_classes="nb-tight"):
            _html('<h2 class="nb-title">Save</h2>', elem_id="save-title")
            for kind, label in (("photo", "Photo"), ("masks", "Masks"), ("regions", "Table"), ("overlay", "Overlay")):
                p[f"save_{kind}"] = gr.Button(label, size="sm", min_width=48, elem_id=f"save-{kind}")
        p["file"] = gr.DownloadButton("File", visible="hidden", elem_id="file")
