"""Planted and removed lesions: found at routine's false positive rate; what is made up."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_contrast import READ_AT
from qsr_jax.evaluation.measure.lesion_twin import (
    CHANGE,
    DIAMETER,
    INVENTED,
    KIND,
    WITH,
    WITHOUT,
)
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import Section, TableRow, maps_of, spanned, style_of
from qsr_jax.evaluation.sections.lesion_twin import FAINT_PERCENT
from qsr_jax.evaluation.sections.summary import Ratio, ratio
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import spec_of

SHOWN = (FAST, TRAINED, ROUTINE, BICUBIC)

SIZES_MM = (5.0, 10.0)
"""Diameters between small, middle and large lesions."""
ALL = "all"
NOT_MORE, MORE, OPEN = "not more", "MORE", "open"


@dataclasses.dataclass(frozen=True)
class Site:
    """The place of one lesion as one method shows it: scores with the lesion and without.

    A score is the size of the contrast to noise; ``percent`` the true change in percent of white
    matter.
    """

    subject: str
    diameter_mm: float
    percent: float
    with_: float
    without: float


@dataclasses.dataclass(frozen=True)
class DetectionRow(TableRow):
    """Lesions of one size and contrast found by one method in one map.

    ``found_percent`` is of lesions that score above ``limit``, at which the method reads as many
    of all places without their lesion as present as routine does at the rule of
    :data:`qsr_jax.evaluation.measure.lesion_contrast.READ_AT`: ``false_percent``.
    """

    map: str
    method: str
    size: str
    contrast: str
    n_lesions: int
    n_subjects: int
    found_percent: float
    false_percent: float
    limit: float


@dataclasses.dataclass(frozen=True)
class InventionRow(TableRow):
    """By how much one method's contrast is off the truth where there is no lesion.

    ``invented`` is the root mean square over subjects, of control sites as large as the lesions;
    ``share`` the same in parts of routine's, whose noise it is. ``verdict``: no more than that
    where its 95 % interval ends at 1 or below, more where it begins above.
    """

    map: str
    unit: str
    method: str
    n: int
    invented: float
    share: Ratio
    verdict: str


def sites(cohort: Cohort, name: str, method: str) -> list[Site]:
    """Every place of a lesion that was planted or taken away, in one map."""
    found = []
    white = cohort.of("tissue", "WM", name, "mean", TRUTH)
    for place in dict.fromkeys(v.place for v in cohort.values if v.kind == KIND):
        true = cohort.of(KIND, place, name, CHANGE, TRUTH)
        sizes = cohort.of(KIND, place, "", DIAMETER, TRUTH)
        with_, without = (cohort.of(KIND, place, name, q, method) for q in (WITH, WITHOUT))
        for subject, score in with_.items():
            if subject in white and subject in true:
                percent = 100.0 * abs(true[subject]) / white[subject]
                scores = abs(score), abs(without[subject])
                found.append(Site(subject, sizes[subject], percent, *scores))
    return found


def detection_rows(cohort: Cohort) -> Iterator[DetectionRow]:
    """One row per map, class of size and contrast, and method; none without twins."""
    for name in cohort.maps:
        by_method = {m: sites(cohort, name, m) for m in _methods(cohort)}
        routine = by_method.get(ROUTINE, [])
        allowed = sum(site.without >= READ_AT for site in routine)
        for method, found in by_method.items():
            if found and routine:
                limit = _limit([site.without for site in found], allowed)
                false = 100.0 * float(np.mean([site.without > limit for site in found]))
                for (size, contrast), mine in _classes(found).items():
                    yield _detected(name, method, size, contrast, mine, false, limit)


def _methods(cohort: Cohort) -> list[str]:
    known = dict.fromkeys(v.method for v in cohort.values if v.kind == KIND and v.map)
    return [method for method in known if method != TRUTH]


def _limit(scores: Sequence[float], allowed: int) -> float:
    """The score that no more than ``allowed`` of the scores exceed."""
    ordered = sorted(scores, reverse=True)
    return ordered[allowed] if allowed < len(ordered) else -1.0  # no score is negative


def _classes(found: Sequence[Site]) -> dict[tuple[str, str], list[Site]]:
    """(size, contrast) to the lesions; classes without a lesion are left out."""
    low, high = SIZES_MM
    sizes = {
        ALL: (0.0, np.inf),
        f"below {low:g} mm": (0.0, low),
        f"{low:g} to {high:g} mm": (low, high),
        f"{high:g} mm or more": (high, np.inf),
    }
    contrasts = {
        ALL: (0.0, np.inf),
        f"below {FAINT_PERCENT:g} %": (0.0, FAINT_PERCENT),
        f"{FAINT_PERCENT:g} % or more": (FAINT_PERCENT, np.inf),
    }
    classes = {
        (size, contrast): [
            site for site in found if a <= site.diameter_mm < b and c <= site.percent < d
        ]
        for (size, (a, b)), (contrast, (c, d)) in itertools.product(
            sizes.items(), contrasts.items()
        )
    }
    return {key: mine for key, mine in classes.items() if mine}


def _detected(
    name: str,
    method: str,
    size: str,
    contrast: str,
    mine: Sequence[Site],
    false: float,
    limit: float,
) -> DetectionRow:
    return DetectionRow(
        row=f"{spec_of(name).label} lesions, size {size}, contrast {contrast}, {method}",
        map=name,
        method=method,
        size=size,
        contrast=contrast,
        n_lesions=len(mine),
        n_subjects=len({site.subject for site in mine}),
        found_percent=100.0 * float(np.mean([site.with_ > limit for site in mine])),
        false_percent=false,
        limit=limit,
    )


def invention_rows(cohort: Cohort) -> Iterator[InventionRow]:
    """One row per map and method."""
    for name in cohort.maps:
        base = _invented(cohort, name, ROUTINE)
        for method in _methods(cohort):
            found = _invented(cohort, name, method)
            whole = [subject for subject in found if subject in base]
            if whole:
                yield _invention(name, method, found, base, whole)


def _invention(
    name: str, method: str, found: dict[str, float], base: dict[str, float], whole: list[str]
) -> InventionRow:
    row = f"{spec_of(name).label} invented by {method}"
    mine, own = (np.array([of[subject] for subject in whole]) for of in (found, base))
    share = ratio(row, mine, own) if method != ROUTINE else Ratio(len(whole), 1.0, None)
    return InventionRow(
        row=row,
        map=name,
        unit=spec_of(name).unit,
        method=method,
        n=len(whole),
        invented=float(np.sqrt(np.mean(np.square(mine)))),
        share=share,
        verdict=_verdict(share) if method != ROUTINE else "",
    )


def _invented(cohort: Cohort, name: str, method: str) -> dict[str, float]:
    """Subject to the root mean square over all control sites of their lesions."""
    squares: dict[str, list[float]] = {}
    for place in dict.fromkeys(v.place for v in cohort.values if v.kind == KIND):
        for subject, value in cohort.of(KIND, place, name, INVENTED, method).items():
            squares.setdefault(subject, []).append(value**2)
    return {subject: float(np.sqrt(np.mean(found))) for subject, found in squares.items()}


def _verdict(share: Ratio) -> str:
    if share.interval is None or share.interval.low <= 1.0 < share.interval.high:
        return OPEN
    return NOT_MORE if share.interval.high <= 1.0 else MORE


def detection_tables(cohort: Cohort) -> Iterator[Table]:
    """What is found by size and contrast, and what is made up."""
    rows = [row for row in cohort.rows(detection_rows) if row.method in SHOWN]
    if rows:
        yield _detections(rows)
    invented = [row for row in cohort.rows(invention_rows) if row.method in SHOWN]
    if invented:
        yield _inventions(invented)


def _detections(rows: Sequence[DetectionRow]) -> Table:
    methods = [m for m in SHOWN if any(row.method == m for row in rows)]
    columns = [Column("size", align="l"), Column("contrast", align="l"), Column("n")]
    columns += [Column(name_of(m), "%", kind=style_of(m)) for m in methods]
    groups = []
    for name in maps_of(rows):
        mine = [row for row in rows if row.map == name]
        lines = []
        for size, contrast in dict.fromkeys((row.size, row.contrast) for row in mine):
            of = {r.method: r for r in mine if (r.size, r.contrast) == (size, contrast)}
            found = [Num(of[m].found_percent, 0) if m in of else "" for m in methods]
            lines.append(Line([size, contrast, str(next(iter(of.values())).n_lesions), *found]))
        false = next((row.false_percent for row in mine if row.method == ROUTINE), None)
        says = Styled("soft", (" (", Num(false, 1), " % of places without their lesion)"))
        groups.append(Group(lines, (spec_of(name).label, says)))
    return Table(
        name="lesion_detection",
        title="Found at routine’s false positive rate",
        caption="Lesions that were planted or taken away, read at their own place in the same scan "
        "with them and without. Routine reads as present what has a contrast to noise of "
        f"{READ_AT:g} SD; every method has the limit at which it reads as many places without "
        "their lesion as present as routine does. Size: diameter; contrast: true change in percent "
        "of white matter.",
        columns=columns,
        groups=groups,
    )


def _inventions(rows: Sequence[InventionRow]) -> Table:
    lines = []
    for name in maps_of(rows):
        for i, row in enumerate(row for row in rows if row.map == name):
            spec = spec_of(name)
            cells: list[Cell] = ["" if i else f"{spec.label} ({spec.unit})", name_of(row.method)]
            said = row.method != ROUTINE
            share = spanned(row.share.value, row.share.interval, 2, signed=False) if said else ""
            cells += [str(row.n), Num(row.invented, spec.digits), share, _answer(row)]
            lines.append(Line(cells, kind=style_of(row.method)))
    return Table(
        name="inventions",
        title="Made up where there is no lesion",
        caption="By how much the contrast of places without a lesion, as large as lesions are and "
        "in their tissue, is off the true one: root mean square over subjects, and in parts of "
        "what routine’s noise does (geometric mean with 95 % interval). A method should make up "
        "no more: shown where the interval ends at 1 or below.",
        columns=[
            Column("", align="l"), Column("method", align="l"), Column("n"),
            Column("made up"), Column("share of routine’s"), Column("more?", align="l"),
        ],
        groups=[Group(lines)],
        wide=False,
    )  # fmt: skip


def _answer(row: InventionRow) -> Cell:
    styles = {NOT_MORE: "good", MORE: "bad", OPEN: "soft"}
    return Styled(styles[row.verdict], row.verdict) if row.verdict else ""


SECTION = Section(
    Path(__file__), "Found and made up",
    {"lesion_detection": detection_rows, "inventions": invention_rows}, detection_tables,
)  # fmt: skip
