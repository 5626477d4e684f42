"""The tiny walk of weighted images: records, training, export, maps of a study, the check."""

import json

import numpy as np
import pytest
from weighted_fixtures import NAMES, disc

from data_tools import weighted_check, weighted_numbers
from launch import export, finetune, predict, train
from launch.config.finetune import after_model
from launch.config.page import ConfigError, load_config
from qsr_jax.checkpoint import load_document
from qsr_jax.data.nifti.files import read_nifti, write_nifti
from qsr_jax.types import Geometry

WORDS = {
    "schedule.steps": 2, "data.batch_size": 4, "data.crop": 16, "model.features": 4,
    "model.depth": 1, "cadence.save_every": 2, "cadence.validate_every": 2,
}  # fmt: skip
TIMES = ["--tr", "530,4400,8370", "--te", "12.6,98,106", "--ti", "2380"]


@pytest.fixture(scope="module")
def workdir(weighted_data, tmp_path_factory, compiled_quickly):
    folder = tmp_path_factory.mktemp("weighted") / "run"
    words = [f"--config.{key}={value}" for key, value in WORDS.items()]
    where = ["--data_dir", str(weighted_data), "--workdir", str(folder)]
    train.main(["--config", "weighted_to_maps", *where, *words])
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A study of two slices as NIfTI, the three contrasts each of another gain."""
    folder = tmp_path_factory.mktemp("study")
    _, brain, images = disc(2, 48)
    place = Geometry((0.0,) * 3, (1.0, 0, 0), (0, 1.0, 0), (5.0, 1.0, 1.0), brain.shape)
    for i, (name, gain) in enumerate((("t1w", 900.0), ("t2w", 400.0), ("flair", 70.0))):
        write_nifti(np.ascontiguousarray(images[..., i] * gain), place, folder / f"{name}.nii.gz")
    write_nifti(brain.astype(np.uint8), place, folder / "brain.nii.gz")
    return folder


def given(files):
    return [
        word for n in ("t1w", "t2w", "flair") for word in (f"--{n}", str(files / f"{n}.nii.gz"))
    ]


def test_a_study_of_files_becomes_maps_with_their_spread(workdir, files, tmp_path, capsys):
    out = tmp_path / "out"
    model = tmp_path / "mine.safetensors"
    export.main(["--workdir", str(workdir), "--out", str(model)])
    brain = ["--brain", str(files / "brain.nii.gz")]
    words = [*given(files), *TIMES, *brain, "--nifti", "01", "--output", str(out)]
    predict.main(["--model", str(model), *words])
    made = sorted(out.glob("sub-01/anat/*.nii.gz"))
    assert len(made) == 6 and f"wrote {made[0]}" in capsys.readouterr().out
    t1_s, affine = read_nifti(next(p for p in made if p.name.endswith("desc-unet_T1map.nii.gz")))
    inside = read_nifti(files / "brain.nii.gz")[0] > 0
    assert np.isfinite(t1_s).all() and 0.1 < np.median(t1_s[inside]) < 4.5
    assert not t1_s[~inside].any()
    np.testing.assert_allclose(affine, read_nifti(files / "t2w.nii.gz")[1], atol=1e-4)
    car = json.loads(next(out.glob("**/*desc-unet_T1map.json")).read_text())
    assert car["Resolution"].startswith("as scanned")
    assert "pixels of 1.00 mm" in car["Familiarity"]["Description"], "the tiny records have large"


def test_what_does_not_fit_together_is_told(workdir, files, tmp_path, capsys):
    model = ["--model", str(workdir), "--output", str(tmp_path / "out"), "--nifti", "01"]
    cases = [
        ([*given(files)[:2], *TIMES], "expected --t2w and --flair too"),
        ([*given(files)], "expected --t2w and --flair too, and --tr A,B,C"),
        ([*given(files), *TIMES, "--ensemble"], "one model that makes all maps"),
        (["--input", str(files), *TIMES], "DICOM series tell their times"),
        (["--cohort", str(files)], "01"),
        (["--input", str(files)], "expected one T1w, one T2w and one FLAIR"),
        ([*given(files), "--tr", "1,2", "--te", "1,2,3", "--ti", "4"], "expected TR and TE"),
    ]
    for words, message in cases:
        with pytest.raises(SystemExit, match=message):
            predict.main([*model, *words])
    mask = tmp_path / "mask.nii.gz"
    place = Geometry((0.0,) * 3, (1.0, 0, 0), (0, 1.0, 0), (5.0, 1.0, 1.0), (2, 8, 8))
    write_nifti(np.ones((2, 8, 8), np.uint8), place, mask)
    with pytest.raises(SystemExit, match="draw it on the t2w image"):
        predict.main([*model, *given(files), *TIMES, "--brain", str(mask)])
    capsys.readouterr()


def test_no_scan_has_the_truth_that_finetuning_would_need(workdir):
    document = load_document(workdir)[1]
    with pytest.raises(ConfigError, match="whose truth no scan has"):
        after_model(load_config("finetune"), document, steps=2)
    assert document["task"]["name"] == "weighted_to_maps" and finetune is not None


def test_the_check_looks_at_everything_and_goes_on(
    weighted_data, workdir, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(weighted_numbers, "LEAST_PIXELS", 1)  # of 6 mm here
    out = tmp_path / "check"
    words = ["--data_dir", str(weighted_data), "--model", str(workdir), "--out", str(out)]
    words += ["--per-subject", "1", "--baselines", "pixel_fit", "tissue_means"]
    parts = ["--parts", "accuracy", "shuffled", "sweep", "scale", "phantoms", "lesions"]
    weighted_check.main([*words, *parts])
    said = capsys.readouterr().out
    found = json.loads((out / "weighted.json").read_text())
    assert set(found["run"]) == {"accuracy", "shuffled", "sweep", "scale", "phantoms", "lesions"}
    assert found["run"]["lesions"]["common"]["lesions"] >= 1
    assert max(found["run"]["scale"]["common"]) < 1.0
    assert found["run"]["accuracy"]["simulated"]["common"]["covered_68"].keys() == {
        "CSF", "GM", "WM",
    }  # fmt: skip
    phantoms = found["pixel_fit"]["phantoms"]
    assert max(abs(value) for value in phantoms["white"]) < 5.0, "without noise it is solved"
    assert "== tissue_means" in said and len(phantoms["white"]) == len(NAMES)
    kept = out / "run" / "accuracy.json"
    kept.write_text(kept.read_text().replace('"slices": ', '"slices": 9'))
    weighted_check.main([*words, *parts])
    again = json.loads((out / "weighted.json").read_text())
    assert again["run"]["accuracy"]["simulated"]["common"]["slices"] > 90, "found and kept"


def test_nothing_to_check_is_told(weighted_data, tmp_path):
    with pytest.raises(SystemExit, match="expected one or more, each of another name"):
        weighted_check.main(["--data_dir", str(weighted_data), "--out", str(tmp_path)])
