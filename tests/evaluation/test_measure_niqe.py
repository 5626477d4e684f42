"""Table 5: a model fitted on routine maps finds them natural, and interpolated maps less so."""

import hashlib
import json

import numpy as np
import pytest
from evaluation_house import arguments, make_manifest
from evaluation_subjects import NAMES, make_case, make_predictions

import launch.evaluate as door
import qsr_jax.evaluation.measure_cohort as subjects_module
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import niqe as measured
from qsr_jax.evaluation.measure.niqe import FITTED, fit_models, niqe_values
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.sections.niqe import niqe_rows
from qsr_jax.maps import spec_of
from qsr_jax.metrics.niqe import load_model, niqe, to_grey


@pytest.fixture(scope="module")
def subjects():
    """Three subjects, the first two to fit on."""
    rng = np.random.default_rng(5)
    return [make_case(rng, subject=f"{i}", size=128, slices=12) for i in range(3)]


@pytest.fixture(scope="module")
def models(subjects):
    """Small subjects, small blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "FITTED_BLOCK", 16)
        return fit_models([case.routine for case in subjects[:2]])


def niqe_of(values):
    return {(v.map, v.method): v.value for v in values}


def test_routine_is_the_most_natural(subjects, models, rng):
    case = subjects[2]
    made = make_predictions(rng, case)
    values = list(niqe_values(case, made, None, models, split="test", run="1"))
    found = niqe_of(values)
    assert {name for name, _ in found} == set(NAMES)
    for name in NAMES:
        assert found[name, "routine"] < found[name, "bicubic"]
    assert "fast" not in {method for _, method in found}  # another grid, another number
    assert {v.place for v in values} == {FITTED}
    assert all("routine" in v.convention and "grey 255 =" in v.convention for v in values)


def test_a_row_stands_beside_the_papers(subjects, models, rng):
    made = [make_predictions(rng, case) for case in subjects]
    values = [v for c, m in zip(subjects, made, strict=True) for v in measure(c, m, split="test")]
    for case, predictions in zip(subjects, made, strict=True):
        values += niqe_values(case, predictions, None, models, split="test", run="1")
    rows = list(niqe_rows(Cohort(values)))
    assert [row.map for row in rows] == list(NAMES)
    assert all(row.n == 3 and row.by_method["trained"].n == 3 for row in rows)
    assert rows[0].paper[1].mean == 13.36


def test_the_scans_are_measured_once(subjects, models, rng):
    """A second training brings its own maps only."""
    made = {"trained": make_predictions(rng, subjects[2])["trained"]}
    values = niqe_values(subjects[2], made, None, models, split="test", run="2")
    assert {v.method for v in values} == {"trained"}


def test_too_little_to_fit_on_leaves_it_out(subjects):
    assert fit_models([]) == {}
    small = make_case(np.random.default_rng(0), subject="a", size=64)
    assert fit_models([small.routine]) == {}
    made = make_predictions(np.random.default_rng(0), small)
    assert not list(niqe_values(small, made, None, {}, split="test", run="1"))


@pytest.mark.parametrize("which", ["made here", "the published model"])
def test_a_model_of_natural_images_goes_through_the_door(
    which, house, tmp_path, test_data, monkeypatch
):
    """The digest of the file and the crop stand beside the numbers, and the numbers are its own."""
    if which == "made here":
        path = tmp_path / "model.npz"
        np.savez(path, mean=np.linspace(0.5, 2.0, 36), covariance=0.2 * np.eye(36))
    else:
        path = test_data("niqe/niqe_pris_params.npz")
    house.size = 192  # two blocks of 96 pixels on each side
    house.manifests["manifest.json"] = make_manifest(["test", "train"])
    cases = []
    load = subjects_module.load_case
    monkeypatch.setattr(
        subjects_module, "load_case", lambda *a: cases.append(load(*a)) or cases[-1]
    )
    out = tmp_path / "report"
    door.main([*arguments(out, "t1"), "--niqe", str(path), "--baselines", "", "--workers", "1"])
    (row,) = json.loads((out / "tables.json").read_text())["tables"]["niqe"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"sha256 {digest[:8]}" in row["convention"]
    assert "natural images" in row["convention"] and "96 pixel blocks, frame" in row["convention"]
    assert row["convention"] in (out / "index.html").read_text("utf-8")
    grey = to_grey(cases[-1].routine.maps[..., 0], grey_max=spec_of("t1").niqe_grey_max)
    expected = niqe(np.asarray(grey), np.ones(grey.shape, bool), load_model(path)).mean()
    assert row["by_method"]["routine"]["mean"] == pytest.approx(expected, rel=1e-6)
