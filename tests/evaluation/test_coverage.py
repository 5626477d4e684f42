"""Is a spread to be believed: planted errors, said truly, too surely, and of means."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import NAMES, make_about, make_case, make_predictions, make_shown

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.coverage import KIND, LESIONS, REGIONS, TISSUES
from qsr_jax.evaluation.measure.example_slices import example_slice
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.report.opening import opening
from qsr_jax.evaluation.report.page import write_report
from qsr_jax.evaluation.sections.coverage import coverage_rows, judged
from qsr_jax.mean_law import MeanLaw
from qsr_jax.types import Prediction

STD = np.float32([25.0, 3.0, 2.0])
"""Of the planted errors."""
APART = MeanLaw(0.0, 1.0)
"""Errors of voxels that have nothing in common."""


def cohort(rng, *, said=(1.0, 1.0, 1.0), off=(0.0, 0.0, 0.0), against="truth", laws=APART, of=4):
    """Healthy subjects and a patient whose trained maps are the truth and planted errors."""
    values, examples = [], []
    for i in range(of):
        patient = i == of - 1
        case = make_case(rng, subject=f"{i:04x}{'c0ffee' * 2}", lesions=3 * patient,
                         group="patient" if patient else "healthy")  # fmt: skip
        truth = case.truth.maps
        error = STD * (np.array(off) + rng.standard_normal(truth.shape))
        std = np.broadcast_to(STD * np.float32(said), truth.shape)
        made = Prediction((truth + error).astype(np.float32), std, NAMES, case.routine.geometry)
        made = dataclasses.replace(
            made, mean_laws=None if laws is None else (laws,) * 3, std_against=against
        )
        predictions = {"bicubic": make_predictions(rng, case)["bicubic"], "trained": made}
        values += measure(case, predictions, split="test")
        examples.append(example_slice(case, predictions))
    return Cohort(values), examples


@pytest.fixture(scope="module")
def found():
    """T1 said truly, T2 said half as large as it is, PD off by 3 standard deviations."""
    rng = np.random.default_rng(5)
    return cohort(rng, said=(1.0, 0.5, 1.0), off=(0.0, 0.0, 3.0), laws=MeanLaw(0.5, 1.0))


def test_planted_errors_lie_inside_as_often_as_the_normal_law_says(found):
    """GM has 1500 voxels of each of 4 subjects: 95 % of them is known to 0.3 %."""
    rows = {(r.map, r.place): r for r in judged(found[0])}
    for place in ("GM", "WM", "CSF", "brain"):
        assert rows["t1", place].inside_percent == pytest.approx(95.0, abs=1.5)
        assert rows["t1", place].believed
        assert rows["t2", place].inside_percent == pytest.approx(67.3, abs=3.0)
        assert not rows["t2", place].believed
        assert rows["t2", place].error == pytest.approx(2.0 * rows["t2", place].said, rel=0.06)
    assert rows["t1", "lesion"].n == 1 and rows["t1", "lesion"].interval is None
    low = rows["t1", "GM"].interval.low
    assert 90.0 < low < rows["t1", "GM"].inside_percent


def test_means_are_held_against_their_own_law(found):
    """Half of the variance is said to be common: the noise is inside, an offset of 3 is not."""
    rows = {(r.map, r.place): r for r in judged(found[0])}
    for place in (REGIONS, TISSUES, LESIONS):
        assert rows["t1", place].inside_percent == 100.0
        assert rows["pd", place].inside_percent == 0.0


def test_it_says_against_what_the_spread_is(rng):
    by = {(r.reference, r.learned) for r in coverage_rows(cohort(rng, of=1)[0])}
    assert by == {("truth", True), ("routine", False)}
    again = {
        (r.reference, r.learned) for r in coverage_rows(cohort(rng, against="repeat", of=1)[0])
    }
    assert again == {("truth", False), ("routine", True)}


def test_without_a_law_means_are_left_out_and_without_a_spread_everything(rng):
    places = {r.place for r in coverage_rows(cohort(rng, laws=None, of=1)[0])}
    assert places == {"GM", "WM", "CSF", "lesion", "brain"}
    case = make_case(rng, subject="a")
    values = measure(case, make_predictions(rng, case), split="test")
    assert not [v for v in values if v.kind == KIND]


def test_the_page_shows_it_and_the_first_lines_say_where_it_is_least(found, tmp_path):
    whole, examples = found
    write_report(tmp_path / "r", cohort=whole, shown=make_shown(examples[:1]), about=make_about())
    page = (tmp_path / "r" / "index.html").read_text("utf-8")
    assert "<summary>Uncertainty</summary>" in page
    assert "inside the 95 % interval (%)" in page
    assert page.count("Error and told uncertainty") == 1
    (line,) = [said for said in opening(whole) if "Its own 95 % intervals" in said]
    rows = judged(whole)
    good = sum(93.0 <= r.inside_percent <= 97.0 for r in rows)
    assert f"in {good} of {len(rows)} places and maps" in line
    assert "(0.0 %)" in line and " PD " in line


def test_an_example_carries_the_spread_of_the_trained_maps_alone(rng):
    case = make_case(rng, subject="feed", lesions=3, group="patient")
    predictions = make_predictions(rng, case)
    assert example_slice(case, predictions, index=1).stds == {}
    std = np.broadcast_to(STD, predictions["trained"].mean.shape).astype(np.float32)
    told = dataclasses.replace(predictions["trained"], std=std, std_against="truth")
    example = example_slice(case, predictions | {"trained": told}, index=1)
    assert {name: image.mean() for name, image in example.stds.items()} == dict(
        zip(NAMES, STD, strict=True)
    )
    assert example.std_against == "truth"
