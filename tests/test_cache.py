import threading
import time

import numpy as np
import pytest

from pipeline.cache import ENTRY_BYTES, ByteCache, nbytes_of
from pipeline.device import device_lock, on_device
from pipeline.errors import Cancelled
from pipeline.progress import Progress
from pipeline.records import Encoded, FeatureMap


def block(kilobytes):
    return np.zeros(kilobytes * 1000, np.uint8)


def test_drops_what_was_not_used_longest():
    cache = ByteCache(3 * (1000 + ENTRY_BYTES))
    for name in "abc":
        cache.put(name, block(1))
    assert cache.get("a") is not None
    cache.put("d", block(1))
    assert [cache.get(n) is not None for n in "abcd"] == [True, False, True, True]
    assert cache.nbytes <= cache.max_bytes


def test_value_larger_than_the_bound_is_handed_out_but_not_kept():
    cache = ByteCache(2000)
    cache.put("small", block(1))
    assert cache.get_or_make("large", lambda: block(5)).nbytes == 5000
    assert cache.get("large") is None and cache.get("small") is not None


def test_putting_again_replaces_and_counts_once():
    cache = ByteCache(10_000)
    cache.put("a", block(1))
    cache.put("a", block(2))
    assert len(cache) == 1 and cache.nbytes == 2000 + ENTRY_BYTES


def test_many_empty_values_are_bounded_too():
    cache = ByteCache(10 * ENTRY_BYTES)
    for i in range(100):
        cache.put(i, ())
    assert len(cache) == 10


def test_bytes_of_records():
    maps = (FeatureMap(np.zeros((2, 3, 4), np.float32), (0, 0, 4, 3)),)
    encoded = Encoded(maps, (3, 4), "h", "tiny", "clip")
    assert nbytes_of(encoded) == nbytes_of([{"a": encoded}]) == 96


def test_two_threads_make_once():
    cache, made, results = ByteCache(10_000), [], []
    started = threading.Barrier(4)

    def make():
        made.append(1)
        time.sleep(0.05)
        return block(1)

    def ask():
        started.wait()
        results.append(cache.get_or_make("k", make))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(made) == 1 and all(r is results[0] for r in results)
    assert (cache.hits, cache.misses) == (3, 1)


def test_a_failed_making_is_not_kept_and_the_next_makes_it():
    cache = ByteCache(10_000)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("k", lambda: 1 / 0)
    assert cache.get_or_make("k", lambda: (7,)) == (7,)


def test_who_waits_for_another_may_stop_waiting():
    cache, inside, release = ByteCache(10_000), threading.Event(), threading.Event()

    def slow():
        inside.set()
        release.wait(5)
        return (1,)

    def stop():
        raise Cancelled

    thread = threading.Thread(target=cache.get_or_make, args=("k", slow))
    thread.start()
    inside.wait(5)
    with pytest.raises(Cancelled):
        cache.get_or_make("k", lambda: (2,), waiting=stop)
    release.set()
    thread.join()
    assert cache.get("k") == (1,)


def test_one_lock_per_device():
    assert device_lock("cuda") is device_lock("cuda:0")
    assert device_lock("cuda:0") is not device_lock("cuda:1")
    assert device_lock("cpu") is not device_lock("cuda")


def test_waiting_for_a_device_is_told_and_can_be_cancelled():
    told = []

    def report(message, share=None):
        told.append(message)
        raise Cancelled

    def wait():
        with pytest.raises(Cancelled), on_device("cpu:9", Progress(report)):
            told.append("entered")

    with on_device("cpu:9", Progress()):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(5)
    assert told == ["Waiting for another job to finish"]
