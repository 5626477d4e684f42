"""Repeatability: what two scans of one subject differ by, and so no margin can be smaller."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import error_by_place
from qsr_jax.evaluation.measure.labels import TISSUES
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.sections.common import (
    Section,
    TableRow,
    if_enough,
    in_brackets,
    interval,
    title,
)
from qsr_jax.formats.numbers import NO_TEST, plural
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics.moments import LIMIT_Z
from qsr_jax.statistics.repeatability import Repeatability, repeatability


@dataclasses.dataclass(frozen=True)
class RepeatabilityRow(TableRow):
    """One tissue and map, over all subjects whose routine scan was repeated.

    ``mean`` is of a subject's mean over the tissue, None below 3 subjects; ``voxel`` is the
    coefficient of a single voxel in the unit of the map.
    """

    map: str
    tissue: str
    unit: str
    n: int
    mean: Repeatability | None
    voxel: float | None


def repeatability_rows(cohort: Cohort) -> Iterator[RepeatabilityRow]:
    """One row per tissue and map; none where nobody was scanned twice."""
    for name in cohort.maps:
        for tissue in TISSUES.values():
            first, second = (
                cohort.of("tissue", tissue, name, "mean", m) for m in (ROUTINE, REPEAT)
            )
            both = [subject for subject in first if subject in second]
            if not both:
                continue
            pair = (np.array([of[subject] for subject in both]) for of in (first, second))
            row = title(tissue, name)
            yield RepeatabilityRow(
                row=row,
                map=name,
                tissue=tissue,
                unit=spec_of(name).unit,
                n=len(both),
                mean=if_enough(row, repeatability, *pair),
                voxel=_voxel(cohort, tissue, name),
            )


def _voxel(cohort: Cohort, tissue: str, name: str) -> float | None:
    """1.96 times the root mean square difference of the two scans, every subject alike."""
    quantity = error_by_place.against(error_by_place.RMSE, ROUTINE)
    found = cohort.of(error_by_place.KIND, tissue, name, quantity, REPEAT)
    return LIMIT_Z * float(np.sqrt(np.mean(np.square([*found.values()])))) if found else None


def repeatability_table(cohort: Cohort) -> Iterator[Table]:
    """The coefficients."""
    rows = cohort.rows(repeatability_rows)
    if not rows:
        return
    yield Table(
        name="repeatability_coefficients",
        title="Repeatability",
        caption=f"{plural(max(r.n for r in rows), 'subject')} scanned twice with the routine "
        "protocol. Sw: standard deviation of one scan about the subject’s mean. Repeatability "
        "coefficient: 1.96 √2 Sw with its 95 % interval; two scans of one subject differ by less "
        "in 95 of 100 cases, so no margin of agreement below it can be decided. The two simulated "
        "scans differ by noise (and by motion where it is switched on), not by repositioning, "
        "drift or scanner: expect a multiple of it in patients.",
        columns=[
            Column("", align="l"), Column("n"),
            Column("Sw", group="mean over the tissue"),
            Column("coefficient", group="mean over the tissue"),
            Column("coefficient", "%", group="mean over the tissue"),
            Column("coefficient", group="single voxel"),
        ],
        groups=[Group([Line(_cells(row)) for row in rows])],
        wide=False,
    )  # fmt: skip


def _cells(row: RepeatabilityRow) -> list[Cell]:
    digits, mean = spec_of(row.map).digits, row.mean
    cells: list[Cell] = [row.row, str(row.n)]
    if mean is None:
        cells += [NO_TEST, "", ""]
    else:
        ends = in_brackets(interval(mean.interval, digits + 1, signed=False))
        cells += [Num(mean.within_sd, digits + 1), (Num(mean.coefficient, digits + 1), " ", ends)]
        cells.append(Num(mean.percent))
    return [*cells, Num(row.voxel, digits)]


SECTION = Section(
    Path(__file__), "Repeatability", {"repeatability": repeatability_rows}, repeatability_table,
    absent="Nobody was scanned twice, so no margin can be held against the repeatability of the "
    "routine scan. For simulated subjects: python -m data_tools.repeat_scan --cohort DIR "
    "--manifest MANIFEST, then evaluate again.",
)  # fmt: skip
