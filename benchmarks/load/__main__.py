"""Many visitors at once: `python -m benchmarks.load --visitors 50 --seconds 120 --out load.json --picture memory.png`.

Half of the visitors use the page's own events, as the browser sends them, half call the endpoints. Each has photos of
its own; every answer is checked for another visitor's content. Without `--url` the page is served for the measurement,
on the loopback address, and stopped after it.

    python -m benchmarks.load --before COMMIT                 this state and another one with the same visitors
    python -m benchmarks.load --against load.json             beside an earlier result
    python -m benchmarks.load --greedy flood                  with and without one visitor who takes more than a share
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from . import photos, server, table
from .client import Config
from .greedy import KINDS, Greedy
from .visitors import Crowd, Log, Person, Program

#: Photos each visitor has, visitors at most, and seconds at most.
PHOTOS, MOST_VISITORS, MOST_SECONDS = 2, 200, 1800
#: Seconds that answers still outstanding at the end are waited for.
GRACE = 100
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def draw_all(visitors: int, seed: int) -> list[list[photos.Drawn]]:
    """Every visitor's photos."""
    asked = [(v, n, seed) for v in range(visitors) for n in range(PHOTOS)]
    with ProcessPoolExecutor(2) as pool:
        drawn = list(pool.map(photos.draw, *zip(*asked, strict=True), chunksize=8))
    return [drawn[i : i + PHOTOS] for i in range(0, len(drawn), PHOTOS)]


async def measure(address: str, pid: int | None, drawn: list, args: argparse.Namespace, title: str, greedy: str = ""):
    """Let all visitors live for the given seconds; the result as plain numbers."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60, trust_env=False) as http:
        config = Config((await http.get("/config")).raise_for_status().json())
        begin = time.monotonic()
        log = Log(begin + args.seconds)
        crowd = Crowd(http, config, log, len(drawn))
        people = [(Person if i % 2 else Program)(crowd, i, mine, args.seed) for i, mine in enumerate(drawn)]
        if greedy:
            people[-1] = Greedy(greedy, crowd, drawn[-1][0])
        watching = asyncio.create_task(server.watch(pid)) if pid else None
        cpu, busy = server.usage(pid)[1] if pid else 0.0, server.machine_seconds()
        own = resource.getrusage(resource.RUSAGE_SELF)
        living = [asyncio.create_task(one.live()) for one in people]
        _, late = await asyncio.wait(living, timeout=args.seconds + GRACE)
        for task in late:
            task.cancel()
        broken = [r for r in await asyncio.gather(*living, return_exceptions=True) if isinstance(r, Exception)]
        log.finish()
        memory = []
        if watching:
            watching.cancel()
            memory = await watching
    for error in broken[:3]:
        print(f"A visitor broke: {error!r}", file=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_SELF)
    left_out = len(drawn) - 1 if args.greedy else None
    return {
        "title": title, "visitors": len(drawn), "seconds": args.seconds, "seed": args.seed, "greedy": greedy,
        **table.summary(log.rows, begin, args.seconds, left_out), "mixed": log.mixed,
        "greedy_actions": table.summary([r for r in log.rows if r[0].startswith("greedy")], begin,
                                        args.seconds)["actions"],
        "sentences": log.sentences.most_common(40), "broken": len(broken), "late": len(late), "memory": memory,
        "server_cpu": server.usage(pid)[1] - cpu if pid else 0.0,
        "machine_cpu": server.machine_seconds() - busy,
        "client_cpu": after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime,
    }  # fmt: skip


def run(checkout: Path, drawn: list, args: argparse.Namespace, title: str, greedy: str = "") -> dict:
    """Serve a checkout, measure, stop it; prints the table."""
    with ExitStack() as stack:
        variables = {}
        if args.greedy == "preset":  # a hub that takes connections and never answers
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
            variables["HF_ENDPOINT"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        page = stack.enter_context(server.served(checkout, **variables))
        time.sleep(args.warm)
        result = asyncio.run(measure(page.address, page.process.pid, drawn, args, title, greedy))
        result["alive"] = page.process.poll() is None
        result["tracebacks"] = page.log.count("Traceback (most recent call last)")
        if result["tracebacks"] or not result["alive"]:
            print(f"The server's log, with {result['tracebacks']} tracebacks:\n{page.log[-3000:]}", file=sys.stderr)
    print(table.text(result), flush=True)
    return result


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n", 1)[1],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--warm", type=float, default=12, help="seconds between the page's first answer and visitors")
    parser.add_argument("--url", help="a page that runs already, on the loopback address")
    parser.add_argument("--state", help="a commit or a folder to measure in place of this one")
    parser.add_argument("--before", metavar="STATE", help="a commit or a folder to measure first")
    parser.add_argument("--against", metavar="FILE.json", help="an earlier result to compare with")
    parser.add_argument("--greedy", choices=KINDS, help="measure without and with one such visitor")
    parser.add_argument("--greedy-only", action="store_true", help="only with it")
    parser.add_argument("--title", default="this state")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--picture", type=Path, metavar="FILE.png")
    args = parser.parse_args()
    if not 2 <= args.visitors <= MOST_VISITORS or not 1 <= args.seconds <= MOST_SECONDS:
        parser.error(f"2 to {MOST_VISITORS} visitors for 1 to {MOST_SECONDS} seconds")
    if args.url and httpx.URL(args.url).host not in LOOPBACK:
        parser.error("only a page on the loopback address is loaded")
    return args


def main() -> None:
    """Measure, print, write."""
    args = arguments()
    drawn = draw_all(args.visitors, args.seed)
    results = [json.loads(Path(args.against).read_text())["results"][-1]] if args.against else []
    if args.url:
        results.append(asyncio.run(measure(args.url, None, drawn, args, args.title, args.greedy or "")))
        print(table.text(results[-1]))
    else:
        if args.before:
            with server.checkout_of(args.before) as folder:
                results.append(run(folder, drawn, args, "before"))
        with server.checkout_of(args.state or str(server.ROOT)) as folder:
            if not (args.greedy and args.greedy_only):
                results.append(run(folder, drawn, args, args.title))
            if args.greedy:
                results.append(run(folder, drawn, args, f"with {args.greedy}", args.greedy))
    if len(results) > 1:
        print(table.beside(results[-2], results[-1]))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps({"results": results}, indent=1) + "\n", encoding="utf-8")
    if args.picture:
        table.picture(results, args.picture)
    if any(r["mixed"] for r in results):
        raise SystemExit("Answers were mixed up.")


if __name__ == "__main__":
    main()
