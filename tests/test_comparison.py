"""Comparisons: what is typed, what is measured, what the figure says, and the sources for LaTeX."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.compare import differing, figure_bytes, lay_out
from pipeline.comparison import memory
from pipeline.comparison.caption import caption, command, letter, note, title
from pipeline.comparison.entries import Entry, parse_entries
from pipeline.comparison.latex import escape
from pipeline.errors import NamebrushError
from tests.small_models import picture, small_pipeline
from tests.test_compare import found

SMALL = {"short_side": 64, "window": 32, "stride": 16}
WORDS = "dog; puppy, grass, sky"

# What is typed -------------------------------------------------------------------------------------------------------


def test_entries_name_methods_edges_and_models_in_any_case():
    typed = "sclip, Trident+CRF\nbase:trident+none, base : clip, sclip"
    assert parse_entries(typed) == (
        Entry("sclip"), Entry("trident", "crf"), Entry("trident", "none", "base"), Entry("clip", "", "base"),
    )  # fmt: skip
    assert [e.text for e in parse_entries(typed)] == ["sclip", "trident+crf", "base:trident+none", "base:clip"]
    assert Entry("clip").resolved("sam", "tiny") == Entry("clip", "sam", "tiny")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("", "at least one method"), (" , ", "at least one method"), ("sclip+", 'no edges ""'), ("x", 'no method "x"'),
     ("sclip+fine", 'no edges "fine"'), ("great:sclip", "no preset 'great'")],
)  # fmt: skip
def test_entries_that_are_none_are_refused(typed, said):
    with pytest.raises(NamebrushError, match=re.escape(said)):
        parse_entries(typed)


def test_more_panels_than_a_page_holds_are_refused():
    from pipeline.methods import all_methods

    with pytest.raises(NamebrushError, match="At most 24"):
        parse_entries([f"{name}+{refine}" for name in all_methods() for refine in ("none", "sam")])


# What is run and measured --------------------------------------------------------------------------------------------


def test_methods_edges_and_presets_in_one_comparison():
    pipe, other = small_pipeline(), small_pipeline()
    other.models.preset = "base"
    asked = []
    what = ["sclip+none", "sclip+pamr", "base:sclip"]
    made = pipe.compare(
        picture(), WORDS, what, refine="none", temperature=0.5,
        others=lambda preset, progress: asked.append(preset) or other, **SMALL,
    )  # fmt: skip
    assert [(one.preset, one.method, one.refine) for one in made] == [
        ("tiny", "sclip", "none"), ("tiny", "sclip", "pamr"), ("base", "sclip", "none"),
    ]  # fmt: skip
    assert asked == ["base"]
    assert all(one.settings["temperature"] == 0.5 and one.settings["window"] == 32 for one in made)
    np.testing.assert_array_equal(made[0].labels, made[2].labels)


def test_alone_every_panel_encodes_for_itself_and_together_none_does_twice():
    pipe = small_pipeline()
    alone = pipe.compare(picture(), WORDS, ["sclip+none", "sclip+pamr"], **SMALL)
    assert all(one.seconds["encode"] > 0 and one.memory["process"] >= 0 for one in alone)
    assert not len(pipe.cache), "panels left features in the shared cache"
    together = pipe.compare(picture(), WORDS, ["sclip+none", "sclip+pamr"], alone=False, **SMALL)
    assert together[1].seconds["encode"] == 0 and not together[0].memory
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.labels, two.labels)


@pytest.mark.parametrize("exact", [True, False])
def test_the_peak_is_measured_though_it_is_gone_at_the_end(exact, monkeypatch):
    if memory.resident() is None:
        pytest.skip("this system does not tell what a program holds")
    if not exact:
        monkeypatch.setattr(memory, "_set_back", lambda: False)
    size = 200 << 20
    with memory.peak_above() as first:
        block = np.ones(size, np.uint8)
        block += 1  # long enough for a second look
        del block
    assert 0.95 * size < first["process"] < 1.3 * size
    with memory.peak_above() as second:
        pass
    assert second["process"] < 0.1 * size


def test_memory_is_not_claimed_where_it_cannot_be_read(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_SELF", tmp_path)
    with memory.peak_above() as measured:
        pass
    assert measured == {} and memory.shown(measured) == ""


# What is said --------------------------------------------------------------------------------------------------------


def _two(names=("dog", "sky")):
    one, two = found("clip", names), found("trident", names)
    labels = two.labels.copy()
    labels[:10] = 0
    made = {"models": ("CLIP",), "device": "cpu", "short_side": 320, "window": 128, "stride": 64}
    two = replace(two, labels=labels, refine="crf", preset="base", memory={"process": 310_000_000},
                  settings={**made, "crf_steps": 4})  # fmt: skip
    return [replace(one, memory={"process": 12_000_000}, settings=made), two]


def test_the_caption_holds_all_that_made_it():
    said = caption(_two())
    for part in (
        "Names: dog, sky.", "(b) tiny: clip, edges: none (1.25 s, 12 MB)",
        "(c) base: trident, edges: crf (1.25 s, 310 MB)", "Models: tiny (CLIP).", "Models: base (CLIP).",
        "Short side 320, window 128, stride 64 pixels.", "No background names, threshold 0.00.",
        "(c) Settings: crf_steps = 4.", "Seconds and peak memory above the loaded models, each run alone on cpu",
    ):  # fmt: skip
        assert part in said, part
    one = _two()[1]
    assert title(one) == "trident + crf" and note(one, True) == "base, 1.25 s, 310 MB"
    assert [letter(i) for i in (0, 1, 25, 26)] == ["(a)", "(b)", "(z)", "(aa)"]


def test_the_command_says_the_same_and_runs_no_shell():
    typed = command(_two(), 'dog, "sky" $(ls) `x`')
    assert '--methods "tiny:clip+none,base:trident+crf"' in typed
    assert r'--classes "dog, \"sky\" \$(ls) \`x\`"' in typed


def test_differences_fade_what_all_agree_on():
    both = _two()
    differ = differing(both)[0]
    assert differ[:10].any() and not differ[10:].any()
    third = replace(both[1], labels=np.full_like(both[1].labels, -1))
    some, from_b, from_third = (differing([*both, third], of) for of in ("all", "b", "d"))
    assert all(one is some[0] for one in some)
    np.testing.assert_array_equal(from_b[0], some[0])  # the panel itself
    np.testing.assert_array_equal(from_b[1], differ)
    np.testing.assert_array_equal(from_third[0], both[0].labels >= 0)
    assert differing(both, "") == [None, None]
    with pytest.raises(NamebrushError, match='no panel "x"'):
        differing(both, "x")
    plain = lay_out(both).images[1][2].astype(int)
    faded = lay_out(both, differences="all").images[1][2].astype(int)
    high = round(plain.shape[0] * 10 / 60)
    assert (faded[: high - 8] == plain[: high - 8]).all()
    assert np.ptp(faded[high + 8 :], axis=2).max() == 0 and (plain[high + 8 :] != faded[high + 8 :]).any()


def test_the_pages_colours_reach_the_figure():
    plate = lay_out(_two(), colors=[(1, 2, 3), (4, 5, 6)])
    assert [color for *_, color in plate.swatches] == [(1, 2, 3), (4, 5, 6)]


# LaTeX ---------------------------------------------------------------------------------------------------------------

FOREIGN = ("50% of_it & {all} $x$ #1 ^~\\", "<b>dog</b>", "天空")


def _checked(source: str) -> None:
    """What LaTeX would stumble over first: braces, environments, and signs that mean something to it."""
    plain = re.sub(r"(?m)(?<!\\)%.*$", "", source)
    bare = re.sub(r"\\[^a-zA-Z]", "", plain)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    opened = []
    for what, name in re.findall(r"\\(begin|end)\{([^}]+)\}", plain):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    text = re.sub(r"\\(includegraphics|label|input|usepackage|documentclass|textcolor)(\[[^]]*\])?\{[^}]*\}", "", bare)
    text = text.replace(r"$\times$", "").replace(" & ", "")
    assert not re.search(r"[$&#_^~]", text.replace("}}~", "")), re.search(r".{20}[$&#_^~].{20}", text)


@pytest.mark.parametrize("names", [("dog", "sky"), FOREIGN])
def test_the_panels_for_latex_come_with_sources_that_hold_together(names):
    both = _two(names)
    with zipfile.ZipFile(io.BytesIO(figure_bytes(both, ".zip", 90))) as archive:
        files = set(archive.namelist())
        figure, table, main = (archive.read(f"{n}.tex").decode() for n in ("figure", "table", "main"))
        told = json.loads(archive.read("settings.json"))
        picture_ = Image.open(io.BytesIO(archive.read("panels/b-tiny-clip-none.png")))
        page = archive.read("panels/b-tiny-clip-none.pdf")
        assert archive.read("caption.txt").decode().strip() == told["caption"] == caption(both)
    for name in re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", figure):
        assert {f"{name}.pdf", f"{name}.png"} <= files
    for source in (figure, table, main):
        _checked(source)
    assert figure.count(r"\begin{subfigure}") == 3 and r"\toprule" in table and "310 MB" in table
    for package in ("graphicx", "subcaption", "booktabs", "xcolor"):
        assert package in main
    assert ("lualatex" in main) == (names is FOREIGN) and r"\input{figure}" in main
    assert [row["method"] for row in told["panels"]] == ["clip", "trident"]
    wide = float(re.search(rb"/MediaBox \[0 0 ([\d.]+)", page)[1]) * 25.4 / 72
    assert wide == pytest.approx(picture_.width / picture_.info["dpi"][0] * 25.4, abs=0.1) and 35 < wide < 45


def test_what_means_something_to_latex_is_escaped():
    assert escape("a_b & 5% {x}\n$y$") == r"a\_b \& 5\% \{x\} \$y\$"
    assert escape("\\input{x}") == r"\textbackslash{}input\{x\}"
