"""The panel of models: which presets there are, what their parts are and weigh, what is loaded; and switching."""

from __future__ import annotations

import re
import time
from pathlib import Path

from pipeline.errors import FetchError
from pipeline.models.catalog import PRESETS
from pipeline.progress import Progress, checkpoint

from . import engine, permissions, texts
from .session import Session
from .texts import Told


def described(session: Session) -> dict:
    """All presets for the panel, as JSON; loads no weights and asks no network.

    Returns:
        `presets` with name, card, use ("use", "loaded", "here", "fetch"; "no" where whoever runs the page does not
        offer it, with the reason in `why`), bytes still to fetch for finding and selecting (`fetch`) and for painting
        from words, which is fetched when first used (`painter`), and parts with
        kind, title, licence, card, bytes, here, loaded, memory, and the whole card (`readme`) or a page of its own;
        and `memory`, the bytes this program holds, or None.
    """
    rows = []
    for name, preset in PRESETS.items():
        parts = [_part(p, session) for p in engine.models_of(name) if p["bytes"] or p["here"]]
        needed = [p for p in parts if p["kind"] != "inpaint"]
        loaded = all(p["loaded"] for p in needed)
        here = all(p["here"] for p in needed)
        offered = name in permissions.served().presets
        rows.append({
            "name": name, "card": session.heard(preset.card), "parts": parts, "method": preset.method,
            "use": _use(name == session.preset, offered, loaded, here),
            "why": "" if offered else session.say("preset_not_offered"),
            "fetch": sum(p["bytes"] for p in needed if not p["here"]),
            "painter": sum(p["bytes"] for p in parts if p["kind"] == "inpaint" and not p["here"]),
        })  # fmt: skip
    return {"presets": rows, "memory": held_bytes(), "opened": time.time()}


def _use(now: bool, offered: bool, loaded: bool, here: bool) -> str:
    """How a preset stands: see `described`."""
    if now:
        return "use"
    if not offered:
        return "no"
    return "loaded" if loaded else "here" if here else "fetch"


def _part(part: dict, session: Session) -> dict:
    """A part for the panel: its sentence in the visitor's language, and where more is told of it."""
    from pipeline.models.builtin import home

    own = home(part["kind"]) / "README.md"
    readme = "" if part["place"] or not own.is_file() else _card(own.read_text(encoding="utf-8"))
    page = part["place"] if part["place"].startswith("https://huggingface.co/") else ""
    return {**part, "card": session.heard(part["card"]), "readme": readme, "page": page}


def _card(text: str) -> str:
    """A model card as plain text: without front matter and signs of its markup, its paragraphs not broken."""
    parts = text.split("---\n", 2)
    body = parts[2] if len(parts) == 3 and not parts[0].strip() else text
    lines: list[str] = []
    for line in body.strip().splitlines():
        plain = re.sub(r"\*\*|`", "", line).strip()
        starts = not plain or line.startswith(("#", "- ", "|")) or not lines or not lines[-1]
        if starts or lines[-1].startswith(("|", "#")):
            lines.append(plain.lstrip("# "))
        else:
            lines[-1] += f" {plain}"
    return "\n".join(lines)


def held_bytes() -> int | None:
    """Bytes of memory this program holds, or None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next((one for one in status.read_text().splitlines() if one.startswith("VmRSS")), "")
    return int(line.split()[1]) * 1024 if line else None


def switch(session: Session, preset: str, progress: Progress) -> Told:
    """Fetch and load a preset; the one in use answers until this one does, and stays where the fetching fails.

    Raises:
        NamebrushError: unknown or not offered, no room, or weights that cannot be read; the old one stays in use.
    """
    permissions.check_preset(preset)
    if preset == session.preset:
        return Told(session.say("preset_same", preset=preset), "hint")
    start = time.perf_counter()
    try:
        engine.switch(preset, progress)
    except FetchError as error:
        return Told(session.say("fetch_failed", preset=preset), "error", session.heard(str(error)))
    checkpoint()  # what was stopped changes nothing
    session.preset = preset
    return Told(session.say("preset_ready", preset=preset, seconds=texts.seconds(time.perf_counter() - start)))
