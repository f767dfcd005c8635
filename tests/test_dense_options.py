"""Options, proxies and data sets: what a person changes about a method, and what is refused."""

import dataclasses

import numpy as np
import pytest

from pipeline import NamebrushError
from pipeline.dense.options import DATASETS, PROXIES, asked_recipe, dataset_settings, options_text, parse_options
from pipeline.dense.recipes import RECIPES, get_recipe
from pipeline.models import fetch
from pipeline.models.builtin import build_sam, save_sam
from pipeline.models.catalog import CHECKPOINTS
from tests import checkpoints
from tests.small_models import SAM, SMALL, picture, small_pipeline


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def find(pipe, words="dog, grass", **settings):
    return pipe.segment(picture(), words, **{"background": "none", "refine": "none", **SMALL, **settings})


def test_options_are_read_by_the_kinds_of_the_fields():
    options = "layers=2+4, depth = 6, weights=1 3,through=head, residual=no"
    recipe = asked_recipe("multilayer", options=options)
    assert recipe.own.layers == (2, 4) and recipe.own.depth == 6 and recipe.own.weights == (1.0, 3.0)
    assert recipe.own.through == "head" and recipe.residual is False
    assert asked_recipe("cliptrase", options={"radius": None, "least": 5}).own.least == 5
    assert asked_recipe("resclip", options="rcs=off, sfr-weights=2 0.5").own.sfr_weights == (2.0, 0.5)
    given = {"layers": (1, 2), "through": "last", "residual": True, "weights": ()}
    recipe = get_recipe("multilayer")
    assert parse_options(recipe, options_text({**given, "weights": (1.5, 1)})) == {**given, "weights": (1.5, 1.0)}


@pytest.mark.parametrize("method, settings, said", [
    ("sclip", {"options": "rcs=no"}, 'SCLIP has no option "rcs"'),
    ("sclip", {"options": "sigma"}, "name=value"),
    ("naclip", {"options": "sigma=wide"}, "sigma must be a number"),
    ("cliptrase", {"options": "least=2.5"}, "least must be a whole number"),
    ("resclip", {"options": "rcs=perhaps"}, "rcs must be yes or no"),
    ("multilayer", {"options": "layers=0 3"}, "layers must be whole numbers from 1 to 12"),
    ("multilayer", {"options": "weights=1 2"}, "one number of at least 0 per layer"),
    ("s2clip", {"options": "fusion=both"}, "fusion one of"),
    ("sclip", {"proxy": "dino-s8"}, "borrows no correlations"),
    ("gem", {"options": "splice=features"}, "reads several blocks"),
    ("sclip", {"options": "aggregation=affinity"}, "needs spliced features"),
    ("trident", {"options": "halves=yes, aggregation=none"}, "Two halves are only for SAM's aggregation"),
    ("trident", {"options": "splice=cosines"}, "needs spliced features"),
    ("trident", {"dataset": "voc22"}, "voc21"),
    ("proxyclip", {"proxy": "dino-x3"}, "no known dino checkpoint"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(pipe, method, settings, said):
    with pytest.raises(NamebrushError) as caught:
        find(pipe, method=method, **settings)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_methods_are_known_by_other_spellings_too():
    assert get_recipe("scclip").name == get_recipe(" SC-CLIP").name == "sc-clip"
    assert get_recipe("surgery").name == get_recipe("CLIP_Surgery").name == "clip-surgery"
    found = find(small_pipeline(), method="scclip")
    assert found.method == "sc-clip"


def test_every_method_says_where_it_comes_from_and_what_it_fixes():
    for recipe in RECIPES.values():
        assert recipe.title and recipe.about.endswith(".") and len(recipe.paper) > 8
        if recipe.own is not None:
            assert recipe.constants.split(", ")[0].split(" ")[0] in vars(recipe.own)


def test_a_data_sets_values_hold_where_nothing_else_is_said():
    assert set(DATASETS) == {"voc20", "voc21", "context59", "context60", "coco-object", "coco-stuff", "ade20k",
                             "cityscapes"}
    city = asked_recipe("trident", dataset="cityscapes")
    assert (city.cos_fac, city.refine_neg_cos, city.halves) == (3.0, False, True)
    assert asked_recipe("trident", options="cos_fac=2", dataset="cityscapes").cos_fac == 2
    assert asked_recipe("sclip", dataset="cityscapes") == RECIPES["sclip"]
    voc = dataset_settings("voc21")
    assert len(voc.pop("background").split(", ")) == 26
    assert voc == {"short_side": 448, "window": 336, "stride": 224, "threshold": 0.2, "coarse_threshold": 0.2}
    assert dataset_settings("voc20")["stride"] == 112 and dataset_settings("") == {}


def test_a_data_set_changes_what_is_segmented(pipe):
    plain = find(pipe, method="trident")
    city = find(pipe, method="trident", dataset="cityscapes")
    assert city.scores.shape == plain.scores.shape and np.abs(city.scores - plain.scores).max() > 1e-4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Small random checkpoints in the published formats, by the catalogue's names."""
    root = tmp_path_factory.mktemp("proxies")
    sam = build_sam(SAM).eval()
    save_sam(root / "sam", sam, SAM)
    return {
        "dino-vits8": checkpoints.dino(root / "s8", patch=8, width=48, layers=2, heads=3),
        "dino-vitb16": checkpoints.dino(root / "b16", patch=16, width=48, layers=2, heads=3),
        "dinov2-small": checkpoints.dinov2(root / "v2"),
        "sam-vit-b": root / "sam",
    }


@pytest.fixture
def hub(folders, monkeypatch):
    """A hub that has these checkpoints; what was fetched is kept."""
    asked = []

    def get(checkpoint, progress=None):
        asked.append(checkpoint.name)
        return folders[checkpoint.name]

    monkeypatch.setattr(fetch, "fetch", get)
    return asked


@pytest.mark.parametrize("method", ["proxyclip", "trident", "s2clip", "corrclip"])
def test_any_foundation_model_in_any_method_that_borrows(pipe, hub, method):
    scores = {}
    for proxy in ("own", "sam", "dino-s8", "dino-b16", "dinov2-s14", "sam-b"):
        found = find(pipe, method=method, proxy=proxy)
        assert np.isfinite(found.scores).all() and found.scores.shape == (2, 96, 128)
        scores[proxy] = found.scores
    names = list(scores)
    for i, one in enumerate(names):
        for other in names[:i]:
            assert np.abs(scores[one] - scores[other]).max() > 1e-6, f"{one} and {other} gave the same"
    assert set(hub) <= {"dino-vits8", "dino-vitb16", "dinov2-small", "sam-vit-b"} and len(hub) == len(set(hub))


def test_a_folder_is_a_proxy_too(pipe, folders):
    assert find(pipe, method="proxyclip", proxy=str(folders["dinov2-small"])).method == "proxyclip"


def test_every_short_name_is_in_the_catalogue():
    assert all(name in CHECKPOINTS for name in PROXIES.values())
    kinds = {short: CHECKPOINTS[name].kind for short, name in PROXIES.items()}
    assert kinds.pop("sam-b") == "sam" and set(kinds.values()) == {"dino"}


def test_options_and_proxies_on_the_command_line(tmp_path, capsys):
    from pipeline.__main__ import main

    assert main(["segment", str(tmp_path / "none.png"), "--classes", "dog", "--out", str(tmp_path), "--method",
                 "sclip", "--proxy", "dino-s8"]) == 2
    capsys.readouterr()
    assert main(["methods"]) == 0
    told = capsys.readouterr().out
    for name in RECIPES:
        assert f"\n{name} " in told
    for name in (*PROXIES, *DATASETS, "cos_fac 1.2", "rcs yes", "layers 3+6+9+12", "Shi et al., ICCV 2025"):
        assert name in told


def test_what_a_person_says_wins_over_what_the_models_like(pipe):
    models = pipe.models
    sam, clip = models.sam, models.clip
    try:
        models._loaded["sam"] = dataclasses.replace(sam, cos_fac=7.0)
        models._loaded["clip"] = dataclasses.replace(clip, drop_residual=True)
        made = {o: pipe.encode(picture(), "trident", options=o, **SMALL).recipe.cos_fac for o in ("", "cos_fac=1.2")}
        assert made == {"": 7.0, "cos_fac=1.2": 1.2}
        assert pipe.encode(picture(), "trident", dataset="voc20", **SMALL).recipe.cos_fac == 0
        kept = {o: pipe.encode(picture(), "sclip", options=o, **SMALL).recipe.residual for o in ("", "residual=yes")}
        assert kept == {"": False, "residual=yes": True}
        assert pipe.encode(picture(), "clip", **SMALL).recipe.residual is True
    finally:
        models._loaded.update(sam=sam, clip=clip)
