"""The look: a quiet table, light or dark, on which the photo is the only loud thing.

Neutral greys with a trace of warmth, one accent (the amber red of a darkroom's safe light), the system's own fonts in
three sizes, space on a 4 px grid. Gradio's theme variables carry the colours; `style.css` places things.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils.colors import Color
from gradio.themes.utils.fonts import Font
from gradio.themes.utils.sizes import Size

from . import words

HERE = Path(__file__).resolve().parent
CSS = HERE / "style.css"
#: All styles, in the order in which later ones win.
STYLES = (CSS, HERE / "views.css")
#: In the order in which they need each other.
SCRIPTS = tuple(
    HERE / "js" / f"{name}.js"
    for name in (
        "core", "shapes", "view", "scene", "glyphs", "paint", "hands", "wipe", "correct", "move", "canvas", "panel",
        "drawer", "working", "models", "restore", "panels", "compare", "explain", "page",
    )
)

SAFELIGHT = Color(
    "#fdf4ef", "#fae4d8", "#f4c6b0", "#eca283", "#e67f58", "#d9623a", "#b9472a", "#963a24", "#713022", "#4d241b",
    "#2c1611", name="safelight",
)  # fmt: skip
STONE = Color(
    "#faf9f7", "#f3f1ee", "#e7e4df", "#d5d1ca", "#a9a39a", "#7c766d", "#5d5850", "#433f39", "#2b2825", "#1d1b19",
    "#131211", name="stone",
)  # fmt: skip
TEXT = Size("11px", "12px", "13px", "14px", "14px", "17px", "17px", name="namebrush_text")
SPACE = Size("2px", "4px", "4px", "8px", "8px", "12px", "16px", name="namebrush_space")
RADIUS = Size("2px", "4px", "4px", "6px", "6px", "8px", "12px", name="namebrush_radius")
SANS = [Font(n) for n in ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")]
MONO = [Font(n) for n in ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")]


def head() -> str:
    """The scripts and the sentences they say, for the page's head."""
    parts = [SCRIPTS[0].read_text(encoding="utf-8"), words.for_browser()]
    parts += [path.read_text(encoding="utf-8") for path in SCRIPTS[1:]]
    return f"<script>{chr(10).join(parts)}</script>"


def theme() -> gr.themes.Base:
    """The Gradio theme; it fetches nothing."""
    made = gr.themes.Base(
        primary_hue=SAFELIGHT, secondary_hue=STONE, neutral_hue=STONE, text_size=TEXT, spacing_size=SPACE,
        radius_size=RADIUS, font=SANS, font_mono=MONO,
    )  # fmt: skip
    return made.set(
        body_background_fill="#efedea",
        body_background_fill_dark="#161514",
        body_text_color="#24211e",
        body_text_color_dark="#e9e5df",
        body_text_color_subdued="#5f5952",
        body_text_color_subdued_dark="#a19a90",
        background_fill_primary="#faf9f8",
        background_fill_primary_dark="#1f1d1b",
        background_fill_secondary="#f3f1ee",
        background_fill_secondary_dark="#191816",
        border_color_primary="#dcd8d2",
        border_color_primary_dark="#35312d",
        border_color_accent="*primary_500",
        block_background_fill="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_label_border_width="0px",
        block_label_text_color="*body_text_color_subdued",
        block_title_text_color="*body_text_color",
        block_title_text_weight="500",
        block_title_text_size="*text_sm",
        block_info_text_size="*text_xs",
        block_info_text_color="*body_text_color_subdued",
        block_radius="6px",
        form_gap_width="0px",
        layout_gap="12px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#131211",
        input_border_color="#d0cbc3",
        input_border_color_dark="#3d3934",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_border_width="1px",
        input_shadow="none",
        input_shadow_focus="none",
        input_padding="8px 10px",
        input_radius="6px",
        input_text_size="*text_md",
        input_placeholder_color="#9b948a",
        input_placeholder_color_dark="#6f6961",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#1d0f0a",
        button_primary_border_color="transparent",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#2a2724",
        button_secondary_background_fill_hover="#f3f1ee",
        button_secondary_background_fill_hover_dark="#35312d",
        button_secondary_text_color="*body_text_color",
        button_secondary_border_color="#d0cbc3",
        button_secondary_border_color_dark="#3d3934",
        button_border_width="1px",
        button_primary_shadow="none",
        button_secondary_shadow="none",
        button_transition="background-color .12s ease, border-color .12s ease",
        button_small_padding="6px 10px",
        button_small_text_size="*text_sm",
        button_small_text_weight="500",
        button_small_radius="6px",
        button_large_padding="8px 14px",
        button_large_text_size="*text_md",
        button_large_text_weight="600",
        button_large_radius="6px",
        checkbox_background_color="#ffffff",
        checkbox_background_color_dark="#131211",
        checkbox_background_color_selected="*primary_600",
        checkbox_background_color_selected_dark="*primary_500",
        checkbox_border_color="#b9b3aa",
        checkbox_border_color_dark="#57514a",
        checkbox_border_color_selected="*primary_600",
        checkbox_border_color_selected_dark="*primary_500",
        checkbox_border_radius="4px",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_hover="transparent",
        checkbox_label_background_fill_selected="transparent",
        checkbox_label_border_width="0px",
        checkbox_label_padding="4px 8px",
        checkbox_label_gap="4px",
        checkbox_label_text_size="*text_sm",
        checkbox_label_text_weight="400",
        slider_color="*primary_600",
        slider_color_dark="*primary_500",
        loader_color="*primary_500",
        color_accent="*primary_500",
        color_accent_soft="*primary_50",
        color_accent_soft_dark="*primary_950",
        error_background_fill="#fbe9e4",
        error_background_fill_dark="#35170f",
    )
