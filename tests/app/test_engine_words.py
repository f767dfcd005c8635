"""The engine's sentences in German: none is missing, none loses what it names, and what people typed stays."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from app import compare, files, words
from app.session import Session
from app.words.engine import catalogue, translated
from pipeline.edit.settings import EditSettings
from pipeline.methods import all_methods
from pipeline.models.catalog import CHECKPOINTS, PRESETS
from pipeline.proposals.settings import ProposalSettings
from pipeline.refine.names import REFINEMENTS
from pipeline.refine.settings import RECORDS
from pipeline.settings import SegmentSettings
from tests.engine_sentences import anonymous, sentences, template

OTHERS = [lang for lang in words.LANGUAGES if lang != "en"]
#: What a figure's caption says stays English on purpose: it is written for a paper.
FOR_PAPERS = ("comparison/caption.py", "comparison/latex.py")
#: No sentences: values, names and parts of file formats that only look like some.
NONE = {"Waiting"}
ROOT = Path(__file__).resolve().parents[2]


def _english(lang):
    return {anonymous(key) for key in catalogue(lang)}


@pytest.mark.parametrize("lang", OTHERS)
def test_every_sentence_of_the_engine_that_a_visitor_can_meet_has_a_translation(lang):
    known = _english(lang)
    missing = [
        f"{place}: {one}" for one, place in sentences()
        if anonymous(one) not in known and not place.startswith(FOR_PAPERS)
    ]
    assert not missing, f"add to app/words/engine.{lang}.po:\n" + "\n".join(missing)


@pytest.mark.parametrize("lang", OTHERS)
def test_every_setting_method_and_model_is_described(lang):
    told = []
    for record in (SegmentSettings, *RECORDS, ProposalSettings, EditSettings, files.SaveSettings):
        for field in dataclasses.fields(record):
            if "label" in field.metadata:
                told += [field.metadata["label"], field.metadata["help"]]
    told += [m.about for m in all_methods().values()] + [r.about for r in REFINEMENTS.values()]
    told += [c.card for c in (*PRESETS.values(), *CHECKPOINTS.values())]
    known = set(catalogue(lang))
    missing = [one for one in told if one.replace("{", "{{").replace("}", "}}") not in known]
    assert not missing, missing


@pytest.mark.parametrize("lang", OTHERS)
def test_the_pages_own_errors_are_told_in_the_visitors_language(lang):
    """An error raised in `app` is a sentence of `words`, or in the catalogue."""
    known, missing = _english(lang), []
    for path in (ROOT / "app").glob("*.py"):
        if path.name in ("api.py", "arguments.py"):  # endpoints speak English
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "NamebrushError":
                missing += [f"{path.name}: {one}" for one in template(node.args[0]) if anonymous(one) not in known]
    assert not missing, missing


@pytest.mark.parametrize("lang", OTHERS)
def test_translations_use_the_fields_of_their_sentence(lang):
    field = re.compile(r"(?<!\{)\{(\w+)(?:!t)?\}(?!\})")
    for key, value in catalogue(lang).items():
        assert value.strip() or not key.strip(), key
        assert set(field.findall(value)) <= set(field.findall(key)), key
        left = set(field.findall(key)) - set(field.findall(value))
        assert len(left) <= 1, (key, left)  # an English plural ending


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('No "box" was found in this photo. Try another word for it, or point at it.', "„box“ wurde"),
        ("Temperature must be a number between 0.05 and 20, got 99.", "Temperatur muss eine Zahl zwischen"),
        ("Looking at the photo, 3 of 12 windows", "Das Foto wird angesehen, 3 von 12 Fenstern"),
        ("SAM refines 1 region", "SAM verfeinert die Ränder (1)"),
        ('"pup" already belongs to "dog", so it is no synonym of "cat".', "„pup“ gehört schon zu „dog“ und"),
        ("The point at 3,4 lies outside the photo of 2 x 2 pixels.", "Der Punkt bei 3,4"),
        ("Something the engine never says", "Something the engine never says"),
        ("{braces} and \\ stay", "{braces} and \\ stay"),
    ],
)
def test_sentences_are_translated_and_names_are_not(said, expected):
    assert translated("de", said).startswith(expected)
    assert translated("en", said) == said and translated("xx", said) == said


def test_real_errors_come_out_in_german():
    from pipeline.comparison.entries import parse_entries
    from pipeline.errors import NamebrushError
    from pipeline.photo import open_photo
    from pipeline.vocabulary import parse_vocabulary

    session = Session(lang="de")
    for work in (
        lambda: parse_vocabulary(""), lambda: open_photo("nowhere.png"), lambda: open_photo(b""),
        lambda: SegmentSettings(temperature=99.0), lambda: SegmentSettings(method="nonsense"),
        lambda: SegmentSettings(refine="x"), lambda: parse_entries("clip+x"), lambda: EditSettings(candidates=99),
    ):  # fmt: skip
        with pytest.raises(NamebrushError) as error:
            work()
        english = str(error.value)
        german = session.heard(english)
        assert german != english and not re.search(r"\b(the|must|got|There|of)\b", german), german


def test_a_hostile_sentence_takes_no_long_time():
    import time

    start = time.perf_counter()
    translated("de", "must be one of got must be of got" * 400 + '; got "x".')
    translated("de", "{" * 3000 + " could not be fetched from " * 300 + ": HTTP 3.")
    assert time.perf_counter() - start < 2


def test_what_can_be_compared_is_described_in_german():
    german, english = compare.choices("de"), compare.choices("en")
    assert [m["name"] for m in german["methods"]] == [m["name"] for m in english["methods"]]
    assert all(a["about"] != b["about"] for a, b in zip(german["models"], english["models"], strict=True))
