"""What whoever runs the page decides: flags of `python app.py`, and environment variables where flags cannot be given.

A wrong value ends the program with status 2 and one line. Importing this imports no model library and builds nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import ipaddress
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pipeline.models.catalog import PRESETS

from . import limits

LOOPBACK = "127.0.0.1"
#: Read where a flag is not given; the Space's own variables are `SPACE_ID` and `SPACE_HOST`.
VARIABLES = {
    "host": "GRADIO_SERVER_NAME", "port": "PORT", "preset": "NAMEBRUSH_PRESET",
    "allow_presets": "NAMEBRUSH_ALLOW_PRESETS", "allow_models": "NAMEBRUSH_ALLOW_MODELS",
    "trusted_host": "NAMEBRUSH_TRUSTED_HOSTS", "root_path": "NAMEBRUSH_ROOT_PATH", "auth": "NAMEBRUSH_AUTH",
    "mcp": "NAMEBRUSH_MCP", "state_dir": "NAMEBRUSH_STATE", "memory": "NAMEBRUSH_MEMORY",
}  # fmt: skip
_HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:]+\]?")
_YES = {"": False, "0": False, "no": False, "false": False, "1": True, "yes": True, "true": True}


@dataclass(frozen=True)
class Flags:
    """How the page is served.

    Attributes:
        host: the address it is bound to.
        port: None takes the first free one from 7860.
        preset: the models it starts with.
        presets: those visitors may switch to and compare with.
        models: visitors may name models of the hub and files of this machine too.
        trusted_hosts: names, beside those of this machine, by which the page is reached; "*": any.
        root_path: where it lies behind a proxy that passes it on, such as "/namebrush" or a whole address; "" at "/".
        auth: pairs of user and password; empty: whoever reaches the page may use it.
        mcp: the endpoints are offered as tools too.
        hosted: it is a Space.
        state_dir: where files of the server lie, see `folders`; "" in the system's folder for temporary files.
        memory: bytes of memory that may be used; None: the machine's or its container's.
    """

    host: str = LOOPBACK
    port: int | None = None
    preset: str = "tiny"
    presets: tuple[str, ...] = tuple(PRESETS)
    models: bool = False
    trusted_hosts: tuple[str, ...] = ()
    root_path: str = ""
    auth: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    mcp: bool = False
    hosted: bool = False
    state_dir: str = ""
    memory: int | None = None

    @property
    def private(self) -> bool:
        """Whether nobody but this machine's own people reach the page."""
        return is_loopback(self.host) and not self.hosted and not self.trusted_hosts


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, which no other machine reaches."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _refuse(message[:1].upper() + message[1:].rstrip(".") + ".")


def _refuse(line: str) -> NoReturn:
    sys.stderr.write(" ".join(line.split())[:300] + "\n")
    raise SystemExit(2)


def _parser() -> _Parser:
    parser = _Parser(
        prog="app.py", description="Serves the page.", allow_abbrev=False,
        epilog="Each can be an environment variable: " + ", ".join(VARIABLES.values()) + ".",
    )
    add = parser.add_argument
    add("--host", metavar="ADDRESS", help=f"address to bind to [{LOOPBACK}]; 0.0.0.0 for every one of the machine's")
    add("--port", metavar="N", help="the first free one from 7860 if left out")
    add("--preset", metavar="NAME", help=f"models to start with, of {', '.join(PRESETS)} [tiny]")
    add("--allow-presets", metavar="NAMES", help="models visitors may use, with commas between; on this machine "
        "alone all, else those it starts with and base, if left out")
    add("--allow-models", action="store_const", const="1", help="visitors may name models of the hub and files of "
        "this machine, too; for a page of your own")
    add("--trusted-host", metavar="NAME", action="append", help="a name by which the page is reached, beside this "
        "machine's own; may be given several times")
    add("--root-path", metavar="PATH", help="where the page lies behind a proxy, such as /namebrush")
    add("--auth", metavar="USER:PASSWORD", help="who may use it, or @FILE with one such line for each")
    add("--mcp", action="store_const", const="1", help="offer the endpoints as tools for assistants")
    add("--state-dir", metavar="FOLDER", help="where visitors' steps and all other files lie while they are needed")
    add("--memory", metavar="AMOUNT", help="how much memory may be used, such as 4GB; the machine's or its "
        "container's if left out")
    return parser


def parse(argv: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Flags:
    """The flags, else the variables, else the defaults.

    Args:
        argv: as of the command line, without the program's name.
        environ: None: this process's.

    Raises:
        SystemExit: 2 after one line on standard error, for a value that is wrong.
    """
    environ = os.environ if environ is None else environ
    given = vars(_parser().parse_args(list(argv)))

    def value(name: str) -> str:
        flag = given[name]
        return (environ.get(VARIABLES[name], "") if flag is None else flag).strip()

    hosted = bool(environ.get("SPACE_ID"))
    host, preset = value("host") or LOOPBACK, value("preset") or "tiny"
    _known(preset, "preset")
    named = given["trusted_host"]
    trusted = tuple(_split(value("trusted_host")) if named is None else named)
    for name in trusted:
        if not _HOST.fullmatch(name):
            _refuse(f"--trusted-host must be a host's name without address or port, got {name!r}.")
    if not _HOST.fullmatch(host) or "*" in host:
        _refuse(f"--host must be an address of this machine, got {host!r}.")
    alone = is_loopback(host) and not hosted and not trusted
    offered = _split(value("allow_presets")) or (list(PRESETS) if alone else ["base"])
    for name in offered:
        _known(name, "allow-presets")
    return Flags(
        host, _port(value("port")), preset, tuple(p for p in PRESETS if p in (preset, *offered)),
        _switch(value("allow_models"), "allow_models"), trusted, _root(value("root_path")), _auth(value("auth")),
        _mcp(value("mcp")), hosted, value("state_dir"), _memory(value("memory")),
    )  # fmt: skip


def _memory(text: str) -> int | None:
    try:
        return limits.parse_bytes(text) if text else None
    except ValueError as error:
        _refuse(f"--memory: {error}.")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _known(preset: str, flag: str) -> None:
    if preset not in PRESETS:
        _refuse(f"--{flag} must be of {', '.join(PRESETS)}, got {preset!r}.")


def _port(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or not 0 < int(text) < 65536:
        _refuse(f"PORT must be a number between 1 and 65535, got {text!r}.")
    return int(text)


def _switch(text: str, name: str) -> bool:
    if text.lower() not in _YES:
        _refuse(f"{VARIABLES[name]} must be 1 or 0, got {text!r}.")
    return _YES[text.lower()]


def _root(text: str) -> str:
    path = re.fullmatch(r"(https?://[^/\s?#\"'<>]+)?(/[^\s?#\"'<>]*)?", text)
    if path is None:
        _refuse(f"--root-path must be a path such as /namebrush, or a whole address, got {text!r}.")
    return text.rstrip("/")


def _auth(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of a `user:password`, or of a file's lines for `@FILE`; no message quotes a password."""
    if not text:
        return ()
    lines = [text]
    if text.startswith("@"):
        try:
            lines = Path(text[1:]).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError, RuntimeError):
            _refuse(f"--auth cannot read the file {text[1:]}.")
    pairs = [line.strip().partition(":") for line in lines if line.strip()]
    if not pairs or any(not user or not password for user, _, password in pairs):
        _refuse("--auth must be user:password, or @FILE with one such line for each.")
    return tuple((user, password) for user, _, password in pairs)


def _mcp(text: str) -> bool:
    asked = _switch(text, "mcp")
    if asked and importlib.util.find_spec("mcp") is None:
        _refuse('NAMEBRUSH_MCP=1 needs one more package: pip install "gradio[mcp]".')
    found = importlib.metadata.version("mcp") if asked else "1.21"
    if not (1, 21) <= tuple(map(int, found.split(".")[:2])) < (2,):  # with 2 Gradio drops the tools and says nothing
        _refuse(f'NAMEBRUSH_MCP=1 needs mcp 1.21 or later, below 2; {found} is installed: pip install "gradio[mcp]".')
    return asked
