"""Train the built-in CLIP from scratch on the scene generator.

    python -m training.pool && python -m training.clip

Two contrasts from the first step. The class token of a crop against texts that are true of the crop, as in CLIP
(Radford et al. 2021, section 2). And regions against their names: the tokens of the last block's value path
(ln_1 -> v -> out_proj -> ln_post -> proj, what MaskCLIP reads) are averaged over a random part of a region's mask.
Without the second, captions of whole pictures teach a model this small no dense meaning at all. Texts that are true of
both a sample and its negative are left out of the negatives. The model card says that dense meaning is partly taught.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from pipeline.models.builtin import build_clip, build_tokenizer, save_clip

from .common import Run, arguments, autocast, learning_rate, optimizer, set_up
from .pool import Pool, load_pool
from .scenes import COLORS, NOUNS
from .words import TEMPLATES, WORDS, known_words, phrase

CONFIG = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 128, "layers": 6, "width": 256, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 3},
}
SIZE, GRID = 128, 8
MEAN, STD = (0.5, 0.45, 0.4), (0.27, 0.26, 0.27)
REGIONS = 6


class Texts:
    """Tokens over the few hundred vocabulary entries training meets, so that the token table stays small."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        every = [t.format(w) for t in TEMPLATES for names in WORDS.values() for w in names]
        every += [f"{c} {w}" for c in COLORS for names in WORDS.values() for w in names]
        self.ids = torch.unique(tokenizer(every))  # sorted, so that end-of-text stays the largest

    def __call__(self, texts: list[str]) -> torch.Tensor:
        """int64 [T, context] positions in `ids`."""
        return torch.searchsorted(self.ids, self.tokenizer(texts))


def crop_box(rng: np.random.Generator, objects: list, side: int) -> tuple[int, int, int]:
    """x, y and side of a square crop; four in five are centred on a thing."""
    if objects and rng.random() < 0.8:
        x0, y0, x1, y1 = objects[rng.integers(len(objects))]["box"]
        reach = max(x1 - x0, y1 - y0)
        length = int(np.clip(reach * rng.uniform(0.9, 2.4), 40, 190))
        x = (x0 + x1) / 2 + rng.uniform(-0.2, 0.2) * length - length / 2
        y = (y0 + y1) / 2 + rng.uniform(-0.2, 0.2) * length - length / 2
    else:
        length = int(rng.integers(56, 190))
        x, y = rng.integers(0, side - length + 1, 2)
    return int(np.clip(x, 0, side - length)), int(np.clip(y, 0, side - length)), length


def sample(rng: np.random.Generator, pool: Pool):
    """One crop: pixels, region weights [REGIONS, GRID*GRID], the regions as (noun, color) and the central region."""
    i = int(rng.integers(len(pool.images)))
    x, y, length = crop_box(rng, pool.objects[i], pool.images.shape[1])
    cut = np.s_[i, y : y + length, x : x + length]
    how = cv2.INTER_AREA if length > SIZE else cv2.INTER_LINEAR
    image = cv2.resize(pool.images[cut], (SIZE, SIZE), interpolation=how)
    # One number per region: things by instance, stuff by class, both in the same map.
    ids = np.where(pool.instances[cut] > 0, 100 + pool.instances[cut].astype(np.int32), pool.classes[cut])
    ids = cv2.resize(ids.astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST).astype(np.int32)
    if rng.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    colors = {100 + o["id"]: (o["noun"], o["color"]) for o in pool.objects[i]}
    cells = ids.reshape(GRID, SIZE // GRID, GRID, SIZE // GRID).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)
    found, counts = np.unique(ids, return_counts=True)
    keep = [(int(r), c) for r, c in zip(found, counts, strict=True) if c >= 60]
    keep = [keep[j] for j in rng.permutation(len(keep))[:REGIONS]]
    weights, regions = np.zeros((REGIONS, GRID * GRID), np.float32), []
    for row, (region, _) in enumerate(keep):
        cover = (cells == region).mean(axis=1).astype(np.float32)
        # A random part of the region teaches single tokens as well as whole masks.
        part = cover * (rng.random(len(cover)) < rng.choice([0.15, 0.4, 1.0]))
        weights[row] = part if part.sum() > 0 else cover
        regions.append(colors[region] if region >= 100 else (NOUNS[region], None))
    middle = ids[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4]
    values, counts = np.unique(middle[middle >= 100], return_counts=True)
    if len(values) and counts.max() > 0.1 * middle.size:
        central = colors[int(values[counts.argmax()])]
    else:
        values, counts = np.unique(ids, return_counts=True)
        best = int(values[counts.argmax()])
        central = colors[best] if best >= 100 else (NOUNS[best], None)
    present = {colors[int(r)] if r >= 100 else (NOUNS[r], None) for r in found}
    return image, weights, regions, central, present


def batch(rng: np.random.Generator, pool: Pool, size: int):
    """Tensors of a step: pixels, region weights, and for every text which samples it is true of or must not oppose."""
    images, weights, owners, names, centrals, presents = [], [], [], [], [], []
    for b in range(size):
        image, weight, regions, central, present = sample(rng, pool)
        gain = rng.uniform(0.85, 1.15, 3).astype(np.float32)
        images.append(np.clip(image * gain, 0, 255))
        weights.append(weight)
        centrals.append(central)
        presents.append(present)
        for r, region in enumerate(regions):
            owners.append(b * REGIONS + r)
            names.append(region)
    texts: dict[str, tuple[str, str | None]] = {}
    for noun in NOUNS:  # every noun is a negative in every step
        texts[TEMPLATES[rng.integers(len(TEMPLATES))].format(noun)] = (noun, None)
    for noun, color in names + centrals:
        if rng.random() < 0.25:
            text, said = phrase(rng, noun, color)
            texts[text] = (noun, said)
    meanings = list(texts.values())

    def true_of(noun: str, color: str | None) -> list[bool]:
        return [n == noun and (c is None or c == color) for n, c in meanings]

    def may_be(noun: str, color: str | None) -> list[bool]:  # a colour unknown or unsaid cannot be denied
        return [n == noun and (c is None or color is None or c == color) for n, c in meanings]

    region_true = np.array([true_of(*n) for n in names])
    region_skip = np.array([may_be(*n) for n in names]) & ~region_true
    crop_true = np.array([true_of(*n) for n in centrals])
    also = np.array([np.any([may_be(*n) for n in p], axis=0) for p in presents])
    crop_skip = also & ~crop_true
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    pixels = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    arrays = (np.stack(weights), np.array(owners), region_true, region_skip, crop_true, crop_skip)
    return pixels, list(texts), *(torch.from_numpy(a) for a in arrays)


def towers(model, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Class embedding [B, D] and value-path embeddings of the patches [B, N, D], neither normalised."""
    visual = model.visual
    held = {}
    last = visual.transformer.resblocks[-1]
    hook = last.register_forward_pre_hook(lambda _, inputs: held.update(tokens=inputs[0]))
    pooled = visual(pixels)
    hook.remove()
    x = last.ln_1(held["tokens"])
    width = x.shape[-1]
    weight, bias = last.attn.in_proj_weight[2 * width :], last.attn.in_proj_bias[2 * width :]
    dense = last.attn.out_proj(F.linear(x[:, 1:], weight, bias))
    return pooled, visual.ln_post(dense) @ visual.proj


def contrast(logits: torch.Tensor, true: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """Both directions of the contrast with several true texts a row; `skip` texts are neither true nor false."""
    logits = logits.masked_fill(skip, float("-inf"))

    def one_way(scores: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
        rows = positive.any(dim=1)
        log_p = scores[rows].log_softmax(dim=1).masked_fill(~positive[rows], 0.0)
        return -(log_p.sum(dim=1) / positive[rows].sum(dim=1)).mean()

    return one_way(logits, true) + 0.5 * one_way(logits.T, true.T)


def main() -> None:
    """Command line."""
    args = arguments(__doc__, steps=6000, batch=96, peak=1e-3)
    device = set_up(args, "clip")
    pool = load_pool()
    texts = Texts(build_tokenizer(CONFIG))
    small = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "vocab_size": len(texts.ids)}}
    model = build_clip(small).to(device).train()
    opt = optimizer(model, weight_decay=0.05)
    run = Run(args.run, args.fresh, model=model, optimizer=opt)
    while run.step < args.steps:
        for group in opt.param_groups:
            group["lr"] = learning_rate(run.step, args.steps, args.peak, warmup=200)
        rng = run.generator(args.seed)
        pixels, words, weights, owners, *masks = (batch(rng, pool, args.batch))
        region_true, region_skip, crop_true, crop_skip = (m.to(device) for m in masks)
        with autocast(device):
            pooled, dense = towers(model, pixels.to(device))
            text = model.encode_text(texts(words).to(device))
        text = F.normalize(text.float(), dim=-1)
        weights = weights.to(device)
        regions = F.normalize((weights @ F.normalize(dense.float(), dim=-1)).flatten(0, 1)[owners.to(device)], dim=-1)
        scale = model.logit_scale.exp().clamp(max=100)
        dense_loss = contrast(scale * regions @ text.T, region_true, region_skip)
        crop_logits = scale * F.normalize(pooled.float(), dim=-1) @ text.T
        crop_loss = contrast(crop_logits, crop_true, crop_skip)
        loss = dense_loss + crop_loss
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        nouns = slice(0, len(NOUNS))
        right = (regions @ text[nouns].T).argmax(1).eq(region_true[:, nouns].int().argmax(1)).float().mean()
        named = crop_logits[:, nouns].argmax(1).eq(crop_true[:, nouns].int().argmax(1)).float().mean()
        run.step += 1
        run.log(50, loss=loss, dense=dense_loss, crop=crop_loss, region_right=right, crop_right=named, scale=scale)
        if run.step % 500 == 0 or run.step == args.steps:
            run.save()
            save(args.out, model, texts)


def save(folder, model, texts: Texts) -> None:
    """Write the weights in the format the app loads, the token rows back at their places in the full table."""
    full, state = build_clip(CONFIG), model.state_dict()
    table = full.token_embedding.weight.detach().clone()
    table[texts.ids] = state["token_embedding.weight"].cpu()
    full.load_state_dict({**state, "token_embedding.weight": table})
    config = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": list(MEAN), "std": list(STD)}, "logit_scale": 40.0,
              "drop_residual": True, "distractors": ["; ".join(words) for words in WORDS.values()]}
    save_clip(folder, full, config, used_token_ids=texts.ids.tolist(), known_words=known_words())


if __name__ == "__main__":
    main()
