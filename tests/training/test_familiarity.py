"""A training keeps what its subjects look like; whoever loads the model compares with it."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from small_heads import ALL, head
from small_predictors import save, small_predictor

from qsr_jax.checkpoint import CheckpointError
from qsr_jax.data.records.joint import open_joint
from qsr_jax.familiarity import FamiliarityError, ScaleError, features_of, know
from qsr_jax.familiarity.saving import FILE, read_known, write_known
from qsr_jax.predictors import load_predictor
from qsr_jax.predictors.export import export_model
from qsr_jax.training.familiarity import fast_scans, keep_familiar


def test_known_scans_are_of_training_and_validation_subjects(tiny_data, tmp_path):
    """Two train and one validates; a damaged file is made anew, one of the same data stays."""
    records = {
        split: open_joint(tiny_data, ALL, split, context=3) for split in ("train", "validation")
    }
    task = SimpleNamespace(names=ALL, SEES_MAPS=True)
    plan = SimpleNamespace(records=records["train"], task=task)
    keep_familiar(tmp_path, plan, lambda: records["validation"])
    known, fingerprint = read_known(tmp_path)
    assert (known.subjects, len(known.features)) == (3, 2)
    assert fingerprint == records["train"].fingerprint
    (scan,) = fast_scans(records["validation"])
    lr = records["validation"][0]["lr"][..., 3:6]  # the middle one of three slices
    np.testing.assert_allclose(scan.maps[0], lr * np.float32(0.1))
    assert not known.judge(scan).is_unfamiliar
    before = (tmp_path / FILE).read_bytes()
    keep_familiar(tmp_path, plan, lambda: pytest.fail("looked at the subjects again"))
    (tmp_path / FILE).write_bytes(b"damaged")
    with pytest.raises(FamiliarityError, match="remove it and run the same training again"):
        read_known(tmp_path)
    keep_familiar(tmp_path, plan, lambda: records["validation"])
    assert (tmp_path / FILE).read_bytes() == before


@pytest.fixture(scope="module")
def known():
    return know(ALL, [features_of(head(seed)) for seed in range(5)], [])


def test_a_loaded_model_knows_them_from_a_workdir_and_from_a_file(known, tmp_path):
    workdir = save(tmp_path, small_predictor("residual", ALL), "residual")
    assert load_predictor(workdir).familiarity is None
    write_known(workdir, known, fingerprint="data")
    scan, found = head(100), load_predictor(workdir).familiarity
    assert found is not None and found.judge(scan) == known.judge(scan)
    file = tmp_path / "model.safetensors"
    export_model(workdir, file)
    again = load_predictor(file).familiarity
    assert again is not None and again.judge(scan) == known.judge(scan)
    (workdir / FILE).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=f"{FILE}: cannot be read"):
        load_predictor(workdir)


def test_a_prediction_says_whether_its_scan_is_known(known):
    scan = head(100)
    grid = {"lr_shape": scan.geometry.shape[1:], "lr_spacing_mm": scan.geometry.spacing_mm}
    model = dataclasses.replace(small_predictor("residual", ALL), familiarity=known, **grid)
    assert model(scan).select(("t2",)).familiarity == known.judge(scan)
    assert dataclasses.replace(model, familiarity=None)(scan).familiarity is None
    seconds = dataclasses.replace(scan, maps=scan.maps * np.float32([1e-3, 1, 1]))
    with pytest.raises(ScaleError, match="median T1"):
        dataclasses.replace(model, familiarity=None)(seconds)
