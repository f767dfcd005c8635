"""What a browser and a program say to a running page, over HTTP, without either.

A `Tab` numbers events, fills in fields and follows chains of events by the page's own `/config`, so that it does what
the browser does whatever is added to the page. An `Api` calls the named endpoints as the documentation tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import time
from dataclasses import dataclass, field

import httpx

#: Seconds an answer may take before it counts as an error.
PATIENCE = 180.0
_STATUS = re.compile(r'data-kind="(\w+)"[^>]*>(.*?)</p>', re.S)


@dataclass
class Answer:
    """What one request led to.

    Attributes:
        outcome: "ok", "refused" (a sentence for the person) or "error" (anything else).
        sentence: the status line or the error.
        seconds: from sending until the whole answer was there.
        text: the answer as it came.
        values: what it gives, by the component's `elem_id` (page) or in order (API).
    """

    outcome: str
    sentence: str
    seconds: float
    text: str = ""
    values: dict | list = field(default_factory=dict)


def _refusal(code: int, text: str) -> tuple[str, str]:
    """Outcome and sentence of an HTTP answer other than 200."""
    try:
        told = json.loads(text)
        told = told.get("detail") or told.get("error") or ""
    except (ValueError, AttributeError):
        told = text
    polite = isinstance(told, str) and told and "Traceback" not in told and (code < 500 or code in (503, 507))
    return ("refused" if polite else "error"), f"HTTP {code}: {str(told)[:160]}"


def forwarded(address: str) -> dict[str, str]:
    """Headers as a proxy on this machine sends them for a visitor from elsewhere; none for one who sits here."""
    return {"x-forwarded-for": address} if address else {}


class Config:
    """The page's components and events, read from `/config`."""

    def __init__(self, config: dict):
        self.prefix = config["api_prefix"]
        self.names = {c["id"]: c["props"].get("elem_id") or c["id"] for c in config["components"]}
        self.start = {c["id"]: c["props"].get("value") for c in config["components"]}
        self.states = {c["id"] for c in config["components"] if c["type"] == "state"}
        self.events = {d["id"]: d for d in config["dependencies"]}
        self.by_target: dict[tuple, list[dict]] = {}
        for event in config["dependencies"]:
            for component, kind in event["targets"]:
                name = self.names.get(component) if kind != "load" else None
                self.by_target.setdefault((name, kind), []).append(event)

    def event(self, name: str | None, kind: str) -> dict:
        """The event of a component by its `elem_id`; of the page's own loading where it is None."""
        found = self.by_target.get((name, kind))
        if not found:
            raise LookupError(f"The page has no event {kind} on #{name}.")
        return found[0]

    def following(self, number: int) -> list[dict]:
        """The events that the browser starts after this one."""
        return [e for e in self.events.values() if e.get("trigger_after") == number and e.get("backend_fn", True)]


class Tab:
    """One visitor's tab: a session of its own, its fields, and the stream on which answers of the queue arrive."""

    def __init__(
        self, http: httpx.AsyncClient, config: Config, session_hash: str | None = None, address: str = "",
    ):  # fmt: skip
        self.http, self.config = http, config
        self.session_hash = session_hash or secrets.token_hex(6)
        self.fields = dict(config.start)
        self.seen: list[str] = []
        self._waiting: dict[str, asyncio.Future] = {}
        self._early: dict[str, str] = {}
        self._stream: asyncio.Task | None = None
        self._heartbeat: asyncio.Task | None = None
        self.headers = {
            "origin": str(http.base_url).rstrip("/"), "referer": str(http.base_url), "x-gradio-user": "app",
            **forwarded(address),
        }  # fmt: skip

    async def open(self) -> list[Answer]:
        """Load the page and do what it does by itself; the answers of its loading events and what follows them."""
        page = await self.http.get("/", headers=self.headers)
        page.raise_for_status()
        for kept in page.headers.get_list("set-cookie"):
            self.headers["cookie"] = "; ".join(filter(None, [self.headers.get("cookie"), kept.split(";")[0]]))
        self.beat()
        return [answer for event in self.config.by_target.get((None, "load"), ()) for answer in
                await self.chain(event, trigger=None)]

    def beat(self) -> None:
        """Hold the connection by which the server knows that the page is open."""
        self._heartbeat = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """Close the tab: its streams end as when a browser goes away."""
        for task in (self._heartbeat, self._stream):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def set(self, name: str, value) -> None:
        """Type into the field with this `elem_id`."""
        (number,) = (i for i, n in self.config.names.items() if n == name)
        self.fields[number] = value

    async def upload(self, data: bytes, name: str) -> dict:
        """Send a file as the page's upload button does; what stands for it in later requests."""
        answer = await self.http.post(
            f"{self.config.prefix}/upload", files={"files": (name, data, "image/png")}, headers=self.headers,
            timeout=PATIENCE,
        )  # fmt: skip
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": name, "size": len(data), "meta": {"_type": "gradio.FileData"}}

    async def chain(self, event: dict, data=None, trigger: int | None = -1, **values) -> list[Answer]:
        """An event and those that follow it, one after the other."""
        answers = [await self.send(event, data, trigger, **values)]
        for after in self.config.following(event["id"]):
            answers += await self.chain(after, trigger=trigger)
        return answers

    async def send(self, event: dict, data=None, trigger: int | None = -1, **values) -> Answer:
        """One event of the page with the fields as they are now, and its answer.

        Args:
            event: of `Config.event`.
            data: the event's own data, as the canvas sends it.
            trigger: id of the component that was used; -1 takes the event's target.
            values: what fields hold instead, by `elem_id` with _ for -.
        """
        names, held = self.config.names, {k.replace("_", "-"): v for k, v in values.items()}
        row = [None if i in self.config.states else held.get(names[i], self.fields[i]) for i in event["inputs"]]
        body = {
            "data": row, "event_data": data, "fn_index": event["id"],
            "trigger_id": event["targets"][0][0] if trigger == -1 and event["targets"] else trigger,
            "session_hash": self.session_hash,
        }  # fmt: skip
        start = time.perf_counter()
        try:
            text = await asyncio.wait_for((self._queued if event["queue"] else self._direct)(body), PATIENCE)
        except _Told as told:
            outcome, sentence = told.args
            return Answer(outcome, sentence, time.perf_counter() - start)
        except (TimeoutError, httpx.HTTPError) as error:
            return Answer("error", f"{type(error).__name__} {error}"[:160], time.perf_counter() - start)
        return self._read(event, text, time.perf_counter() - start)

    async def _direct(self, body: dict) -> str:
        answer = await self.http.post(
            f"{self.config.prefix}/run/predict", json=body, headers=self.headers, timeout=PATIENCE
        )
        if answer.status_code != 200:
            raise _Told(*_refusal(answer.status_code, answer.text))
        return answer.text

    async def _queued(self, body: dict) -> str:
        answer = await self.http.post(
            f"{self.config.prefix}/queue/join", json=body, headers=self.headers, timeout=PATIENCE
        )
        if answer.status_code != 200:
            raise _Told(*_refusal(answer.status_code, answer.text))
        number = answer.json()["event_id"]
        early = self._early.pop(number, None)
        if early is not None:
            return early
        self._waiting[number] = asyncio.get_running_loop().create_future()
        if self._stream is None or self._stream.done():
            self._stream = asyncio.create_task(self._listen())
        try:
            return await self._waiting[number]
        finally:
            self._waiting.pop(number, None)

    async def _listen(self) -> None:
        """Read the session's stream while an answer is outstanding; only whole answers are parsed."""
        try:
            while self._waiting:
                await self._read_stream()
        except httpx.HTTPError as error:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)

    async def _read_stream(self) -> None:
        address, params = f"{self.config.prefix}/queue/data", {"session_hash": self.session_hash}
        timeout = httpx.Timeout(PATIENCE, read=60)
        async with self.http.stream("GET", address, params=params, headers=self.headers, timeout=timeout) as stream:
            async for line in stream.aiter_lines():
                head = line[:60]
                if "process_completed" in head:
                    number = json.loads(line[6:])["event_id"]
                    future = self._waiting.get(number)
                    if future is None:
                        self._early[number] = line[6:]
                    elif not future.done():
                        future.set_result(line[6:])
                elif "unexpected_error" in head:
                    await asyncio.sleep(0.05)
                    raise httpx.ReadError(line[6:200])
                elif "close_stream" in head:
                    return

    async def _beat(self) -> None:
        address = f"{self.config.prefix}/heartbeat/{self.session_hash}"
        timeout = httpx.Timeout(30, read=None)
        with contextlib.suppress(httpx.HTTPError):  # the server has ended
            async with self.http.stream("GET", address, headers=self.headers, timeout=timeout) as stream:
                async for _ in stream.aiter_raw():
                    pass

    def _read(self, event: dict, text: str, seconds: float) -> Answer:
        """Outputs into fields, and what the status line says."""
        told = json.loads(text)
        if "output" in told:
            success, told = told["success"], told["output"]
            if not success:
                error = told.get("error")
                return Answer("refused" if error else "error", str(error or "no reason was given"), seconds, text)
        values = {}
        for number, value in zip(event["outputs"], told["data"], strict=True):
            update = isinstance(value, dict) and value.get("__type__") == "update"
            if update and "value" not in value or number in self.config.states:
                continue
            values[self.config.names[number]] = self.fields[number] = value["value"] if update else value
        kind, line = _STATUS.search(str(values.get("status") or "")) or (None, "ok", ""), ""
        kind, line = (kind[1], re.sub("<[^>]+>", "", kind[2]))
        return Answer("refused" if kind in ("error", "stopped") else "ok", line, seconds, text, values)


class _Told(Exception):
    """Outcome and sentence of an answer that is no 200."""


class Api:
    """A program that calls the named endpoints over plain HTTP."""

    def __init__(self, http: httpx.AsyncClient, config: Config, address: str = ""):
        self.http, self.config, self.headers = http, config, forwarded(address)

    async def upload(self, data: bytes, name: str, kind: str = "image/png") -> dict:
        """Send a file; what stands for it in calls."""
        answer = await self.http.post(f"{self.config.prefix}/upload", files={"files": (name, data, kind)},
                                      headers=self.headers, timeout=PATIENCE)  # fmt: skip
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    async def call(self, endpoint: str, **arguments) -> Answer:
        """Call an endpoint by name and wait for its answer."""
        start = time.perf_counter()
        try:
            kind, text = await asyncio.wait_for(self._call(endpoint, arguments), PATIENCE)
        except _Told as told:
            return Answer(*told.args, time.perf_counter() - start)
        except (TimeoutError, httpx.HTTPError) as error:
            return Answer("error", f"{type(error).__name__} {error}"[:160], time.perf_counter() - start)
        seconds, data = time.perf_counter() - start, json.loads(text)
        if kind == "complete":
            return Answer("ok", "", seconds, text, data)
        told = data.get("error") if isinstance(data, dict) else data
        return Answer("refused" if told else "error", str(told or "no reason was given"), seconds, text)

    async def begin(self, endpoint: str, arguments: dict) -> str:
        """Put a call in the queue; its number.

        Raises:
            _Told: it was not taken.
        """
        answer = await self.http.post(
            f"{self.config.prefix}/call/v2/{endpoint}", json=arguments, headers=self.headers, timeout=PATIENCE
        )
        if answer.status_code != 200:
            raise _Told(*_refusal(answer.status_code, answer.text))
        return answer.json()["event_id"]

    async def _call(self, endpoint: str, arguments: dict) -> tuple[str, str]:
        number = await self.begin(endpoint, arguments)
        address, kind = f"{self.config.prefix}/call/v2/{endpoint}/{number}", ""
        timeout = httpx.Timeout(PATIENCE, read=60)
        async with self.http.stream("GET", address, headers=self.headers, timeout=timeout) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: ") and kind in ("complete", "error"):
                    return kind, line[6:]
        raise httpx.ReadError("the stream ended without an answer")
