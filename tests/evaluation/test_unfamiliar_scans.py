"""What a network says of its scans reaches the report's table, the least familiar first."""

from types import SimpleNamespace

import numpy as np
from small_predictors import geometry

from qsr_jax.evaluation.measure.familiarity import familiarity_fields
from qsr_jax.evaluation.sections.familiarity import familiarity_rows, familiarity_table
from qsr_jax.evaluation.values import Value
from qsr_jax.types import Familiarity, Prediction

USUAL = Familiarity({"detail": 0.5, "places": -0.2}, (), (), 9)
STRANGE = Familiarity({"detail": 2.5, "places": 0.1}, ("finest detail: 3 times training's",), (), 9)


def values_of(subject, found):
    place = geometry(1)
    made = Prediction(np.zeros((*place.shape, 1)), None, ("t1",), place, familiarity=found)
    who = {"subject": subject, "group": "healthy", "split": "test", "run": "1"}
    return [Value(**who, **fields) for fields in familiarity_fields(made)]


def test_the_worst_scan_stands_first_with_its_reason():
    values = [*values_of("a", USUAL), *values_of("b", STRANGE), *values_of("c", None)]
    cohort = SimpleNamespace(values=values, rows=lambda compute: list(compute(cohort)))
    rows = {row.subject: row for row in familiarity_rows(cohort)}
    assert set(rows) == {"a", "b"}  # the network of c cannot tell
    assert (rows["a"].score, rows["a"].is_unfamiliar, rows["a"].known) == (0.5, False, 9)
    assert rows["b"].scores == STRANGE.scores and rows["b"].said == STRANGE.words
    (table,) = familiarity_table(cohort)
    assert "1 of 2 are out of range" in table.caption
    first, second = table.groups[0].lines
    assert first.cells[0] == "b" and "finest detail" in first.cells[-1]
    assert second.cells[-1] == "in range"
