"""The refinements by name: light, so that lists of them cost nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refinement:
    """One way to better edges.

    Attributes:
        name: what a person types; title: what they read; about: one plain sentence; paper: where it comes from.
        acts: what it changes: "prompts" (labels become prompts for SAM), "labels" (masks vote on labels) or "scores"
            (probabilities are smoothed and labels follow).
        needs: "sam" or "unet" where such a model runs.
    """

    name: str
    title: str
    about: str
    paper: str
    acts: str
    needs: str = ""


_ALL = (
    Refinement(
        "sam", "SAM", "SAM is shown every region's point, box and faint mask.", "Trident, Shi et al., ICCV 2025",
        "prompts", "sam",
    ),
    Refinement(
        "optimized", "SAM, optimized", "The same questions; batches by free memory, half precision on graphics cards.",
        "S2CLIP", "prompts", "sam",
    ),
    Refinement(
        "vote", "SAM, by votes", "Masks around the regions' centres count where most of their pixels agree.",
        "thesis on SCLIP, SAM 2 and Stable Diffusion", "labels", "sam",
    ),
    Refinement(
        "vote-auto", "Automatic masks, by votes", "SAM masks the whole photo, and each takes the name most of it has.",
        "thesis on SCLIP, SAM 2 and Stable Diffusion; CorrCLIP, ICCV 2025", "labels", "sam",
    ),
    Refinement(
        "crf", "Dense CRF", "Near pixels, and pixels of like colour, want the same name.",
        "Kraehenbuehl and Koltun, NeurIPS 2011", "scores",
    ),
    Refinement(
        "pamr", "PAMR", "Probabilities are averaged over neighbours of like colour.",
        "Araslanov and Roth, CVPR 2020", "scores",
    ),
    Refinement(
        "diffusion", "Diffusion attention", "Probabilities flow along a diffusion model's self-attention.",
        "CLIPer, Sun et al., ICCV 2025", "scores", "unet",
    ),
    Refinement("none", "None", "The coarse labels as they are.", "", "labels"),
)  # fmt: skip

REFINEMENTS: dict[str, Refinement] = {one.name: one for one in _ALL}
