"""What wording, grouping, calibration, denoising and upsampling do on held-out scenes, one changed at a time.

Image encoders run once per scene, whatever the settings. With --triples it measures every three of the seven sentences
of "top7" instead, which is what the set "top3" can be chosen by.

    python -m benchmarks.words --scenes 100 --method sclip --out words.json
    python -m benchmarks.words --scenes 100 --triples
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from pipeline import Pipeline
from pipeline.dense.recipes import get_recipe
from pipeline.errors import NamebrushError
from pipeline.evaluate.datasets import Dataset, open_dataset
from pipeline.evaluate.metrics import Tally
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.tables import columns
from pipeline.naming import PAPER_SCALE
from pipeline.records import Vocabulary
from pipeline.segment import segment
from pipeline.text.templates import templates

#: What is changed against the defaults, and the names typed: "all" thirty of the world, or those "present" in a scene.
ROWS: tuple[dict, ...] = (
    {},
    *({"templates": name} for name in ("imagenet80", "top7", "top3", "adaptive", "simple", "word")),
    {"groups": "auto"},
    {"upsample": "bilateral"},
    {"denoise": True},
    {"temperature": 0.5},
    {"uncertain": 0.5},
)


def measured(pipe: Pipeline, dataset: Dataset, method: str, names: str, settings: dict) -> dict:
    """mIoU, pixel accuracy and boundary F1 of one row, or why it cannot be."""
    try:
        table = evaluate(pipe, dataset, names, method=method, refine="none", **settings)
    except NamebrushError as error:
        return {"settings": settings, "names": names, "refused": str(error)}
    kept = {key: table[key] for key in ("miou", "pixel_accuracy", "boundary_f1")}
    return {"settings": settings, "names": names, **kept}


def sentence_vectors(clip, words: list[str], sentences: tuple[str, ...]) -> np.ndarray:
    """Unit embeddings of every word in every sentence, float32 [S, Q, D]."""
    with torch.inference_mode():
        found = [clip.model.encode_text(clip.tokenizer([s.replace("{}", w, 1) for w in words])) for s in sentences]
    return torch.nn.functional.normalize(torch.stack(found).float(), dim=-1).numpy()


def triples(pipe: Pipeline, dataset: Dataset, method: str) -> list[dict]:
    """Every three of the seven sentences, the best first."""
    sentences, clip, recipe = templates("top7"), pipe.models.clip, get_recipe(method)
    vocabulary = Vocabulary(dataset.classes)
    vectors = sentence_vectors(clip, list(vocabulary.queries), sentences)
    scale = clip.logit_scale * recipe.logit_scale / PAPER_SCALE
    tallies = {three: Tally(len(dataset.classes)) for three in combinations(range(len(sentences)), 3)}
    for sample in dataset:
        encoded = pipe.encode(sample.photo, method)
        for three, tally in tallies.items():
            text = vectors[list(three)].mean(axis=0)
            text /= np.linalg.norm(text, axis=1, keepdims=True)
            tally.add(sample.truth, segment(encoded, text, vocabulary, sample.photo.size, scale)[0])
    found = [{"sentences": [sentences[i] for i in three], "miou": t.miou} for three, t in tallies.items()]
    return sorted(found, key=lambda row: -row["miou"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--method", default="sclip")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--triples", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    pipe, dataset = Pipeline.load(args.preset), open_dataset("scenes", limit=args.scenes)
    if args.triples:
        rows = triples(pipe, dataset, args.method)
        shown = [["sentences", "mIoU"], *([" / ".join(r["sentences"]), f"{r['miou']:.3f}"] for r in rows)]
        print("\n".join(columns(shown, numbers=(1,))))
    else:
        rows = [measured(pipe, dataset, args.method, names, row) for names in ("all", "present") for row in ROWS]
        shown = [["names", "changed", "mIoU", "pixels right", "boundary F1"]]
        for row in rows:
            changed = ", ".join(f"{k}={v}" for k, v in row["settings"].items()) or "nothing"
            values = [row["refused"], "", ""] if "refused" in row else [
                f"{row[key]:.3f}" for key in ("miou", "pixel_accuracy", "boundary_f1")
            ]  # fmt: skip
            shown.append([row["names"], changed, *values])
        print("\n".join(columns(shown, numbers=(2, 3, 4))))
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
