"""Two scans of one subject: the coefficient, its interval, its rows."""

import numpy as np
import pytest
from evaluation_subjects import make_case, make_predictions

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.sections.repeatability import SECTION, repeatability_rows
from qsr_jax.statistics.comparisons import DegenerateError
from qsr_jax.statistics.repeatability import repeatability
from qsr_jax.types import Prediction


def test_95_of_100_intervals_hold_the_coefficient():
    """2000 cohorts of 8 at a known Sw: binomial, SD 0.5 %; 4 of them either way."""
    rng, within = np.random.default_rng(5), 3.0
    true, held, below = 1.959964 * 2**0.5 * within, 0, 0.0
    for _ in range(2000):
        subject = rng.normal(800.0, 50.0, 8)
        first, second = (subject + rng.normal(0.0, within, 8) for _ in range(2))
        found = repeatability(first, second)
        held += true in found.interval
        below += (np.abs(second - first) < true).mean() / 2000
    assert held / 2000 == pytest.approx(0.95, abs=0.02)
    assert below == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("first", "second", "match"),
    [([1.0, 2.0], [1.0, 2.0], "3 subjects"), ([1.0, 2.0, 3.0], [1.0, 2.0], "two equal"),
     ([1.0, 2.0, np.nan], [1.0, 2.0, 3.0], "not finite")],
)  # fmt: skip
def test_what_has_no_repeatability_is_refused(first, second, match):
    with pytest.raises(DegenerateError, match=match):
        repeatability(np.array(first), np.array(second))


def measured(rng, count, *, noise):
    values = []
    for i in range(count):
        case = make_case(rng, subject=f"{i}")
        made = make_predictions(rng, case)
        if noise is not None:
            again = case.routine.maps + rng.normal(0.0, noise, case.routine.maps.shape)
            again = again.astype(np.float32)
            made[REPEAT] = Prediction(again, None, case.routine.names, case.routine.geometry)
        values += measure(case, made, split="test")
    return Cohort(values)


def test_a_voxel_and_a_mean_repeat_as_well_as_their_noise_allows(rng):
    """The second scan is the first plus noise s: a voxel differs by 1.96 s, a mean by s/√voxels."""
    rows = {row.row: row for row in measured(rng, 4, noise=10.0).rows(repeatability_rows)}
    row = rows["WM T1 (ms)"]
    assert row.n == 4
    assert row.voxel == pytest.approx(19.6, rel=0.02)
    assert 0.0 < row.mean.coefficient < 2.0


def test_below_three_subjects_there_is_a_voxel_but_no_coefficient(rng):
    row = measured(rng, 2, noise=10.0).rows(repeatability_rows)[0]
    assert row.mean is None and row.voxel > 0.0


def test_without_a_second_scan_the_report_says_how_to_make_one(rng):
    cohort = measured(rng, 3, noise=None)
    assert not SECTION.has_rows(cohort)
    assert "data_tools.repeat_scan --cohort DIR" in SECTION.absent
