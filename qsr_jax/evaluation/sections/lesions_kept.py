"""Lesions at a glance: how many each method shows, and how far off they are read."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_contrast import READ_AT
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import MAIN, Section, TableRow, style_of
from qsr_jax.evaluation.sections.lesion_contrast import contrast_rows
from qsr_jax.evaluation.sections.lesions import lesion_rows
from qsr_jax.formats.numbers import plural
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Part, Styled, Table
from qsr_jax.maps import spec_of

LARGE_VOXELS = 20
"""Voxels of the routine grid, 3.7 mm2 in a slice, from which a lesion is no speck at the edge of
resolution."""


@dataclasses.dataclass(frozen=True)
class KeptRow(TableRow):
    """All lesions of one map, by method.

    ``present`` counts lesions that read as present; ``lost`` those that routine shows and the
    method does not; ``error_percent`` is the mean difference from routine over the lesions that
    every method has a mean of.
    ``n_large`` and ``lost_large`` count those of :data:`LARGE_VOXELS` or more, and ``shown_large``
    those of them that routine shows.
    """

    map: str
    n_lesions: int
    n_subjects: int
    present: Mapping[str, int]
    lost: Mapping[str, int]
    error_percent: Mapping[str, float]
    n_large: int
    shown_large: int
    lost_large: Mapping[str, int]


def kept_rows(cohort: Cohort) -> Iterator[KeptRow]:
    """One row per map that has lesions."""
    for name in cohort.maps:
        rows = [row for row in cohort.rows(contrast_rows) if row.map == name]
        seen = [row.present for row in rows]
        read = [row for row in cohort.rows(lesion_rows) if row.map == name]
        sizes = {(row.subject, row.lesion): row.voxels or 0 for row in read}
        large = [r.present for r in rows if sizes.get((r.subject, r.lesion), 0) >= LARGE_VOXELS]
        if not seen:
            continue
        methods = [m for m in dict.fromkeys((*MAIN, *seen[0])) if all(m in p for p in seen)]
        means = [row.means for row in read if all(m in row.means for m in methods)]
        error = {
            m: [100.0 * (of[m] - of[ROUTINE]) / of[ROUTINE] for of in means]
            for m in methods
            if m != ROUTINE
        }
        yield KeptRow(
            row=f"{spec_of(name).label} lesions",
            map=name,
            n_lesions=len(seen),
            n_subjects=len({row.subject for row in rows}),
            present={m: sum(p[m] for p in seen) for m in methods},
            lost={m: sum(p[ROUTINE] and not p[m] for p in seen) for m in methods},
            error_percent={m: sum(e) / len(e) for m, e in error.items() if e},
            n_large=len(large),
            shown_large=sum(p[ROUTINE] for p in large),
            lost_large={m: sum(p[ROUTINE] and not p[m] for p in large) for m in methods},
        )


def kept_table(cohort: Cohort) -> Iterator[Table]:
    """A line per map, a column per method."""
    rows = cohort.rows(kept_rows)
    methods = [m for m in MAIN if m in rows[0].present]
    first = rows[0]
    yield Table(
        name="lesions_kept",
        title="Shown, lost, and read wrong",
        caption=f"Of {plural(first.n_lesions, 'lesion')} in {plural(first.n_subjects, 'subject')}, "
        f"those that stand out from their surroundings by {READ_AT:g} SD or more; below, in red, "
        "those that routine shows and the method does not, how many of them have "
        f"{LARGE_VOXELS} voxels or more (specks have fewer), and the mean difference of a lesion "
        "from routine.",
        columns=[Column("", align="l"), *(Column(name_of(m), kind=style_of(m)) for m in methods)],
        groups=[
            Group([Line([spec_of(r.map).label, *(_cell(r, m) for m in methods)]) for r in rows])
        ],
        wide=False,
    )


def _cell(row: KeptRow, method: str) -> Cell:
    parts: list[Part] = []
    if row.lost[method]:
        large = (" (", Num(row.lost_large[method], 0), " large)") if row.n_large else ()
        parts.append(Styled("bad", (Num(row.lost[method], 0), " lost", *large, " ")))
    if method in row.error_percent:
        parts += [Num(row.error_percent[method], 1, signed=True), " %"]
    return Num(row.present[method], 0), f" of {row.n_lesions}", Styled("sub", (*parts, " "))


SECTION = Section(
    Path(__file__), "Lesions", {"lesions_kept": kept_rows}, kept_table, folded=False,
    absent="Nobody has a marked lesion: whether lesions survive is not known.",
)  # fmt: skip
