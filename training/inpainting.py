"""Train the built-in inpainting model: a small Stable Diffusion for the painted world, in `diffusers`' own format.

    python -m training.closeups && python -m training.vae
    python -m training.outlines && python -m training.inpainting

The denoiser sees windows as the edit stage cuts them (`training.closeups`), as the latents that the autoencoder was
told to give, which are a matrix product away. It predicts v under a schedule that ends in pure noise (Lin et al.,
"Common Diffusion Noise Schedules and Sample Steps Are Flawed", sections 3.1 and 3.2), since sampling starts there; its
error counts ten times inside the hole, where the picture is used. The words reach it twice: by cross-attention and,
pooled, beside the time step, which is learned much sooner. Text encoder and denoiser learn together.

Most of what there is to learn, which form and which colour a word stands for, is learned on windows of half the size,
where a step costs a third and a thing is small enough to be seen as one; the last steps are on whole windows.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from tokenizers import Tokenizer, models, trainers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from . import closeups
from .common import Run, arguments, autocast, learning_rate, optimizer, set_up
from .scenes import COLORS, NOUNS, STUFF
from .vae import PATCH, load_whitening, to_pixels, whitened
from .words import WORDS

CELL = PATCH  # pixels a latent stands for, each way
FULL, HALF = closeups.SIDE // CELL, closeups.SIDE // CELL // 2  # sides in latents
INSIDE, OUTSIDE = 1.0, 0.1  # what an error counts in the hole and around it
#: What an error counts by channel and side: the last is mostly grain, which nobody can foretell, more so when small.
CHANNEL_WEIGHTS = {HALF: (1.0, 1.0, 1.0, 0.06), FULL: (1.0, 1.0, 1.0, 0.25)}
UNTOLD = 0.1  # share of windows whose words are kept back, for guidance
BARE = 0.15  # share of windows whose hole shows only the ground
CONTEXT = 20  # tokens of a prompt, start and end included
KEEP = 0.997  # of the averaged weights, at every step
#: How far the drawn time steps lean towards noise, where forms are decided and not grain, by side: as the shift of
#: Esser et al., "Scaling Rectified Flow Transformers", section 5.3.2. What is left near the end is soon learned.
SHIFT = {HALF: 3.0, FULL: 2.0}
#: What it learns to paint.
PAINTED = tuple(noun for noun in NOUNS if noun not in STUFF)

UNET = {
    "sample_size": FULL, "in_channels": 9, "out_channels": 4, "block_out_channels": (32, 96, 160, 224),
    "layers_per_block": 1, "norm_num_groups": 16, "attention_head_dim": 4, "cross_attention_dim": 128,
    "down_block_types": ("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    "resnet_time_scale_shift": "scale_shift", "addition_embed_type": "text", "addition_embed_type_num_heads": 8,
}  # fmt: skip
TEXT = {
    "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT, "projection_dim": 128, "hidden_act": "gelu",
}  # fmt: skip
SCHEDULE = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "clip_sample": False, "set_alpha_to_one": True,
    "steps_offset": 1,
}  # fmt: skip


def known_words() -> dict[str, list[str]]:
    """What may be asked for, by kind; written beside the weights so that a person can be told."""
    others = [word for noun in PAINTED for word in WORDS[noun][1:]]
    return {
        "nouns": [*PAINTED, *others],
        "colors": list(COLORS),
        "grounds": [noun for noun in NOUNS if noun in STUFF],
        "surroundings": ["background", "nothing"],
    }


def build_tokenizer() -> CLIPTokenizer:
    """CLIP's byte-pair tokenizer with few pieces: every known word is one, any other text falls into letters."""
    texts = {part for words in known_words().values() for word in words for part in word.split()}
    texts |= set("a an the photo of on in and".split())
    letters = sorted(ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trainer = trainers.BpeTrainer(vocab_size=10_000, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(sorted(texts), trainer)
    merges = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    pieces = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges)]
    pieces = [*dict.fromkeys(pieces), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CONTEXT)


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A fresh text encoder for a tokenizer's words."""
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return CLIPTextModel(CLIPTextConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **ids, **TEXT))


def build_unet() -> UNet2DConditionModel:
    """A fresh denoiser; it begins by predicting nothing, which is nearer to the truth than noise of its own."""
    unet = UNet2DConditionModel(**UNET)
    torch.nn.init.zeros_(unet.conv_out.weight)
    torch.nn.init.zeros_(unet.conv_out.bias)
    return unet


class Windows:
    """Windows drawn at random, each time with a new hole where a thing is, mirrored half of the time if told."""

    def __init__(self, whiten: torch.Tensor, folder: Path = closeups.FOLDER, mirror: bool = True):
        self.images, self.masks, self.texts = closeups.load(folder)
        self.mirror = mirror
        nouns = [text["noun"] for text in self.texts]
        self.of = {noun: [i for i, n in enumerate(nouns) if n == noun] for noun in {*PAINTED, None} & {*nouns}}
        self.things = [noun for noun in PAINTED if noun in self.of]
        self.whiten = whiten

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
        """One window: uint8 [256, 256, 3], its hole bool [256, 256], words."""
        bare = rng.random() < BARE and None in self.of
        of = self.of[None if bare else self.things[rng.integers(len(self.things))]]
        i = of[rng.integers(len(of))]
        image, mask, text = self.images[i], self.masks[i], self.texts[i]
        hole = closeups.hole_around(rng, mask > 1) if text["noun"] and (mask > 1).any() else mask > 0
        if self.mirror and rng.random() < 0.5:
            image, hole = image[:, ::-1], hole[:, ::-1]
        words = closeups.caption(rng, text["noun"], text["color"], tuple(text["ground"]))
        return image, hole, words if rng.random() >= UNTOLD else ""

    def batch(self, rng: np.random.Generator, count: int, side: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
        """Latents float32 [B, 2, 4, side, side] (whole; hole grey), holes float32 [B, 1, side, side], words."""
        drawn = [self.draw(rng) for _ in range(count)]
        whole = to_pixels(np.stack([image for image, _, _ in drawn]))
        hole = torch.from_numpy(np.stack([hole for _, hole, _ in drawn]))[:, None]
        times = FULL // side
        if times > 1:
            whole, hole = F.avg_pool2d(whole, times), hole[..., ::times, ::times]
        both = [whitened(pixels, self.whiten) for pixels in (whole, whole.masked_fill(hole, 0))]
        return torch.stack(both, 1), hole[..., ::CELL, ::CELL].float(), [words for _, _, words in drawn]


def tokens(tokenizer: CLIPTokenizer, words: list[str]) -> torch.Tensor:
    """int64 [B, 20], padded as the pipeline pads."""
    return tokenizer(words, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt").input_ids


def time_steps(rng: np.random.Generator, count: int, train_steps: int, shift: float) -> torch.Tensor:
    """Random time steps, int64 [B], the noisier the likelier."""
    share = rng.random(count)
    share = shift * share / (1 + (shift - 1) * share)
    return torch.from_numpy((share * train_steps).astype(np.int64))


def loss_of(unet, text_encoder, scheduler, latents, holes, ids, steps, noise) -> torch.Tensor:
    """Mean squared error of v, weighted by where the hole is."""
    whole, seen = latents.unbind(1)
    noisy = scheduler.add_noise(whole, noise, steps)
    target = scheduler.get_velocity(whole, noise, steps)
    said = text_encoder(ids).last_hidden_state
    predicted = unet(torch.cat([noisy, holes, seen], 1), steps, said).sample
    counts = torch.tensor(CHANNEL_WEIGHTS[holes.shape[-1]], device=holes.device)
    weight = (OUTSIDE + (INSIDE - OUTSIDE) * holes) * counts[:, None, None]
    return ((predicted.float() - target).square() * weight).sum() / weight.sum()


@torch.no_grad()
def follow(average: torch.nn.Module, model: torch.nn.Module, step: int) -> None:
    """Move averaged weights towards the present ones; early on faster."""
    keep = min(KEEP, (1 + step) / (10 + step))
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - keep)


def save(folder: Path, vae, text_encoder, tokenizer, unet) -> None:
    """Write the whole pipeline in float16, loadable by `StableDiffusionInpaintPipeline.from_pretrained`."""
    parts = [copy.deepcopy(part).cpu().half().eval() for part in (vae, text_encoder, unet)]
    parts[0].register_to_config(_name_or_path="")  # where it lay while it was made is of no use
    pipe = StableDiffusionInpaintPipeline(
        parts[0], parts[1], tokenizer, parts[2], DDIMScheduler(**SCHEDULE), None, None, requires_safety_checker=False
    )
    pipe.save_pretrained(folder)
    (folder / "words.json").write_text(json.dumps(known_words(), indent=1) + "\n")


def main() -> None:
    """Command line."""
    args = arguments(__doc__, steps=13500, batch=16, peak=7e-4, half=9500, windows=str(closeups.FOLDER), mirror=1)
    device = set_up(args, "inpainting")
    windows = Windows(load_whitening(), Path(args.windows), bool(args.mirror))
    tokenizer, scheduler = build_tokenizer(), DDIMScheduler(**SCHEDULE)
    both = torch.nn.ModuleDict({"text": build_text_encoder(tokenizer), "unet": build_unet()}).to(device)
    average = copy.deepcopy(both)
    optim = optimizer(both, 0.01, (0.9, 0.99))
    run = Run(args.run, args.fresh, both=both, average=average, optimizer=optim)
    began = time.time()
    while run.step < args.steps:
        rng = run.generator(args.seed)
        side = HALF if run.step < args.half else FULL
        latents, holes, words = windows.batch(rng, args.batch, side)
        latents, holes = latents.to(device), holes.to(device)
        steps = time_steps(rng, args.batch, scheduler.config.num_train_timesteps, SHIFT[side]).to(device)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(latents[:, 0].shape, generator=generator).to(device)
        with autocast(device):
            ids = tokens(tokenizer, words).to(device)
            loss = loss_of(both["unet"], both["text"], scheduler, latents, holes, ids, steps, noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        for group in optim.param_groups:
            late = max(0, run.step - args.half)  # at its peak until the windows are whole, then falling
            group["lr"] = args.peak * min(1.0, run.step / 100) * learning_rate(late, args.steps - args.half, 1.0, 0)
        optim.step()
        optim.zero_grad()
        follow(average, both, run.step)
        run.step += 1
        run.log(50, loss=loss, seconds_a_step=(time.time() - began))
        began = time.time()
        if run.step % 250 == 0:
            run.save()
    run.save()
    vae = AutoencoderKL.from_pretrained(args.out / "vae")
    save(args.out, vae, average["text"], tokenizer, average["unet"])


if __name__ == "__main__":
    main()
