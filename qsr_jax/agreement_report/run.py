"""From a table of values to its agreement: what ``launch.agreement`` and notebooks call."""

import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path

from qsr_jax.agreement_report.cells import Table, TableError, name_of
from qsr_jax.agreement_report.computing import compare_all
from qsr_jax.agreement_report.judged import questions_of
from qsr_jax.agreement_report.long_table import LongTable, read_long_table
from qsr_jax.agreement_report.mixed import MIXED, MODELS, mixed_models
from qsr_jax.agreement_report.pairs import Choice, pairs_of
from qsr_jax.agreement_report.repeats import (
    Coefficients,
    coefficients_of,
    read_coefficients,
)
from qsr_jax.agreement_report.terminal import Agreement
from qsr_jax.agreement_report.write import (
    PLOTS,
    Watch,
    check_target,
    write_agreement,
)
from qsr_jax.provenance import software_version
from qsr_jax.statistics import Plan

OURS = ("map", "region")
"""Our columns that may make families; further ones are the table's own."""


def agreement(
    table: Table,
    *,
    reference: str,
    margin_percent: float,
    test: str | Sequence[str] = (),
    family: str | Sequence[str] = (),
    margins: Mapping[str, float] | None = None,
    repeat: str | None = None,
    repeatability: str | Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    average: str | None = None,
    exclude: str | Sequence[str] = (),
    complete_cases: bool = False,
    alpha: float = 0.05,
    model: str = "none",
    error_ratio: float = 1.0,
    bootstrap: str = "bca",
    resamples: int = 0,
    seed: int = 0,
    out: Path | str | None = None,
    plots: str = "main",
    watch: Watch = lambda drawings, **_: drawings,
) -> Agreement:
    """Does a method agree with a reference, on average and for each subject?

    Columns ``subject, region, map, unit, method, value``: one positive number per line, one line
    per subject, region, map and method. The subject is the unit of analysis. A comparison that
    cannot be computed says why; the others go on.

    Args:
        table: path of a csv file; columns by name (a pandas DataFrame will do); or a list of rows.
        reference: method that the others are compared with.
        margin_percent: largest difference that does not matter, percent of the reference's mean.
        test: the method, or methods, that are asked about; all others where empty. Each is a
            question of its own.
        family: columns whose cells tell families of a question apart: "map", "region", or others
            of the table. Empty: all comparisons of a method are one family.
        margins: map to a margin in its unit, which then takes the place of the one in percent.
        repeat: method that is the reference measured again; a margin below the repeatability
            coefficient that follows is undecidable.
        repeatability: that coefficient where it is known otherwise: "t1=30" in the unit of the
            map, "t1=2.5%", or a csv file with the columns map, region, unit, value.
        columns: what the table calls one of our columns.
        where: column to text; keeps only lines with that text, or with one of "this|that".
        average: a subject's values that differ in this column, such as the run of a model, become
            their mean; without it they are refused.
        exclude: subjects that are left out everywhere.
        complete_cases: leaves out of a comparison who lacks one of its two values; otherwise that
            comparison is not computed.
        alpha: level of each one-sided test.
        model: "mixed" adds a mixed model of the differences (region fixed, subject random, a
            variance of error for every region) to every map; "none" does not.
        error_ratio: var(error of test) / var(error of reference), of Deming's line.
        bootstrap: kind of interval, "bca" or "percentile".
        resamples: bootstrap samples, 0 for none, else at least 100.
        seed: of the bootstrap.
        out: folder for all numbers (json, csv, LaTeX), a page and plots; an older one of ours is
            replaced. None writes nothing.
        plots: "none", "main" (verdicts) or "all" (points of every comparison as well).
        watch: may show how far the drawing is, such as ``tqdm``.

    Raises:
        ValueError: a table that cannot be trusted, nothing that can be compared, options that make
            no sense, or an ``out`` that holds something else; each says which.
        OSError: the disk refused (an older ``out`` still stands).
    """
    _check_numbers(margins or {}, margin_percent, alpha, error_ratio)
    _check_target(plots, model, out)
    plan = Plan(alpha=alpha, margin_percent=margin_percent, margins=dict(margins or {}),
                error_ratio=error_ratio, resamples=resamples, bootstrap=bootstrap,
                seed=seed)  # fmt: skip
    by, more = _families(_listed(family), columns or {})
    values = read_long_table(table, columns=columns or {}, where=where or {}, average=average,
                             more=more)  # fmt: skip
    choice = Choice(reference, _listed(test), _listed(exclude), complete_cases=complete_cases)
    stated = read_coefficients(_listed(repeatability))
    found = _answers(values, choice, plan, by=by, repeat=repeat, stated=stated, model=model)
    if out is not None:
        write_agreement(Path(out), found, about=_about(table), plots=plots, watch=watch)
    return found


def _answers(
    values: LongTable,
    choice: Choice,
    plan: Plan,
    *,
    by: Sequence[str],
    repeat: str | None,
    stated: Coefficients,
    model: str,
) -> Agreement:
    """Verdicts, statistics and models of a table that was read."""
    pairs = pairs_of(values, choice)
    repeats = coefficients_of(pairs, values, repeat=repeat, stated=stated, margins=plan.margins)
    questions = questions_of(pairs, compare_all(pairs, plan=plan), repeats, plan=plan, by=by)
    return Agreement(
        questions=tuple(questions),
        subjects=len({subject for pair in pairs for subject in pair.subjects}),
        plan=plan,
        mixed=tuple(mixed_models(questions) if model == MIXED else ()),
    )


def _about(table: Table) -> dict[str, object]:
    return {"table": Path(name_of(table)).name, "software": f"qsr_jax {software_version()}"}


def _check_target(plots: str, model: str, out: Path | str | None) -> None:
    """Raises ValueError for a word that is not known, or a folder that is not ours."""
    for name, given, known in (("plots", plots, PLOTS), ("model", model, MODELS)):
        if given not in known:
            raise ValueError(f"{name} {given!r} is not one of {', '.join(known)}")
    if out is not None:
        check_target(Path(out))


def _listed(given: str | Sequence[str]) -> tuple[str, ...]:
    """None, one text, or several."""
    if isinstance(given, str):
        return (given,) if given else ()
    return tuple(given)


def _families(
    family: Sequence[str], columns: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(our columns, the table's own) that make families, whatever the table calls ours."""
    ours = {columns.get(name, name): name for name in OURS} | {name: name for name in OURS}
    taken = {columns.get(name, name) for name in ("subject", "method", "value", "unit")}
    wrong = [name for name in family if name in taken]
    if wrong:
        raise TableError(
            f"family {wrong[0]!r}: expected map, region or a further column; every method has "
            "families of its own already, and subjects are what is counted"
        )
    by = tuple(ours[name] for name in family if name in ours)
    return by, tuple(name for name in family if name not in ours)


def _check_numbers(
    margins: Mapping[str, object], margin_percent: object, alpha: object, error_ratio: object
) -> None:
    """Raises ValueError for an option of a notebook that is a text, None or a yes."""
    options = {"margin_percent": margin_percent, "alpha": alpha, "error_ratio": error_ratio}
    options |= {f"margins[{name!r}]": margin for name, margin in margins.items()}
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(f"{name}: {value!r} is a {type(value).__name__}; expected a number")
