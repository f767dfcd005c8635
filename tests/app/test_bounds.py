"""Requests that bring too much, too slowly, or are too many."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse

from app import bounds
from app.bounds import Bounds

JOIN = "/gradio_api/queue/join"


async def _echo(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


class _Call:
    """One request to an application, and its answer."""

    def __init__(self, app, path=JOIN, chunks=(b"{}",), headers=(), address="10.0.0.1", wait=0.0):
        self.app, self.chunks, self.wait, self.sent = app, list(chunks), wait, []
        self.scope = {
            "type": "http", "method": "POST", "path": path, "headers": list(headers), "query_string": b"",
            "client": (address, 5000),
        }  # fmt: skip

    async def receive(self):
        if not self.chunks:
            await asyncio.sleep(3600)
        await asyncio.sleep(self.wait)
        body = self.chunks.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.chunks)}

    async def send(self, message):
        self.sent.append(message)

    async def run(self):
        await self.app(self.scope, self.receive, self.send)
        start, *rest = self.sent
        return start["status"], b"".join(m["body"] for m in rest).decode()


def _run(app, **given):
    return asyncio.run(_Call(app, **given).run())


def test_an_ordinary_request_passes():
    assert _run(Bounds(_echo), chunks=(b"{", b"}")) == (200, "2")


@pytest.mark.parametrize("told", [True, False])
def test_json_beyond_the_limit_is_refused_before_it_is_read_whole(told):
    read = 0

    async def app(scope, receive, send):
        nonlocal read
        async for chunk in Request(scope, receive).stream():
            read += len(chunk)

    size, part = bounds.MOST_OTHER * 4, b"0" * 65536
    headers = [(b"content-length", str(size).encode())] if told else []
    status, line = _run(Bounds(app), chunks=[part] * (size // len(part)), headers=headers)
    assert status == 413 and "4 MB at most" in line
    assert read <= (0 if told else bounds.MOST_OTHER)


def test_an_upload_may_be_as_large_as_a_photo():
    size = bounds.MOST_OTHER * 2
    assert _run(Bounds(_echo), path="/gradio_api/upload", chunks=[b"0" * size]) == (200, str(size))
    too_large = [(b"content-length", str(bounds.MOST_UPLOAD + 1).encode())]
    assert _run(Bounds(_echo), path="/gradio_api/upload", headers=too_large)[0] == 413


def test_a_body_that_stops_coming_ends(monkeypatch):
    monkeypatch.setattr(bounds, "PATIENCE", 0.05)
    status, line = _run(Bounds(_echo), chunks=(b"{", b"}"), wait=0.5)
    assert status == 408 and "too slowly" in line


def test_a_body_that_trickles_ends(monkeypatch):
    monkeypatch.setattr(bounds, "PATIENCE", 0.1)
    status, _ = _run(Bounds(_echo), path="/gradio_api/upload", chunks=[b"0"] * 1000, wait=0.02)
    assert status == 408


def test_a_stream_may_stay_open_after_its_request_came(monkeypatch):
    monkeypatch.setattr(bounds, "PATIENCE", 0.05)

    async def stream(scope, receive, send):
        request = Request(scope, receive)
        await request.body()
        await asyncio.sleep(0.2)
        assert not await request.is_disconnected()
        await PlainTextResponse("on")(scope, receive, send)

    assert _run(Bounds(stream)) == (200, "on")


def test_what_the_application_breaks_on_by_itself_is_not_hidden():
    async def broken(scope, receive, send):
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        _run(Bounds(broken))


def test_one_address_cannot_hold_every_connection():
    hold = asyncio.Event()

    async def stream(scope, receive, send):
        await hold.wait()
        await PlainTextResponse("on")(scope, receive, send)

    async def scene():
        app = Bounds(stream, most_open=12)
        held = [asyncio.create_task(_Call(app).run()) for _ in range(3)]
        await asyncio.sleep(0.01)
        refused = await _Call(app).run()
        other = asyncio.create_task(_Call(app, address="10.0.0.2").run())
        await asyncio.sleep(0.01)
        hold.set()
        return refused, [await task for task in (*held, other)], app.open

    refused, answered, left = asyncio.run(scene())
    assert refused[0] == 503 and "Try again" in refused[1]
    assert answered == [(200, "on")] * 4 and not left


def test_all_together_cannot_use_up_the_process_s_files():
    async def never(scope, receive, send):
        raise AssertionError("reached the page")

    assert _run(Bounds(never, most_open=0))[0] == 503
    assert bounds.raise_open_files() >= 1024


def test_the_page_is_served_with_them():
    from app import guard
    from app.flags import Flags

    class App:
        async def middleware_stack(self, scope, receive, send):
            await _echo(scope, receive, send)

    async def served():
        app = App()
        async with guard.app_options(guard.Rules.of(Flags()))["lifespan"](app):
            headers = [(b"host", b"localhost"), (b"content-length", str(bounds.MOST_OTHER + 1).encode())]
            return await _Call(app.middleware_stack, headers=headers).run()

    assert asyncio.run(served())[0] == 413
