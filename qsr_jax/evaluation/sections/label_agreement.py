"""Labels found in the maps of simulated subjects, held against their true labels."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from qsr_jax import statistics
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import label_agreement
from qsr_jax.evaluation.sections.common import Section, TableRow, mean_sd
from qsr_jax.evaluation.values import Value
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Sample


@dataclasses.dataclass(frozen=True)
class LabelRow(TableRow):
    """One place: labels found in the maps against the truth's, over n subjects.

    ``dice`` and ``centroid_mm`` are of the labels; ``shift_percent`` says by how much the mean of
    the routine map moves, by map. ``largest_mm`` is the worst subject's.
    """

    place: str
    n: int
    dice: Sample
    centroid_mm: Sample | None
    largest_mm: float | None
    shift_percent: dict[str, Sample]


def label_rows(cohort: Cohort) -> Iterator[LabelRow]:
    """One row per tissue and region; nothing unless labels were found beside the truth's."""
    places: dict[str, list[Value]] = {}
    for v in cohort.values:
        if v.kind == label_agreement.KIND:
            places.setdefault(v.place, []).append(v)
    for place, mine in places.items():
        dice = [v.value for v in mine if v.quantity == label_agreement.DICE]
        apart = [v.value for v in mine if v.quantity == label_agreement.CENTROID]
        shift = {
            name: [v.value for v in mine if (v.quantity, v.map) == (label_agreement.SHIFT, name)]
            for name in cohort.maps
        }
        yield LabelRow(
            row=place,
            place=place,
            n=len(dice),
            dice=statistics.describe(dice),
            centroid_mm=statistics.describe(apart) if apart else None,
            largest_mm=max(apart, default=None),
            shift_percent={n: statistics.describe(v) for n, v in shift.items() if v},
        )


def label_table(cohort: Cohort) -> Iterator[Table]:
    """Dice, centres and shifts of the means."""
    yield Table(
        name="labels",
        title="What labels found in the maps are worth",
        caption="Found in the routine maps of the simulated subjects and held against their true "
        "labels: Dice; distance of the centres of mass, mean over left and right, and of the worst "
        "subject; and by how much the mean of the routine map moves when the found label takes the "
        "place of the true one.",
        columns=[
            Column("place", align="l"),
            Column("n"),
            Column("Dice"),
            Column("centres apart", "mm"),
            Column("largest", "mm"),
            *(Column(spec_of(name).label, "%") for name in cohort.maps),
        ],
        groups=[Group([_line(row, cohort.maps) for row in cohort.rows(label_rows)])],
        wide=False,
    )


def _line(row: LabelRow, maps: tuple[str, ...]) -> Line:
    cells: list[Cell] = [row.place.replace("_", " "), str(row.n), mean_sd(row.dice, 3)]
    cells += [mean_sd(row.centroid_mm, 2) if row.centroid_mm else "", Num(row.largest_mm)]
    cells += [mean_sd(row.shift_percent.get(m), 2, signed=True) for m in maps]
    return Line(cells)


SECTION = Section(Path(__file__), "Labels without a truth", {"labels": label_rows}, label_table)
