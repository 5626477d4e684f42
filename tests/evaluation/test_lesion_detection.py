"""Planted lesions found at routine's false positive rate, and what is made up: planted numbers."""

import dataclasses

import numpy as np
import pytest
from planted_cohort import exact, planted

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_twin import (
    CHANGE,
    DIAMETER,
    INVENTED,
    KIND,
    WITH,
    WITHOUT,
)
from qsr_jax.evaluation.report.opening import opening
from qsr_jax.evaluation.sections.lesion_detection import (
    MORE,
    NOT_MORE,
    OPEN,
    detection_rows,
    detection_tables,
    invention_rows,
)
from qsr_jax.evaluation.values import Value
from qsr_jax.formats.html import to_html

LESIONS = ((4.0, 100.0), (4.0, 400.0), (7.0, 100.0), (12.0, 400.0))
"""Diameter, mm, and true change of T1, ms, of each subject's; white matter has 845."""
SUBJECTS = 10


def cohort(rng, made_up=(0.5, 1.0, 2.0), subjects=SUBJECTS):
    """Routine scores 5 with a lesion, and 4 without in one of ten subjects; trained 2, 6 and 1.5.

    ``made_up``: of trained in T1, T2 and PD, in parts of routine's.
    """
    values = list(planted(rng, exact, healthy=subjects).values)
    for i in range(subjects):
        who = (f"{i:016x}", "healthy", "test", "1")

        def add(kind, place, name, quantity, method, value, who=who):
            row = (kind, place, name, quantity, "", method, float(value), 9, "planted")
            values.append(Value(*who, *row))

        for k, name in enumerate(("t1", "t2", "pd")):
            add("tissue", "WM", name, "mean", "truth", (845.0, 80.0, 68.0)[k])
            for n, (size, change) in enumerate(LESIONS):
                place = f"{n + 1} planted, white matter"
                if name == "t1":
                    add(KIND, place, "", DIAMETER, "truth", size)
                add(KIND, place, name, CHANGE, "truth", change)
                without = 4.0 if (i, n) == (0, 0) else 1.0
                add(KIND, place, name, WITH, "routine", 5.0)
                add(KIND, place, name, WITHOUT, "routine", without)
                add(KIND, place, name, WITH, "trained", -2.0 if size < 5 else 6.0)
                add(KIND, place, name, WITHOUT, "trained", -3.0 if (i, n) == (0, 0) else 1.5)
                noise = 10.0 * np.exp(0.1 * rng.standard_normal())
                add(KIND, place, name, INVENTED, "routine", noise)
                mine = noise * made_up[k] * np.exp(0.02 * rng.standard_normal())
                add(KIND, place, name, INVENTED, "trained", mine)
    return Cohort(values)


def test_every_method_is_read_where_it_reads_as_much_falsely_as_routine(rng):
    """One place of 40 reads falsely in routine, so one may in trained: its limit is 1.5, not 3."""
    rows = {(r.method, r.size, r.contrast): r for r in detection_rows(cohort(rng)) if r.map == "t1"}
    mine, own = rows["trained", "all", "all"], rows["routine", "all", "all"]
    assert (mine.limit, mine.found_percent, mine.false_percent) == (1.5, 100.0, 2.5)
    assert (own.found_percent, own.false_percent) == (100.0, 2.5)
    assert mine.n_lesions == 4 * SUBJECTS and mine.n_subjects == SUBJECTS
    assert rows["trained", "below 5 mm", "below 25 %"].n_lesions == SUBJECTS
    assert ("trained", "5 to 10 mm", "25 % or more") not in rows


def test_what_is_left_out_at_that_limit_is_told_by_size_and_contrast(rng):
    """Trained scores 3 without every second lesion, so its limit is 3: the small ones are lost."""
    values = [v for v in cohort(rng).values if not (v.kind == KIND and v.quantity == WITHOUT
              and v.method == "trained")]  # fmt: skip
    for v in [v for v in values if v.quantity == WITHOUT]:
        score = 3.0 if v.place.startswith("2 ") else 1.0
        values.append(dataclasses.replace(v, method="trained", value=score))
    rows = {(r.size, r.contrast): r for r in detection_rows(Cohort(values))
            if (r.map, r.method) == ("t1", "trained")}  # fmt: skip
    assert rows["below 5 mm", "all"].limit == 3.0
    assert rows["below 5 mm", "all"].found_percent == 0.0
    assert rows["5 to 10 mm", "below 25 %"].found_percent == 100.0
    assert rows["all", "all"].found_percent == 50.0


def test_nobody_may_make_up_more_than_routines_noise(rng):
    """Half of it, as much, and twice as much; at ten subjects the interval decides."""
    found = {r.map: r for r in invention_rows(cohort(rng)) if r.method == "trained"}
    assert found["t1"].share.value == pytest.approx(0.5, rel=0.05)
    assert [found[m].verdict for m in ("t1", "pd")] == [NOT_MORE, MORE]
    few = {r.map: r for r in invention_rows(cohort(rng, subjects=2)) if r.method == "trained"}
    assert few["pd"].verdict == OPEN and few["pd"].share.interval is None
    (line,) = [said for said in opening(cohort(rng)) if "Contrast made up" in said]
    assert line.index(NOT_MORE) < line.index("PD") < line.index(MORE)


def test_the_page_shows_both_and_without_twins_nothing(rng):
    page = "".join(to_html(table) for table in detection_tables(cohort(rng)))
    assert "% of places without their lesion" in page and f">{MORE}<" in page
    bare = planted(rng, exact)
    assert not [*detection_rows(bare), *invention_rows(bare), *detection_tables(bare)]
