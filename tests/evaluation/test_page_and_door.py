"""The page of a report and the door give the same answers on the same values."""

import numpy as np
import pytest

from qsr_jax.agreement_report import agreement
from qsr_jax.data.studies.manifest import FAST, HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.report.saving import save_values
from qsr_jax.evaluation.sections.places import MARGIN_PERCENT, family_rows, place_rows
from qsr_jax.evaluation.values import BICUBIC, TRAINED, Value
from qsr_jax.maps import MAPS

SUBJECTS = 16
PLACES = {
    "tissue": {"GM": 1.0, "WM": 0.8, "CSF": 3.0},
    "region": {"thalamus": 0.9, "putamen": 1.1, "pons": 0.85},
}
NOISE = {ROUTINE: (0.0, 0.0), REPEAT: (0.0, 0.006), FAST: (0.03, 0.03), BICUBIC: (0.03, 0.012),
         TRAINED: (0.01, 0.011)}  # fmt: skip
"""Bias and spread of each method, relative; trained lies where some verdicts go either way."""


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(5)
    values = []
    for i in range(SUBJECTS):
        same = {"subject": f"{i:016x}", "group": HEALTHY, "split": "test", "run": "1"}
        for name, spec in MAPS.items():
            rest = {"map": name, "count": 9, "convention": ""}
            for kind, places in PLACES.items():
                for place, level in places.items():
                    true = spec.tissue_levels[0] * level * rng.normal(1.0, 0.03)
                    for method, (bias, spread) in NOISE.items():
                        value = float(true * (1.0 + bias + rng.normal(0.0, spread)))
                        values.append(
                            Value(**same, **rest, kind=kind, place=place, quantity="mean",
                                  unit=spec.unit, method=method, value=value)
                        )  # fmt: skip
            values += [
                Value(**same, **rest, kind="image", place="brain", quantity="psnr", unit="dB",
                      method=method, value=30.0)
                for method in (BICUBIC, TRAINED)
            ]  # fmt: skip
    return Cohort(values)


@pytest.mark.parametrize(
    ("family", "kind", "where"),
    [
        ("tissue", "tissue", {"place": "GM|WM"}),
        ("CSF", "tissue", {"place": "CSF"}),
        ("region", "region", {"kind": "region"}),
    ],
)
def test_the_same_answers(cohort, tmp_path, family, kind, where):
    save_values(tmp_path / "values.csv", cohort.values)
    found = agreement(
        tmp_path / "values.csv",
        reference=ROUTINE,
        margin_percent=MARGIN_PERCENT,
        repeat=REPEAT,
        columns={"region": "place"},
        where={"quantity": "mean", "group": HEALTHY, **where},
    )
    page = {(row.place, row.map, row.method): row for row in cohort.rows(place_rows)
            if row.kind == kind}  # fmt: skip
    for question in found.questions:
        for row in question.rows:
            ours = page[row.endpoint.region, row.endpoint.map, question.test]
            assert (row.mean, row.individual) == (ours.mean, ours.individual)
        for side, each, everywhere in (
            ("mean", question.mean, question.mean_everywhere),
            ("individual", question.individual, question.individual_everywhere),
        ):
            key = (family, question.test, side)
            rows = cohort.rows(family_rows)
            (told,) = [row for row in rows if (row.kind, row.method, row.question) == key]
            assert told.shown == each.shown and told.places == len(each.members)
            assert told.everywhere == everywhere.outcome.value
    assert {question.test for question in found.questions} == {*NOISE} - {ROUTINE}


def test_the_answers_are_not_all_the_same(cohort):
    """Else the test above would hold for any rule."""
    outcomes = {row.individual.outcome for row in cohort.rows(place_rows) if row.method == TRAINED}
    assert len(outcomes) > 1
