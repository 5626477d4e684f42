"""Lesions against their control sites: receiver operating characteristics, by size and contrast."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_contrast import CNR, CONTRAST, LESION_KIND, READ_AT
from qsr_jax.evaluation.measure.lesion_visibility import DIAMETER, KIND, LABEL
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import (
    Section,
    TableRow,
    in_brackets,
    interval,
    maps_of,
    style_of,
)
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.numbers import NO_TEST, number
from qsr_jax.formats.plots import BLUE, BROWN, GREEN, GREY, VERMILION, Mark, Plot, styled
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import MIN_SUBJECTS
from qsr_jax.statistics.roc import Auc, clustered_auc

SHOWN = (FAST, TRAINED, ROUTINE, TRUTH, BICUBIC)
COLOURS = {FAST: GREEN, BICUBIC: BROWN, TRAINED: BLUE, ROUTINE: VERMILION, TRUTH: GREY}

FAINT_PERCENT = 25.0
"""Contrast, in percent of the subject's white matter, below which a lesion counts as faint."""
ALL = "all"
CLASSES = (
    (ALL, "diameter_mm", 0.0, np.inf),
    ("below 2 mm", "diameter_mm", 0.0, 2.0),
    ("2 to 10 mm", "diameter_mm", 2.0, 10.0),
    ("10 mm or more", "diameter_mm", 10.0, np.inf),
    (f"contrast below {FAINT_PERCENT:g} %", "contrast_percent", 0.0, FAINT_PERCENT),
    (f"contrast {FAINT_PERCENT:g} % or more", "contrast_percent", FAINT_PERCENT, np.inf),
)
"""Classes of lesions, each a name, a field of :class:`Reading`, from, below. 2 mm is two pixels of
the fast scan, 10 mm is larger than most plaques."""
FALSE_SITES = 1.0
"""Control sites per subject that may read as present where a point of the FROC is taken."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """One lesion as one method shows it: its score, and the scores of its control sites.

    A score is the size of the contrast to noise. ``diameter_mm`` and ``contrast_percent`` are the
    lesion's own, the latter of the truth, or of routine where there is none.
    """

    subject: str
    score: float
    controls: tuple[float, ...]
    diameter_mm: float
    contrast_percent: float


@dataclasses.dataclass(frozen=True)
class RocRow(TableRow):
    """Lesions of one class read by one method in one map, against their own control sites.

    ``found_percent`` and ``false_percent`` are of lesions and control sites that read as present at
    the rule of :data:`qsr_jax.evaluation.measure.lesion_contrast.READ_AT`; ``froc_percent`` is of
    lesions found where :data:`FALSE_SITES` control sites per subject read as present.
    """

    map: str
    method: str
    lesions: str
    n_lesions: int
    n_subjects: int
    n_controls: int
    area: float
    auc: Auc
    found_percent: float
    false_percent: float
    false_per_subject: float
    froc_percent: float


def readings(cohort: Cohort, name: str, method: str) -> list[Reading]:
    """Every lesion of one map that has control sites, as one method shows it."""
    controls: dict[tuple[str, str], list[float]] = {}
    for place in _places(cohort, KIND):
        lesion = place.rpartition(", control ")[0]
        for subject, ratio in cohort.of(KIND, place, name, CNR, method).items():
            controls.setdefault((subject, lesion), []).append(abs(ratio))
    white = {m: cohort.of("tissue", "WM", name, "mean", m) for m in (TRUTH, ROUTINE)}
    found = []
    for lesion in _places(cohort, LESION_KIND):
        sizes = cohort.of(LESION_KIND, lesion, "", DIAMETER, LABEL)
        contrast = {m: cohort.of(LESION_KIND, lesion, name, CONTRAST, m) for m in white}
        for subject, ratio in cohort.of(LESION_KIND, lesion, name, CNR, method).items():
            known = TRUTH if subject in contrast[TRUTH] else ROUTINE
            if (subject, lesion) in controls and subject in white[known]:
                percent = 100.0 * abs(contrast[known][subject]) / white[known][subject]
                sites = tuple(controls[subject, lesion])
                found.append(Reading(subject, abs(ratio), sites, sizes[subject], percent))
    return found


def _places(cohort: Cohort, kind: str) -> list[str]:
    return list(dict.fromkeys(v.place for v in cohort.values if v.kind == kind and v.map))


def roc_rows(cohort: Cohort) -> Iterator[RocRow]:
    """One row per map, class of lesions and method."""
    known = dict.fromkeys(v.method for v in cohort.values if v.kind == KIND)
    for name in cohort.maps:
        by_method = {m: readings(cohort, name, m) for m in known}
        for lesions, field, low, high in CLASSES:
            for method, found in by_method.items():
                mine = [reading for reading in found if low <= getattr(reading, field) < high]
                if mine:
                    yield _row(name, method, lesions, mine)


def _row(name: str, method: str, lesions: str, mine: Sequence[Reading]) -> RocRow:
    scores = np.array([score for r in mine for score in (r.score, *r.controls)])
    positive = np.array([i == 0 for r in mine for i in range(1 + len(r.controls))])
    subject = np.array([r.subject for r in mine for _ in range(1 + len(r.controls))])
    auc = clustered_auc(scores, positive, subject)
    present, seen = scores[positive] >= READ_AT, scores[~positive] >= READ_AT
    return RocRow(
        row=f"{spec_of(name).label} {lesions} lesions by {method}",
        map=name,
        method=method,
        lesions=lesions,
        n_lesions=len(mine),
        n_subjects=auc.n_subjects,
        n_controls=auc.negatives,
        area=auc.area,
        auc=auc,
        found_percent=100.0 * float(present.mean()),
        false_percent=100.0 * float(seen.mean()),
        false_per_subject=float(seen.sum()) / auc.n_subjects,
        froc_percent=_froc(scores, positive, auc.n_subjects),
    )


def _froc(scores: np.ndarray, positive: np.ndarray, subjects: int) -> float:
    """Percent of lesions above the score that FALSE_SITES controls per subject reach or pass."""
    allowed = int(FALSE_SITES * subjects)
    others = np.sort(scores[~positive])[::-1]
    limit = others[allowed] if allowed < len(others) else -np.inf
    return 100.0 * float((scores[positive] > limit).mean())


def roc_tables(cohort: Cohort) -> Iterator[Table]:
    """Areas by class, and what the rule finds and invents."""
    rows = [row for row in cohort.rows(roc_rows) if row.method in SHOWN]
    if rows:
        yield _areas(rows)
        yield _points([row for row in rows if row.lesions == ALL])


def _areas(rows: Sequence[RocRow]) -> Table:
    methods = [m for m in SHOWN if any(row.method == m for row in rows)]
    groups = []
    for name in maps_of(rows):
        lines = []
        for lesions, *_ in CLASSES:
            mine = {r.method: r for r in rows if (r.map, r.lesions) == (name, lesions)}
            if mine:
                first = next(iter(mine.values()))
                cells: list[Cell] = [lesions, str(first.n_lesions), str(first.n_subjects)]
                lines.append(Line([*cells, *(_area(mine.get(m)) for m in methods)]))
        groups.append(Group(lines, spec_of(name).label))
    return Table(
        name="lesion_roc",
        title="Are lesions told from places without one?",
        caption="Area under the receiver operating characteristic of the contrast to noise, each "
        "lesion against its own control sites (as large, in the same tissue of the same subject, "
        "without a lesion): 1 tells all apart, 0.5 is a guess. In brackets the 95 % interval over "
        f"subjects; below {MIN_SUBJECTS} subjects, or where all are told apart, there is none. "
        "Size: diameter of the disc as large as the lesion’s largest slice. Contrast: of the truth "
        "(else of routine) in percent of white matter.",
        columns=[
            Column("lesions", align="l"), Column("n"), Column("subjects"),
            *(Column(name_of(m)) for m in methods),
        ],
        groups=groups,
    )  # fmt: skip


def _area(row: RocRow | None) -> Cell:
    if row is None:
        return ""
    if row.auc.interval:
        return Num(row.area), " ", in_brackets(interval(row.auc.interval, 2, signed=False))
    few = (" ", in_brackets(NO_TEST)) if row.n_subjects < MIN_SUBJECTS else ()
    return Num(row.area), *few


def _points(rows: Sequence[RocRow]) -> Table:
    lines = []
    for name in maps_of(rows):
        mine = [row for row in rows if row.map == name]
        for i, row in enumerate(mine):
            cells: list[Cell] = ["" if i else spec_of(name).label, name_of(row.method)]
            found = (row.found_percent, row.false_percent)
            cells += [*(Num(v, 1) for v in found), Num(row.false_per_subject)]
            cells.append(Num(row.froc_percent, 1))
            lines.append(Line(cells, kind=style_of(row.method)))
    return Table(
        name="lesion_froc",
        title="Found, and at what price",
        caption=f"Lesions and control sites that read as present at {READ_AT:g} SD, and those "
        f"lesions found where {FALSE_SITES:g} control site per subject does (a point of the "
        "free-response characteristic; sites are looked at, not whole images).",
        columns=[
            Column("", align="l"), Column("method", align="l"), Column("lesions found", "%"),
            Column("control sites", "%"), Column("control sites per subject"),
            Column("found at 1 per subject", "%"),
        ],
        groups=[Group(lines)],
        wide=False,
    )  # fmt: skip


@styled
def roc_plot(cohort: Cohort) -> Markup:
    """A curve of each method, one panel per map; marks stand at the rule's threshold."""
    rows = {(r.map, r.method): r for r in cohort.rows(roc_rows) if r.lesions == ALL}
    plot = Plot(height_inch=4.0, label="Lesions found against control sites read as present")
    panels = plot.panels(len(cohort.maps))
    for i, (name, axes) in enumerate(zip(cohort.maps, panels, strict=True)):
        axes.set(title=spec_of(name).label, xlabel="control sites read as present (%)")
        axes.set(xlim=(-1, 101), ylim=(-1, 101), ylabel="" if i else "lesions found (%)")
        axes.plot([0, 100], [0, 100], color="#d5d8dc", lw=0.8)
        for method in (m for m in SHOWN if (name, m) in rows):
            row, colour = rows[name, method], COLOURS[method]
            axes.plot(*_curve(readings(cohort, name, method)), color=colour, lw=1.4)
            says = (
                f"{spec_of(name).label} {name_of(method)}: {number(row.found_percent, 1)} % of "
                f"{row.n_lesions} lesions, {number(row.false_percent, 1)} % of control sites, area "
                f"{number(row.area, 2)}"
            )
            values = [row.found_percent, row.false_percent, row.area]
            mark = Mark(row.false_percent, row.found_percent, says, values)
            plot.draw(axes, [mark], shape="dot", colour=colour, label=name_of(method))
    plot.figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=5)
    return plot.svg()


def _curve(found: Sequence[Reading]) -> tuple[np.ndarray, np.ndarray]:
    """Percent of control sites and of lesions at or above every score."""
    lesions = np.array([r.score for r in found])
    controls = np.array([score for r in found for score in r.controls])
    limits = np.concatenate([[np.inf], np.sort(np.concatenate([lesions, controls]))[::-1]])
    false, true = (100.0 * (of[None] >= limits[:, None]).mean(1) for of in (controls, lesions))
    return false, true


def plots(cohort: Cohort) -> dict[str, object]:
    """The curves, where there are lesions."""
    return {"roc": roc_plot(cohort) if cohort.rows(roc_rows) else ""}


SECTION = Section(
    Path(__file__), "Lesion visibility", {"lesion_roc": roc_rows}, roc_tables, plots,
)  # fmt: skip
