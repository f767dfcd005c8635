"""Train the built-in SAM from scratch on scenes and abstract pictures.

    python -m training.pool && python -m training.sam

Two stages of one run: first on half-size pictures, where a prompt costs a quarter, then on full-size ones, the
positional embedding carried over by interpolation. Every picture is encoded once and asked many prompts: boxes drawn
a little wrong, single points, both, and any of them with a rough mask such as the refinement sends. Three in ten of
the pictures are abstract, so that the model learns edges and not nouns. Beside the masks the encoder is taught
which of its tokens lie on the same thing, on its output and on the values and attention of its last block: it learns
from thousands of pairs a picture instead of a dozen prompts, and those are what Trident's affinity reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from pipeline.models.builtin import SAM_CONFIG, build_sam, save_sam

from .common import Run, arguments, autocast, learning_rate, optimizer, set_up
from .pool import Pool, load_pool

PROMPTS = 14
#: Chosen on scenes that are neither trained on nor reported: how the engine uses this model.
CHOSEN = {"iou_threshold": 0.5, "zoom": 2.0, "mask_prompts": False}
PAIR_TOKENS = 128


def areas_of(instances: np.ndarray, classes: np.ndarray | None) -> list[np.ndarray]:
    """Masks that may be asked for, bool [S, S]: the things, and the connected areas of stuff."""
    least = instances.size // 400
    masks = [instances == i for i in np.unique(instances) if i > 0]
    if classes is not None:
        for c in np.unique(classes[instances == 0]):
            count, parts = cv2.connectedComponents(((classes == c) & (instances == 0)).astype(np.uint8))
            masks += [parts == k for k in range(1, min(count, 5))]
    return [m for m in masks if m.sum() >= least]


def picture(rng: np.random.Generator, pool: Pool, size: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """A picture uint8 [size, size, 3], the number of the area at every pixel, and its areas' masks."""
    abstract = rng.random() < 0.3
    images = pool.abstract_images if abstract else pool.images
    i = int(rng.integers(len(images)))
    side = images.shape[1]
    length = side if rng.random() < 0.5 else int(rng.integers(side // 2, side + 1))
    y, x = rng.integers(0, side - length + 1, 2)
    cut = np.s_[i, y : y + length, x : x + length]
    image = cv2.resize(images[cut], (size, size), interpolation=cv2.INTER_AREA if length > size else cv2.INTER_LINEAR)
    maps = [pool.abstract_instances[cut]] if abstract else [pool.instances[cut], pool.classes[cut]]
    maps = [cv2.resize(np.ascontiguousarray(m), (size, size), interpolation=cv2.INTER_NEAREST) for m in maps]
    if rng.random() < 0.5:
        image, maps = image[:, ::-1], [m[:, ::-1] for m in maps]
    if abstract and rng.random() < 0.3:
        image = image[..., rng.permutation(3)]
    masks = areas_of(maps[0], None if abstract else maps[1])
    numbers = maps[0].astype(np.int32) if abstract else np.where(maps[0] > 0, 100 + maps[0].astype(np.int32), maps[1])
    return np.ascontiguousarray(image), numbers, masks


def inner_point(rng: np.random.Generator, mask: np.ndarray) -> tuple[float, float]:
    """A point inside a mask, more likely away from its edge."""
    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    ys, xs = np.nonzero(distance >= rng.uniform(0, 0.9) * distance.max())
    k = int(rng.integers(len(xs)))
    return xs[k] + 0.5, ys[k] + 0.5


def drawn_box(rng: np.random.Generator, mask: np.ndarray) -> tuple[float, float, float, float]:
    """The mask's box with the errors of a hand."""
    ys, xs = np.nonzero(mask)
    x0, y0, x1, y1 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    jitter = rng.normal(0, 0.04, 4).clip(-0.12, 0.12) * np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    return tuple((np.array([x0, y0, x1, y1]) + jitter).clip(0, mask.shape[0]))


def rough_mask(rng: np.random.Generator, mask: np.ndarray, side: int) -> np.ndarray:
    """A blurred, shifted, bitten low-resolution mask on the scale of Trident's mask prompts or of SAM's own logits."""
    soft = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    blur = cv2.GaussianBlur(soft, (0, 0), rng.uniform(1, side / 16))
    noise = cv2.resize(rng.normal(0, 0.35, (8, 8)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    shift = np.float32([[1, 0, rng.normal(0, side / 40)], [0, 1, rng.normal(0, side / 40)]])
    rough = cv2.warpAffine(blur, shift, (side, side), borderMode=cv2.BORDER_REPLICATE) + noise
    if rng.random() < 0.6:  # probabilities times alpha, zero where they are low
        return np.where(rough > 0.4, rough.clip(0, 1), 0.0).astype(np.float32) * 0.005
    return ((rough - 0.5) * rng.uniform(4, 16)).astype(np.float32)


def outer_point(rng: np.random.Generator, mask: np.ndarray) -> tuple[float, float]:
    """A point near a mask but not on it: what a person clicks to say "not this"."""
    reach = max(3, int(0.25 * np.sqrt(mask.sum())))
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).astype(bool) & ~mask
    ys, xs = np.nonzero(ring if ring.any() else ~mask)
    k = int(rng.integers(len(xs)))
    return xs[k] + 0.5, ys[k] + 0.5


def questions(rng: np.random.Generator, masks: list[np.ndarray], size: int, low: int):
    """PROMPTS questions of one layout about a picture, as arguments of the official prompt encoder.

    Returns points [P, n, 2] with labels [P, n] or None, boxes [P, 4] or None, rough masks [P, 1, low, low], which of
    them count [P], and the true masks [P, low, low].
    """
    layout = rng.choice(["box", "point", "points", "both"], p=[0.34, 0.24, 0.1, 0.32])
    count = {"box": 0, "point": 1, "points": int(rng.integers(2, 4)), "both": 1}[layout]
    points, labels, boxes, targets = [], [], [], []
    rough, has_rough = np.zeros((PROMPTS, 1, low, low), np.float32), np.zeros(PROMPTS, bool)
    for k in range(PROMPTS):
        mask = masks[int(rng.integers(len(masks)))]
        signs = [1] + [int(rng.random() < 0.4 or mask.all()) for _ in range(count - 1)]
        points.append([inner_point(rng, mask) if sign else outer_point(rng, mask) for sign in signs[:count]])
        labels.append(signs[:count])
        boxes.append(drawn_box(rng, mask))
        if rng.random() < {"box": 0.1, "point": 0.1, "points": 0.5, "both": 0.5}[layout]:
            rough[k, 0], has_rough[k] = rough_mask(rng, mask, low), True
        targets.append(cv2.resize(mask.astype(np.float32), (low, low), interpolation=cv2.INTER_AREA))
    asked = (torch.tensor(points, dtype=torch.float32), torch.tensor(labels)) if count else None
    boxed = torch.tensor(boxes, dtype=torch.float32) if layout in ("box", "both") else None
    return asked, boxed, torch.from_numpy(rough), torch.from_numpy(has_rough), torch.from_numpy(np.stack(targets))


def embed(encoder, asked, boxed, rough, has_rough):
    """Sparse and dense prompt embeddings; those without a rough mask get the learned "no mask"."""
    sparse, none = encoder(points=asked, boxes=boxed, masks=None)
    return sparse, torch.where(has_rough[:, None, None, None], encoder._embed_masks(rough), none)


def mask_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross entropy, heavier near the edge, plus dice, per mask; logits and targets [..., h, w]."""
    shape = target.shape
    flat = target.reshape(-1, 1, *shape[-2:])
    near = F.max_pool2d(flat, 5, 1, 2) + F.max_pool2d(-flat, 5, 1, 2)  # 1 where both sides are within two pixels
    weight = 1 + 2 * near.clamp(0, 1).reshape(shape)
    entropy = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none")
    entropy = (entropy * weight).flatten(-2).sum(-1) / weight.flatten(-2).sum(-1)
    p = logits.sigmoid().flatten(-2)
    t = target.flatten(-2)
    dice = 1 - (2 * (p * t).sum(-1) + 1) / (p.sum(-1) + t.sum(-1) + 1)
    return 2 * entropy + dice


def overlap(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """IoU of masks cut at zero."""
    mask, true = logits > 0, target > 0.5
    union = (mask | true).flatten(-2).sum(-1)
    return (mask & true).flatten(-2).sum(-1) / union.clamp(min=1)


def same_area(numbers: torch.Tensor, pick: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which tokens lie on a picked token's area, [B, n, N], and weights that make both answers count the same."""
    same = (numbers[:, pick, None] == numbers[:, None, :]).float()
    share = same.mean().clamp(0.05, 0.95)
    return same, torch.where(same > 0, 0.5 / share, 0.5 / (1 - share))


def pair_loss(tokens: torch.Tensor, pick: torch.Tensor, same: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Do two tokens lie on the same area? Answered by the cosine of tokens [..., N, C], for picked rows."""
    unit = F.normalize(tokens.float(), dim=-1)
    cosine = unit[..., pick, :] @ unit.transpose(-1, -2)
    return F.binary_cross_entropy_with_logits(8 * (cosine - 0.5), same.expand_as(cosine), weight=weight)


def stray_loss(q: torch.Tensor, k: torch.Tensor, pick: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """How much of the attention of picked tokens leaves their own area; q and k [B, heads, N, c]."""
    attention = (q[:, :, pick].float() @ k.float().transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
    return -((attention * same).sum(-1) + 1e-4).log().mean()


def grouping_loss(embedding: torch.Tensor, qkv: torch.Tensor, heads: int, numbers: torch.Tensor, step: int):
    """What teaches the encoder to group: on its output [B, C, h, w], and on every head of its last block, whose values
    and attention Trident's affinity multiplies (qkv [B, h, w, 3C])."""
    batch, count = numbers.shape
    pick = torch.randperm(count, generator=torch.Generator().manual_seed(step))[:PAIR_TOKENS].to(numbers.device)
    same, weight = same_area(numbers, pick)
    q, k, v = qkv.reshape(batch, count, 3, heads, -1).permute(2, 0, 3, 1, 4)
    out = pair_loss(embedding.flatten(2).transpose(1, 2), pick, same, weight)
    return out + pair_loss(v, pick, same[:, None], weight[:, None]) + 0.3 * stray_loss(q, k, pick, same[:, None])


def start_decoder(sam) -> None:
    """Let the decoder's cross-attention match positions from the start: equal orthogonal query and key projections."""
    transformer = sam.mask_decoder.transformer
    attentions = [layer.cross_attn_token_to_image for layer in transformer.layers]
    attentions += [layer.cross_attn_image_to_token for layer in transformer.layers]
    for attention in [*attentions, transformer.final_attn_token_to_image]:
        torch.nn.init.orthogonal_(attention.q_proj.weight, gain=2.0)
        attention.k_proj.weight.data.copy_(attention.q_proj.weight.data)


def build(size: int):
    """The built-in SAM for square pictures of a side."""
    return build_sam({**SAM_CONFIG, "image_size": size})


def enlarge(state: dict, sam) -> None:
    """Load weights trained at another picture size, the positional embedding interpolated."""
    grid = sam.image_encoder.pos_embed.shape[1]
    positions = state["image_encoder.pos_embed"].permute(0, 3, 1, 2)
    positions = F.interpolate(positions, (grid, grid), mode="bicubic", align_corners=False)
    sam.load_state_dict({**state, "image_encoder.pos_embed": positions.permute(0, 2, 3, 1)})


def train(args: argparse.Namespace, sam, run: Run, opt, pool: Pool, steps: int, peak: float, images: int) -> None:
    """Run one stage to its last step."""
    device = next(sam.parameters()).device
    size = sam.image_encoder.img_size
    low = 4 * sam.prompt_encoder.image_embedding_size[0]
    grid = low // 4
    held = {}
    last = sam.image_encoder.blocks[-1].attn
    hook = last.qkv.register_forward_hook(lambda _, __, out: held.update(qkv=out))
    while run.step < steps:
        for group in opt.param_groups:
            group["lr"] = learning_rate(run.step, steps, peak, warmup=200)
        rng = run.generator(args.seed)
        batch = []
        while len(batch) < images:
            image, numbers, masks = picture(rng, pool, size)
            if masks:
                batch.append((image, numbers, masks))
        pixels = torch.stack([torch.from_numpy(b[0]).permute(2, 0, 1).float() for b in batch]).to(device)
        centres = np.s_[size // grid // 2 :: size // grid, size // grid // 2 :: size // grid]
        numbers = torch.stack([torch.from_numpy(b[1][centres]) for b in batch]).flatten(1).to(device)
        with autocast(device):
            embedding = sam.image_encoder((pixels - sam.pixel_mean) / sam.pixel_std)
            same = grouping_loss(embedding, held["qkv"], last.num_heads, numbers, run.step)
            positions = sam.prompt_encoder.get_dense_pe()
            single_loss = many_loss = iou_loss = 0.0
            box_iou, point_iou = [], []
            for b, (_, _, masks) in enumerate(batch):
                asked, boxed, rough, has_rough, target = questions(rng, masks, size, low)
                asked = asked and tuple(t.to(device) for t in asked)
                boxed = boxed if boxed is None else boxed.to(device)
                target = target.to(device)
                sparse, dense = embed(sam.prompt_encoder, asked, boxed, rough.to(device), has_rough.to(device))
                logits, iou = sam.mask_decoder.predict_masks(embedding[b : b + 1], positions, sparse, dense)
                logits, iou = logits.float(), iou.float()
                losses = mask_loss(logits, target[:, None])
                single_loss = single_loss + losses[:, 0].mean()
                with torch.no_grad():
                    true_iou = overlap(logits, target[:, None])
                if boxed is None:  # the three further masks are for prompts that may mean several things
                    many_loss = many_loss + losses[:, 1:].amin(1).mean()
                    point_iou += true_iou[:, 0].tolist()
                elif asked is None:
                    box_iou += true_iou[:, 0].tolist()
                iou_loss = iou_loss + F.mse_loss(iou, true_iou)
            loss = (single_loss + 0.5 * many_loss + iou_loss) / images + 0.5 * same
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(sam.parameters(), 1.0)
        opt.step()
        run.step += 1
        kinds = {"box": box_iou, "point": point_iou}
        seen = {name: np.mean(values) for name, values in kinds.items() if values}
        run.log(50, loss=loss, mask=single_loss / images, same=same, iou=iou_loss / images, **seen)
        if run.step % 250 == 0 or run.step == steps:
            run.save()
            if size == SAM_CONFIG["image_size"]:
                save_sam(args.out, sam, {**SAM_CONFIG, **CHOSEN})
    hook.remove()


def main() -> None:
    """Command line."""
    args = arguments(__doc__, steps=5800, small_steps=2200, images=4, peak=3.5e-4)
    device = set_up(args, "sam")
    pool = load_pool()
    full = build(SAM_CONFIG["image_size"]).to(device).train()
    folder: Path = args.run
    if not (folder / "full" / "checkpoint.pt").exists() or args.fresh:
        small = build(SAM_CONFIG["image_size"] // 2).to(device).train()
        start_decoder(small)
        opt = optimizer(small, 0.02)
        (folder / "small").mkdir(exist_ok=True)
        run = Run(folder / "small", args.fresh, model=small, optimizer=opt)
        # Twice the pictures a step bear twice the rate; at full size that rate undid what the first stage had learned.
        train(args, small, run, opt, pool, args.small_steps, args.peak * 2, 2 * args.images)
        enlarge(small.state_dict(), full)
    opt = optimizer(full, 0.02)
    (folder / "full").mkdir(exist_ok=True)
    run = Run(folder / "full", args.fresh, model=full, optimizer=opt)
    train(args, full, run, opt, pool, args.steps, args.peak, args.images)


if __name__ == "__main__":
    main()
