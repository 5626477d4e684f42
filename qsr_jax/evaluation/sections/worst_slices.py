"""The slices where the trained model errs most."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax.data.studies.manifest import PATIENT
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.sections.common import Section, TableRow, title
from qsr_jax.evaluation.values import BICUBIC, NEEDS_BOTH, SLICES, TRAINED, slice_index
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.maps import spec_of

WORST = 5
"""Slices listed of each map."""


@dataclasses.dataclass(frozen=True)
class SliceRow(TableRow):
    """One of the slices where the trained model errs most, by masked RMSE."""

    map: str
    unit: str
    rank: int
    subject: str
    group: str
    slice: int
    rmse: dict[str, float]
    bias: dict[str, float]


def slice_rows(cohort: Cohort) -> Iterator[SliceRow]:
    """The slices where the trained model's masked RMSE is largest, each map's worst first."""
    for name in cohort.maps:
        of: dict[tuple[str, str, str], dict[tuple[str, str], list[float]]] = {}
        for v in cohort.values:
            if v.kind == SLICES and v.map == name:
                mine = of.setdefault((v.subject, v.place, v.group), {})
                mine.setdefault((v.quantity, v.method), []).append(v.value)
        mean = {key: {k: float(np.mean(v)) for k, v in found.items()} for key, found in of.items()}
        worst = sorted(mean, key=lambda key: -mean[key]["rmse", TRAINED])[:WORST]
        for rank, (subject, place, group) in enumerate(worst, 1):
            found = mean[subject, place, group]
            yield SliceRow(
                row=f"{spec_of(name).label} {rank}",
                map=name,
                unit=spec_of(name).unit,
                rank=rank,
                subject=subject,
                group=group,
                slice=slice_index(place) + 1,
                rmse={m: found["rmse", m] for m in NEEDS_BOTH},
                bias={m: found["bias", m] for m in NEEDS_BOTH},
            )


def slice_table(cohort: Cohort) -> Iterator[Table]:
    """Bicubic in the same slice beside the trained model."""
    rows = cohort.rows(slice_rows)
    yield Table(
        name="slices",
        title="Where the trained model errs most",
        caption="The slices with the largest root mean squared error inside the brain, of all "
        "slices of all subjects; bicubic in the same slice beside it; * patients.",
        columns=[
            Column("map", align="l"),
            Column("subject", align="l"),
            Column("slice"),
            *(Column(m, group=head) for head in ("RMSE", "bias") for m in (TRAINED, BICUBIC)),
        ],
        groups=[Group([_line(r) for r in rows if r.map == name]) for name in cohort.maps],
        wide=False,
    )


def _line(row: SliceRow) -> Line:
    digits, marked = spec_of(row.map).digits, " *" if row.group == PATIENT else ""
    first = title("", row.map).strip() if row.rank == 1 else ""
    cells: list[Cell] = [first, f"{row.subject[:6]}{marked}", str(row.slice)]
    cells += [Num(row.rmse[m], digits) for m in (TRAINED, BICUBIC)]
    return Line([*cells, *(Num(row.bias[m], digits, signed=True) for m in (TRAINED, BICUBIC))])


SECTION = Section(Path(__file__), "Worst slices", {"slices": slice_rows}, slice_table)
