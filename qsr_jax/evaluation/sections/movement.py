"""How far heads moved between their scans, and whether that was undone."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from qsr_jax.data.studies.registration import KNOWN, NONE, RIGID
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.movement import AXES, IN_BRAIN, KIND, OFF_KNOWN
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import Section, TableRow
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table

SAID = {
    KNOWN: "undone, as simulated",
    RIGID: "undone, as found in T1",
    NONE: "not undone",
}
"""What was done, by how the pose is known."""


@dataclasses.dataclass(frozen=True)
class MovementRow(TableRow):
    """One scan of one subject against the routine scan.

    ``pose`` is the displacement in mm along the patient's left, back and head and the turns about
    these axes in degrees; ``in_brain_mm`` the root mean square of the brain's voxels, and
    ``off_known_mm`` the same between the pose that was found and the one that was simulated.
    """

    subject: str
    scan: str
    n: int
    how: str
    pose: dict[str, float]
    in_brain_mm: float
    off_known_mm: float | None


def movement_rows(cohort: Cohort) -> Iterator[MovementRow]:
    """One row per subject and scan that moved."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for v in cohort.values:
        if v.kind == KIND:
            found.setdefault((v.subject, v.method, v.convention), {})[v.quantity] = v.value
    for (subject, scan, how), numbers in found.items():
        yield MovementRow(
            row=f"{subject} {scan}",
            subject=subject,
            scan=scan,
            n=1,
            how=how,
            pose={axis: numbers[axis] for axis in AXES},
            in_brain_mm=numbers[IN_BRAIN],
            off_known_mm=numbers.get(OFF_KNOWN) if how == RIGID else None,
        )


def movement_table(cohort: Cohort) -> Iterator[Table]:
    """Every scan's pose."""
    rows = cohort.rows(movement_rows)
    compared = any(row.off_known_mm is not None for row in rows)
    yield Table(
        name="movement",
        title="How far heads moved between their scans",
        caption="Pose of the head in each scan against the routine scan: displacement along the "
        "patient's left, back and head, turns about these axes, and the root mean square of how "
        "far a voxel of the brain moved"
        + ("; last, how far off the simulated pose the found one is." if compared else "."),
        columns=[
            Column("subject", align="l"),
            Column("scan", align="l"),
            *(Column(axis, "deg" if axis.startswith("about") else "mm") for axis in AXES),
            Column("in the brain", "mm"),
            *([Column("off", "mm")] if compared else []),
            Column("was", align="l"),
        ],
        groups=[Group([_line(row, compared=compared) for row in rows])],
    )


def _line(row: MovementRow, *, compared: bool) -> Line:
    cells: list[Cell] = [row.subject[:8], name_of(row.scan)]
    cells += [Num(row.pose[axis], 2, signed=True) for axis in AXES]
    cells.append(Num(row.in_brain_mm, 2))
    cells += [Num(row.off_known_mm, 2)] if compared else []
    return Line([*cells, SAID[row.how]])


SECTION = Section(
    Path(__file__),
    "Heads that moved between the scans",
    {"movement": movement_rows},
    movement_table,
)
