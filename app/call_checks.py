"""Calls of events, checked as a whole before Gradio sees them: their shape, whether there is such an event, and files.

What a value means is checked by the event itself (`arguments`, `values`); here it is what Gradio would answer with an
error without a sentence: an event that does not exist, another number of values, a file that was not uploaded.
"""

from __future__ import annotations

import json
import re
from typing import Any

import gradio as gr
from gradio.server_messages import UnexpectedErrorMessage
from gradio.utils import get_upload_folder, is_in_or_equal
from gradio_client.utils import construct_args
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a call at most; files are uploaded beside it.
MAX_BYTES = 4 << 20
#: Values of a call at most, commas and brackets within texts counted too: 2 MB of nothing but brackets would hold up
#: everybody for seconds. A stroke on the canvas has some ten thousand.
MAX_VALUES = 100_000
#: Lists and objects within each other at most.
MAX_DEPTH = 32
_CALLS = re.compile(r"/gradio_api/(run|api|call|call/v2)/([^/]+)/?$")
_JOINS = re.compile(r"/gradio_api/queue/join/?$")
_ANSWERS = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/([^/]+)$")
_STREAM = re.compile(r"/gradio_api/queue/data/?$")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Refused(Exception):
    """A call that cannot be answered: `status` and one sentence, and which value it is about."""

    def __init__(self, status: int, line: str, about: str = "call"):
        super().__init__(line)
        self.status, self.line, self.about = status, line, about


class Calls:
    """Reads the body of every call of an event, refuses what is no call of this page, and hands the rest on."""

    def __init__(self, app: ASGIApp, addresses: bool = False):
        """`addresses`: a file may be an address that the server fetches, as the tools for assistants send it."""
        self.app, self.addresses = app, addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        named, joins = _CALLS.search(path), _JOINS.search(path)
        lost = scope["type"] == "http" and scope["method"] == "GET" and _lost(scope)
        if lost:
            await lost(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] != "POST" or not (named or joins):
            await self.app(scope, receive, send)
            return
        try:
            body = await _read(receive)
            self._check(scope["app"].get_blocks(), named, body)
        except Refused as refused:
            await _answer(refused)(scope, receive, send)
            return
        await self.app(scope, _replayed(body, receive), send)

    def _check(self, blocks: gr.Blocks, named: re.Match | None, body: bytes) -> None:
        call = parsed(body)
        for name in ("session_hash", "event_id"):
            given = call.get(name)
            if given is not None and not (isinstance(given, str) and _TOKEN.fullmatch(given)):
                raise Refused(422, f"{name} must be up to 100 letters and digits.", name)
        if call.get("batched"):
            raise Refused(422, "Calls are made one at a time.", "batched")
        event = _event(blocks, named, call)
        if named is not None and named[1] == "call/v2":
            _check_names(blocks, named[2], call)
            data = list(call.values())
        else:
            data = call.get("data")
            inputs = [block for block in event.inputs if named is None or "call" not in named[1] or not block.skip_api]
            if not isinstance(data, list) or len(data) not in (len(inputs), len(event.inputs)):
                count = len(data) if isinstance(data, list) else "none"
                raise Refused(422, f'"data" must be a list of {len(inputs)} values, got {count}.', "data")
            if len(data) == len(event.inputs):
                inputs = event.inputs
            for block, value in zip(inputs, data, strict=True):
                self._check_file(block, value)
        trigger = call.get("trigger_id")
        if trigger is not None and not _is_part(blocks, trigger):
            raise Refused(404, "There is no part of the page with this number.", "trigger_id")
        if event.collects_event_data and not isinstance(call.get("event_data"), dict):
            raise Refused(422, '"event_data" must be an object.', "event_data")
        for one in _files((data, call.get("event_data"))):
            self._check_path(one, "A file")

    def _check_file(self, block: Any, value: Any) -> None:
        if isinstance(block, gr.File | gr.UploadButton) and value is not None:
            if not isinstance(value, dict) or not isinstance(value.get("path"), str):
                raise Refused(422, f"The {_name(block)} must be an uploaded file.", _name(block))
            self._check_path(value, f"The {_name(block)}")

    def _check_path(self, file: dict, what: str) -> None:
        """Whether a file was uploaded here; what is said is the same whether or not the path exists elsewhere."""
        path = file.get("path")
        if isinstance(path, str) and re.match(r"https?://", path) and self.addresses:
            return
        try:
            uploaded = isinstance(path, str) and "\0" not in path and is_in_or_equal(path, get_upload_folder())
        except (OSError, ValueError):
            uploaded = False
        if not uploaded or ".." in re.split(r"[/\\]", path):
            raise Refused(422, f"{what} must be an uploaded file.", what)


def _lost(scope: Scope) -> Response | None:
    """The answer to who wants to hear of an event or a page that is not known, or not any more.

    Gradio starts such a stream and breaks it off with a traceback; its client knows the message sent here.
    """
    answers, page = _ANSWERS.search(scope["path"]), _STREAM.search(scope["path"])
    if not answers and not page:
        return None
    name = answers[1] if answers else QueryParams(scope["query_string"]).get("session_hash", "")
    queue = scope["app"].get_blocks()._queue
    events = (queue.event_ids_to_events, *queue.pending_event_ids_session.values()) if answers else ()
    if name in queue.pending_messages_per_session or any(name in ids for ids in events):
        return None
    if answers:
        return JSONResponse({"detail": "There is no such event, or it was answered already."}, 404)
    message = UnexpectedErrorMessage(message="This page is not known any more; load it again.", session_not_found=True)
    return PlainTextResponse(f"data: {message.model_dump_json()}\n\n", media_type="text/event-stream")


def parsed(body: bytes) -> dict:
    """The JSON object of a body, with finite numbers and not too deep.

    Raises:
        Refused: it is none.
    """

    def finite(text: str) -> float:
        raise ValueError(text)

    if sum(body.count(sign) for sign in b"[{,") > MAX_VALUES:
        raise Refused(413, f"A call has at most {MAX_VALUES:,} values.")
    try:
        call = json.loads(body, parse_constant=finite)
    except (ValueError, RecursionError):
        raise Refused(422, "A call must be a JSON object.") from None
    if not isinstance(call, dict):
        raise Refused(422, "A call must be a JSON object.")
    level = [call]
    for _ in range(MAX_DEPTH):
        level = [
            part for one in level if isinstance(one, (dict, list))
            for part in (one.values() if isinstance(one, dict) else one)
        ]  # fmt: skip
        if not level:
            return call
    raise Refused(422, f"A call nests at most {MAX_DEPTH} lists and objects.")


def _check_names(blocks: gr.Blocks, name: str, call: dict) -> None:
    """Whether a call by names gives what the endpoint needs, and nothing else."""
    known = blocks.get_api_info()["named_endpoints"].get(f"/{name}")
    try:
        construct_args(known["parameters"] if known else [], (), dict(call))
    except TypeError:
        names = ", ".join(one["parameter_name"] for one in known["parameters"]) if known else "none"
        raise Refused(422, f"The call takes these values by name: {names}.") from None


def _event(blocks: gr.Blocks, named: re.Match | None, call: dict) -> Any:
    """The event a call is for."""
    number = call.get("fn_index")
    if named is not None and named[1] != "run" and named[1] != "api":
        number = None  # named in the address
    if number is not None:
        event = blocks.fns.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
    else:
        name = named[2] if named is not None else None
        event = next((e for e in blocks.fns.values() if name and e.api_name == name), None)
    if event is None or event.fn is None or (number is None and event.api_visibility == "private"):
        raise Refused(404, "There is no such event.", "fn_index")
    return event


def _is_part(blocks: gr.Blocks, number: Any) -> bool:
    """Whether a component, or the page itself, whose opening is an event too, has this number."""
    if not isinstance(number, int) or isinstance(number, bool):
        return False
    return number in blocks.blocks or number == blocks._id


def _name(block: Any) -> str:
    return str(getattr(block, "label", "") or "file").lower()


def _files(value: Any) -> list[dict]:
    """Every object within a value that Gradio would take for a file."""
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            meta = one.get("meta")
            if isinstance(meta, dict) and meta.get("_type") == "gradio.FileData":
                found.append(one)
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one
    return found


async def _read(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(422, "The call was not sent whole.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BYTES:
            raise Refused(413, f"A call has at most {MAX_BYTES >> 20} MB; upload files beside it.")
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives the body once more and then what really comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _answer(refused: Refused) -> JSONResponse:
    """In the form in which Gradio's own clients look for a sentence."""
    if refused.status != 422:
        return JSONResponse({"detail": refused.line}, refused.status)
    told = {"__type__": "validate", "is_valid": False, "parameter_name": refused.about, "message": refused.line}
    return JSONResponse({"detail": [told]}, 422)
