"""Builds the page."""

from __future__ import annotations

import gradio as gr

from pipeline.edit.kinds import KINDS
from pipeline.edit.settings import EditSettings
from pipeline.models.catalog import get_preset
from pipeline.proposals.settings import ProposalSettings
from pipeline.refine.settings import RECORDS as REFINE_RECORDS
from pipeline.settings import SegmentSettings

from . import api, files, layout, queues
from .controls import Control, control, controls
from .engine import PRESET
from .events import NEAR, Wiring
from .lean import LeanBlocks
from .words import en, say


def edit_kinds() -> tuple[str, ...]:
    """The kinds of change the engine knows and the page has words for, in the engine's order."""
    return tuple(kind for kind in KINDS if f"kind_{kind}" in en.SERVER)


def build_demo() -> gr.Blocks:
    """The page and its named endpoints, as a new `gr.Blocks`; imports no model library."""
    find_controls: list[Control] = []
    edit_controls: list[Control] = []
    save_controls: list[Control] = []

    tabs: dict[gr.Tab, str] = {}

    def tab(key: str) -> gr.Tab:
        made = gr.Tab(say("en", f"tab_{key}"))
        tabs[made] = f"tab_{key}"
        return made

    def panel() -> None:
        with tab("names"):
            find_controls.extend(controls(SegmentSettings, "find", skip=("refine",), method=get_preset(PRESET).method))
        with tab("edges"):
            find_controls.append(control(SegmentSettings, "refine", "find-refine", blank="as chosen above"))
            for record in (*REFINE_RECORDS, ProposalSettings):
                find_controls.extend(controls(record, "refine"))
        with tab("change"):
            edit_controls.extend(controls(EditSettings, "edit", skip=("kind", "prompt", *NEAR)))
        with tab("files"):
            save_controls.extend(controls(files.SaveSettings, "file"))
            layout.remember()

    def near() -> None:
        first = next(iter(KINDS))
        for name in NEAR:
            shown = name in KINDS[first].fields
            edit_controls.append(control(EditSettings, name, f"edit-{name}", visible=shown))

    with LeanBlocks(title="Namebrush", analytics_enabled=False, fill_width=True) as demo:
        page = layout.build(panel, near, edit_kinds())
        page.tabs = tabs
        Wiring(page, find_controls, edit_controls, save_controls)
        api.add_endpoints()
    # The bounds on waiting are our own (`scheduler`): a full queue of Gradio's would refuse picking and saving too.
    # Events go through the queue alone, where it is noticed that whoever asked has gone.
    demo.queue(max_size=queues.MOST_QUEUED, api_open=False)
    return demo
