"""A second scan of a simulated subject: the same truth, other noise, found by the evaluation."""

import concurrent.futures
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluation_house import Linear

from data_tools import repeat_scan
from qsr_jax.data.nifti.files import read_nifti, write_nifti
from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.truth import poses_in
from qsr_jax.evaluation.cohort import FoldSeed
from qsr_jax.evaluation.measure.repeated_scan import read_repeat
from qsr_jax.evaluation.measure_cohort import measure_subjects
from qsr_jax.evaluation.measure_views import MeasureOptions
from qsr_jax.evaluation.trainings import Run
from qsr_jax.evaluation.value_cache import ValueCache


@pytest.fixture
def cohort(tmp_path, tiny_cohort):
    return shutil.copytree(tiny_cohort / "cohort", tmp_path / "cohort")


def test_the_same_subject_with_other_noise(cohort, tiny_cohort, capsys):
    manifest = Manifest.load(tiny_cohort / "manifest.json")
    (subject,) = manifest.subjects_of(group="patient")
    name = subject.truth.split("/")[0]
    again = ["--cohort", str(cohort), "--subjects", name]
    repeat_scan.main(again)
    repeat_scan.main(again)
    assert capsys.readouterr().out.splitlines() == [
        f"{cohort}: 1 subjects scanned again, 0 kept", f"{cohort}: 0 subjects scanned again, 1 kept"
    ]  # fmt: skip
    case = load_case(manifest, subject)
    object.__setattr__(manifest, "root", cohort)
    again = read_repeat(manifest, subject, case.routine)
    brain = np.isin(case.truth.tissue, (2, 3))
    first, second, true = (x[brain] for x in (case.routine.maps, again.maps, case.truth.maps))
    for channel in range(3):
        noise, errors = (second - first)[:, channel], (first - true)[:, channel]
        assert 0.1 * errors.std() < noise.std() < 2.0 * errors.std()
        assert abs(noise.mean()) < 0.02 * true[:, channel].mean()
        assert np.corrcoef(first[:, channel], second[:, channel])[0, 1] > 0.8
    told = poses_in(cohort / name / "truth")
    assert told["fast"].any() and told["routine2"].any() and not told["routine"].any()
    _check_movement_is_undone(manifest, subject)


def _check_movement_is_undone(manifest, subject):
    """Fast, bicubic and repeated scan err less against both; routine's own error is as it was."""
    run = Run(
        "1", Path("manifest.json"), manifest, (subject,), (Linear("joint"),), FoldSeed("1", 0)
    )
    found = {}
    for how in ("known", "none"):
        options = MeasureOptions(split="test", baselines=("bicubic",), natural=None, register=how)
        values, _ = measure_subjects([run], options, ValueCache(None), workers=1)
        found[how] = {
            (v.method, v.quantity): v.value
            for v in values
            if (v.kind, v.place, v.map) == ("error by place", "parenchyma", "t1")
        }
        moved = [v for v in values if v.kind == "movement" and v.quantity == "in the brain"]
        assert {(v.method, v.convention) for v in moved} == {("fast", how), ("routine2", how)}
    for method in ("fast", "bicubic", "trained", "routine2"):
        for reference in ("routine", "truth"):
            key = method, f"rmse against {reference}"
            assert found["known"][key] < found["none"][key]
    own = "routine", "rmse against truth"
    assert found["known"][own] == found["none"][own]
    assert found["known"].keys() == found["none"].keys()


def test_whom_another_version_drew_is_refused(cohort):
    path = cohort / "sub-001" / "truth" / "t1_ms.nii.gz"
    geometry = load_geometry(cohort)
    write_nifti(read_nifti(path)[0] + np.float32(1.0), geometry, path)
    with pytest.raises(SystemExit, match="T1 of its truth is not what this version draws"):
        repeat_scan.main(["--cohort", str(cohort), "--subjects", "sub-001"])
    assert not list((cohort / "sub-001").glob("*routine2*"))


def load_geometry(cohort):
    from qsr_jax.data.dicom import read_series

    return read_series(cohort / "sub-001" / "routine_t1").volume.geometry


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"protocol": "file"}, "made from files .a protocol."),
        ({"anatomy": {"head.nii.gz": "0"}}, "made from files .label maps."),
        ({"regions_from": "else"}, "another version"),
        ({"edition": 1}, "another version"),
        ({"scanner": 3}, "not a cohort's settings"),
    ],
)
def test_cohorts_that_cannot_be_repeated_are_refused(cohort, change, match):
    path = cohort / "cohort.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SystemExit, match=match):
        repeat_scan.main(["--cohort", str(cohort)])


def test_who_tests_in_a_manifest_is_scanned_by_several_processes(cohort, tiny_cohort, monkeypatch):
    """The pool is handed the tested subjects, and nobody else; what it runs is tested above."""
    path, asked = tiny_cohort / "manifest.json", []

    class Pool:
        def __init__(self, workers, **_):
            assert workers == 2

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, run, *given):
            asked.append((run, given[1], given[2]))
            done = concurrent.futures.Future()
            done.set_result(None)
            return done

    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", Pool)
    repeat_scan.main(["--cohort", str(cohort), "--manifest", str(path), "--workers", "2"])
    tests = Manifest.load(path).subjects_of(split="test")
    names = sorted(subject.truth.split("/")[0] for subject in tests)
    assert len(names) > 1
    assert sorted(asked) == [(repeat_scan.repeat_scan, n, cohort / n) for n in names]


def test_no_workers_are_refused(cohort):
    with pytest.raises(SystemExit, match="--workers must be at least 1; got 0"):
        repeat_scan.main(["--cohort", str(cohort), "--workers", "0"])


def test_a_subject_who_is_not_there_is_refused(cohort):
    with pytest.raises(SystemExit, match="has no sub-099"):
        repeat_scan.main(["--cohort", str(cohort), "--subjects", "sub-099"])
