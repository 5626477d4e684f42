"""Means inside lesions (the paper's Table 3); lesions are shown, subjects are counted.

The paper tests over lesions as if each were a patient. Here the subject is a random effect
(:func:`qsr_jax.statistics.clustered_mean`), and below three subjects there is no P.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_contrast import LESION_KIND
from qsr_jax.evaluation.measure.lesion_visibility import LABEL, VOLUME, VOXELS
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import (
    Section,
    TableRow,
    interval,
    maps_of,
    named,
    title,
)
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.numbers import plural
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.statistics import ClusteredMean

SHOWN = (TRAINED, ROUTINE, TRUTH, BICUBIC)


@dataclasses.dataclass(frozen=True)
class LesionRow(TableRow):
    """Table 3: one lesion and map; ``means`` by method.

    ``voxels`` and ``volume_mm3`` are None of a lesion without a ring of tissue around it.
    """

    map: str
    unit: str
    subject: str
    lesion: str
    voxels: float | None
    volume_mm3: float | None
    means: dict[str, float]


@dataclasses.dataclass(frozen=True)
class LesionTest(TableRow):
    """``method`` against routine, in percent of routine, with the subject as random effect.

    ``lower`` counts lesions that are read lower than in routine.
    """

    map: str
    unit: str
    method: str
    n_lesions: int
    n_subjects: int
    percent: ClusteredMean
    lower: int
    paper_p: float


@dataclasses.dataclass(frozen=True)
class PaperLesion(TableRow):
    """A row of the paper's Table 3, which has no place in a row of ours."""

    kind: str
    t1: tuple[float, float]
    t2: tuple[float, float]
    pd: tuple[float, float]


def _lesion_means(cohort: Cohort, name: str) -> dict[tuple[str, str], dict[str, float]]:
    """(subject, lesion) to mean by method, the mean over trainings.

    Whoever has a lesion counts: a tree without a table of groups calls everybody healthy.
    """
    methods: dict[tuple[str, str], dict[str, None]] = {}
    for v in cohort.values:
        if (v.kind, v.map) == ("lesion", name):
            methods.setdefault((v.subject, v.place), {})[v.method] = None
    return {
        (subject, place): {m: cohort.of("lesion", place, name, "mean", m)[subject] for m in found}
        for (subject, place), found in methods.items()
    }


def lesion_rows(cohort: Cohort) -> Iterator[LesionRow]:
    """One row per lesion and map."""
    for name in cohort.maps:
        for (subject, lesion), means in _lesion_means(cohort, name).items():
            voxels, volume = (
                cohort.of(LESION_KIND, lesion, "", q, LABEL).get(subject) for q in (VOXELS, VOLUME)
            )
            row = f"{subject[:8]} {title(lesion, name)}"
            unit = spec_of(name).unit
            yield LesionRow(row, name, unit, subject, lesion, voxels, volume, means)


def lesion_tests(cohort: Cohort) -> Iterator[LesionTest]:
    """One row per map and method."""
    for name in cohort.maps:
        everywhere = _lesion_means(cohort, name)
        for method in cohort.methods if everywhere else ():
            means = {k: m for k, m in everywhere.items() if method in m and ROUTINE in m}
            if not means:
                continue
            x, y = (np.array([m[k] for m in means.values()]) for k in (method, ROUTINE))
            subjects = [subject for subject, _ in means]
            whole = np.full(len(x), 100.0)
            row = f"{title('lesions', name)}, {method} vs routine"
            yield LesionTest(
                row=row,
                map=name,
                unit=spec_of(name).unit,
                method=method,
                n_lesions=len(x),
                n_subjects=len(set(subjects)),
                percent=named(
                    row, statistics.clustered_mean, 100.0 * x / y, whole, subjects=subjects
                ),
                lower=int((x < y).sum()),
                paper_p=published.TABLE_3_P_PAIRED[name],
            )


def paper_lesions(_: Cohort) -> Iterator[PaperLesion]:
    """The paper's Table 3."""
    for number, lesion in enumerate(published.TABLE_3, 1):
        yield PaperLesion(f"paper {number} {lesion.kind}", **dataclasses.asdict(lesion))


def lesion_tables(cohort: Cohort) -> Iterator[Table]:
    """Ours, and the paper's."""
    if cohort.rows(lesion_rows):
        yield _ours(cohort)
        yield _papers(cohort)


def _ours(cohort: Cohort) -> Table:
    rows, tests = cohort.rows(lesion_rows), cohort.rows(lesion_tests)
    names = maps_of(rows)
    methods = [m for m in SHOWN if m in rows[0].means]
    columns = [Column("lesion", align="l"), Column("subject", align="l")]
    columns += [Column("voxels", group="size"), Column("mm³", group="size")]
    for name in names:
        columns += [Column(name_of(m), group=title("", name).strip()) for m in methods]
    lines: dict[tuple[str, str], list[Cell]] = {}
    for row in rows:
        size = Num(row.voxels, 0), Num(row.volume_mm3, 0)
        first: list[Cell] = [row.lesion, row.subject[:6], *size]
        cells = lines.setdefault((row.subject, row.lesion), first)
        cells += [Num(row.means.get(m), spec_of(row.map).digits) for m in methods]
    heads = ("difference (%)", "95 % interval (%)", "read lower", "P")
    below: list[list[Cell]] = [[head, "", "", ""] for head in heads]
    for name in names:
        by_method = {t.method: t for t in tests if t.map == name}
        for test in (by_method.get(m) for m in methods):
            for line, cell in zip(below, _told(test), strict=True):
                line.append(cell)
    said = dict.fromkeys(v.convention for v in cohort.values if v.kind == "lesion")
    return Table(
        name="lesion_means",
        title="Table 3",
        caption=f"Mean inside each lesion, {'; '.join(said)}, "
        f"{plural(tests[0].n_lesions, 'lesion')} of {plural(tests[0].n_subjects, 'subject')}. "
        "Below: difference from routine in percent, mean over subjects of each subject’s mean over "
        "lesions, with 95 % interval and P from the spread between subjects (lesions of one are "
        "not independent; the paper’s P takes them for that)"
        f"{_why(tests)}; lesions read lower than in routine.",
        columns=columns,
        groups=[Group([Line(c) for c in lines.values()]), Group([Line(c) for c in below])],
    )


def _told(test: LesionTest | None) -> tuple[Cell, Cell, Cell, Cell]:
    """What stands below the lesions of one method and map."""
    if test is None:
        return "", "", "", ""
    found = test.percent
    ends = interval(found.interval, 1) if found.interval else ""
    lower = (Num(test.lower, 0), f" of {test.n_lesions}")
    return Num(found.difference, signed=True), ends, lower, Num(found.p, p=True)


def _why(tests: list[LesionTest]) -> str:
    """Why there is no P."""
    reasons = dict.fromkeys(test.percent.reason for test in tests if test.percent.reason)
    return f"; no P and no interval: {'; '.join(reasons)}" if reasons else ""


def _papers(cohort: Cohort) -> Table:
    columns = [Column("lesion", align="l")]
    for name in MAPS:
        columns += [Column(head, group=title("", name).strip()) for head in ("DL", "routine")]
    lines = [
        Line([row.row.removeprefix("paper "), *map(Num, (*row.t1, *row.t2, *row.pd))])
        for row in cohort.rows(paper_lesions)
    ]
    printed: list[Cell] = ["P printed"]
    paired: list[Cell] = ["P of the paired t-test"]
    for name in MAPS:
        printed += [published.TABLE_3_P[name], ""]
        paired += [Num(published.TABLE_3_P_PAIRED[name], p=True), ""]
    return Table(
        name="paper_lesions",
        title="The paper’s Table 3",
        caption=f"Twelve lesions of {published.N_PATIENTS} patients.",
        columns=columns,
        groups=[Group(lines), Group([Line(printed), Line(paired)])],
        wide=False,
    )


SECTION = Section(
    Path(__file__), "Lesion means (Table 3)",
    {"lesions": lesion_rows, "lesion_tests": lesion_tests, "paper_lesions": paper_lesions},
    lesion_tables,
)  # fmt: skip
