"""From a table of values to its agreement: what ``launch.agreement`` and notebooks call."""

import numbers
from collections.abc import Iterable, Mapping
from pathlib import Path

from qsr_jax.evaluation.agreement_report.blocks import Block, blocks_of
from qsr_jax.evaluation.agreement_report.figures import KINDS
from qsr_jax.evaluation.agreement_report.long_table import Table, name_of, read_long_table
from qsr_jax.evaluation.agreement_report.terminal import Agreement
from qsr_jax.evaluation.agreement_report.write import (
    Watch,
    check_target,
    write_agreement,
)
from qsr_jax.provenance import software_version
from qsr_jax.statistics import Comparison, Plan, adjusted, compare


def agreement(
    table: Table,
    *,
    reference: str,
    margin_percent: float,
    margins: Mapping[str, float] | None = None,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    average: str | None = None,
    alpha: float = 0.05,
    error_ratio: float = 1.0,
    bootstrap: str = "bca",
    resamples: int = 2000,
    seed: int = 0,
    out: Path | str | None = None,
    plots: str = "svg",
    watch: Watch = lambda drawings, **_: drawings,
) -> Agreement:
    """Agreement of all methods of a table with one of them: tests, limits, lines, plots.

    Columns ``subject, region, map, unit, method, value``: one positive number per line, one line
    per subject, region, map and method. The subject is the unit of analysis.

    Args:
        table: path of a csv file; columns by name (a pandas DataFrame will do); or a list of rows.
        reference: method that the others are compared with.
        margin_percent: largest difference that does not matter, percent of the reference's mean.
        margins: map to a margin in its unit, tested as well.
        columns: what the table calls one of our columns.
        where: column to text; keeps only lines with that text.
        average: a subject's values that differ in this column, such as the run of a model, become
            their mean; without it they are refused.
        alpha: level of each one-sided test of TOST.
        error_ratio: var(error of test) / var(error of reference), of Deming's line.
        bootstrap: kind of interval, "bca" or "percentile".
        resamples: bootstrap samples, 0 for none, else at least 100.
        seed: of the bootstrap.
        out: folder for all numbers (json, csv, LaTeX) and plots; an older one of ours is replaced.
            None writes nothing.
        plots: kind of picture, "svg" or "png".
        watch: may show how far the drawing is, such as ``tqdm``.

    Raises:
        ValueError: a table that cannot be trusted, degenerate values, options that make no sense,
            or an ``out`` that holds something else; each says which.
        OSError: the disk refused (an older ``out`` still stands).
    """
    _check_numbers(margins or {}, margin_percent, alpha, error_ratio)
    if plots not in KINDS:
        raise ValueError(f"plots {plots!r} is not one of {', '.join(KINDS)}")
    if out is not None:
        check_target(Path(out))
    plan = Plan(
        alpha=alpha,
        margin_percent=margin_percent,
        margins=dict(margins or {}),
        error_ratio=error_ratio,
        resamples=resamples,
        bootstrap=bootstrap,
        seed=seed,
    )
    values = read_long_table(table, columns=columns or {}, where=where or {}, average=average)
    blocks = blocks_of(values, reference=reference)
    comparisons = compare_all(blocks, plan=plan)
    found = Agreement(tuple(comparisons), tuple(adjusted(comparisons)), plan)
    if out is not None:
        about = {"table": Path(name_of(table)).name, "software": f"qsr_jax {software_version()}"}
        write_agreement(Path(out), blocks, found, about=about, plots=plots, watch=watch)
    return found


def _check_numbers(
    margins: Mapping[str, object], margin_percent: object, alpha: object, error_ratio: object
) -> None:
    """Raises ValueError for an option of a notebook that is a text, None or a yes."""
    options = {"margin_percent": margin_percent, "alpha": alpha, "error_ratio": error_ratio}
    options |= {f"margins[{name!r}]": margin for name, margin in margins.items()}
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(f"{name}: {value!r} is a {type(value).__name__}; expected a number")


def compare_all(blocks: Iterable[Block], *, plan: Plan) -> list[Comparison]:
    """Comparisons of all blocks.

    Raises:
        ValueError: degenerate input, naming the comparison; a margin for a map that is not there.
    """
    blocks = list(blocks)
    maps = list(dict.fromkeys(e.map for block in blocks for e in block.endpoints))
    unknown = sorted(plan.margins.keys() - set(maps))
    if unknown:
        raise ValueError(f"margin for {', '.join(unknown)}, but the maps are {', '.join(maps)}")
    return [
        comparison
        for block in blocks
        for comparison in compare(block.endpoints, block.test, block.reference, plan=plan)
    ]
