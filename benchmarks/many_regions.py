"""Refining many regions: all questions at once against one call of SAM's own decoder per class, and time and memory
against the number of regions.

    python -m benchmarks.many_regions --regions 40
    python -m benchmarks.many_regions --curve 10,40,100,200,400 --sam vit_b

Random weights of the true shapes do as well as trained ones: what is compared is the work, and that both ways give the
same masks.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from segment_anything import sam_model_registry

from pipeline.comparison.memory import peak_above
from pipeline.models.builtin import load_sam
from pipeline.models.records import SamModel
from pipeline.records import ClassName, Photo, SamEmbedding, Vocabulary
from pipeline.refine.merge import merge
from pipeline.refine.refine import ask, refine
from pipeline.refine.sam import decode, input_size, low_side, side, to_sam
from pipeline.refine.settings import RefineSettings

from .splitting import scattered


def model(kind: str) -> SamModel:
    """The built-in SAM, or an official size with random weights and no image encoder, which is not asked."""
    if kind == "tiny":
        return load_sam()
    torch.manual_seed(0)
    sam = sam_model_registry[kind]().eval().requires_grad_(False)
    size = sam.image_encoder.img_size
    sam.image_encoder = torch.nn.Module()
    sam.image_encoder.img_size = size
    for name, parameter in sam.named_parameters():
        if "hypernetworks" in name:
            parameter.mul_(4)
    return SamModel(sam, f"{kind}, random weights", iou_threshold=0.0)


def case(sam: SamModel, regions: int, classes: int, height: int = 480, width: int = 640):
    """Labels with about so many regions, probabilities, and an embedding."""
    square = max(height, width)  # of which a part is cut out
    labels, scores = scattered(square, classes, round(regions * square * square / (height * width)))
    labels, scores = np.ascontiguousarray(labels[:height, :width]), np.ascontiguousarray(scores[:, :height, :width])
    grid, dim = sam.sam.prompt_encoder.image_embedding_size, sam.sam.prompt_encoder.embed_dim
    features = np.random.default_rng(0).normal(0, 0.3, (1, dim, *grid)).astype(np.float32)
    return labels, scores, SamEmbedding(features, input_size((height, width), side(sam)), (height, width))


def together(sam, labels, scores, embedding, settings):
    """Our way: regions, one batch of questions, masks placed where they can be."""
    questions = ask(labels, scores, embedding, low_side(sam), settings)
    logits, iou = decode(sam, embedding, questions.prompts, rowwise_masks=settings.rowwise_masks)
    kept = iou > -np.inf
    refined, _ = merge(labels, scores, questions.components, logits, kept, embedding, questions.grid)
    return refined, len(questions.prompts)


@torch.no_grad()
def per_class(sam, labels, scores, embedding, settings):
    """The published way: per class one call of SAM's own decoder, whole maps for every mask."""
    questions = ask(labels, scores, embedding, low_side(sam), settings)
    image = torch.from_numpy(np.array(embedding.features))
    total = torch.zeros(scores.shape)
    classes = [c.class_index for c in questions.components]
    for c in sorted(set(classes)):
        prompts = [p for p, k in zip(questions.prompts, classes, strict=True) if k == c]
        points = torch.tensor(np.stack([to_sam(p.points, embedding) for p in prompts])).float()
        corners = np.array([[p.box[:2], (p.box[2] - 1, p.box[3] - 1)] for p in prompts])
        boxes = torch.tensor(to_sam(corners, embedding).reshape(-1, 4)).float()
        encoder = sam.sam.prompt_encoder
        sparse, dense = encoder(points=(points, torch.ones(points.shape[:2])), boxes=boxes, masks=None)
        if prompts[0].mask is not None:
            mask = torch.from_numpy(np.array(prompts[0].mask))
            shown = encoder.mask_downscaling(mask[None] if settings.rowwise_masks else mask[None, None])
            dense = shown.reshape(1, *shown.shape[-3:]).expand(len(prompts), -1, -1, -1)
        low, _ = sam.sam.mask_decoder(image, encoder.get_dense_pe(), sparse, dense, False)
        full = sam.sam.postprocess_masks(low, embedding.input_size, embedding.original_size)[:, 0]
        best = (full.sigmoid() * torch.from_numpy(scores[c])).amax(0) * (full > 0).any(0)
        total[c] = torch.maximum(total[c], best)
    refined = torch.where(total.sum(0) == 0, torch.from_numpy(labels), total.argmax(0).int())
    return refined.numpy(), len(questions.prompts)


def refined_alone(kind: str, settings: RefineSettings, count: int, classes: int, threads: int) -> tuple:
    """Regions asked about, seconds, and megabytes of the whole refinement of one photo: those it takes at its peak
    beyond what was held before, and those its regions keep of SAM's answers."""
    torch.set_num_threads(threads)
    sam = model(kind)
    labels, scores, embedding = case(sam, count, classes)
    photo = Photo(np.zeros((*labels.shape, 3), np.uint8), "x")
    words = Vocabulary(tuple(ClassName(str(i)) for i in range(classes)))
    asked = len(ask(labels, scores, embedding, low_side(sam), settings).prompts)
    few, _, _ = case(sam, 8, classes)
    refine(photo, few, scores, words, embedding, sam, settings)  # what libraries set up once does not count
    seconds = []
    with peak_above() as grown:
        for _ in range(2):
            start = time.perf_counter()
            _, regions = refine(photo, labels, scores, words, embedding, sam, settings)
            seconds.append(time.perf_counter() - start)
    kept = sum({id(r.logits): r.logits.nbytes for r in regions if r.logits is not None}.values())
    return asked, min(seconds), grown["process"] / 2**20, kept / 2**20


def main() -> None:
    """Time, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_regions", description=__doc__.split("\n")[0])
    parser.add_argument("--sam", default="tiny", choices=("tiny", "vit_b", "vit_l", "vit_h"))
    parser.add_argument("--regions", type=int, default=40)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--masks", action=argparse.BooleanOptionalAction, help="as the model advises if left out")
    parser.add_argument("--curve", help="numbers of regions: time and memory of the whole refinement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sam = model(args.sam)
    masks = sam.mask_prompts if args.masks is None else args.masks
    settings = RefineSettings(minimal_area=20, scale_area=False, use_masks=masks, iou_threshold=0.0)
    shown = f"{sam.name}, 640 x 480, {args.threads} threads, {'with' if masks else 'without'} mask prompts"
    if args.curve:
        print(f"{shown}, {args.classes} names\n{'regions':>8}{'seconds':>9}{'working MB':>12}{'kept MB':>9}")
        for count in (int(n) for n in args.curve.split(",")):
            # A fresh process each, so that one's peak is not another's.
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                row = alone.submit(refined_alone, args.sam, settings, count, args.classes, args.threads).result()
            print("{:>8}{:>9.3f}{:>12.1f}{:>9.2f}".format(*row), flush=True)
        return
    labels, scores, embedding = case(sam, args.regions, args.classes)
    seconds: dict[str, list[float]] = {"together": [], "per class": []}
    for _ in range(args.rounds):
        for name, way in (("together", together), ("per class", per_class)):
            start = time.perf_counter()
            refined, asked = way(sam, labels, scores, embedding, settings)
            seconds[name].append(time.perf_counter() - start)
            if name == "together":
                ours = refined
    best = {name: min(values) for name, values in seconds.items()}
    print(f"{shown}, {asked} regions of {len(np.unique(labels))} classes, best of {args.rounds}")
    print(f"one call per class {best['per class']:.3f} s, together {best['together']:.3f} s, "
          f"{best['per class'] / best['together']:.2f}x, pixels differing {(ours != refined).mean():.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
