"""Every sentence of the engine that a person at the page can meet, read from its source: errors, progress and notes.

A sentence is a template whose fields have names: `The box has {size} pixels.` Names come from the expressions in the
source and matter only to translators; two templates are the same when they are the same without them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PIPELINE = Path(__file__).resolve().parents[1] / "pipeline"
#: Met on the command line or in Python alone: commands, evaluation, replaying, and formats the page does not read.
ELSEWHERE = ("commands/", "evaluate/", "__main__.py", "__init__.py", "history/replay.py", "mask_formats.py")
#: Calls whose first argument is shown.
SHOWN = {"step", "say", "report"}
#: Whose strings describe settings, models and methods, not what happened.
DESCRIBING = {
    "setting", "Recipe", "derived", "Kind", "Refinement", "Comparator", "Checkpoint", "Preset", "Proposal", "_own",
    "_sam2", "_inpaint", "_dino", "Upsampler", "recipe", "replace", "Path", "Template", "Row", "Family",
}  # fmt: skip
_SENTENCE = re.compile(r"^[A-Z\"'{].*\s.*\s.*[.?]$", re.DOTALL)


def _name(node: ast.AST) -> str:
    names = [n.attr if isinstance(n, ast.Attribute) else n.id for n in ast.walk(node)
             if isinstance(n, (ast.Attribute, ast.Name))]  # fmt: skip
    words = [re.sub(r"\W", "", n).strip("_").lower() for n in names if n not in ("join", "len", "str", "repr")]
    return words[-1] if words and words[-1] else "value"


def template(node: ast.AST) -> list[str]:
    """The templates a string expression stands for; empty where it is no literal."""
    if isinstance(node, ast.Constant):
        return [node.value.replace("{", "{{").replace("}", "}}")] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return template(node.body) + template(node.orelse)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [a + b for a in template(node.left) for b in template(node.right)]
    if not isinstance(node, ast.JoinedStr):
        return []
    made, used = "", {}
    for part in node.values:
        if isinstance(part, ast.Constant):
            made += str(part.value).replace("{", "{{").replace("}", "}}")
            continue
        name = _name(part.value)
        used[name] = used.get(name, 0) + 1
        made += "{" + name + (str(used[name]) if used[name] > 1 else "") + "}"
    return [made]


def _docstrings(tree: ast.AST) -> set[int]:
    found = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            found |= {id(s.value) for s in body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)}
    return found


def sentences() -> Iterator[tuple[str, str]]:
    """Every sentence with the place it was found first."""
    seen = set()
    for path in sorted(PIPELINE.rglob("*.py")):
        place = path.relative_to(PIPELINE).as_posix()
        if place.startswith(ELSEWHERE):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in _strings(tree):
            for one in template(node):
                key = anonymous(one)
                if key not in seen and re.search(r"[a-z]{2}", key):
                    seen.add(key)
                    yield one, f"{place}:{node.lineno}"


def _strings(tree: ast.AST) -> Iterator[ast.AST]:
    docs, skipped, shown = _docstrings(tree), set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called in DESCRIBING or called.endswith("Field"):
                skipped |= {id(n) for n in ast.walk(node)}
            raised = called[:1].isupper() and called.endswith(("Error", "There", "Full"))
            if node.args and (called in SHOWN or raised):
                if called not in ("ValueError", "TypeError", "KeyError", "RuntimeError", "AttributeError", "OSError",
                                  "ArgumentTypeError", "PyCMSError", "IndexError", "FileNotFoundError"):  # fmt: skip
                    shown.append(node.args[0])
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            called = getattr(node.exc.func, "id", "")
            if called in ("ValueError", "TypeError", "RuntimeError", "AttributeError", "KeyError", "OSError"):
                skipped |= {id(n) for n in ast.walk(node)}
    yield from shown
    within = {id(n) for one in shown for n in ast.walk(one)}
    joined = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    for node in ast.walk(tree):
        if id(node) in docs | skipped | within | joined or not isinstance(node, (ast.Constant, ast.JoinedStr)):
            continue
        if any(_SENTENCE.match(one) for one in template(node)):
            yield node


def anonymous(sentence: str) -> str:
    """The template without its fields' names."""
    return re.sub(r"(?<!\{)\{\w+\}(?!\})", "{}", sentence)
