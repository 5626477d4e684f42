"""Baselines by name, the calibration line, and the repeated routine scan."""

import dataclasses
import shutil

import numpy as np
import pytest
from evaluation_subjects import make_case

from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.evaluation.measure.repeated_scan import as_prediction, read_repeat
from qsr_jax.predictors.baselines import (
    BASELINES,
    CALIBRATED,
    Line,
    baselines,
    calibrated,
    fit_calibration,
)
from qsr_jax.predictors.interpolation import interpolator
from qsr_jax.types import CORNER, SAMPLE

GRID = {"scale": 2, "alignment": CORNER}


@pytest.fixture
def case(rng):
    return make_case(rng, subject="a")


def with_line(case, slope, intercept):
    """The subject whose routine maps are a line of the bicubic ones, exactly."""
    made = interpolator(**GRID, method="cubic")(case.fast)
    routine = dataclasses.replace(case.routine, maps=made.mean * np.float32(slope) + intercept)
    return case.fast, routine


def test_every_baseline_lies_on_the_routine_grid(case):
    line = dict.fromkeys(case.fast.names, Line(1.0, 0.0, 1000, 1))
    made = baselines(BASELINES, **GRID, calibration=line)
    assert tuple(made) == BASELINES
    for predictor in made.values():
        prediction = predictor(case.fast)
        assert prediction.geometry == case.routine.geometry
        assert prediction.mean.shape == case.routine.maps.shape
    np.testing.assert_array_equal(made[CALIBRATED](case.fast).mean, made["bicubic"](case.fast).mean)


def test_baselines_differ(case):
    made = baselines(BASELINES[:-1], **GRID, calibration=None)
    means = [p(case.fast).mean for p in made.values()]
    assert all(np.abs(a - b).max() > 1 for i, a in enumerate(means) for b in means[:i])


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["spline"], "baseline 'spline' is not one of"),
        ([CALIBRATED], "fitted on training subjects"),
    ],
)
def test_impossible_baselines_are_refused(names, match):
    with pytest.raises(ValueError, match=match):
        baselines(names, **GRID, calibration=None)


def test_the_line_is_found_and_undone(case, rng):
    pairs = [with_line(case, 1.1, 7.0), with_line(make_case(rng, subject="b"), 1.1, 7.0)]
    lines = fit_calibration(iter(pairs), **GRID)
    assert set(lines) == {"t1", "t2", "pd"}
    for line in lines.values():
        assert (line.slope, line.intercept) == pytest.approx((1.1, 7.0), rel=2e-3)
        assert line.n_subjects == 2 and line.n_voxels > 1000
    made = baselines([CALIBRATED], **GRID, calibration=lines)[CALIBRATED](case.fast)
    np.testing.assert_allclose(made.mean, pairs[0][1].maps, rtol=1e-3, atol=0.2)


def test_fluid_does_not_enter_the_line(case):
    """Fluid that disobeys the line moves nothing, because it is left out by its bicubic value."""
    fast, routine = with_line(case, 1.0, 0.0)
    made = interpolator(**GRID, method="cubic")(fast).mean
    fluid = (made[..., 0] >= 1900) | (made[..., 1] >= 180)
    assert (fluid & routine.mask).any()
    maps = np.where(fluid[..., None], 5 * routine.maps, routine.maps)
    lines = fit_calibration([(fast, dataclasses.replace(routine, maps=maps))], **GRID)
    assert all(line.slope == pytest.approx(1.0, abs=1e-3) for line in lines.values())


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda pair: [], "no training subjects"),
        (lambda pair: [(pair[0], dataclasses.replace(pair[1], mask=None))], "without mask"),
        (
            lambda pair: [(pair[0], dataclasses.replace(pair[1], mask=pair[1].mask & False))],
            "t1: 0 voxels of solid tissue in 1 training subjects",
        ),
        (
            lambda pair: [
                (dataclasses.replace(pair[0], maps=pair[0].maps[..., :1], names=("t1",)), pair[1])
            ],
            "lacks t2",
        ),
    ],
)
def test_nothing_to_fit_is_refused(spoil, match, case):
    with pytest.raises(ValueError, match=match):
        fit_calibration(spoil((case.fast, case.routine)), **GRID)


def test_a_map_without_a_line_is_refused(case):
    predictor = calibrated(interpolator(**GRID, method="cubic"), {"t1": Line(1.0, 0.0, 100, 1)})
    with pytest.raises(ValueError, match="no calibration of t2 and pd"):
        predictor(case.fast)


def test_a_spread_is_scaled_by_the_size_of_the_slope(case):
    """Also where the line falls: a spread is never negative."""
    bicubic = interpolator(**GRID, method="cubic")

    def predictor(volume):
        made = bicubic(volume)
        return dataclasses.replace(made, std=np.full_like(made.mean, 2.0))

    slopes = {"t1": 1.5, "t2": -0.5, "pd": 1.0}
    lines = {name: Line(slope, 3.0, 100, 1) for name, slope in slopes.items()}
    made = calibrated(predictor, lines)(case.fast)
    expected = [2.0 * abs(slopes[name]) for name in made.names]
    np.testing.assert_allclose(made.std[0, 0, 0], expected, rtol=1e-6)
    assert calibrated(bicubic, lines)(case.fast).std is None


class TestRepeat:
    """A subject whose routine series were copied as a second scan."""

    @pytest.fixture
    def subject(self, tiny_cohort, tmp_path):
        root = tmp_path / "walk"
        manifest = Manifest.load(tiny_cohort / "manifest.json")
        subject = manifest.subjects[0]
        home = (manifest.root / subject.maps["t1"].folders["routine"]).parent
        shutil.copytree(home, root / home.relative_to(manifest.root))
        return dataclasses.replace(manifest, root=root), subject, root / home.name

    def copy(self, home, *names):
        for name in names:
            shutil.copytree(home / f"routine_{name}", home / f"routine2_{name}")

    def test_none_where_there_is_none(self, subject):
        manifest, who, _ = subject
        assert read_repeat(manifest, who, load_case(manifest, who).routine) is None

    def test_is_read_whole(self, subject):
        manifest, who, home = subject
        self.copy(home, "t1", "t2", "pd")
        routine = load_case(manifest, who).routine
        repeat = read_repeat(manifest, who, routine)
        np.testing.assert_array_equal(repeat.maps, routine.maps)
        prediction = as_prediction(repeat)
        assert prediction.names == ("t1", "t2", "pd") and prediction.geometry == routine.geometry

    def test_a_missing_map_is_refused(self, subject):
        manifest, who, home = subject
        self.copy(home, "t1")
        with pytest.raises(ValueError, match="routine2_t2, routine2_pd missing"):
            read_repeat(manifest, who, load_case(manifest, who).routine)

    def test_another_kind_or_grid_is_refused(self, subject):
        manifest, who, home = subject
        self.copy(home, "t1", "t2", "pd")
        shutil.rmtree(home / "routine2_t2")
        shutil.copytree(home / "fast_t2", home / "routine2_t2")
        routine = load_case(manifest, who).routine
        with pytest.raises(ValueError, match="expected t2 on the grid of the routine scan"):
            read_repeat(manifest, who, routine)


def test_zero_filling_is_what_sample_alignment_means(case):
    """On the "sample" grid every second fine pixel of the sinc baseline is a coarse pixel."""
    made = baselines(["sinc"], scale=2, alignment=SAMPLE, calibration=None)["sinc"](case.fast)
    np.testing.assert_allclose(made.mean[:, ::2, ::2], case.fast.maps, rtol=1e-4, atol=0.5)
