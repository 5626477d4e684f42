"""The doors of weighted images with the model that ships: maps of a study, the check.

That its page trains is shown by tests/house/test_configs.py.
"""

import json

import numpy as np
import pytest
from weighted_fixtures import NAMES, disc

from data_tools import weighted_check, weighted_numbers
from launch import predict
from launch.config.finetune import after_model
from launch.config.page import ConfigError, load_config
from qsr_jax.checkpoint import load_document
from qsr_jax.data.nifti.files import read_nifti, write_nifti
from qsr_jax.pretrained import find_model
from qsr_jax.types import Geometry

MODEL = "weighted"
pytestmark = pytest.mark.usefixtures("compiled_quickly")
TIMES = ["--tr", "530,4400,8370", "--te", "12.6,98,106", "--ti", "2380"]


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


def test_a_study_of_files_becomes_maps_with_their_spread(files, tmp_path, capsys):
    out = tmp_path / "out"
    brain = ["--brain", str(files / "brain.nii.gz")]
    words = [*given(files), *TIMES, *brain, "--nifti", "01", "--output", str(out)]
    predict.main(["--model", MODEL, *words])
    made = sorted(out.glob("sub-01/anat/*.nii.gz"))
    assert len(made) == 6 and f"wrote {made[0]}" in capsys.readouterr().out
    t1_s, affine = read_nifti(next(p for p in made if p.name.endswith("desc-unet_T1map.nii.gz")))
    inside = read_nifti(files / "brain.nii.gz")[0] > 0
    white = t1_s[:, 20:28, 20:28]
    assert np.isfinite(t1_s).all() and 0.3 < white.mean() < 0.7 * np.median(t1_s[inside]), "water"
    assert not t1_s[~inside].any()
    np.testing.assert_allclose(affine, read_nifti(files / "t2w.nii.gz")[1], atol=1e-4)
    car = json.loads(next(out.glob("**/*desc-unet_T1map.json")).read_text())
    assert car["Resolution"].startswith("as scanned")
    assert car["Familiarity"]["OutOfRange"] is False


def test_what_does_not_fit_together_is_told(files, tmp_path, capsys):
    model = ["--model", MODEL, "--output", str(tmp_path / "out"), "--nifti", "01"]
    cases = [
        ([*given(files)[:2], *TIMES], "expected --t2w and --flair too"),
        ([*given(files)], "expected --t2w and --flair too, and --tr A,B,C"),
        ([*given(files), *TIMES, "--ensemble"], "one model that makes all maps"),
        (["--input", str(files), *TIMES], "DICOM series tell their times"),
        (["--input", str(files), "--flair-affine", "a.txt"], "--flair-affine: belongs to --t1w"),
        ([*given(files), *TIMES, "--workers", "2"], "--workers, 1 models; weighted images"),
        (["--cohort", str(files), "--gains", "one"], "--gains: of a study of weighted images"),
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


def test_no_scan_has_the_truth_that_finetuning_would_need():
    document = load_document(find_model(MODEL))[1]
    with pytest.raises(ConfigError, match="pairs of maps cannot teach it more"):
        after_model(load_config("finetune"), document, steps=2)


def test_the_check_looks_at_everything_and_goes_on(weighted_data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(weighted_numbers, "LEAST_PIXELS", 1)  # of 6 mm here
    out = tmp_path / "check"
    words = ["--data_dir", str(weighted_data), "--model", MODEL, "--out", str(out)]
    words += ["--per-subject", "1", "--baselines", "pixel_fit", "tissue_means"]
    parts = ["--parts", "accuracy", "shuffled", "sweep", "scale", "phantoms", "lesions"]
    weighted_check.main([*words, *parts])
    said = capsys.readouterr().out
    found = json.loads((out / "weighted.json").read_text())
    assert set(found[MODEL]) == {"accuracy", "shuffled", "sweep", "scale", "phantoms", "lesions"}
    assert found[MODEL]["lesions"]["one"]["lesions"] >= 1
    assert max(found[MODEL]["scale"]["free"]) < 0.01
    assert max(found[MODEL]["scale"]["one"]) < 10.0, "one voxel may go to its second solution"
    assert found[MODEL]["accuracy"]["simulated"]["one"]["covered_68"].keys() == {
        "CSF", "GM", "WM",
    }  # fmt: skip
    phantoms = found["pixel_fit"]["phantoms"]
    assert max(abs(value) for value in phantoms["white"]) < 5.0, "without noise it is solved"
    page = (out / "weighted.html").read_text()
    assert page.count("data:image/png") >= 3, "a picture of each of three methods"
    assert "== tissue_means" in said and len(phantoms["white"]) == len(NAMES)
    kept = out / MODEL / "accuracy.json"
    kept.write_text(kept.read_text().replace('"slices": ', '"slices": 9'))
    weighted_check.main([*words, *parts])
    again = json.loads((out / "weighted.json").read_text())
    assert again[MODEL]["accuracy"]["simulated"]["one"]["slices"] > 90, "found and kept"
    monkeypatch.setattr(weighted_check, "software_version", lambda: "of tomorrow")
    weighted_check.main([*words, "--parts", "accuracy"])
    anew = json.loads((out / "weighted.json").read_text())
    assert anew[MODEL]["accuracy"] == found[MODEL]["accuracy"], "looked at anew"


def test_nothing_to_check_is_told(weighted_data, tmp_path):
    with pytest.raises(SystemExit, match="expected one or more, each of another name"):
        weighted_check.main(["--data_dir", str(weighted_data), "--out", str(tmp_path)])
