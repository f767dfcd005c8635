"""Signals end the server in order: what is unsaved is saved, uploads go, no abort and no traceback."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from app import folders
from app.session_store import SessionStore
from benchmarks.load.client import Config, Tab
from benchmarks.load.server import start

from .test_sessions_kept import pixels_of

ROOT = Path(__file__).resolve().parents[2]
#: A server without a page, whose models are busy, and in which a step was made a moment before the signal.
BUSY = """
import os, signal, sys, threading, torch
from app import endings, folders, keeper
from tests.app.test_sessions_kept import work
folders.prepare()
endings.install()
keeper.start()

def busy():
    a = torch.rand(800, 800)
    while True:
        a = (a @ a).softmax(-1)

for _ in range(3):
    threading.Thread(target=busy, daemon=True).start()
(folders.current().cache / "upload.jpg").write_bytes(b"x")
session = work(keeper.store().session("me"))
print(session.token, flush=True)
threading.Timer(0.02, os.kill, (os.getpid(), int(sys.argv[1]))).start()
code = endings.wait()
endings.finish(code, keeper.end, lambda seconds: folders.leave())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_busy_saves_and_leaves_no_file(number, tmp_path):
    environment = {**os.environ, folders.VARIABLE: str(tmp_path / "base"), "NAMEBRUSH_MEMORY": "64GB"}
    done = subprocess.run(
        [sys.executable, "-c", BUSY, str(int(number))], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr and "terminate" not in done.stderr
    assert list((tmp_path / "base").glob("run-*")) == []
    back = SessionStore(tmp_path / "base" / "visitors").restore("again", done.stdout.strip())
    assert len(pixels_of(back.history)) == 3


def test_a_served_page_ends_in_order(tmp_path):
    """From the command line as a person starts it; the models are still being warmed up."""
    environment = {
        **os.environ, folders.VARIABLE: str(tmp_path / "base"), "PORT": "0", "HOME": str(tmp_path),
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    environment.pop("PORT")
    with subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    ) as server:  # fmt: skip
        try:
            for line in server.stdout:
                if "Running on" in line or "running on" in line:
                    break
            server.send_signal(signal.SIGTERM)
            rest = server.stdout.read()
            assert server.wait(60) == 143, rest
        finally:
            server.kill()
    assert "Traceback" not in rest and list((tmp_path / "base").glob("run-*")) == []


async def _work_and_kill(home: Path) -> tuple[str, str]:
    """Open a photo, kill the server in the middle of the next request; the token and the photo's own line."""
    data = cv2.imencode(".png", np.random.default_rng(5).integers(0, 255, (120, 160, 3), np.uint8))[1].tobytes()
    server = start(ROOT, home, **{folders.VARIABLE: str(home / "state")})
    try:
        server.wait()
        async with httpx.AsyncClient(base_url=server.address) as http:
            tab = Tab(http, Config((await http.get("/config")).json()))
            await tab.open()
            file = await tab.upload(data, "mine.png")
            (opened, *_) = await tab.chain(tab.config.event("open", "upload"), open=file)
            assert opened.outcome == "ok" and "mine.png" in opened.sentence, opened
            scene = opened.values["canvas"]
            for _ in range(100):
                if list((home / "state" / "visitors").glob("*/page.json")):
                    break
                await asyncio.sleep(0.1)
            server.process.kill()
            await tab.close()
            return scene["token"], opened.sentence
    finally:
        server.process.kill()
        server.process.wait()


async def _come_back(home: Path, token: str) -> dict:
    server = start(ROOT, home, **{folders.VARIABLE: str(home / "state")})
    try:
        server.wait()
        async with httpx.AsyncClient(base_url=server.address) as http:
            tab = Tab(http, Config((await http.get("/config")).json()))
            offered = await tab.send(tab.config.event("restore", "ask"), {"token": token})
            wrong = await tab.send(tab.config.event("restore", "ask"), {"token": token[:-1]})
            assert offered.values["restore"] == {"state": "yes"} and wrong.values["restore"] == {"state": "no"}
            back = await tab.send(tab.config.event("restore", "restore"), {"token": token})
            again = await tab.send(tab.config.event("undo", "click"))
            assert server.stop() == 143
            return {"sentence": back.sentence, "scene": back.values["canvas"], "after": again.sentence}
    finally:
        server.process.kill()
        server.process.wait()


def test_a_killed_servers_visitor_finds_every_saved_step_again(tmp_path):
    token, line = asyncio.run(_work_and_kill(tmp_path))
    assert len(list((tmp_path / "state").glob("run-*"))) == 1  # the kill left its files
    back = asyncio.run(_come_back(tmp_path, token))
    assert back["sentence"].startswith("Everything is back") and back["scene"]["token"] == token
    assert (back["scene"]["photo"]["width"], back["scene"]["photo"]["height"]) == (160, 120)
    assert back["after"] and list((tmp_path / "state").glob("run-*")) == [] and line
