"""Table 5: a model fitted on routine maps finds them natural, and interpolated maps less so."""

import numpy as np
import pytest
from evaluation_people import NAMES, make_case, make_predictions

from qsr_jax.evaluate import naturalness
from qsr_jax.evaluate.cohort import Cohort
from qsr_jax.evaluate.extras import naturalness_rows
from qsr_jax.evaluate.measure import measure
from qsr_jax.evaluate.naturalness import FITTED, fit_models, naturalness_values


@pytest.fixture(scope="module")
def people():
    """Three persons, the first two to fit on."""
    rng = np.random.default_rng(5)
    return [make_case(rng, person=f"{i}", size=128, slices=12) for i in range(3)]


@pytest.fixture(scope="module")
def models(people):
    """Small people, small blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naturalness, "FITTED_BLOCK", 16)
        return fit_models([case.routine for case in people[:2]])


def niqe_of(values):
    return {(v.map, v.method): v.value for v in values}


def test_routine_is_the_most_natural(people, models, rng):
    case = people[2]
    made = make_predictions(rng, case)
    values = list(naturalness_values(case, made, None, models, split="test", run="1"))
    found = niqe_of(values)
    assert {name for name, _ in found} == set(NAMES)
    for name in NAMES:
        assert found[name, "routine"] < min(found[name, "bicubic"], found[name, "fast"])
    assert {v.place for v in values} == {FITTED}
    assert all("routine" in v.convention and "grey 255 =" in v.convention for v in values)


def test_a_row_stands_beside_the_papers(people, models, rng):
    made = [make_predictions(rng, case) for case in people]
    values = [v for c, m in zip(people, made, strict=True) for v in measure(c, m, split="test")]
    for case, predictions in zip(people, made, strict=True):
        values += naturalness_values(case, predictions, None, models, split="test", run="1")
    rows = list(naturalness_rows(Cohort(values)))
    assert [row.map for row in rows] == list(NAMES)
    assert all(row.n == 3 and row.by_method["trained"].n == 3 for row in rows)
    assert rows[0].paper[1].mean == 13.36


def test_the_scans_are_measured_once(people, models, rng):
    """A second training brings its own maps only."""
    made = {"trained": make_predictions(rng, people[2])["trained"]}
    values = naturalness_values(people[2], made, None, models, split="test", run="2")
    assert {v.method for v in values} == {"trained"}


def test_too_little_to_fit_on_leaves_it_out(people):
    assert fit_models([]) == {}
    small = make_case(np.random.default_rng(0), person="a", size=64)
    assert fit_models([small.routine]) == {}
    made = make_predictions(np.random.default_rng(0), small)
    assert not list(naturalness_values(small, made, None, {}, split="test", run="1"))
