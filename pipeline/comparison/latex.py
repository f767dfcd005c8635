"""A comparison for a paper in LaTeX: one picture per panel, and sources that place, name and tabulate them.

The ZIP holds `panels/` (each panel as PDF of its size on paper, and as PNG), `figure.tex` (a figure of subfigures with
legend, caption and label), `table.tex` (a table with booktabs), `main.tex` (a document around both, to try them at
once), `caption.txt` and `settings.json`.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence

from PIL import Image

from ..palette import Color, class_colors, hex_color
from ..pdf import pdf_page
from ..records import Segmentation
from .caption import MEASURED, caption, letter, note, presets, rows, title
from .memory import shown
from .plate import Sizes, differing, drawn, resized

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "×": r"$\times$", "…": r"\ldots{}", "—": "---", "–": "--",
}  # fmt: skip
_PACKAGES = ("graphicx", "subcaption", "booktabs", "xcolor")
#: Letters beyond this are not in the fonts that pdfLaTeX loads by itself.
_LATIN = 0x17F


def escape(text: str) -> str:
    """A text that LaTeX sets as it is, on one line; letters stay UTF-8."""
    return "".join(_ESCAPES.get(c, c) for c in " ".join(str(text).split()))


def _name(index: int, one: Segmentation | None, several: bool) -> str:
    """A panel's file name without ending: only letters, digits and hyphens, so that any LaTeX finds it."""
    words = "photo" if one is None else f"{one.preset + '-' if several else ''}{one.method}-{one.refine}"
    return re.sub(r"[^a-z0-9-]+", "-", f"{letter(index)[1:-1]}-{words}".lower())


def panels_zip(
    found: Sequence[Segmentation], sizes: Sizes, colors: Sequence[Color] | None = None, differences: str = ""
) -> bytes:
    """The ZIP described above.

    Args:
        found: of one photo and one list of names.
        sizes: of the figure on paper, as `plate.printed` gives them.
        colors: per name; None takes the standard order.
        differences: what is faded, see `plate.differing`.
    """
    photo = found[0].photo
    names = [c.name for c in found[0].vocabulary.classes]
    colors = class_colors(names) if colors is None else colors
    differ = differing(found, differences)
    several = len(presets(found)) > 1
    height, width = photo.size
    factor = sizes.panel / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    files = []
    faded = {"": "", "all": "What all panels agree on is faded."}.get(
        differences, f"What agrees with ({differences}) is faded."
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, one in enumerate([None, *found]):
            pixels = resized(photo.pixels if one is None else drawn(one, colors, differ[i - 1]), size)
            name = _name(i, one, several)
            files.append(name)
            page = pdf_page(size[0], size[1], sizes.dots_per_inch, [(0, 0, pixels)], [], [])
            archive.writestr(f"panels/{name}.pdf", page)
            png = io.BytesIO()
            Image.fromarray(pixels).save(png, "PNG", dpi=(sizes.dots_per_inch,) * 2)
            archive.writestr(f"panels/{name}.png", png.getvalue(), zipfile.ZIP_STORED)
        text = caption(found, faded)
        archive.writestr("figure.tex", figure_tex(found, files, sizes.columns, names, colors, text))
        archive.writestr("table.tex", table_tex(found))
        archive.writestr("main.tex", main_tex(text))
        archive.writestr("caption.txt", text + "\n")
        told = {"photo": photo.name, "names": names, "panels": rows(found), "caption": text}
        archive.writestr("settings.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return buffer.getvalue()


def figure_tex(
    found: Sequence[Segmentation], files: Sequence[str], columns: int, names: Sequence[str], colors: Sequence[Color],
    text: str,
) -> str:  # fmt: skip
    """A figure of subfigures with a legend; needs `graphicx`, `subcaption` and `xcolor`."""
    several = len(presets(found)) > 1
    share = f"{(1 - 0.015 * (columns - 1)) / columns:.3f}"
    under = ["photo"] + [f"{title(one)}, {note(one, several)}" for one in found]
    lines = [
        f"% \\usepackage{{{','.join(p for p in _PACKAGES if p != 'booktabs')}}}", r"\begin{figure*}[t]",
        r"  \centering",
    ]  # fmt: skip
    for i, (name, below) in enumerate(zip(files, under, strict=True)):
        end = r"\hspace{0.015\linewidth}%" if (i + 1) % columns and i + 1 < len(files) else r"\par\smallskip"
        lines += [
            rf"  \begin{{subfigure}}[t]{{{share}\linewidth}}",
            r"    \centering",
            rf"    \includegraphics[width=\linewidth]{{panels/{name}}}",
            rf"    \caption{{{escape(below)}}}\label{{fig:comparison:{letter(i)[1:-1]}}}",
            rf"  \end{{subfigure}}{end}",
        ]
    keys = [
        rf"\mbox{{\textcolor[HTML]{{{hex_color(c)[1:].upper()}}}{{\rule{{1.6ex}}{{1.6ex}}}}~{escape(n)}}}"
        for n, c in zip(names, colors, strict=True)
    ]
    lines += ["  {\\small " + " \\quad\n   ".join(keys) + "\\par}"]
    lines += [rf"  \caption{{{escape(text)}}}", r"  \label{fig:comparison}", r"\end{figure*}", ""]
    return "\n".join(lines)


def table_tex(found: Sequence[Segmentation]) -> str:
    """A table of what was compared; needs `booktabs`."""
    head = ["", "models", "method", "edges", "seconds", "memory", "regions", r"unnamed (\%)"]
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table}[t]", r"  \centering", r"  \begin{tabular}{llllrrrr}",
        r"    \toprule", "    " + " & ".join(head) + r" \\", r"    \midrule",
    ]  # fmt: skip
    for i, one in enumerate(found, 1):
        cells = [
            letter(i), one.preset, one.method, one.refine, f"{sum(one.seconds.values()):.2f}",
            shown(one.memory) or "--", str(len(one.regions)), f"{100 * float((one.labels < 0).mean()):.1f}",
        ]  # fmt: skip
        lines.append("    " + " & ".join(escape(c) if c != "--" else c for c in cells) + r" \\")
    device = found[0].settings.get("device", "")
    said = MEASURED.format(device=device) if found[0].memory else ""
    lines += [
        r"    \bottomrule", r"  \end{tabular}", rf"  \caption{{What was compared. {escape(said)}}}",
        r"  \label{tab:comparison}", r"\end{table}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main_tex(text: str) -> str:
    """A document around figure and table; names beyond Latin letters want LuaLaTeX or XeLaTeX, and it says so."""
    foreign = any(ord(c) > _LATIN and c not in _ESCAPES for c in text)
    lines = ["% Compile with lualatex or xelatex: the names have letters that pdflatex has no font for."] * foreign
    lines += [r"\documentclass{article}", r"\usepackage[T1]{fontenc}"] if not foreign else [
        r"\documentclass{article}", r"\usepackage{fontspec}",
    ]  # fmt: skip
    lines += [rf"\usepackage{{{','.join(_PACKAGES)}}}", r"\begin{document}", r"\input{figure}", r"\input{table}",
              r"\end{document}", ""]  # fmt: skip
    return "\n".join(lines)
