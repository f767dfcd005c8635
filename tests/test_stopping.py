"""Work stops within a moment wherever it is: every kind asks often, however deep inside."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from pipeline import device
from pipeline.cache import ByteCache
from pipeline.dense.dino_features import dino_features
from pipeline.edit.exemplar import fill
from pipeline.errors import Cancelled
from pipeline.models.loaders import load_models, with_checkpoints
from pipeline.progress import Progress, checkpoint, running
from pipeline.refine.crf import dense_crf
from pipeline.refine.pamr import pamr


class Looks:
    """Counts looks and stops the work at one of them."""

    def __init__(self, stop_at=None):
        self.count, self.stop_at = 0, stop_at

    def __call__(self):
        self.count += 1
        if self.count == self.stop_at:
            raise Cancelled


def _picture(height=96, width=128):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _fill():
    hole = np.zeros((96, 128), bool)
    hole[30:60, 40:80] = True
    fill(_picture(), hole)


def _crf():
    maps = np.full((3, 96, 128), 1 / 3, np.float32)
    dense_crf(_picture(), maps, 4, (1.0, 3.0), (1.0, 60.0, 10.0), Progress())


def _pamr():
    image = torch.from_numpy(_picture()).permute(2, 0, 1).float() / 255
    pamr(image, torch.rand(3, 96, 128), 3)


@pytest.mark.parametrize("work, least", [(_fill, 150), (_crf, 12), (_pamr, 60)])
def test_it_asks_often_and_stops_where_it_is_told(work, least):
    looks = Looks()
    with running(looks):
        work()
    assert looks.count >= least
    for at in (1, looks.count // 2, looks.count):
        with running(Looks(at)), pytest.raises(Cancelled):
            work()
    work()  # outside a job nothing is asked


def test_every_layer_of_a_model_asks():
    models = load_models("tiny")
    clip, encoder = models.clip, models.sam.sam.image_encoder
    blank = torch.zeros(1, 3, encoder.img_size, encoder.img_size)
    for module, run in (
        (clip.model, lambda: clip.model.encode_text(clip.tokenizer(["a dog"]))),
        (models.sam.sam, lambda: encoder(blank)),
    ):
        looks = Looks()
        with torch.no_grad(), running(looks):
            run()
        assert looks.count >= 2
        with torch.no_grad(), running(Looks(2)), pytest.raises(Cancelled):
            run()
        before = sum(len(m._forward_pre_hooks) for m in module.modules())
        with_checkpoints(module)
        assert sum(len(m._forward_pre_hooks) for m in module.modules()) == before, "asked twice"


def test_a_list_with_places_left_empty_asks_in_the_others():
    layers = torch.nn.ModuleList([None, torch.nn.Identity(), None])
    with_checkpoints(layers)
    with running(Looks(1)), pytest.raises(Cancelled):
        layers[1](torch.zeros(1))


def test_the_built_in_inpainting_model_is_loaded_and_asks():
    painter = load_models("tiny").inpaint()
    assert sum(len(module._forward_pre_hooks) for module in painter.unet.modules()) > 10


def test_a_job_of_another_thread_is_not_stopped():
    seen = []
    with running(Looks(1)):
        other = threading.Thread(target=lambda: seen.append(checkpoint()))
        other.start()
        other.join()
        with pytest.raises(Cancelled):
            checkpoint()
    assert seen == [None]


def test_who_waits_for_anothers_work_can_stop_waiting_and_lets_others_work():
    cache, making, go_on, aside = ByteCache(1000), threading.Event(), threading.Event(), []

    def make():
        making.set()
        assert go_on.wait(20)
        return 1

    class Aside:
        def __enter__(self):
            aside.append("out")

        def __exit__(self, *_):
            aside.append("in")

    first = threading.Thread(target=lambda: cache.get_or_make("key", make))
    first.start()
    assert making.wait(20)
    with running(Looks(2), Aside), pytest.raises(Cancelled):
        cache.get_or_make("key", make)
    go_on.set()
    first.join()
    assert aside == ["out", "in"] and cache.get("key") == 1


def test_two_threads_in_one_dino_get_their_own_queries_and_keys():
    model = load_models("tiny").dino.model
    pictures = [torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    with torch.no_grad():
        alone = [dino_features(model, p, "qk") for p in pictures]
    meet, found = threading.Barrier(2), [[], []]

    def run(i):
        with torch.no_grad():
            for _ in range(15):
                meet.wait(20)
                found[i].append(dino_features(model, pictures[i], "qk"))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        assert len(found[i]) == 15
        assert all(torch.allclose(one, alone[i], atol=1e-5) for one in found[i])


def test_the_processor_serves_as_many_as_it_is_told_and_parts_one_at_a_time(monkeypatch):
    monkeypatch.setattr(device, "_locks", {})
    monkeypatch.setattr(device, "_calls", 1)
    device.share_processor(2)
    inside, most, gate, together = [], [], threading.Event(), threading.Barrier(2)

    def work(part):
        with device.on_device("cpu", Progress(), part):
            with device.on_device("cpu", Progress()):  # again in the same thread
                inside.append(1)
                most.append(len(inside))
                if not part:
                    together.wait(20)
                gate.wait(0.02)
                inside.pop()

    for part, expected in (("", 2), ("inpaint", 1)):
        most.clear()
        threads = [threading.Thread(target=work, args=(part,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(most) == expected
    monkeypatch.setattr(device, "_threads", None)
