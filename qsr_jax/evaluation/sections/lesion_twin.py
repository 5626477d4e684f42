"""Omission and invention: lesions planted or taken away, what is shown of them, what is made up."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_twin import CHANGE, DIAMETER, FALSE_CHANGE, KIND, TISSUES
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import (
    Section,
    TableRow,
    in_brackets,
    interval,
    maps_of,
    named,
)
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.numbers import NO_TEST
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import ClusteredMean

SHOWN = (FAST, TRAINED, ROUTINE, BICUBIC)

SMALL_MM, FAINT_PERCENT = 5.0, 25.0
"""Diameter below which a planted lesion counts as small, and change, in percent of white matter,
below which it counts as faint."""
OMITTED = 0.5
"""A lesion of whose change less than this part is shown counts as left out."""
ALL = "all"


@dataclasses.dataclass(frozen=True)
class Planted:
    """One planted lesion as one method shows it; changes in the unit of the map."""

    subject: str
    tissue: str
    diameter_mm: float
    true: float
    percent: float
    shown: float
    false: float | None


@dataclasses.dataclass(frozen=True)
class TwinRow(TableRow):
    """Planted lesions of one class shown by one method in one map.

    ``sensitivity_percent`` is the part of the true change that is shown, mean over subjects of each
    subject's mean over lesions, with its interval; ``omitted`` counts lesions of which less than
    :data:`OMITTED` is shown; ``false_percent`` is the root mean square change at control sites as
    large where nothing was changed, in percent of the mean true change.
    """

    map: str
    unit: str
    method: str
    lesions: str
    n_lesions: int
    n_subjects: int
    sensitivity_percent: ClusteredMean
    omitted: int
    true_change: float
    false_percent: float | None


def planted(cohort: Cohort, name: str, method: str) -> list[Planted]:
    """Every planted lesion of one map."""
    found = []
    for place in dict.fromkeys(v.place for v in cohort.values if v.kind == KIND):
        shown, true = (cohort.of(KIND, place, name, CHANGE, m) for m in (method, TRUTH))
        false = cohort.of(KIND, place, name, FALSE_CHANGE, method)
        sizes = cohort.of(KIND, place, "", DIAMETER, TRUTH)
        white = cohort.of("tissue", "WM", name, "mean", TRUTH)
        for subject, change in shown.items():
            if true.get(subject) and subject in white:
                percent = 100.0 * abs(true[subject]) / white[subject]
                found.append(
                    Planted(subject, place.rpartition(", ")[2], sizes[subject], true[subject],
                            percent, change, false.get(subject))
                )  # fmt: skip
    return found


def _classes(found: Sequence[Planted]) -> dict[str, list[Planted]]:
    """Name of a class to its lesions."""
    classes = {ALL: list(found)}
    classes |= {f"in {t}": [p for p in found if p.tissue == t] for t in TISSUES.values()}
    classes[f"below {SMALL_MM:g} mm"] = [p for p in found if p.diameter_mm < SMALL_MM]
    classes[f"{SMALL_MM:g} mm or more"] = [p for p in found if p.diameter_mm >= SMALL_MM]
    faint = [p for p in found if p.percent < FAINT_PERCENT]
    classes[f"change below {FAINT_PERCENT:g} %"] = faint
    classes[f"change {FAINT_PERCENT:g} % or more"] = [p for p in found if p not in faint]
    return classes


def twin_rows(cohort: Cohort) -> Iterator[TwinRow]:
    """One row per map, class and method; none without twins."""
    methods = dict.fromkeys(v.method for v in cohort.values if v.kind == KIND and v.map)
    for name in cohort.maps:
        by_method = {m: _classes(planted(cohort, name, m)) for m in methods if m != TRUTH}
        for method, classes in by_method.items():
            for lesions, mine in classes.items():
                if mine:
                    yield _row(name, method, lesions, mine)


def _row(name: str, method: str, lesions: str, mine: Sequence[Planted]) -> TwinRow:
    row = f"{spec_of(name).label} planted lesions, {lesions}, {method}"
    shares = np.array([100.0 * p.shown / p.true for p in mine])
    subjects = [p.subject for p in mine]
    true = float(np.mean([abs(p.true) for p in mine]))
    false = [p.false for p in mine if p.false is not None]
    nothing = np.zeros(len(shares))
    return TwinRow(
        row=row,
        map=name,
        unit=spec_of(name).unit,
        method=method,
        lesions=lesions,
        n_lesions=len(mine),
        n_subjects=len(set(subjects)),
        sensitivity_percent=named(
            row, statistics.clustered_mean, shares, nothing, subjects=subjects
        ),
        omitted=int((shares < 100.0 * OMITTED).sum()),
        true_change=true,
        false_percent=100.0 * float(np.sqrt(np.mean(np.square(false)))) / true if false else None,
    )


def twin_table(cohort: Cohort) -> Iterator[Table]:
    """A line per class of lesions, three columns per method."""
    rows = [row for row in cohort.rows(twin_rows) if row.method in SHOWN]
    if not rows:
        return
    methods = [m for m in SHOWN if any(row.method == m for row in rows)]
    columns = [Column("lesions", align="l"), Column("n"), Column("subjects")]
    for method in methods:
        heads = ("shown (%)", "left out", "false (%)")
        columns += [Column(head, group=name_of(method)) for head in heads]
    groups = []
    for name in maps_of(rows):
        lines = []
        for lesions in dict.fromkeys(row.lesions for row in rows if row.map == name):
            mine = {r.method: r for r in rows if (r.map, r.lesions) == (name, lesions)}
            first = next(iter(mine.values()))
            cells: list[Cell] = [lesions, str(first.n_lesions), str(first.n_subjects)]
            lines.append(Line([*cells, *(c for m in methods for c in _cells(mine.get(m)))]))
        groups.append(Group(lines, spec_of(name).label))
    yield Table(
        name="lesion_twins",
        title="Omission and invention",
        caption="The same subjects scanned with the same noise, with lesions planted on purpose "
        "and without (patients: with their own, and without). Shown: part of the true change in a "
        "lesion, mean over subjects of each subject’s mean, with 95 % interval; 100 is all. Left "
        f"out: lesions of which less than {100 * OMITTED:g} % is shown. False: root mean square "
        "change at places as large where nothing was changed, in percent of the mean true change. "
        "Change in percent of white matter.",
        columns=columns,
        groups=groups,
    )


def _cells(row: TwinRow | None) -> tuple[Cell, Cell, Cell]:
    if row is None:
        return "", "", ""
    shown = row.sensitivity_percent
    ends = interval(shown.interval, 0, signed=False) if shown.interval else NO_TEST
    part = (Num(shown.difference, 0), " ", in_brackets(ends))
    return part, Num(row.omitted, 0), Num(row.false_percent, 1)


SECTION = Section(
    Path(__file__), "Omission and invention", {"lesion_twins": twin_rows}, twin_table,
)  # fmt: skip
