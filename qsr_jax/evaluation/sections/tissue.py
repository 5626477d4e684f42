"""Tissue means (the paper's Table 1): every method against routine, over healthy subjects."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.formats.numbers import NO_TEST, name_of, sentence
from qsr_jax.evaluation.formats.table import MISSING, Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import (
    MAIN,
    Section,
    TableRow,
    answer,
    if_enough,
    interval,
    mean_sd,
    style_of,
    title,
)
from qsr_jax.evaluation.values import TRAINED, TRUTH
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Equivalence, PairedT, Sample

ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class TissueRow(TableRow):
    """Table 1: one tissue and map; tests by "method-reference".

    ``equivalence`` is in the unit of the map, against a margin of some percent of the mean of
    routine; ``percent`` is that of every subject's own difference in percent of their routine.
    """

    map: str
    tissue: str
    unit: str
    n: int
    means: dict[str, Sample]
    tests: dict[str, PairedT | None]
    equivalence: dict[str, Equivalence | None]
    percent: dict[str, Equivalence | None]
    paper: published.PublishedTissue


def tissue_rows(cohort: Cohort) -> Iterator[TissueRow]:
    """Each method against routine, and the trained model against fast."""
    methods = tuple(dict.fromkeys((FAST, *cohort.methods, ROUTINE, TRUTH)))
    for tissue in cohort.places("tissue", HEALTHY):
        for name in cohort.maps:
            known = [m for m in methods if cohort.of("tissue", tissue, name, "mean", m)]
            mean = {m: cohort.means("tissue", [tissue], name, m) for m in known}
            yield _tissue_row(tissue, name, mean)


def _tissue_row(tissue: str, name: str, mean: dict[str, np.ndarray]) -> TissueRow:
    """The row of one tissue and map; ``mean`` is method to (subjects,)."""
    row, pairs = title(tissue, name), [(m, ROUTINE) for m in mean if m != ROUTINE]
    margin = statistics.margin_of(mean[ROUTINE], percent=published.MARGIN_PERCENT)
    options = {"margin": margin, "alpha": ALPHA}
    return TissueRow(
        row=row,
        map=name,
        tissue=tissue,
        unit=spec_of(name).unit,
        n=len(mean[ROUTINE]),
        means={m: statistics.describe(v) for m, v in mean.items()},
        tests={
            f"{a}-{b}": if_enough(f"{row}, {a} vs {b}", statistics.paired_t, mean[a], mean[b])
            for a, b in [*pairs, (TRAINED, FAST)]
        },
        equivalence={
            f"{a}-{b}": if_enough(row, statistics.equivalence, mean[a], mean[b], **options)
            for a, b in pairs
        },
        percent={f"{m}-{ROUTINE}": own_percent(row, mean[m], mean[ROUTINE]) for m, _ in pairs},
        paper=published.TABLE_1[tissue, name],
    )


def own_percent(row: str, test: np.ndarray, reference: np.ndarray) -> Equivalence | None:
    """Equivalence of each subject's own difference in percent of their reference."""
    whole = np.full(len(reference), 100.0)
    options = {"margin": published.MARGIN_PERCENT, "alpha": ALPHA}
    return if_enough(row, statistics.equivalence, 100.0 * test / reference, whole, **options)


COLUMNS = (
    Column("method", align="l"),
    Column("mean (SD)"),
    Column("mean", group="difference from routine"),
    Column("90 % interval", group="difference from routine"),
    Column("equivalent", group="difference from routine", align="l"),
    Column("P", group="difference from routine"),
    Column("P", group="vs fast"),
    Column("mean (SD)", group="paper", kind="paper"),
    Column("90 % interval", group="paper", kind="paper"),
    Column("P", group="paper", kind="paper"),
    Column("P vs fast", group="paper", kind="paper"),
)


def tissue_table(cohort: Cohort) -> Iterator[Table]:
    """Table 1."""
    rows = cohort.rows(tissue_rows)
    ways = dict.fromkeys(v.convention for v in cohort.values if v.kind == "tissue")
    yield Table(
        name="tissue_means",
        title="Table 1",
        caption="Mean over grey (GM) and white matter (WM) per subject, then mean (SD) over n "
        f"healthy subjects, in the unit of the row. {sentence('; '.join(ways))}; the fast map is "
        "read at the voxel nearest in patient coordinates, not interpolated. Equivalent (two "
        "one-sided t-tests, α = .05) if the 90 % interval of the difference from routine lies "
        f"inside the margin, ±{published.MARGIN_PERCENT:g} % of the routine mean as in the paper "
        "(the margin in units stands in each head); “not shown” leaves the question open. Under "
        "the trained model’s interval: that of every subject’s own difference in percent of their "
        "routine. Other interpolations are in tables.csv. P: paired t-test, the probability of "
        "such a difference if there were none; a large P shows nothing. Paper: "
        f"{published.N_HEALTHY} other subjects, another segmentation, DL in the row “trained”.",
        columns=COLUMNS,
        groups=[_group(row) for row in rows],
    )


def _group(row: TissueRow) -> Group:
    margin, digits = row.equivalence[f"{TRAINED}-{ROUTINE}"], spec_of(row.map).digits
    said: tuple = ("; margin ±", Num(margin.margin, digits)) if margin else ()
    head: Cell = (f"{row.row} ", Styled("soft", (f"(n = {row.n}", *said, ")")))
    methods = [m for m in MAIN if m in row.means]
    return Group([Line(_cells(row, m), kind=style_of(m)) for m in methods], head)


def _cells(row: TissueRow, method: str) -> list[Cell]:
    pair, digits = f"{method}-{ROUTINE}", spec_of(row.map).digits
    ours: list[Cell] = [name_of(method), mean_sd(row.means[method], digits)]
    shown, test = row.equivalence.get(pair), row.tests.get(pair)
    if shown and test:
        span = interval(shown.interval, digits)
        own = row.percent[pair] if method == TRAINED else None
        if own:
            span = (*span, Styled("sub", (*interval(own.interval, 2), " %")))
        equivalent = answer(shown.equivalent, otherwise="not shown")
        ours += [Num(shown.difference, digits, signed=True), span, equivalent, Num(test.p, p=True)]
    else:
        ours += ["" if method == ROUTINE else NO_TEST, "", "", ""]
    paper: list[Cell] = ["", "", "", ""]
    published_by = {FAST: row.paper.fast, TRAINED: row.paper.network, ROUTINE: row.paper.routine}
    if method in published_by:
        paper[0] = mean_sd(published_by[method], 2)
    if method == TRAINED:
        tost = MISSING if row.paper.tost_low is None else _tost(row.paper)
        paper[1:] = [tost, row.paper.p_routine, row.paper.p_fast]
    fast = row.tests[f"{TRAINED}-{FAST}"] if method == TRAINED else None
    return [*ours, Num(fast.p, p=True) if fast else "", *paper]


def _tost(paper: published.PublishedTissue) -> Cell:
    return Num(paper.tost_low, 2, signed=True), " to ", Num(paper.tost_high, 2, signed=True)


SECTION = Section(Path(__file__), "Tissue means", {"tissue": tissue_rows}, tissue_table)
