"""The verdict: do the trained maps agree with routine, and are they nearer to the truth than it?"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.error_by_place import BRAIN, KIND, PARENCHYMA, RMSE, against
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import (
    PAPER_TISSUES,
    Section,
    TableRow,
    if_enough,
    interval,
    spanned,
    style_of,
)
from qsr_jax.evaluation.sections.places import (
    MARGIN_PERCENT,
    NO_WORSE_PERCENT,
    SIMPLER,
    PlaceRow,
    family_rows,
    place_rows,
)
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.numbers import plural
from qsr_jax.formats.table import MISSING, Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import LEAST_CONCORDANCE, LEAST_SUBJECTS, Interval, Outcome, Verdict

ERRING = (FAST, TRAINED, ROUTINE, REPEAT, BICUBIC)
"""Whose errors in parenchyma stand on the first page."""

VOXELS = {PARENCHYMA: "grey matter, white matter and lesions", BRAIN: "the brain mask, water too"}

WORDS = {
    Outcome.TOO_FEW: "too few",
    Outcome.UNDECIDABLE: "below retest",
}
"""Outcomes in short where their own name is too long for a column."""


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Geometric mean over subjects of an error in parts of another, with its 95 % interval."""

    n: int
    value: float
    interval: Interval | None


@dataclasses.dataclass(frozen=True)
class ErrorShareRow(TableRow):
    """RMSE by method: the mean over subjects, and in parts of that of ``base``.

    In parenchyma, or in the brain where no labels tell it. Against the truth, where everybody has
    one, in parts of routine's own error: below 1 a map is nearer to the truth than the scan it
    stands for. Else against routine, in parts of fast's.
    """

    map: str
    unit: str
    place: str
    reference: str
    base: str
    n: int
    rmse: Mapping[str, float]
    share: Mapping[str, Ratio]


def share_rows(cohort: Cohort) -> Iterator[ErrorShareRow]:
    """One row per map."""
    for name in cohort.maps:
        wanted = itertools.product((PARENCHYMA, BRAIN), ((TRUTH, ROUTINE), (ROUTINE, FAST)))
        for place, (reference, base) in wanted:
            found = _errors(cohort, place, name, reference)
            if {TRAINED, base} <= set(found):
                yield _share_row(place, name, reference, base, found)
                break


def _errors(cohort: Cohort, place: str, name: str, reference: str) -> dict[str, np.ndarray]:
    """Method to (subjects,) RMSE, of the subjects who have it by every method."""
    columns = {m: cohort.of(KIND, place, name, against(RMSE, reference), m) for m in ERRING}
    columns = {m: by for m, by in columns.items() if by}
    whole = [s for s in cohort.group if all(s in by for by in columns.values())]
    return {m: np.array([by[s] for s in whole]) for m, by in columns.items() if whole}


def _share_row(
    place: str, name: str, reference: str, base: str, errors: Mapping[str, np.ndarray]
) -> ErrorShareRow:
    spec = spec_of(name)
    row = f"{spec.label} in {place} against {reference}"
    return ErrorShareRow(
        row=row,
        map=name,
        unit=spec.unit,
        place=place,
        reference=reference,
        base=base,
        n=len(errors[base]),
        rmse={m: float(values.mean()) for m, values in errors.items()},
        share={m: ratio(row, values, errors[base]) for m, values in errors.items() if m != base},
    )


def ratio(row: str, error: np.ndarray, base: np.ndarray) -> Ratio:
    """Geometric mean over subjects of their errors (subjects,) in parts of others'."""
    if not (error.all() and base.all()):  # a map that is the reference, bit for bit
        return Ratio(len(error), float(error.mean() / base.mean()), None)
    logs = np.log(error), np.log(base)
    test = if_enough(row, statistics.paired_t, *logs)
    ends = None
    if test:
        low, high = np.exp([test.interval.low, test.interval.high]).tolist()
        ends = Interval(low, high)
    return Ratio(len(error), float(np.exp((logs[0] - logs[1]).mean())), ends)


def share_table(rows: list[ErrorShareRow]) -> Table:
    """A line per map, a column per method."""
    first = rows[0]
    methods = [m for m in ERRING if m in first.rmse]
    said = f"In parts of {name_of(first.base)}’s own error, geometric mean over n = {first.n} "
    good = (
        "; below 1 a map is nearer to the truth than the routine scan"
        if first.reference == TRUTH
        else ""
    )
    return Table(
        name="error_shares",
        title=f"Error in {first.place}, against {first.reference}",
        caption=f"Root mean squared error over all voxels of {VOXELS[first.place]}. "
        f"{said}subjects with its 95 % interval{good}. All places: “Errors by place”.",
        columns=[Column("", align="l"), *(Column(name_of(m), kind=style_of(m)) for m in methods)],
        groups=[Group([Line([_label(r), *(_share(r, m) for m in methods)]) for r in rows])],
    )


def _label(row: ErrorShareRow) -> Cell:
    return f"{spec_of(row.map).label} ({row.unit})"


def _share(row: ErrorShareRow, method: str) -> Cell:
    if method not in row.rmse:
        return MISSING
    error = Num(row.rmse[method], spec_of(row.map).digits)
    if method == row.base:
        return error
    share = row.share[method]
    return error, Styled("soft", (" = ", *spanned(share.value, share.interval, 2, signed=False)))


def verdict_table(cohort: Cohort) -> Table:
    """A line per tissue and map: how far trained is off, and the answers."""
    rows = [r for r in cohort.rows(place_rows) if r.kind != "region"]
    places = sorted(dict.fromkeys(r.place for r in rows), key=_order)
    floor = any(r.repeatability for r in rows)
    columns = [
        Column("", align="l"),
        *(Column(m, group="difference (%)") for m in SIMPLER),
        Column("trained (90 % interval)", group="difference (%)"),
        Column("mean", align="l"),
        Column("outer limits", "%", group="each subject"), Column("CCC", group="each subject"),
        Column("individual", align="l", group="each subject"),
        *([Column("retest", "%", group="floor")] if floor else []),
        *(Column(m, group="trained no worse than (%)", align="l") for m in SIMPLER),
    ]  # fmt: skip
    groups = []
    for place in places:
        of = {(r.map, r.method): r for r in rows if r.place == place}
        lines = [_line(of, name, floor) for name in cohort.maps if (name, TRAINED) in of]
        n = of[next(iter(of))[0], TRAINED].n
        who = plural(n, "patient" if place == "lesions" else "healthy subject")
        groups.append(Group(lines, (place, Styled("soft", f" ({who})"))))
    return Table(
        name="verdict",
        title="Difference from routine, in percent of it",
        caption="Mean: the 90 % interval lies within "
        f"±{MARGIN_PERCENT:g} % (TOST). Individual: so do the outer confidence bounds of the "
        "limits of agreement, and the lower bound of concordance within the tissue (CCC) exceeds "
        f"{LEAST_CONCORDANCE:g}; a print of the population mean passes the first and fails the "
        f"second. Below {LEAST_SUBJECTS} subjects nothing is decided; below the repeatability "
        "coefficient (retest) nothing can be. Right: by how much trained’s error exceeds that of "
        f"fast and bicubic, no worse where the interval ends below {NO_WORSE_PERCENT:g}. Holm’s "
        "correction over GM and WM, CSF, and lesions, each.",
        columns=columns,
        groups=groups,
    )


def _order(place: str) -> int:
    places = (*PAPER_TISSUES, "lesions")
    return places.index(place) if place in places else len(places)


def _line(of: Mapping[tuple[str, str], PlaceRow], name: str, floor: bool) -> Line:
    row = of[name, TRAINED]
    simple = [of[name, m].difference_percent if (name, m) in of else None for m in SIMPLER]
    cells: list[Cell] = [
        spec_of(name).label,
        *(Num(value, signed=True) for value in simple),
        spanned(row.difference_percent, row.mean.interval, 2),
        answer(row.mean),
        interval(row.individual.interval, 1),
        Num(row.individual.concordance),
        answer(row.individual),
    ]
    if floor:
        cells.append(Num(row.repeatability.percent if row.repeatability else None))
    for method in SIMPLER:
        found = row.no_worse.get(method)
        cells.append(MISSING if found is None else (*spanned(found.estimate, found.interval, 1),
                     " ", answer(found, good="no worse", bad="open")))  # fmt: skip
    return Line(cells)


def answer(verdict: Verdict, *, good: str = "shown", bad: str = "not shown") -> Styled:
    """A verdict's outcome, to stand beside its interval."""
    if verdict.outcome in (Outcome.SHOWN, Outcome.NOT_SHOWN):
        return Styled("good", good) if verdict.shown else Styled("bad", bad)
    return Styled("soft", WORDS.get(verdict.outcome, verdict.outcome.value))


def tables(cohort: Cohort) -> Iterator[Table]:
    """The verdict, and the error in parenchyma."""
    if cohort.rows(place_rows):
        yield verdict_table(cohort)
    if cohort.rows(share_rows):
        yield share_table(cohort.rows(share_rows))


SECTION = Section(
    Path(__file__), "Verdict",
    {"places": place_rows, "families": family_rows, "error_shares": share_rows},
    tables, folded=False,
    absent="Without labels of tissues nothing is decided: evaluate simulated subjects, or with "
    "--atlas.",
)  # fmt: skip
