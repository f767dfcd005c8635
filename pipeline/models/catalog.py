"""The checkpoints known by name, where each comes from, and the presets made of them.

Hashes are the publishers' own: OpenAI writes the SHA-256 into the path of its files, Meta puts the first six digits
of the MD5 (not of the SHA-256) into the names of SAM's. The whole SHA-256 of SAM's files is the one that many
independent projects record for these downloads. Hub files are checked against what the hub states for them. Sizes
without a known exact value are rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import NamebrushError
from .painting import BUILTIN, Painting
from .records import Geometry

KINDS = ("clip", "dino", "sam", "inpaint")
#: The built-in inpainting model, and whether this copy of the repository carries it; the preset `tiny` has it then.
PAINTER = Path(__file__).resolve().parents[2] / "assets" / "inpainting"
HAS_PAINTER = (PAINTER / "model_index.json").is_file()


@dataclass(frozen=True)
class Source:
    """One place a checkpoint can be fetched from.

    Attributes:
        repo: hub repository, or "".
        files: its files, all needed; empty with `repo`: a whole diffusers pipeline.
        extras: further files, taken if the repository has them.
        url: direct address, for a source that is not on the hub.
        checks: checksums of the first file, as `download.Check.parse` reads them.
        size: exact bytes of the first file, or None.
    """

    repo: str = ""
    files: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    url: str = ""
    checks: tuple[str, ...] = ()
    size: int | None = None

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return self.url or f"https://huggingface.co/{self.repo}"


@dataclass(frozen=True)
class Checkpoint:
    """A set of weights known by name.

    Attributes:
        name: what a person types to choose it.
        kind: one of `KINDS`.
        title: its name in sentences.
        architecture: `open_clip` model name, key of `sam_model_registry`, or `transformers` model type; "" otherwise.
        sources: tried in order; empty for the built-in models, which lie in `assets/`.
        bytes: size of the download, rounded where the exact value is not published.
        licence: of the weights.
        card: a sentence or two on what it knows and where it comes from.
        adapter: weights laid into it, or None.
        painting: how an inpainting model is asked; None: as most are.
    """

    name: str
    kind: str
    title: str
    architecture: str
    sources: tuple[Source, ...]
    bytes: int
    licence: str
    card: str
    adapter: Source | None = None
    painting: Painting | None = None


@dataclass(frozen=True)
class Preset:
    """A set of parts that fit together.

    `inpaint` may be "" where there is none; `method` is what the page starts with, the one that measured best;
    `islands` is the smallest island of a refined map, in smallest regions, and `least_score` how sure its pieces must
    be (`RefineSettings`).
    """

    name: str
    clip: str
    dino: str
    sam: str
    inpaint: str
    geometry: Geometry
    card: str
    method: str = "trident"
    islands: float = 0.0
    least_score: float = 0.0

    def part(self, kind: str) -> str:
        """Name of the checkpoint of one kind."""
        return getattr(self, kind)


_OPENAI = "https://openaipublic.azureedge.net/clip/models"
_META = "https://dl.fbaipublicfiles.com/segment_anything"
_OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def _openai(name: str, title: str, architecture: str, sha256: str, file: str, mirror: str, size: int) -> Checkpoint:
    direct = Source(url=f"{_OPENAI}/{sha256}/{file}", checks=(f"sha256:{sha256}",))
    card = "OpenAI's CLIP, trained on 400 million image and text pairs from the web; the usual choice of the papers."
    sources = (direct, *(Source(repo=mirror, files=(f,)) for f in _OPEN_CLIP_FILES))
    return Checkpoint(name, "clip", title, architecture, sources, size, "MIT", card)


def _sam(size: str, file: str, md5: str, sha256: str, length: int) -> Checkpoint:
    checks = (f"md5:{md5}", f"sha256:{sha256}")
    sources = (
        Source(url=f"{_META}/{file}", checks=checks, size=length),
        Source(repo="ybelkada/segment-anything", files=(f"checkpoints/{file}",), checks=checks, size=length),
    )
    title, card = f"SAM ViT-{size.upper()}", "Meta's Segment Anything, trained on 1.1 billion masks (SA-1B)."
    return Checkpoint(f"sam-vit-{size}", "sam", title, f"vit_{size}", sources, length, "Apache-2.0", card)


def _dino(name: str, title: str, kind: str, size: int, card: str) -> Checkpoint:
    files, extras = ("config.json", "model.safetensors"), ("preprocessor_config.json",)
    older = Source(repo=f"facebook/{name}", files=("config.json", "pytorch_model.bin"), extras=extras)
    sources = (Source(repo=f"facebook/{name}", files=files, extras=extras), older)
    return Checkpoint(name, "dino", title, kind, sources, size, "Apache-2.0", card)


def _sam2(size: str, title: str, length: int) -> Checkpoint:
    repo, files = f"facebook/sam2.1-hiera-{size}", ("config.json", "model.safetensors")
    source = Source(repo=repo, files=files, extras=("preprocessor_config.json",))
    card = "Meta's SAM 2.1 for refinement and selection; Trident's aggregation needs the first SAM."
    return Checkpoint(f"sam2-{size}", "sam", f"SAM 2.1 {title}", "sam2", (source,), length, "Apache-2.0", card)


def _inpaint(
    name: str, title: str, repos: tuple[str, ...], size: int, licence: str, card: str, lcm: str = ""
) -> Checkpoint:
    adapter = Source(repo=lcm, files=("pytorch_lora_weights.safetensors",)) if lcm else None
    return Checkpoint(name, "inpaint", title, "", tuple(Source(repo=r) for r in repos), size, licence, card, adapter)


def _own(kind: str, title: str, card: str, size: int, painting: Painting | None = None) -> Checkpoint:
    return Checkpoint(f"namebrush-{kind}", kind, title, "", (), size, "Apache-2.0", card, painting=painting)


_SD15 = ("stable-diffusion-v1-5/stable-diffusion-inpainting", "botp/stable-diffusion-v1-5-inpainting")
_DINO_CARD = "Meta's DINO, trained on ImageNet without labels; its patches know what belongs together."
_ALL = (
    _own("clip", "Namebrush CLIP", "Trained by us on drawn scenes; it knows only their nouns.", 12_000_000),
    _own("dino", "Namebrush DINO", "Trained by us on drawn scenes, without labels.", 6_000_000),
    _own("sam", "Namebrush SAM", "Trained by us on drawn scenes and abstract shapes.", 5_000_000),
    _own(
        "inpaint", "Namebrush inpainting", "Trained by us on drawn scenes at 256 px; it knows only their words."
        + ("" if HAS_PAINTER else " Not in this copy: make it with python -m training.inpainting."),
        45_000_000, BUILTIN,
    ),
    _openai(
        "clip-vit-b16", "CLIP ViT-B/16 (OpenAI)", "ViT-B-16-quickgelu",
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", "ViT-B-16.pt",
        "timm/vit_base_patch16_clip_224.openai", 351_000_000,
    ),
    _openai(
        "clip-vit-l14", "CLIP ViT-L/14 (OpenAI)", "ViT-L-14-quickgelu",
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", "ViT-L-14.pt",
        "timm/vit_large_patch14_clip_224.openai", 933_000_000,
    ),
    Checkpoint(
        "clip-vit-b16-metaclip", "clip", "CLIP ViT-B/16 (MetaCLIP 400M)", "ViT-B-16-quickgelu",
        tuple(Source(repo="timm/vit_base_patch16_clip_224.metaclip_400m", files=(f,)) for f in _OPEN_CLIP_FILES),
        599_000_000, "CC-BY-NC-4.0", "Meta's reproduction of CLIP on 400 million pairs; not for commercial use.",
    ),
    Checkpoint(
        "clip-vit-h14", "clip", "CLIP ViT-H/14 (LAION-2B)", "ViT-H-14",
        tuple(Source(repo="laion/CLIP-ViT-H-14-laion2B-s32B-b79K", files=(f,)) for f in _OPEN_CLIP_FILES),
        3_945_000_000, "MIT", "LAION's CLIP, trained on 2 billion English image and text pairs from the web.",
    ),
    _dino("dino-vitb16", "DINO ViT-B/16", "vit", 343_000_000, _DINO_CARD),
    _dino("dino-vitb8", "DINO ViT-B/8", "vit", 343_000_000, _DINO_CARD + " Four times the patches of B/16."),
    _dino("dino-vits16", "DINO ViT-S/16", "vit", 87_000_000, _DINO_CARD),
    _dino("dino-vits8", "DINO ViT-S/8", "vit", 87_000_000, _DINO_CARD),
    _dino("dinov2-base", "DINOv2 ViT-B/14", "dinov2", 346_000_000, "Meta's DINOv2, trained on 142 million images."),
    _dino("dinov2-small", "DINOv2 ViT-S/14", "dinov2", 88_000_000, "Meta's DINOv2, trained on 142 million images."),
    _sam("b", "sam_vit_b_01ec64.pth", "01ec64",
         "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375_042_383),
    _sam("l", "sam_vit_l_0b3195.pth", "0b3195",
         "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1_249_524_607),
    _sam("h", "sam_vit_h_4b8939.pth", "4b8939",
         "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2_564_550_879),
    _sam2("tiny", "Hiera-T", 156_000_000), _sam2("small", "Hiera-S", 184_000_000),
    _sam2("base-plus", "Hiera-B+", 323_000_000), _sam2("large", "Hiera-L", 898_000_000),
    _inpaint(
        "sd2-inpainting", "Stable Diffusion 2 inpainting",
        ("sd2-community/stable-diffusion-2-inpainting", "stabilityai/stable-diffusion-2-inpainting"),
        2_580_000_000, "CreativeML Open RAIL++-M",
        "Stability AI's inpainting model for 512 px; its first home on the hub is gone, so a copy is asked first.",
    ),
    _inpaint(
        "sd15-inpainting", "Stable Diffusion 1.5 inpainting",
        _SD15, 2_740_000_000, "CreativeML Open RAIL-M",
        "Runway's inpainting model for 512 px, from copies of its first home; brings a checker for unsafe pictures.",
    ),
    _inpaint(
        "sdxl-inpainting", "Stable Diffusion XL inpainting", ("diffusers/stable-diffusion-xl-1.0-inpainting-0.1",),
        6_940_000_000, "CreativeML Open RAIL++-M", "An inpainting model for 1024 px made from Stable Diffusion XL.",
    ),
    _inpaint(
        "sd15-inpainting-lcm", "Stable Diffusion 1.5 inpainting in few steps", _SD15, 2_875_000_000,
        "CreativeML Open RAIL-M",
        "The same with latent consistency's adapter laid in: four to eight steps in place of fifty, a little plainer.",
        lcm="latent-consistency/lcm-lora-sdv1-5",
    ),
    _inpaint(
        "sdxl-inpainting-lcm", "Stable Diffusion XL inpainting in few steps",
        ("diffusers/stable-diffusion-xl-1.0-inpainting-0.1",), 7_334_000_000, "CreativeML Open RAIL++-M",
        "The same with latent consistency's adapter laid in: four to eight steps in place of fifty.",
        lcm="latent-consistency/lcm-lora-sdxl",
    ),
    _inpaint(
        "flux-fill", "FLUX.1 Fill", ("black-forest-labs/FLUX.1-Fill-dev",), 33_900_000_000,
        "FLUX.1 [dev] Non-Commercial",
        "Black Forest Labs' inpainting model for 1024 px; its licence must be accepted on the hub, it is not for "
        "commercial use, and it needs some 30 GB of memory in half precision.",
    ),
    Checkpoint(
        "lama", "inpaint", "LaMa", "",
        (Source(
            url="https://github.com/Sanster/models/releases/download/add_big_lama/big-lama.pt",
            checks=(
                "md5:e3aa4aaa15225a33ec84f9f4bc47e500",
                "sha256:344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9",
            ),
            size=205_669_692,
        ),), 205_669_692, "Apache-2.0",
        "Samsung's network for removing things, as a TorchScript file; quick, knows no words.",
    ),
)  # fmt: skip

CHECKPOINTS: dict[str, Checkpoint] = {checkpoint.name: checkpoint for checkpoint in _ALL}

_PAPERS = Geometry(short_side=448, window=336, stride=224)
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "tiny", "namebrush-clip", "namebrush-dino", "namebrush-sam",
            "namebrush-inpaint" if HAS_PAINTER else "",
            Geometry(short_side=320, window=128, stride=64),
            "Small models trained by us on drawn scenes; in the repository, loaded in seconds, good for drawn scenes.",
            islands=1.0, least_score=0.2,
        ),
        Preset(
            "base", "clip-vit-b16", "dino-vitb16", "sam-vit-b", "sd2-inpainting", _PAPERS,
            "The papers' usual models for photographs; runs on a processor in some ten seconds a photo.",
        ),
        Preset(
            "large", "clip-vit-l14", "dino-vitb16", "sam-vit-l", "sd2-inpainting", _PAPERS,
            "Larger CLIP and SAM; better with a graphics card.",
        ),
        Preset(
            "huge", "clip-vit-h14", "dino-vitb16", "sam-vit-h", "sdxl-inpainting", _PAPERS,
            "The largest CLIP and SAM and a 1024 px inpainting model; needs a graphics card.",
        ),
    )
}  # fmt: skip


def get_preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        NamebrushError: there is none of this name.
    """
    if name not in PRESETS:
        raise NamebrushError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def of_kind(kind: str) -> list[Checkpoint]:
    """All known checkpoints of one kind, in the order of the catalogue."""
    return [checkpoint for checkpoint in CHECKPOINTS.values() if checkpoint.kind == kind]
