"""Tissue means: what every method reads, and the paper's Table 1."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import (
    MAIN,
    PAPER_TISSUES,
    Section,
    TableRow,
    if_enough,
    interval,
    mean_sd,
    style_of,
    title,
)
from qsr_jax.evaluation.sections.places import (
    ALPHA,
    MARGIN_PERCENT,
    PlaceRow,
    paired,
    place_rows,
    subject_values,
)
from qsr_jax.evaluation.values import TRAINED
from qsr_jax.formats.numbers import NO_TEST, sentence
from qsr_jax.formats.table import MISSING, Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Equivalence, PairedT

METHODS = (FAST, TRAINED, ROUTINE)
"""Of the paper's Table 1."""


@dataclasses.dataclass(frozen=True)
class PaperRow(TableRow):
    """What Table 1 has beside the place rows: two more tests of trained, the paper's numbers."""

    map: str
    tissue: str
    equivalence: Equivalence | None
    against_fast: PairedT | None
    paper: published.PublishedTissue


def paper_rows(cohort: Cohort) -> Iterator[PaperRow]:
    """One row per tissue of the paper and map."""
    for tissue in (t for t in cohort.places("tissue", HEALTHY) if t in PAPER_TISSUES):
        for name in cohort.maps:
            values, row = subject_values(cohort, "tissue", tissue, name), title(tissue, name)
            yield PaperRow(
                row=row,
                map=name,
                tissue=tissue,
                equivalence=if_enough(
                    row, statistics.equivalence, *paired(values, TRAINED, ROUTINE),
                    margin_percent=MARGIN_PERCENT, alpha=ALPHA,
                ),
                against_fast=if_enough(row, statistics.paired_t, *paired(values, TRAINED, FAST)),
                paper=published.TABLE_1[tissue, name],
            )  # fmt: skip


def tissue_tables(cohort: Cohort) -> Iterator[Table]:
    """What every method reads; Table 1."""
    of = {(r.place, r.map, r.method): r for r in cohort.rows(place_rows) if r.kind == "tissue"}
    if of:
        yield _read(cohort, of)
    if cohort.rows(paper_rows):
        yield _paper(cohort.rows(paper_rows), of)


Rows = Mapping[tuple[str, str, str], PlaceRow]


def _read(cohort: Cohort, of: Rows) -> Table:
    known = {method for _, _, method in of} | {ROUTINE}
    methods = [m for m in MAIN if m in known]
    groups = []
    for place in dict.fromkeys(place for place, _, _ in of):
        names = [n for n in cohort.maps if (place, n, TRAINED) in of]
        lines = [Line([title("", n).strip(), *(_cell(of, place, n, m) for m in methods)])
                 for n in names]  # fmt: skip
        groups.append(
            Group(lines, (place, Styled("soft", f" (n = {of[place, names[0], TRAINED].n})")))
        )
    ways = dict.fromkeys(v.convention for v in cohort.values if v.kind == "tissue")
    return Table(
        name="tissues",
        title="What every method reads",
        caption="Mean (SD) over healthy subjects of their tissue means; below, the difference from "
        f"routine. {sentence('; '.join(ways))}; fast is read at its nearest voxel, not "
        "interpolated.",
        columns=[Column("", align="l"), *(Column(name_of(m), kind=style_of(m)) for m in methods)],
        groups=groups,
    )


def _cell(of: Rows, place: str, name: str, method: str) -> Cell:
    digits = spec_of(name).digits
    if method == ROUTINE:
        return mean_sd(of[place, name, TRAINED].routine, digits)
    row = of.get((place, name, method))
    if row is None:
        return MISSING
    value = mean_sd(row.value, digits)
    off = Styled("sub", (Num(row.difference_percent, signed=True), " %"))
    return (*value, off) if isinstance(value, tuple) else (value, off)


def _paper(rows: list[PaperRow], of: Rows) -> Table:
    columns = [
        Column("", align="l"), *(Column(m, group="mean (SD)") for m in METHODS),
        Column("90 % interval", group="trained − routine"),
        Column("P", group="trained − routine"), Column("P", group="trained − fast"),
    ]  # fmt: skip
    lines = []
    for row in rows:
        digits, ours = spec_of(row.map).digits, of[row.tissue, row.map, TRAINED]
        fast = of.get((row.tissue, row.map, FAST))
        means = [fast.value if fast else None, ours.value, ours.routine]
        tests = [t.p if t else None for t in (ours.test, row.against_fast)]
        lines.append(Line([
            f"{row.row}, n = {ours.n}",
            *(mean_sd(sample, digits) for sample in means),
            interval(row.equivalence.interval, digits) if row.equivalence else NO_TEST,
            *(Num(p, p=True) for p in tests),
        ]))  # fmt: skip
        paper = row.paper
        theirs = [mean_sd(sample, 2) for sample in (paper.fast, paper.network, paper.routine)]
        ends = (paper.tost_low, paper.tost_high)
        tost: Cell = MISSING
        if ends[0] is not None:
            tost = (Num(ends[0], signed=True), " to ", Num(ends[1], signed=True))
        lines.append(Line(["paper", *theirs, tost, paper.p_routine, paper.p_fast], "paper"))
    return Table(
        name="tissue_means",
        title="Table 1",
        caption="As in the paper, whose numbers stand below ours (DL in the column “trained”, "
        f"{published.N_HEALTHY} other subjects, another segmentation). P: paired t-test; a large P "
        "shows nothing.",
        columns=columns,
        groups=[Group(lines)],
    )


SECTION = Section(
    Path(__file__), "Tissues", {"paper_tissues": paper_rows}, tissue_tables, folded=False
)  # fmt: skip
