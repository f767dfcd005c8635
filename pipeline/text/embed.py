"""Words to unit vectors: every template's embedding normalised, averaged, normalised again.

A word is looked for in memory, then on disk (`store`), and only then runs through the text tower.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from ..cache import ByteCache
from ..models.records import ClipModel
from ..progress import Progress
from .store import TextStore, folder
from .templates import fill
from .tower import batches, encode_texts

#: Bytes of embeddings kept per model: 16 MB hold 8,000 words of 512 numbers.
CACHE_BYTES = 16 << 20

# By the module itself, held weakly: two models of one name never share vectors, and a dropped model frees its own.
_caches: weakref.WeakKeyDictionary[torch.nn.Module, ByteCache] = weakref.WeakKeyDictionary()
_caches_guard = threading.Lock()


def _cache_of(clip: ClipModel) -> ByteCache:
    with _caches_guard:
        return _caches.setdefault(clip.model, ByteCache(CACHE_BYTES))


def embed_words(
    clip: ClipModel,
    words: Sequence[str],
    templates: str = "imagenet80",
    progress: Progress | None = None,
    guard: Callable[[], AbstractContextManager] = nullcontext,
) -> np.ndarray:
    """Embed words with a template set; a word seen before is not run again, whatever photo it was typed for.

    Args:
        clip: the model; its tokenizer gets every word exactly as typed.
        words: Q words.
        templates: a name of `templates.TEMPLATE_HELP`; "auto" takes the set that fits the model.
        progress: told about work, asked about cancelling between batches.
        guard: makes a context (the device's lock) that is held while the text tower runs, and only then.

    Returns:
        float32 [Q, D], every row of unit norm, in the order of `words`.
    """
    progress = progress or Progress()
    if templates == "auto":
        templates = clip.templates
    cache = _cache_of(clip)
    found = {word: cache.get((clip.name, templates, word)) for word in words}
    missing = [word for word, vector in found.items() if vector is None]
    if missing:
        store = _store_of(clip)
        sentences = {word: "\n".join(fill(word, templates)) for word in missing}
        kept = {word: store.get(sentences[word]) for word in missing}
        unread = [word for word in missing if kept[word] is None]
        if unread:
            with guard():
                fresh = dict(zip(unread, _run(clip, unread, templates, progress), strict=True))
            store.put({sentences[word]: vector for word, vector in fresh.items()})
            kept.update(fresh)
        for word, vector in kept.items():
            cache.put((clip.name, templates, word), vector)
            found[word] = vector
    return np.stack([found[word] for word in words])


def _store_of(clip: ClipModel) -> TextStore:
    """The disk's vectors of a model that came from a file; a model made in memory keeps nothing there."""
    weight = next(clip.model.parameters())
    # The same weights give other last digits on another device or in another precision.
    run = f"{clip.weights} {weight.device.type} {weight.dtype} torch {torch.__version__}"
    return TextStore(run, folder() if clip.weights else None)


@torch.inference_mode()
def _run(clip: ClipModel, words: Sequence[str], templates: str, progress: Progress) -> list[np.ndarray]:
    filled = [fill(word, templates) for word in words]
    texts = [text for sentences in filled for text in sentences]
    tokens = clip.tokenizer(texts).to(next(clip.model.parameters()).device)
    unit, done = [None] * len(texts), 0
    for chosen in batches(clip.model, tokens):
        progress.step("Reading the words", done / len(texts))
        features = encode_texts(clip.model, tokens[chosen]).float()
        features = torch.nn.functional.normalize(features, dim=-1).cpu()
        for place, vector in zip(chosen.tolist(), features, strict=True):
            unit[place] = vector
        done += len(chosen)
    per_word = torch.stack([own.mean(dim=0) for own in torch.stack(unit).split([len(s) for s in filled])])
    normed = torch.nn.functional.normalize(per_word, dim=-1).numpy()
    return [vector.copy() for vector in normed]
