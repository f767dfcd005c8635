"""The built-in inpainting model's form: few words, its own window, room for another shape; random weights."""

import dataclasses
import functools
import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from app.texts import kind_hint
from pipeline import Pipeline
from pipeline.__main__ import main
from pipeline.edit import edit
from pipeline.edit.crop import bounds
from pipeline.edit.masks import roomy
from pipeline.edit.pieces import shape_pieces
from pipeline.edit.prompts import build_words
from pipeline.edit.vocabulary import check_words, known_part
from pipeline.errors import NamebrushError
from pipeline.history import open_session
from pipeline.models import CHECKPOINTS, PRESETS, builtin, load_models
from pipeline.models.painting import BUILTIN, Painting, of_folder
from pipeline.photo import open_photo
from pipeline.progress import Progress
from pipeline.records import EditRequest

from . import checkpoints

WORDS = {"nouns": ["ball", "boat", "car"], "colors": ["red", "blue"], "materials": ["wooden"], "grounds": ["sea"],
         "surroundings": ["background"]}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return checkpoints.small_inpainting(tmp_path_factory.mktemp("assets") / "inpainting", WORDS)


@pytest.fixture
def engine(folder, monkeypatch):
    """The preset tiny with this folder as its built-in painter."""
    monkeypatch.setattr(builtin, "INPAINTING", folder)
    return Pipeline.load("tiny", inpaint="namebrush-inpaint", device="cpu")


def ell(size=(160, 200)):
    mask = np.zeros(size, bool)
    mask[30:90, 40:60] = mask[70:90, 40:110] = True
    return mask


def test_the_preset_paints_with_it_at_its_own_size(engine, folder, monkeypatch):
    photo = open_photo(np.random.default_rng(0).integers(60, 200, (160, 200, 3), np.uint8))
    said, seen = [], []
    models = engine.models
    assert models.title("inpaint") == "Namebrush inpainting" and models.has("inpaint") and models.painting.bare
    pipe = models.inpaint()
    assert type(pipe).__name__ == "StableDiffusionInpaintPipeline" and pipe.scheduler.config.rescale_betas_zero_snr
    call = type(pipe).__call__

    @functools.wraps(call)
    def recorded(self, **options):
        seen.append(options)
        return call(self, **options)

    monkeypatch.setattr(type(pipe), "__call__", recorded)
    request = EditRequest("replace", ell(), prompt="shiny red ball", subject="boat", steps=2)
    result = edit(photo, request, models, Progress(lambda text, _: said.append(text)))
    (options,) = seen
    assert (options["height"], options["width"], options["num_inference_steps"]) == (256, 256, 2)
    assert options["prompt"] == "a red ball" and options["guidance_scale"] == 3 and not options["negative_prompt"]
    mask = np.asarray(options["mask_image"]) > 0
    x0, y0, x1, y1 = bounds(mask)
    assert 0.5 < max(x1 - x0, y1 - y0) / 256 < 0.7 and mask[y0:y1, x0:x1].mean() > 0.97
    assert result.changed_outside == 0 and "shiny" in result.notes[0] and "its nouns are ball" in result.notes[0]
    assert models.describe()[3]["bytes"] == sum(f.stat().st_size for f in folder.rglob("*.safetensors"))
    assert result.models["inpaint"].startswith("Namebrush inpainting (sha256:")


@pytest.mark.parametrize("kind", ["replace", "restyle"])
def test_it_starts_from_calm_noise_and_restyling_from_what_is_there(engine, monkeypatch, kind):
    rng = np.random.default_rng(0)
    photos = [open_photo(rng.integers(0, 255, (160, 200, 3), np.uint8)) for _ in range(2)]
    pipe, seen = engine.models.inpaint(), []
    call = type(pipe).__call__

    @functools.wraps(call)
    def recorded(self, **options):
        seen.append((options["latents"], options["image"]))
        return call(self, **options)

    monkeypatch.setattr(type(pipe), "__call__", recorded)
    for photo, prompt in zip((*photos, photos[0]), ("red ball", "red ball", "blue ball"), strict=True):
        edit(photo, EditRequest(kind, ell(), prompt, steps=5, seed=4), engine.models)
    first, other, again = (latents for latents, _ in seen)
    assert first.shape == (1, 4, 32, 32) and torch.equal(first, again)  # the noise is the seed's, not the words'
    if kind == "replace":
        assert 0.35 < first.std() < 0.45 and torch.equal(first, other)
    else:  # the noise is the same, so what differs is the pictures'
        with torch.no_grad():
            pixels = [pipe.image_processor.preprocess(image) for _, image in seen[:2]]
            one, two = (pipe.vae.encode(p).latent_dist.mode() for p in pixels)
        both = torch.stack([(first - other).flatten(), (one - two).flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.99


def test_a_thing_it_does_not_know_is_refused_before_anything_is_loaded(engine):
    photo = open_photo(np.full((60, 60, 3), 90, np.uint8))
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    for prompt, named in (("a dragon", '"dragon"'), ("a red dragon", '"dragon"'), ("something blue", "blue")):
        with pytest.raises(NamebrushError, match="ball, boat, car.*sd2-inpainting") as error:
            engine.edit(photo, mask, "replace", prompt)
        assert named in str(error.value) and "\n" not in str(error.value)
    assert not engine.models.describe()[3]["loaded"]
    assert engine.edit(photo, mask, "restyle", "wooden", steps=2).changed_outside == 0  # no thing is needed


def test_words_are_checked_and_cut_to_what_is_known():
    assert check_words("a red ball", WORDS, "M", True) == ()
    assert known_part("The shiny, RED ball!", WORDS) == "the red ball"
    (note,) = check_words("red plastic", WORDS, "M", False)
    assert '"plastic"' in note and "its colors are red, blue" in note
    with pytest.raises(NamebrushError, match='M cannot paint "plastic"'):
        check_words("plastic", WORDS, "M", False)


@pytest.mark.parametrize(
    ("kind", "prompt", "subject", "words"),
    [
        ("replace", "red ball", "boat", "a red ball"), ("replace", "the car", "", "the car"),
        ("restyle", "blue", "car", "a blue car"), ("restyle", "a blue boat", "car", "a blue boat"),
        ("restyle", "wooden", "dragon", "a wooden"), ("remove", "", "car", "background"), ("extend", "sea", "", "sea"),
    ],
)  # fmt: skip
def test_captions_are_those_it_met(kind, prompt, subject, words):
    made = build_words(kind, prompt, "", subject, of_folder_words())
    assert made.prompt == words and made.negative == ""


def of_folder_words():
    return dataclasses.replace(BUILTIN, known={kind: tuple(words) for kind, words in WORDS.items()})


@pytest.mark.parametrize("shape", ["region", "hull", "box"])
def test_room_for_another_form(shape):
    mask = ell()
    wide = roomy(mask, shape)
    assert (wide & mask).sum() == mask.sum() and bounds(wide) == bounds(mask)
    pixels = np.zeros((160, 200, 3), np.uint8)
    (piece,) = shape_pieces(EditRequest("replace", mask, "x", shape=shape, grow=0), pixels, 2)
    assert np.array_equal(piece.used, wide[piece.slices])
    if shape == "box":
        assert wide.sum() == 60 * 70
    elif shape == "hull":
        contours, _ = cv2.findContours(wide.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        assert mask.sum() < wide.sum() < 60 * 70 and cv2.contourArea(cv2.convexHull(contours[0])) < wide.sum()


def test_who_widens_how(folder):
    usual = Painting()
    assert usual.shape == "hull" and load_models("base", device="cpu").painting == usual
    assert CHECKPOINTS["namebrush-inpaint"].painting is BUILTIN and BUILTIN.shape == "box"
    chosen = load_models("base", inpaint=folder, device="cpu").painting
    assert chosen.shape == "box" and chosen.known["nouns"] == ("ball", "boat", "car")
    pixels, mask = np.zeros((160, 200, 3), np.uint8), ell()
    areas = [sum(p.used.sum() for p in shape_pieces(EditRequest("replace", mask, "x"), pixels, None, shape, 0.05))
             for shape in ("region", "hull", "box")]  # fmt: skip
    assert areas == sorted(areas) and areas[0] < areas[2]


def test_a_list_of_words_that_is_none(tmp_path):
    (tmp_path / "words.json").write_text(json.dumps(["red"]))
    with pytest.raises(NamebrushError, match="is no list of words"):
        of_folder(tmp_path)
    assert of_folder(tmp_path / "none", BUILTIN) is BUILTIN


def test_a_copy_without_the_weights_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "INPAINTING", tmp_path)
    models = load_models("tiny", inpaint="namebrush-inpaint", device="cpu")
    assert not models.has("inpaint") and models.painting.known is None
    with pytest.raises(NamebrushError, match="is not in .*; train it with .*name another one with inpaint="):
        models.inpaint()


def test_a_session_of_it_is_done_again_from_the_command_line(engine, tmp_path, capsys):
    Image.fromarray(np.random.default_rng(1).integers(60, 200, (120, 140, 3), np.uint8)).save(tmp_path / "a.png")
    session = str(tmp_path / "s.namebrush.zip")
    asked = ["edit", str(tmp_path / "a.png"), "--kind", "replace", "--prompt", "shiny blue car", "--steps", "2",
             "--inpaint", "namebrush-inpaint"]  # fmt: skip
    where = ["--box", "40,30,90,80", "--seed", "9", "--candidates", "2", "--out", str(tmp_path / "b.png")]
    assert main([*asked, *where, "--session", session, "--quiet"]) == 0
    assert '"shiny"' in capsys.readouterr().err
    step = open_session(session).steps[-1]
    request = step.edit.request
    assert (request.steps, request.guidance, request.shape) == (2, 3.0, "box") and set(step.edit.seeds) == {9, 10}
    again = ["--inpaint", "namebrush-inpaint", "--out", str(tmp_path / "again"), "--quiet"]
    assert main(["replay", session, *again]) == 0
    assert "1 steps done again, 1 with the same pixels" in capsys.readouterr().out
    again = np.asarray(Image.open(tmp_path / "again" / "step-01.png"))
    assert np.array_equal(again, np.asarray(Image.open(tmp_path / "b.png")))


def test_a_preset_without_it_says_what_replacing_needs(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", dataclasses.replace(PRESETS["tiny"], inpaint=""))
    models = load_models("tiny", device="cpu")
    assert models.title("inpaint") == "none" and not models.has("inpaint")
    with pytest.raises(NamebrushError, match="load the preset base, or name one with inpaint=: .*sd2-inpainting"):
        models.inpaint()
    assert "cannot paint from words" in kind_hint("replace", "tiny")


def test_the_page_tells_what_the_built_in_painter_knows():
    for kind in ("replace", "restyle"):
        assert "tree, palm" in kind_hint(kind, "tiny") and "umbrella" in kind_hint(kind, "tiny")
    assert "umbrella" not in kind_hint("replace", "base") + kind_hint("remove", "tiny")
