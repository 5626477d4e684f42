"""The paper's Tables 1 to 5 and the verdict for LaTeX, ours beside the published values."""

from collections.abc import Iterator, Sequence

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.formats.latex import (
    MISSING,
    Column,
    escape,
    interval,
    number,
    p_value,
    table,
)
from qsr_jax.evaluation.measure.subject import TRAINED, TRUTH
from qsr_jax.evaluation.report.opening import DIGITS, name_of
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.tables.rows import Tables
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Sample

HEAD = """% Tables of a qsr_jax report; they need \\usepackage{booktabs}.
"""


def latex_document(tables: Tables) -> str:
    """All tables, one after the other, to be included in a document."""
    makers = (_verdict, _tissue, _regions, _lesions, _quality, _naturalness)
    return HEAD + "\n".join(text for maker in makers for text in maker(tables))


def _mean_sd(sample: Sample | published.MeanSD | None, digits: int) -> str:
    if sample is None:
        return MISSING
    return f"{number(sample.mean, digits)} ({number(sample.sd, digits)})"


def _grouped(groups: Sequence[Sequence[Sequence[str]]]) -> list[Sequence[str]]:
    """Rows with a rule between groups."""
    rows: list[Sequence[str]] = []
    for group in groups:
        rows += [(), *group] if rows else list(group)
    return rows


def _verdict(tables: Tables) -> Iterator[str]:
    columns = [
        Column("map", align="l"),
        Column("method", align="l"),
        Column("PSNR", "dB"),
        Column("size of bias", "%"),
        Column("bias", "%"),
        Column("R2"),
        Column("slope"),
    ]
    groups = [
        [
            (
                escape(row.row),
                escape(name_of(method)),
                _mean_sd(sample, 2),
                number(row.bias_size_percent.get(method), 2),
                number(row.bias_percent.get(method), 2, signed=True),
                number(row.r_squared.get(method), 3),
                number(row.slope.get(method), 3),
            )
            for method, sample in row.psnr.items()
        ]
        for row in tables.verdict
    ]
    notes = [f"{row.row}: {row.convention}, n = {row.n}" for row in tables.verdict]
    yield table(
        columns,
        _grouped(groups),
        caption="Every method against routine: PSNR inside the brain, mean (SD) over subjects; size "
        "of bias, mean of the sizes of the biases of GM and WM; bias, R2 and slope of GM and WM "
        "pooled.",
        label="tab:verdict",
        notes=notes,
    )


def _tissue(tables: Tables) -> Iterator[str]:
    if not tables.tissue:
        return
    columns = [
        Column("map", align="l"),
        Column("method", align="l"),
        Column("mean (SD)"),
        Column("90 % interval of the difference"),
        Column("P"),
        Column("mean (SD)", group="paper"),
        Column("P", group="paper"),
    ]
    groups = []
    for row in tables.tissue:
        digits, group = DIGITS[row.map], []
        paper = {FAST: row.paper.fast, TRAINED: row.paper.network, ROUTINE: row.paper.routine}
        for method, sample in row.means.items():
            pair = f"{method}-{ROUTINE}"
            shown, test = row.equivalence.get(pair), row.tests.get(pair)
            group.append(
                (
                    escape(row.row),
                    escape(name_of(method)),
                    _mean_sd(sample, digits),
                    interval(shown.interval.low, shown.interval.high, digits) if shown else MISSING,
                    p_value(test.p if test else None),
                    _mean_sd(paper.get(method), 2),
                    escape(row.paper.p_routine) if method == TRAINED else MISSING,
                )
            )
        groups.append(group)
    yield table(
        columns,
        _grouped(groups),
        caption="Table 1. Tissue means, mean (SD) over healthy subjects; difference from routine.",
        label="tab:tissue",
        notes=[f"n = {tables.tissue[0].n} healthy subjects; paper: {published.N_HEALTHY}"],
    )


def _regions(tables: Tables) -> Iterator[str]:
    if not tables.regions:
        return
    names = list(dict.fromkeys(row.map for row in tables.regions))
    columns = [Column("region", align="l"), Column("", align="l")]
    for name in names:
        label = f"{spec_of(name).label} CV (%)"
        columns += [Column(head, group=label) for head in ("trained", "routine", "between", "P")]
    groups = []
    for region in dict.fromkeys(row.region for row in tables.regions):
        mine = [row for row in tables.regions if row.region == region]
        ours, paper = [escape(region.replace("_", " ")), "ours"], ["", "paper"]
        for row in mine:
            v = row.variation
            ours += [number(x, 2) for x in ((v.test, v.reference, v.between) if v else 3 * [None])]
            ours.append(p_value(row.test.p if row.test else None))
            p = row.paper
            paper += [
                number(x, 2) for x in ((p.network, p.routine, p.between) if p else 3 * [None])
            ]
            paper.append(escape(p.p) if p else MISSING)
        groups += [ours, paper]
    yield table(
        columns,
        groups,
        caption="Table 2. Coefficients of variation of region means: among subjects by trained and "
        "routine, and between the two.",
        label="tab:regions",
        notes=[f"n = {tables.regions[0].n} healthy subjects; paper: {published.N_HEALTHY}"],
    )


def _lesions(tables: Tables) -> Iterator[str]:
    names = list(dict.fromkeys(row.map for row in tables.lesions))
    if not names:
        return
    methods = [m for m in (TRAINED, ROUTINE, TRUTH) if m in tables.lesions[0].means]
    columns = [Column("lesion", align="l")]
    for name in names:
        spec = spec_of(name)
        columns += [Column(m, group=f"{spec.label} ({spec.unit})") for m in methods]
    rows: list[Sequence[str]] = []
    for first in (row for row in tables.lesions if row.map == names[0]):
        cells = [escape(f"{first.subject[:6]} {first.lesion}")]
        for name in names:
            key = (name, first.subject, first.lesion)
            mine = next(r for r in tables.lesions if (r.map, r.subject, r.lesion) == key)
            cells += [number(mine.means.get(m), DIGITS[name]) for m in methods]
        rows.append(cells)
    p_row = ["P against routine"]
    for name in names:
        test = next(t.test for t in tables.lesion_tests if (t.map, t.method) == (name, TRAINED))
        p_row += [p_value(test.p if test else None), *("" for _ in methods[1:])]
    yield table(
        columns,
        [*rows, (), p_row],
        caption="Table 3. Means inside lesions; P of the paired t-test with the lesion as unit.",
        label="tab:lesions",
    )


def _quality(tables: Tables) -> Iterator[str]:
    columns = [
        Column("map, place", align="l"),
        Column("method", align="l"),
        Column("PSNR", "dB"),
        Column("SSIM"),
        Column("MAE"),
        Column("RMSE"),
        Column("bias"),
    ]
    groups = []
    for row in tables.quality:
        digits = DIGITS[row.map]
        group = [
            (
                escape(row.row),
                escape(name_of(method)),
                _mean_sd(by["psnr"], 2),
                _mean_sd(by.get("ssim"), 3),
                _mean_sd(by["mae"], digits),
                _mean_sd(by["rmse"], digits),
                _mean_sd(by["bias"], digits),
            )
            for method, by in row.by_method.items()
        ]
        if row.paper:
            paper = (_mean_sd(row.paper.psnr_db, 2), _mean_sd(row.paper.ssim, 2))
            group.append((escape(row.row), "paper, DL", *paper, *3 * [MISSING]))
        groups.append(group)
    yield table(
        columns,
        _grouped(groups),
        caption="Table 4. Image quality against routine, mean (SD) over subjects; errors in the "
        "unit of the map.",
        label="tab:quality",
        notes=[f"{row.row}: {row.convention}, n = {row.n}" for row in tables.quality],
    )


def _naturalness(tables: Tables) -> Iterator[str]:
    if not tables.naturalness:
        return
    methods = list(dict.fromkeys(m for row in tables.naturalness for m in row.by_method))
    columns = [Column("map", align="l"), *(Column(name_of(m)) for m in methods)]
    columns += [Column(head, group="paper") for head in ("fast", "DL", "routine")]
    rows = [
        [
            escape(row.row),
            *(_mean_sd(row.by_method.get(m), 2) for m in methods),
            *(_mean_sd(sample, 2) for sample in row.paper or 3 * [None]),
        ]
        for row in tables.naturalness
    ]
    yield table(
        columns,
        rows,
        caption="Table 5. NIQE, mean (SD) over subjects; low is natural and says nothing of values.",
        label="tab:niqe",
        notes=[f"{row.row}: {row.convention}" for row in tables.naturalness],
    )
