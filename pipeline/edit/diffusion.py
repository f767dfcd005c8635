"""Painting by a `diffusers` inpainting pipeline: replace, restyle, and remove where a person asks for it.

The pipeline sees crops at its own size (`crop`), makes one candidate at a time from a generator of its own on the CPU,
so that a seed means the same picture whatever was made before it, and stops between two steps when asked to.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..errors import NamebrushError
from ..models.painting import Painting, Sampling
from ..progress import Progress
from .crop import Crop, bounds, cut_out, moved, plan_crop, put_back, window
from .pieces import Piece
from .prompts import Words

#: Side in pixels for pipelines that do not tell theirs.
_USUAL_SIDE = 512
#: Pictures shown on the way, and the longer side of the latents they are decoded from.
PREVIEWS, PREVIEW_CELLS = 8, 32


def sampling_of(
    kind: str, steps: int | None, guidance: float | None, strength: float | None, pipe: Any = None,
    painting: Painting | None = None,
) -> Sampling:  # fmt: skip
    """The kind's and the pipeline's defaults with what a person set in their place.

    Raises:
        NamebrushError: a value out of range, or steps and strength that leave not one step to take.
    """
    usual = _usual(kind, pipe, painting or Painting())
    chosen = Sampling(
        usual.steps if steps is None else steps,
        usual.guidance if guidance is None else guidance,
        usual.strength if strength is None else strength,
    )
    if chosen.steps < 1:
        raise NamebrushError(f"At least one step is needed, got {chosen.steps}.")
    if not 0 < chosen.strength <= 1:
        raise NamebrushError(f"The strength must lie above 0 and at most at 1, got {chosen.strength}.")
    if not (np.isfinite(chosen.guidance) and chosen.guidance >= 0):
        raise NamebrushError(f"The guidance must be 0 or more, got {chosen.guidance}.")
    if int(chosen.steps * chosen.strength) < 1:
        raise NamebrushError(
            f"{chosen.steps} steps at strength {chosen.strength:g} leave none to take; raise one of them."
        )
    return chosen


def _usual(kind: str, pipe: Any, painting: Painting) -> Sampling:
    """The defaults of a kind on a pipeline: latent consistency needs few steps and little guidance, FLUX its own."""
    usual = painting.samplings[kind]
    if type(getattr(pipe, "scheduler", None)).__name__ == "LCMScheduler":
        return Sampling(6, 1.5, usual.strength)
    if type(pipe).__name__ == "FluxFillPipeline":  # it is distilled for this guidance, and always starts from noise
        return Sampling(50, 30.0, 1.0)
    return usual


def native_side(pipe: Any) -> tuple[int, int]:
    """The side in pixels a pipeline was made for, and the step its sides must be multiples of (at least 8)."""
    factor = int(getattr(pipe, "vae_scale_factor", 8))
    denoiser = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    sample = getattr(getattr(denoiser, "config", None), "sample_size", None)
    step = max(8, factor if getattr(pipe, "unet", None) is not None else 2 * factor)
    sample = sample if isinstance(sample, int) else getattr(pipe, "default_sample_size", None)
    side = sample * factor if isinstance(sample, int) else _USUAL_SIDE
    return max(step, side // step * step), step


def paint(
    pixels: np.ndarray, pieces: list[Piece], used: np.ndarray, pipe: Any, words: Words, sampling: Sampling, seed: int,
    progress: Progress, share: tuple[float, float] = (0.0, 1.0), notes: list[str] | None = None,
    painting: Painting | None = None, start: list[np.ndarray] | None = None,
) -> list[np.ndarray]:  # fmt: skip
    """One candidate: new pixels for every piece of a mask, at the photo's own resolution.

    Args:
        pixels: uint8 [H, W, 3].
        pieces: what is to be painted; each is a crop of its own.
        used: bool [H, W], all that may change: these pixels say nothing about the photo's colours.
        pipe: a `diffusers` inpainting pipeline.
        words: what to ask for and what to avoid.
        sampling: steps, guidance and strength.
        seed: of the generator, made fresh here.
        progress: told after every step; raising `Cancelled` from it stops the pipeline there and then.
        share: span of the whole work this candidate is, for the share reported.
        notes: gets a sentence where something had to be done again.
        painting: how much of its surroundings the pipeline wants to see.
        start: for each piece uint8 [h, w, 3] of its box, what it starts from in the photo's place; None: the photo.

    Returns:
        For each piece uint8 [h, w, 3] of its box, of use where the piece's mask is.

    Raises:
        NamebrushError: the pipeline gave no usable picture, and why.
    """
    native, step = native_side(pipe)
    asked = painting or Painting()
    generator = torch.Generator("cpu").manual_seed(seed)
    painted = []
    for index, piece in enumerate(pieces):
        crop = _crop_of(piece, pixels.shape[:2], native, step, asked)
        width = (share[1] - share[0]) / len(pieces)
        span = (share[0] + index * width, share[0] + (index + 1) * width)
        seen, mask = cut_out(pixels, crop, [] if start is None else [
            (p.box, p.used, new) for p, new in zip(pieces, start, strict=True)
        ])  # fmt: skip
        drawn = Drawn(words, sampling, generator, asked.temperature)
        image = _paint_crop(seen, mask, pipe, drawn, _within(progress, crop), span, notes)
        (x0, y0, x1, y1), (left, top, _, _) = piece.box, crop.box
        painted.append(put_back(image, crop, pixels, used)[y0 - top : y1 - top, x0 - left : x1 - left])
    return painted


def _within(progress: Progress, crop: Crop) -> Progress:
    """The progress for one crop: what it shows is said to lie there."""
    show = progress.show
    return progress if show is None else replace(progress, show=lambda picture: show(picture, crop.box))


def _crop_of(piece: Piece, size: tuple[int, int], native: int, step: int, painting: Painting) -> Crop:
    """The window a pipeline sees around a piece; the piece's own box may have a pixel to spare."""
    tight = bounds(piece.used)
    part = piece.used[window(tight)]
    context = (1 / painting.fill - 1) / 2
    return plan_crop(moved(tight, piece.box), part, size, native, step, context, painting.least)


@dataclass(frozen=True)
class Drawn:
    """What a picture is drawn from: words, sampling, a generator, and the temperature of its noise."""

    words: Words
    sampling: Sampling
    generator: torch.Generator
    temperature: float = 1.0


def _paint_crop(
    seen: np.ndarray, mask: np.ndarray, pipe: Any, drawn: Drawn, progress: Progress, span: tuple[float, float],
    notes: list[str] | None = None,
) -> np.ndarray:  # fmt: skip
    state = drawn.generator.get_state()
    image, flagged = _run(seen, mask, pipe, drawn, progress, span)
    if flagged:
        raise NamebrushError(
            "The model's own checker for unsafe pictures blacked out the result; change the words or the seed."
        )
    if usable(image, mask):
        return _bytes(image)
    vae = getattr(pipe, "vae", None)
    if vae is None or next(vae.parameters()).dtype == torch.float32:
        raise NamebrushError(
            "The inpainting model gave no usable picture (not a number, or all black) although its picture decoder "
            "already runs in full precision; try another seed, less guidance, or another inpainting model."
        )
    what = "black" if np.isfinite(image).all() else "as not a number"
    progress.step(f"The picture came out {what}: painting again with the picture decoder in full precision", span[0])
    drawn.generator.set_state(state)
    with full_precision(vae):
        image, _ = _run(seen, mask, pipe, drawn, progress, span)
    if not usable(image, mask):
        raise NamebrushError(
            "The inpainting model gave no usable picture (not a number, or all black), with its picture decoder in "
            "full precision too; try another seed, or another inpainting model."
        )
    if notes is not None:
        notes.append(f"The picture came out {what} in half precision and was painted again in full precision.")
    return _bytes(image)


def _run(
    seen: np.ndarray, mask: np.ndarray, pipe: Any, drawn: Drawn, progress: Progress, span: tuple[float, float]
) -> tuple[np.ndarray, bool]:
    """One run of the pipeline: float [h, w, 3] in 0..1 as it came, and whether its own checker blacked it out."""
    from PIL import Image

    words, sampling = drawn.words, drawn.sampling
    total = max(1, int(sampling.steps * sampling.strength))

    def after_step(_pipe, step: int, _time, tensors: dict) -> dict:
        done = min(1.0, (step + 1) / total)
        progress.step(f"Painting, step {step + 1} of {total}", span[0] + (span[1] - span[0]) * done)
        if progress.show is not None and step + 1 < total and (step + 1) % max(1, total // PREVIEWS) == 0:
            picture = preview(pipe, tensors.get("latents"))
            if picture is not None:
                progress.show(picture)
        return tensors

    options = {
        "prompt": words.prompt, "negative_prompt": words.negative or None, "image": Image.fromarray(seen),
        "mask_image": Image.fromarray(mask.astype(np.uint8) * 255), "height": seen.shape[0], "width": seen.shape[1],
        "num_inference_steps": sampling.steps, "guidance_scale": sampling.guidance, "strength": sampling.strength,
        "generator": drawn.generator, "output_type": "np", "callback_on_step_end": after_step,
    }  # fmt: skip
    if drawn.temperature != 1:
        options["latents"] = calm_start(pipe, options["image"], drawn)
    known = inspect.signature(type(pipe).__call__).parameters  # FLUX knows no negative words
    if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        options = {name: value for name, value in options.items() if name in known}

    try:
        with torch.no_grad(), np.errstate(invalid="ignore"):
            result = pipe(**options)
    finally:
        release = getattr(pipe, "maybe_free_model_hooks", None)
        if release is not None:  # a stopped run would leave offloaded parts on the device
            release()
    flags = getattr(result, "nsfw_content_detected", None)
    return np.asarray(result.images[0], np.float32), bool(flags and any(flags))


@torch.no_grad()
def calm_start(pipe: Any, image: Any, drawn: Drawn) -> torch.Tensor:
    """The latents that sampling starts from with noise of another temperature, float [1, C, h, w].

    They are what the pipeline would begin with itself: noise alone at full strength, else the picture with noise.

    Args:
        pipe: a `diffusers` pipeline of Stable Diffusion's kind.
        image: a PIL picture of the window's size.
        drawn: the generator is read on; its device is the CPU, so that a seed means the same everywhere.
    """
    vae, device, sampling = pipe.vae, pipe.device, drawn.sampling
    factor = pipe.vae_scale_factor
    shape = 1, vae.config.latent_channels, image.height // factor, image.width // factor
    noise = drawn.temperature * torch.randn(shape, generator=drawn.generator)
    if sampling.strength < 1:
        pixels = pipe.image_processor.preprocess(image).to(device, vae.dtype)
        latents = vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor
        pipe.scheduler.set_timesteps(sampling.steps)
        first = pipe.get_timesteps(sampling.steps, sampling.strength, device)[0][:1]
        noise = pipe.scheduler.add_noise(latents.float().cpu(), noise, first.cpu())
    return noise.to(device, pipe.unet.dtype)


def preview(pipe: Any, latents: torch.Tensor | None) -> np.ndarray | None:
    """A small, rough picture of latents on their way, uint8 [h, w, 3]; None where they have another form.

    Decoded at half the size or less, which costs a quarter and shows enough.
    """
    vae = getattr(pipe, "vae", None)
    if latents is None or vae is None or latents.ndim != 4 or latents.shape[1] != vae.config.latent_channels:
        return None
    with torch.no_grad():
        dtype = next(vae.parameters()).dtype
        scale = min(0.5, PREVIEW_CELLS / max(latents.shape[2:]))
        small = torch.nn.functional.interpolate(latents[:1].float(), scale_factor=scale, mode="area")
        image = vae.decode((small / vae.config.scaling_factor).to(dtype), return_dict=False)[0][0].float()
    pixels = np.nan_to_num(image.permute(1, 2, 0).cpu().numpy() / 2 + 0.5, nan=0.0)
    return np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)


def usable(image: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a picture, float [h, w, 3], has only numbers and is not black all over the mask."""
    return bool(np.isfinite(image).all() and (image[mask] > 1 / 255).any())


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)


@contextmanager
def full_precision(vae: torch.nn.Module) -> Iterator[None]:
    """Run an autoencoder in float32 inside a pipeline of half precision, and put it back afterwards.

    In float16 the activations of some autoencoders overflow, and the picture comes out black. What enters its parts
    is widened, and what its encoder gives is narrowed again for the denoiser.
    """
    before = next(vae.parameters()).dtype

    def widen(_module, args):
        return tuple(a.float() if torch.is_tensor(a) and a.is_floating_point() else a for a in args)

    def narrow(_module, _args, output):
        return output.to(before) if torch.is_tensor(output) else output

    parts = [getattr(vae, name, None) for name in ("encoder", "quant_conv", "post_quant_conv", "decoder")]
    handles = [part.register_forward_pre_hook(widen) for part in parts if part is not None]
    last = parts[1] if parts[1] is not None else parts[0]
    if last is not None:
        handles.append(last.register_forward_hook(narrow))
    vae.to(torch.float32)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        vae.to(before)
