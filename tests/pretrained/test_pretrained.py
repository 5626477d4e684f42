"""Models by name: what a name means; and of whatever ships, that it is whole and works."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_house import make_manifest
from small_predictors import geometry, save, small_predictor
from weighted_fixtures import TYPICAL, disc

import qsr_jax.evaluation.trainings as trainings
import qsr_jax.pretrained as pretrained
from launch import models
from qsr_jax.checkpoint import CheckpointError, read_model_file
from qsr_jax.data.studies.learned import learned_of
from qsr_jax.evaluation.unseen import LeakageError
from qsr_jax.predictors import load_predictor
from qsr_jax.predictors.export import export_model
from qsr_jax.predictors.opened import is_denoiser, open_model, takes_weighted
from qsr_jax.predictors.weighted_network import load_weighted
from qsr_jax.pretrained import LARGEST_BYTES, card, find_model, shipped_models
from qsr_jax.pretrained.card import NOT_STATED, SECTIONS, card_text, sections_of, what_is_missing
from qsr_jax.types import Volume


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package that ships two models, in a place of its own; the user's folder is empty."""
    folder, here = tmp_path / "pretrained", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    for name in ("default", "routine"):
        (folder / f"{name}.safetensors").write_bytes(b"")
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    monkeypatch.chdir(here)
    return folder


def test_a_name_a_file_or_a_workdir_is_a_model(shipped, tmp_path):
    assert list(shipped_models()) == ["default", "routine"]
    assert find_model("default") == shipped / "default.safetensors"
    assert find_model(tmp_path / "here") == tmp_path / "here"
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"")
    assert find_model(mine) == mine
    assert pretrained.shipped_name(find_model("routine")) == "routine"
    assert pretrained.shipped_name(mine) is None


def test_a_mistyped_name_is_told_what_there_is(shipped, monkeypatch, tmp_path):
    wanted = r"defualt: no such model; .*ships \(default, routine\). Did you mean default\?"
    with pytest.raises(CheckpointError, match=wanted):
        find_model("defualt")
    with pytest.raises(CheckpointError, match="no such model"):
        load_predictor(tmp_path / "gone")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match="or a name; none ships"):
        find_model("default")


def test_a_workdir_called_as_a_shipped_model_is_told(shipped, tmp_path):
    (tmp_path / "here" / "default").mkdir()
    assert find_model("default") == shipped / "default.safetensors"
    (tmp_path / "here" / "default" / "latest").mkdir()
    with pytest.raises(CheckpointError, match="of a model that ships, and of a workdir here; give"):
        find_model("default")
    assert find_model(tmp_path / "here" / "default").is_dir()


def test_a_model_that_ships_still_knows_whom_it_learned_from(shipped, tmp_path, monkeypatch):
    """Whom its file names may not be tested, under whatever manifest; others may."""
    everybody = make_manifest(["train", "test", "test", "test"])
    document = {
        "learned": learned_of(everybody).to_json(),
        "data_fingerprint": everybody.fingerprint,
        "config": {"seed": 4},
    }
    save(tmp_path / "run", small_predictor(), **document)
    (shipped / "default.safetensors").unlink()
    export_model(tmp_path / "run", shipped / "default.safetensors")
    manifests = {
        "new.json": make_manifest(["train", "test", "test", "train"]),
        "old.json": make_manifest(["test", "test", "train", "train"]),
    }
    monkeypatch.setattr(trainings.Manifest, "load", lambda path: manifests[path.name])

    def run(name):
        given = [(tmp_path / name, [Path("default")])]
        return trainings.load_runs(given, split="test", trained_on=None, which="latest")

    (found,) = run("new.json")
    assert found.models[0].description == "srgan T1, 10 training steps, shipped as default"
    assert (found.where.seed, found.doubts) == (4, ())
    with pytest.raises(LeakageError, match="default learned from subject 0000000000000000"):
        run("old.json")


WRITTEN = {"Data": "D", "Numbers": "N", "Limits": "L", "Licence": "A"}
GIVEN = "# x\n\nOne line.\n\nMore.\n\n" + "\n".join(f"## {k}\n\n{v}\n" for k, v in WRITTEN.items())


def test_a_card_says_what_the_file_knows_and_what_a_person_wrote(tmp_path):
    path = tmp_path / "model.safetensors"
    people = {"salt": "s", "subjects": ["a", "b"], "values": []}
    workdir = save(tmp_path / "run", small_predictor(), train_slices=9, learned=people)
    model = export_model(workdir, path)
    about = {"weights_sha256": model.weights_sha256, "retrain": ""}
    bare = card_text(path, given={}, **about)
    assert what_is_missing(bare, path) == [
        "the line below its title", "Data", "Numbers", "Limits", "Licence", "Retrain",
    ]  # fmt: skip
    about["retrain"] = "qsr train"
    text = card_text(path, given=sections_of(GIVEN), **about)
    assert what_is_missing(text, path) == []
    assert text.startswith("# model\n\nOne line.\n\nMore.\n\n## Model\n")
    assert sections_of(text)["Numbers"] == "N"
    assert "16 x 16 to 32 x 32, slices 5 mm apart, coarse pixels of 2 x 2 mm" in text
    assert "| maps | T1 0 to 4500 ms |" in text and "| target | routine |" in text
    count = sum(a.size for n, a in read_model_file(path).network.items() if n[:7] == "params/")
    assert f"{count:,} parameters" in text
    assert "| learned from | 2 people, validation included, 9 training slices |" in text
    assert card_text(path, given=sections_of(text), **about) == text
    began = read_model_file(path).document | {"learned_before": [people]}
    assert card._learned(began).endswith("9 training slices; in the models it began from: 2")
    assert card._learned({}) == NOT_STATED
    assert what_is_missing(text.replace("## Limits", "## Limit"), path) == ["Limits"]
    wrong = text.replace(text.split("sha256 of the file | `")[1][:64], "0" * 64)
    assert what_is_missing(wrong, path) == ["the sha256 of its file"]


SHIPPED = shipped_models()
MAPPING = [name for name in SHIPPED if not is_denoiser(name)]
"""The others take noise off: tests/predictors/test_denoiser.py."""


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_small_and_its_card_whole(name):
    path = SHIPPED[name]
    assert path.stat().st_size <= LARGEST_BYTES
    text = path.with_suffix(".md").read_text("utf-8")
    assert what_is_missing(text, path) == []
    assert text.startswith(f"# {name}\n")
    assert open_model(name).weights_sha256 in sections_of(text)[SECTIONS[-1]]
    said = json.dumps([read_model_file(path).document, text])
    assert not [place for place in ("/home/", "/work/", "/tmp/", "/root/") if place in said]


@pytest.mark.parametrize("name", [n for n in MAPPING if not takes_weighted(n)])
def test_a_shipped_model_predicts_a_scan_of_its_protocol(name, rng):
    """One slice of noise around grey matter: finite maps, and a spread where it tells one."""
    model = load_predictor(name)
    place = dataclasses.replace(geometry(1, model.lr_shape), spacing_mm=model.lr_spacing_mm)
    middle = np.array([{"t1": 1300.0, "t2": 90.0, "pd": 80.0}[n] for n in model.names])
    maps = middle * rng.uniform(0.9, 1.1, (*place.shape, len(middle)))
    made = model(Volume(maps.astype(np.float32), model.names, place))
    assert made.mean.shape == (
        1,
        *(model.task.scale * side for side in model.lr_shape),
        len(middle),
    )
    assert np.isfinite(made.mean).all()
    assert made.std is None or (np.isfinite(made.std).all() and made.std.min() >= 0)


def test_a_denoiser_of_weighted_images_takes_no_study_and_makes_no_map(capsys):
    models.main([])
    assert "mrf: denoiser of weighted images, 240 x 240" in capsys.readouterr().out
    assert not takes_weighted("mrf") and takes_weighted("weighted")


@pytest.mark.parametrize("name", [n for n in MAPPING if takes_weighted(n)])
def test_a_shipped_model_of_weighted_images_knows_white_matter(name):
    """A disc in a ring of water, without noise, far from any anatomy: within 15 %."""
    model = load_weighted(name)
    truth, brain, images = disc(1, 64)
    mean, std = model.say(images, TYPICAL, brain, gains="one")
    white = brain & (truth[..., 0] < 1000)
    np.testing.assert_allclose(np.median(mean[white], 0), [850, 70, 70], rtol=0.15)
    assert std is not None and np.isfinite(std).all() and std.min() > 0
