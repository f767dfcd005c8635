"""What whoever runs the page decides: flags and variables, and what visitors may then ask for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app import arguments, compare, flags, models, permissions
from app.session import Session
from pipeline.errors import NamebrushError
from pipeline.models.catalog import PRESETS

ROOT = Path(__file__).resolve().parents[2]
EVERY = tuple(PRESETS)


def test_on_this_machine_alone_all_presets_are_offered_and_no_other_models():
    given = flags.parse((), {})
    assert (given.host, given.port, given.preset, given.presets, given.models) == (
        "127.0.0.1", None, "tiny", EVERY, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "environ", "offered"),
    [
        (["--host", "0.0.0.0"], {}, ("tiny", "base")),
        (["--host", "192.168.1.5", "--preset", "large"], {}, ("base", "large")),
        (["--trusted-host", "paint.example.org"], {}, ("tiny", "base")),
        ([], {"SPACE_ID": "a/b"}, ("tiny", "base")),
        ([], {"SPACE_ID": "a/b", "NAMEBRUSH_ALLOW_PRESETS": "huge"}, ("tiny", "huge")),
        (["--host", "::1"], {}, EVERY),
        (["--host", "localhost", "--allow-presets", "tiny"], {}, ("tiny",)),
        (["--host", "0.0.0.0", "--allow-presets", "tiny, huge"], {}, ("tiny", "huge")),
        ([], {"GRADIO_SERVER_NAME": "0.0.0.0"}, ("tiny", "base")),
    ],
)
def test_strangers_are_offered_what_the_operator_says(argv, environ, offered):
    assert flags.parse(argv, environ).presets == offered


def test_variables_stand_in_for_flags_and_flags_win(tmp_path):
    environ = {"PORT": "8080", "NAMEBRUSH_PRESET": "base", "NAMEBRUSH_ALLOW_MODELS": "1",
               "NAMEBRUSH_TRUSTED_HOSTS": "a.example, *.b.example", "NAMEBRUSH_ROOT_PATH": "/paint/",
               "NAMEBRUSH_AUTH": "anna:p:w"}  # fmt: skip
    given = flags.parse((), environ)
    assert (given.port, given.preset, given.models, given.trusted_hosts, given.root_path, given.auth) == (
        8080, "base", True, ("a.example", "*.b.example"), "/paint", (("anna", "p:w"),),
    )  # fmt: skip
    assert flags.parse(["--port", "9000", "--preset", "tiny"], environ).port == 9000
    (tmp_path / "people").write_text("anna:one\n\nben:two\n")
    assert flags.parse(["--auth", f"@{tmp_path / 'people'}"], {}).auth == (("anna", "one"), ("ben", "two"))
    assert "p:w" not in repr(given)


@pytest.mark.parametrize(
    ("argv", "environ", "said"),
    [
        (["--port", "http"], {}, "PORT must be a number"), (["--port", "70000"], {}, "PORT must be"),
        ([], {"PORT": "-1"}, "PORT must be"), ([], {"PORT": "²"}, "PORT must be"),
        (["--preset", "vast"], {}, "--preset must be of"), ([], {"NAMEBRUSH_PRESET": "x"}, "--preset must be of"),
        (["--allow-presets", "tiny,x"], {}, "--allow-presets must be of"),
        (["--trusted-host", "http://a.b"], {}, "--trusted-host must be"),
        (["--trusted-host", "a b"], {}, "--trusted-host must be"),
        (["--host", "a/b"], {}, "--host must be"), (["--host", "*"], {}, "--host must be"),
        (["--root-path", "namebrush"], {}, "--root-path must be"),
        (["--root-path", "/<b>"], {}, "--root-path must be"),
        (["--auth", "anna"], {}, "--auth must be"), (["--auth", "anna:"], {}, "--auth must be"),
        (["--auth", "@/nowhere/at/all"], {}, "--auth cannot read"),
        ([], {"NAMEBRUSH_ALLOW_MODELS": "maybe"}, "must be 1 or 0"), ([], {"NAMEBRUSH_MCP": "x"}, "must be 1 or 0"),
        (["--nonsense"], {}, "nonrecognized|unrecognized|Unrecognized"), (["photo.jpg"], {}, "nrecognized"),
        (["--port"], {}, "expected one argument"),
    ],
)  # fmt: skip
def test_a_wrong_value_ends_with_status_2_and_one_line(argv, environ, said, capsys):
    import re

    with pytest.raises(SystemExit) as end:
        flags.parse(argv, environ)
    line = capsys.readouterr().err
    assert end.value.code == 2 and line.count("\n") == 1 and re.search(said, line) and "anna" not in line


def test_the_program_itself_says_so_too():
    done = subprocess.run([sys.executable, "app.py", "--preset", "vast"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "vast" in done.stderr


def test_tools_are_offered_only_where_asked_and_possible(monkeypatch, capsys):
    assert flags.parse((), {}).mcp is False
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        flags.parse((), {"NAMEBRUSH_MCP": "1"})
    assert end.value.code == 2 and "gradio[mcp]" in capsys.readouterr().err


@pytest.mark.parametrize("version, offered", [("1.20.0", False), ("1.21.0", True), ("1.30.1", True), ("2.0.0", False)])
def test_tools_are_refused_with_a_package_gradio_has_none_for(monkeypatch, capsys, version, offered):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    if offered:
        assert flags.parse(["--mcp"], {}).mcp is True
        return
    with pytest.raises(SystemExit) as end:
        flags.parse(["--mcp"], {})
    assert end.value.code == 2 and version in capsys.readouterr().err


# What visitors may then ask for --------------------------------------------------------------------------------------


@pytest.fixture
def public(monkeypatch):
    monkeypatch.setattr(permissions, "_served", flags.parse(["--host", "0.0.0.0"], {}))


def test_no_visitor_switches_to_what_is_not_offered(public, monkeypatch):
    monkeypatch.setattr("app.engine.switch", lambda *_: pytest.fail("it was loaded"))
    from pipeline.progress import Progress

    session = Session()
    for name in ("large", "huge"):
        with pytest.raises(NamebrushError, match=f"{name} are not offered on this page"):
            models.switch(session, name, Progress())
    with pytest.raises(NamebrushError):
        models.switch(session, "../tiny", Progress())
    assert session.preset == "tiny"


def test_no_comparison_brings_in_what_is_not_offered(public, session):
    from pipeline.progress import Progress

    with pytest.raises(NamebrushError, match="huge are not offered"):
        compare.compare(session, "dog, cat", ["clip", "huge:trident"], {}, Progress())
    with pytest.raises(NamebrushError, match="large are not offered"):
        arguments.panels("clip,LARGE:sclip", "")
    assert [m["name"] for m in compare.choices()["models"]] == ["tiny", "base"]


def test_the_dialog_says_what_is_not_offered_and_why(public):
    rows = {row["name"]: row for row in models.described(Session(lang="de"))["presets"]}
    assert rows["tiny"]["use"] == "use" and rows["base"]["use"] in ("here", "fetch", "loaded")
    assert rows["huge"]["use"] == "no" and "--allow-presets" in rows["huge"]["why"] and not rows["base"]["why"]


@pytest.mark.parametrize("value", ["/etc", "../x", "facebook/dino-vits8", "C:\\x", "~", "\x00", "x" * 500])
def test_a_proxy_is_one_of_the_catalogues_whether_the_path_exists_or_not(value):
    with pytest.raises(NamebrushError, match="Proxy must be one of own, sam, dino-s8"):
        permissions.check_search({"proxy": value})
    for name in ("own", "sam", "dino-s8", "", None):
        permissions.check_search({"proxy": name})


def test_more_models_are_allowed_where_the_operator_says_so(monkeypatch):
    monkeypatch.setattr(permissions, "_served", flags.parse(["--allow-models"], {}))
    permissions.check_search({"proxy": "facebook/dino-vits8"})


def test_strangers_are_told_no_folder_of_this_machine(public, monkeypatch, tmp_path):
    from pathlib import Path

    said = f"SAM is not on this machine (looked in {Path.home()}/.cache/x/y and {ROOT}/assets); try again."
    told = Session().heard(said)
    assert told == "SAM is not on this machine (looked in … and …); try again." and str(ROOT) not in told
    assert Session(lang="de").heard(f'"{tmp_path}/a.png" is not an ordinary file.').count(str(tmp_path)) == 0
    monkeypatch.setattr(permissions, "_served", flags.parse((), {}))
    assert Session().heard(said) == said


def test_times_of_diffusion_are_few():
    from pipeline.refine.settings import SmoothSettings

    with pytest.raises(NamebrushError, match="whole numbers"):
        SmoothSettings(diffusion_steps=", ".join(["5"] * 33))
