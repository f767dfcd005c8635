"""Damaged inputs through every door, a few of each; and that the fuzzer itself would see what is bad."""

import json
import os
import random
import signal
import subprocess
import sys
from multiprocessing.connection import wait

import pytest

from benchmarks.fuzz.__main__ import Tally, Worker, _heard, cases
from benchmarks.fuzz.doors import DOORS, REFUSED, SERVED, case_of
from benchmarks.fuzz.mutate import damaged_json
from benchmarks.fuzz.worker import Ending, one

#: Cases of each door; opening in another process and building scenes take longest.
COUNTS = {"pictures": 30, "sessions": 40, "rle": 400, "options": 80, "events": 80}


@pytest.mark.parametrize("door", DOORS)
def test_damaged_inputs_are_served_or_refused(door, tmp_path):
    outcomes = set()
    for index in range(COUNTS[door]):
        data = case_of(door, 11, index)
        assert data == case_of(door, 11, index), "a number is one case"
        ending = one(door, data, tmp_path)
        assert ending.outcome in (SERVED, REFUSED), f"{ending.what}\n{data[:300]!r}"
        outcomes.add(ending.outcome)
    assert outcomes == {SERVED, REFUSED}


@pytest.mark.parametrize("door", ["pictures", "sessions", "rle"])
def test_what_is_not_damaged_is_served(door, tmp_path):
    assert [DOORS[door].serve(data, tmp_path) for data in DOORS[door].good()] == [SERVED] * len(DOORS[door].good())


def test_what_is_bad_is_seen_kept_and_counted(tmp_path, monkeypatch):
    def broken(data, folder):
        raise KeyError("inside")

    monkeypatch.setitem(DOORS, "rle", DOORS["rle"].__class__(2, DOORS["rle"].good, DOORS["rle"].make, broken))
    ending = one("rle", b"[]", tmp_path)
    assert ending.outcome == "traceback" and "KeyError: 'inside'" in ending.what
    tally = Tally(["rle"], 0, tmp_path / "bad")
    tally.add(("rle", 0), Ending(SERVED, 0.1, 1))
    tally.add(("rle", 1), ending)
    tally.add(("rle", 2), Ending(REFUSED, 5.5, 1))
    tally.add(("rle", 3), Ending(SERVED, 0.1, 601))
    assert tally.faults() == 3 and "4 cases, 3 faults" in tally.table()
    assert sorted(path.name for path in (tmp_path / "bad").iterdir()) == ["rle-0-1.bin", "rle-0-2.bin", "rle-0-3.bin"]
    assert (tmp_path / "bad" / "rle-0-1.bin").read_bytes() == case_of("rle", 0, 1)


def test_a_process_that_dies_is_a_crash_and_is_replaced(tmp_path):
    tally, worker = Tally(["rle"], 0, tmp_path / "bad"), Worker(["rle"], 0)
    try:
        while not _heard(worker, tally):
            wait([worker.pipe, worker.process.sentinel], 60)
        os.kill(worker.process.pid, signal.SIGSTOP)  # so that it cannot answer before it is killed
        worker.give(("rle", 5))
        os.kill(worker.process.pid, signal.SIGSEGV)
        os.kill(worker.process.pid, signal.SIGCONT)
        died = worker.process
        died.join(60)
        assert not _heard(worker, tally)
        assert tally.counts["rle"]["crash"] == 1 and "signal 11" in tally.bad[0][1]
        while not _heard(worker, tally):
            wait([worker.pipe, worker.process.sentinel], 60)
        worker.give(("rle", 6))
        while not _heard(worker, tally):
            wait([worker.pipe, worker.process.sentinel], 60)
        assert worker.process is not died and tally.counts["rle"][SERVED] + tally.counts["rle"][REFUSED] == 1
    finally:
        worker.stop()


def test_the_command_counts_and_its_status_says_whether_all_is_well(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fuzz"]
    done = subprocess.run([*command, "--cases", "40", "--doors", "rle", "--jobs", "1", "--out", str(tmp_path)],
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0 and "40 cases, 0 faults" in done.stdout, done.stderr
    case = tmp_path / "case.bin"
    case.write_bytes(b"no JSON")
    done = subprocess.run([*command, "--replay", "rle", str(case)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "JSONDecodeError" in done.stdout


def test_doors_get_their_shares():
    counted = {door: 0 for door in DOORS}
    numbers = set()
    for case, _ in zip(cases(list(DOORS), 0), range(40), strict=False):
        counted[case[0]] += 1
        numbers.add(case)
    assert counted == {door: 2 * known.share for door, known in DOORS.items()} and len(numbers) == 40


def test_json_is_damaged_in_a_copy():
    value = {"a": [1, 2, {"b": "text"}], "c": None}
    before, seen = json.dumps(value), set()
    for number in range(300):
        seen.add(json.dumps(damaged_json(random.Random(number), value)))
    assert json.dumps(value) == before and len(seen) > 150
