"""Names, origins, paths and headers of a served page, by plain HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gradio as gr
import httpx
import pytest

from app import flags, guard, serve, theme
from app.guard import Rules


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A small page served with the options of the real one."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
    with gr.Blocks(analytics_enabled=False) as demo:
        text, file = gr.Textbox(), gr.File()
        text.change(lambda value: value, text, text, api_name="echo")
        file.change(lambda value: value, file, file, api_name="back")

        def chosen(event: gr.EventData):
            return event._data["value"]

        text.select(chosen, None, text, queue=False, api_visibility="private")
        text.submit(None, text, None, js="(x) => x", api_visibility="private")  # runs in the browser alone
    demo.launch(prevent_thread_lock=True, quiet=True, **serve.launch_options(flags.parse((), {})))
    client = httpx.Client(base_url=demo.local_url, timeout=60)
    client.root = demo._id
    yield client
    demo.close()
    patch.undo()


def test_names_of_this_machine_open_the_page_and_others_nothing(page):
    for name in ("localhost", "127.0.0.1:9999", "[::1]:7860", "LOCALHOST:1"):
        assert page.get("/", headers={"host": name}).status_code == 200, name
    for name in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7860", "0.0.0.0", "", "a b",
                 "192.168.1.5", "2130706433", "[::2]"):  # fmt: skip
        for path in ("/", "/config", "/gradio_api/info", "/assets/x"):
            answer = page.get(path, headers={"host": name})
            assert answer.status_code in (400, 421) and "gradio" not in answer.text, (name, path)


def test_another_sites_calls_are_refused_and_no_origin_is_echoed(page):
    own = f"http://{page.base_url.host}:{page.base_url.port}"
    call = {"data": ["x"], "fn_index": 0, "session_hash": "a"}
    for origin in ("http://evil.example", "null", "http://localhost:3000", "file://", "https://huggingface.co", "x"):
        for answer in (
            page.get("/config", headers={"origin": origin}),
            page.post("/gradio_api/queue/join", json=call, headers={"origin": origin}),
            page.options("/gradio_api/upload",
                         headers={"origin": origin, "access-control-request-method": "POST"}),
        ):  # fmt: skip
            assert answer.status_code == 403
            assert not [name for name in answer.headers if name.startswith("access-control")]
    for origin in (own, own.replace("127.0.0.1", "localhost")):
        answer = page.get("/config", headers={"origin": origin})
        assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
    assert page.get("/config").status_code == 200 and "access-control-allow-origin" not in page.get("/").headers


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/monitoring/summary", "/gradio_api/monitoring/summary", "/gradio_api/proxy=http://a.hf.space/x",
     "/gradio_api/vibe-code", "/gradio_api/deep_link", "/gradio_api/openapi.json", "/gradio_api/runs",
     "/gradio_api/token", "/gradio_api/dev/reload", "/gradio_api/stream/a/1/2/playlist.m3u8", "/docs", "/redoc",
     "/openapi.json", "/gradio_api/custom_component/1/client/component/index.js", "/gradio_api/mcp/sse",
     "/gradio_api/process_recording", "/gradio_api/file/etc/passwd", "/gradio_api/component_server", "/pwa_icon",
     "/manifest.json", "/gradio_api/profiling/summary", "/gradio_api/run-history/buckets"],
)  # fmt: skip
def test_what_the_page_does_not_need_is_not_there(page, path):
    assert page.get(path).status_code == 404 and page.post(path).status_code == 404


def test_every_route_of_the_library_was_decided_upon():
    """What a newer Gradio brings is closed until somebody opens it here, and says so."""
    from gradio.routes import App

    found, waiting = set(), list(App.create_app(gr.Blocks(analytics_enabled=False)).routes)
    while waiting:
        route = waiting.pop()
        waiting += getattr(getattr(route, "original_router", route), "routes", None) or []
        found.add(re.sub(r"{[^}]*}", "x", getattr(route, "path", None) or "/"))
    assert len(found) > 50, "the library lists its routes otherwise now"
    there = guard.Guard(None, Rules.of(flags.parse((), {})))._there
    opened = {path.rstrip("/") for path in found if there({"path": path})}
    assert opened == {
        "", "/assets/x", "/config", "/favicon.ico", "/login", "/logout", "/robots.txt", "/static/x", "/svelte/x",
        "/theme.css", "/gradio_api/api/x", "/gradio_api/app_id", "/gradio_api/call/v2/x", "/gradio_api/call/v2/x/x",
        "/gradio_api/call/x", "/gradio_api/call/x/x", "/gradio_api/cancel", "/gradio_api/file=x",
        "/gradio_api/heartbeat/x", "/gradio_api/info", "/gradio_api/login_check", "/gradio_api/queue/data",
        "/gradio_api/queue/join", "/gradio_api/reset", "/gradio_api/run/x", "/gradio_api/startup-events",
        "/gradio_api/theme.css", "/gradio_api/upload", "/gradio_api/upload_progress", "/gradio_api/user",
    }  # fmt: skip
    assert not there({"path": "//monitoring"}) and not there({"path": "/x/../monitoring"})


def test_the_page_tells_browsers_what_it_may_run(page):
    answer = page.get("/")
    policy = answer.headers[guard.PAGE_POLICY]
    script = re.search(r"script-src ([^;]*)", policy)[1]
    assert "'unsafe-inline'" not in script and "*" not in script and "http" not in script
    own = guard._SCRIPT.findall(answer.text) + guard._SCRIPT.findall(theme.head())
    assert script.count("sha256-") == len(dict.fromkeys(own))
    assert "frame-ancestors 'self'" in policy and "object-src 'none'" in policy
    for name, value in (("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin")):
        assert answer.headers[name] == value
    assert "camera=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize(
    ("name", "data", "inline"),
    [("a.html", b"<script>alert(1)</script>", False), ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", False),
     ("a.xml", b"<a/>", False), ("a.js", b"alert(1)", False), ("a.pdf", b"%PDF-1.4", False), ("a", b"x", False),
     ("a.png", b"\x89PNG\r\n\x1a\n", True)],
)  # fmt: skip
def test_uploaded_files_are_data_and_never_pages(page, name, data, inline):
    (path,) = page.post("/gradio_api/upload", files={"files": (name, data)}).json()
    answer = page.get(f"/gradio_api/file={path}")
    assert answer.status_code == 200 and answer.content == data
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers.get("content-disposition", "").startswith("attachment") is not inline


FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
DEEP = "[" * 90_000


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("call/echo", {"data": []}, 422), ("call/echo", {"data": ["a", "b"]}, 422), ("call/echo", {}, 422),
        ("call/echo", {"data": "abc"}, 422), ("call/echo", {"data": {"a": 1}}, 422), ("call/echo", [1], 422),
        ("call/echo", "{", 422), ("call/echo", "", 422), ("call/echo", '{"data": [NaN]}', 422),
        ("call/echo", '{"data": [Infinity]}', 422), ("call/echo", '{"data": ' + DEEP, 422),
        ("call/echo", {"data": ["a"], "session_hash": "../x"}, 422),
        ("call/echo", {"data": ["a"], "session_hash": 5}, 422),
        ("call/echo", {"data": [FILE]}, 422), ("call/back", {"data": [FILE]}, 422),
        ("call/back", {"data": ["/etc/passwd"]}, 422), ("call/back", {"data": [[FILE]]}, 422),
        ("call/back", {"data": [{"path": "http://127.0.0.1:1/x", "meta": {"_type": "gradio.FileData"}}]}, 422),
        ("call/back", {"data": [{"path": "https://example.org/x.png"}]}, 422),
        ("call/back", {"data": [{"path": "\x00"}]}, 422), ("call/back", {"data": [5]}, 422),
        ("call/nothing", {"data": []}, 404), ("call/v2/nothing", {"text": "a"}, 404),
        ("run/nothing", {"data": []}, 404),
        ("api/nothing", {"data": []}, 404), ("run/predict", {"data": [], "fn_index": 999}, 404),
        ("run/predict", {"data": [], "fn_index": -1}, 404), ("run/predict", {"data": [], "fn_index": "x"}, 404),
        ("run/predict", {"data": [], "fn_index": True}, 404), ("run/predict", {"data": []}, 404),
        ("run/predict", {"data": [], "fn_index": 2}, 422),
        ("run/predict", {"data": [], "fn_index": 2, "event_data": [1]}, 422),
        ("run/predict", {"data": [], "fn_index": 2, "event_data": {"file": FILE}}, 422),
        ("run/predict", {"data": [], "fn_index": 2, "event_data": {}, "trigger_id": 10**6}, 404),
        ("queue/join", {"data": ["a"], "fn_index": 999, "session_hash": "a"}, 404),
        ("queue/join", {"data": ["a"], "fn_index": 0, "session_hash": "a", "batched": True}, 422),
        ("queue/join", {"data": ["a"], "session_hash": "a"}, 404),
        ("queue/join", {"data": ["a"], "fn_index": 0, "session_hash": "a", "trigger_id": {"a": 1}}, 404),
        ("run/predict", {"data": ["a"], "fn_index": 3, "session_hash": "a"}, 404),
        ("call/v2/echo", {"other": 1}, 422), ("call/v2/echo", {}, 422),
        ("call/echo", '{"data": [' + "[]," * 60_000 + "0]}", 413),
    ],
)  # fmt: skip
def test_what_is_no_call_of_this_page_gets_a_sentence_and_no_500(page, path, body, status):
    content = body if isinstance(body, str) else json.dumps(body)
    answer = page.post(f"/gradio_api/{path}", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    line = detail if isinstance(detail, str) else detail[0]["message"]
    assert line.endswith(".") and 10 < len(line) < 200 and "passwd" not in line and "Traceback" not in line


def test_a_call_larger_than_calls_are_is_refused(page):
    answer = page.post("/gradio_api/call/echo", content=b'{"data": ["' + b"x" * (5 << 20) + b'"]}')
    assert answer.status_code == 413 and "4 MB" in answer.text


def test_right_calls_go_through(page):
    event = page.post("/gradio_api/call/echo", json={"data": ["hello"]}).json()["event_id"]
    assert "hello" in page.get(f"/gradio_api/call/echo/{event}").text
    own = {"data": ["again"], "session_hash": "mine"}
    event = page.post("/gradio_api/call/echo", json=own).json()["event_id"]
    assert "again" in page.get(f"/gradio_api/call/echo/{event}").text
    (path,) = page.post("/gradio_api/upload", files={"files": ("a.txt", b"x")}).json()
    sent = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
    event = page.post("/gradio_api/call/back", json=sent).json()["event_id"]
    assert "event: complete" in page.get(f"/gradio_api/call/back/{event}").text
    chosen = {"data": [], "fn_index": 2, "event_data": {"value": "this"}, "session_hash": "abc"}
    assert page.post("/gradio_api/run/predict", json=chosen).json()["data"] == ["this"]
    opened = {**chosen, "trigger_id": page.root}  # as browsers send what happens when a page opens
    assert page.post("/gradio_api/run/predict", json=opened).json()["data"] == ["this"]


def test_unknown_numbers_of_running_events_get_no_500(page):
    gone = {"event_id": "nothing", "session_hash": "nothing", "fn_index": 99}
    for answer in (
        page.get("/gradio_api/call/echo/nothing"), page.get("/gradio_api/queue/data?session_hash=nothing"),
        page.post("/gradio_api/cancel", json=gone), page.post("/gradio_api/reset", json=gone),
        page.get("/gradio_api/upload_progress?upload_id=nothing"), page.post("/gradio_api/cancel", json={"a": 1}),
    ):  # fmt: skip
        assert answer.status_code < 500 and "Traceback" not in answer.text


def test_a_file_of_the_server_is_not_there_whether_it_exists_or_not(page):
    said = {page.get(f"/gradio_api/file={path}").text.replace(path, "")
            for path in (str(Path(__file__).resolve()), "/nowhere/at/all.py")}  # fmt: skip
    assert len(said) == 1


# Rules of other ways to serve ----------------------------------------------------------------------------------------


def rules(*argv, space="", **environ):
    return Rules.of(flags.parse(argv, environ), space)


def test_a_trusted_name_is_added_to_this_machines():
    one = rules("--trusted-host", "paint.example.org", "--trusted-host", "*.lan")
    assert all(map(one.knows, ("paint.example.org", "PAINT.example.org:443", "a.lan", "localhost:7860")))
    assert not any(map(one.knows, ("example.org", "xpaint.example.org", "lan", "evil.lan.example", "10.0.0.1")))
    assert one.admits("https://paint.example.org", "127.0.0.1:7860")
    assert not one.admits("https://evil.example", "paint.example.org")


def test_bound_to_every_address_numbers_pass_and_names_do_not():
    one = rules("--host", "0.0.0.0")
    assert one.knows("192.168.1.5:7860") and one.knows("[fe80::1]") and not one.knows("evil.example")
    assert one.admits("http://192.168.1.5:7860", "192.168.1.5:7860")
    assert not one.admits("http://192.168.1.6:7860", "192.168.1.5:7860")


def test_a_space_is_reached_by_its_name_and_framed_by_the_hub():
    one = rules(space="me-paint.hf.space", SPACE_ID="me/paint", GRADIO_SERVER_NAME="0.0.0.0")
    assert one.knows("me-paint.hf.space") and not one.knows("other.hf.space")
    assert one.admits("https://huggingface.co", "me-paint.hf.space")
    assert one.admits("https://me-paint.hf.space", "me-paint.hf.space")
    assert not one.admits("https://other.hf.space", "me-paint.hf.space")
    policy = guard.Headers(None, one.origins).policy("")
    assert "frame-ancestors 'self' https://huggingface.co" in policy
    assert "huggingface" not in guard.Headers(None, rules().origins).policy("")


def test_any_name_may_be_trusted_and_other_sites_still_are_not():
    one = rules("--host", "0.0.0.0", "--trusted-host", "*")
    assert one.knows("anything.example") and one.admits("https://anything.example", "anything.example")
    assert not one.admits("https://evil.example", "anything.example")


def test_below_a_root_path_the_same_paths_are_there():
    one = guard.Guard(None, rules("--root-path", "/paint"))
    assert one._there({"path": "/paint/config"}) and one._there({"path": "/config"})
    assert not one._there({"path": "/paint/monitoring/summary"}) and not one._there({"path": "/paint/../monitoring"})


def test_a_range_that_cannot_be_answered_gives_the_whole_file(page):
    (path,) = page.post("/gradio_api/upload", files={"files": ("a.txt", b"0123456789")}).json()
    for given, expected in (
        ("bytes=2-4", b"234"), ("bytes=0-1,3-4", b"0123456789"), ("bytes=" + "0-1," * 2000 + "0-1", b"0123456789"),
        ("bytes=a-b", b"0123456789"), ("lines=1-2", b"0123456789"),
    ):  # fmt: skip
        answer = page.get(f"/gradio_api/file={path}", headers={"range": given})
        assert answer.status_code < 300 and answer.content == expected, given
