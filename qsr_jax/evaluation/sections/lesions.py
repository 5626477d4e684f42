"""Means inside lesions (the paper's Table 3), with the lesion as the unit of analysis."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import PATIENT, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.formats.numbers import NO_TEST, name_of, plural
from qsr_jax.evaluation.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import Section, TableRow, if_enough, maps_of, title
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.statistics import PairedT

SHOWN = (TRAINED, BICUBIC, ROUTINE, TRUTH)


@dataclasses.dataclass(frozen=True)
class LesionRow(TableRow):
    """Table 3: one lesion and map; ``means`` by method."""

    map: str
    unit: str
    subject: str
    lesion: str
    means: dict[str, float]


@dataclasses.dataclass(frozen=True)
class LesionTest(TableRow):
    """Paired t over lesions, ``method`` against routine, with the mean percent difference."""

    map: str
    unit: str
    method: str
    n_lesions: int
    n_subjects: int
    test: PairedT | None
    percent: float
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
    """(subject, lesion) to mean by method, patients only; the mean over trainings."""
    methods: dict[tuple[str, str], dict[str, None]] = {}
    for v in cohort.values:
        if (v.kind, v.map, v.group) == ("lesion", name, PATIENT):
            methods.setdefault((v.subject, v.place), {})[v.method] = None
    return {
        (subject, place): {m: cohort.of("lesion", place, name, "mean", m)[subject] for m in found}
        for (subject, place), found in methods.items()
    }


def lesion_rows(cohort: Cohort) -> Iterator[LesionRow]:
    """One row per lesion and map."""
    for name in cohort.maps:
        for (subject, lesion), means in _lesion_means(cohort, name).items():
            row = f"{subject[:8]} {title(lesion, name)}"
            yield LesionRow(row, name, spec_of(name).unit, subject, lesion, means)


def lesion_tests(cohort: Cohort) -> Iterator[LesionTest]:
    """One row per map and method."""
    for name in cohort.maps:
        means = _lesion_means(cohort, name)
        for method in cohort.methods if means else ():
            x, y = (np.array([m[k] for m in means.values()]) for k in (method, ROUTINE))
            row = f"{title('lesions', name)}, {method} vs routine"
            yield LesionTest(
                row=row,
                map=name,
                unit=spec_of(name).unit,
                method=method,
                n_lesions=len(x),
                n_subjects=len({subject for subject, _ in means}),
                test=if_enough(row, statistics.paired_t, x, y),
                percent=float((100.0 * (x - y) / y).mean()),
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
    for name in names:
        columns += [Column(name_of(m), group=title("", name).strip()) for m in methods]
    lines: dict[tuple[str, str], list[Cell]] = {}
    for row in rows:
        cells = lines.setdefault((row.subject, row.lesion), [row.lesion, row.subject[:6]])
        cells += [Num(row.means.get(m), spec_of(row.map).digits) for m in methods]
    below: list[list[Cell]] = [["difference (%)", ""], ["read lower", ""], ["P", ""]]
    for name in names:
        by_method = {t.method: t for t in tests if t.map == name}
        for test in (by_method.get(m) for m in methods):
            below[0].append(Num(test.percent, signed=True) if test else "")
            below[1].append((Num(test.lower, 0), f" of {test.n_lesions}") if test else "")
            below[2].append(_p(test))
    said = dict.fromkeys(v.convention for v in cohort.values if v.kind == "lesion")
    return Table(
        name="lesion_means",
        title="Table 3",
        caption=f"Mean inside each lesion, {'; '.join(said)}, "
        f"{plural(tests[0].n_lesions, 'lesion')} of {plural(tests[0].n_subjects, 'subject')}. "
        "Below: mean difference from routine in percent, lesions read lower than routine, and P of "
        "the paired t-test with the lesion as unit, as in the paper (lesions of one subject are "
        "not independent).",
        columns=columns,
        groups=[Group([Line(c) for c in lines.values()]), Group([Line(c) for c in below])],
    )


def _p(test: LesionTest | None) -> Cell:
    if test is None:
        return ""
    return Num(test.test.p, p=True) if test.test else NO_TEST


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
