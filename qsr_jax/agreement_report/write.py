"""The agreement of a table's methods as a folder: every number first, then page and plots."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from markupsafe import Markup

from qsr_jax.agreement_report import figures
from qsr_jax.agreement_report.judged import Question
from qsr_jax.agreement_report.mixed import mixed_tables
from qsr_jax.agreement_report.page import render
from qsr_jax.agreement_report.saving import plain, save_numbers
from qsr_jax.agreement_report.tables import anchor_of, detail_table, verdict_table
from qsr_jax.agreement_report.terminal import Agreement
from qsr_jax.files.staged import check_ours, replaced_folder
from qsr_jax.formats.latex import to_latex
from qsr_jax.statistics import Comparison

FORMAT = "qsr_jax-agreement"
DOCUMENT, TABLE, LATEX, PAGE = "agreement.json", "agreement.csv", "agreement.tex", "index.html"
PLOTS = ("none", "main", "all")
"""Nothing; a plot of verdicts for each of the first questions; points of every comparison too."""
MOST_PLOTS = 12
"""Questions whose verdicts are drawn."""

Drawing = tuple[str, Callable[[], Markup]]
"""File name, and what draws it."""

Watch = Callable[..., Iterable[Drawing]]
"""``watch(drawings, desc=..., unit=...)`` hands on what is to be drawn, as ``tqdm`` does."""


def check_target(out: Path) -> None:
    """Refuses a folder that holds anything but an older agreement (ValueError)."""
    check_ours(out, document=DOCUMENT, form=FORMAT)


def write_agreement(
    out: Path,
    found: Agreement,
    *,
    about: Mapping[str, object],
    plots: str,
    watch: Watch = lambda drawings, **_: drawings,
) -> None:
    """Saves all numbers at once, then draws plot after plot into the same folder.

    Killed while it draws, it leaves a whole folder without the plots that were still to come.

    Args:
        out: folder to make, or an older agreement to replace.
        found: verdicts and statistics.
        about: what else ``agreement.json`` should say, JSON values.
        plots: of :data:`PLOTS`.
        watch: hands on what is to be drawn and may show how far it is, as tqdm does.

    Raises:
        ValueError: ``out`` holds something else, or two plots would have one name.
        WriteError: the disk refused; an older folder is still in place.
    """
    check_target(out)
    drawings = _drawings(found, plots)
    page = partial(render, found, about=about)
    with replaced_folder(out) as folder:
        head = _head(found, about, drawings)
        save_numbers(folder / TABLE, folder / DOCUMENT, head, found.rows, mixed=found.mixed)
        (folder / LATEX).write_text(_latex(found), encoding="utf-8")
        text = page(figures={}, drawing=bool(drawings), files=[])
        (folder / PAGE).write_text(text, encoding="utf-8")
    main: dict[int, Markup] = {}
    for i, (name, draw) in enumerate(watch(drawings, desc="plots", unit="plot")):
        drawn = draw()
        if i < min(len(found.questions), MOST_PLOTS):
            main[i] = drawn
        _replace(out / name, figures.standalone(drawn))
    if drawings:
        names = [name for name, _ in drawings]
        _replace(out / PAGE, page(figures=main, drawing=False, files=names))


def _head(
    found: Agreement, about: Mapping[str, object], drawings: Sequence[Drawing]
) -> dict[str, object]:
    """What ``agreement.json`` says besides the comparisons; the files still to come are ours."""
    return {
        "format": FORMAT,
        "version": 2,
        "about": dict(about),
        "plan": plain(found.plan),
        "files": sorted([TABLE, LATEX, PAGE, *(name for name, _ in drawings)]),
        "questions": [_counts(question) for question in found.questions],
        "mixed_models": [
            {"test": one.question.test, "family": one.question.family, "map": one.map,
             "unit": one.unit, **plain(one.model)}
            for one in found.mixed
        ],
    }  # fmt: skip


def _replace(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    part = path.parent.with_name(f".{path.parent.name}.part")  # not inside: only what is listed
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _counts(question: Question) -> dict[str, object]:
    """A question's outcome as JSON."""
    sides = {"mean": (question.mean, question.mean_everywhere),
             "individual": (question.individual, question.individual_everywhere)}  # fmt: skip
    return {"test": question.test, "reference": question.reference, "family": question.family} | {
        side: {
            "shown": each.shown,
            "of": len(each.members),
            "everywhere": everywhere.outcome.value,
            "farthest_out": each.worst,
        }
        for side, (each, everywhere) in sides.items()
    }


def _latex(found: Agreement) -> str:
    tables = []
    for question in found.questions:
        rows = [row.statistics for row in question.rows if isinstance(row.statistics, Comparison)]
        tables += [verdict_table(question), *([detail_table(question, rows)] if rows else [])]
    return "\n".join(map(to_latex, [*tables, *mixed_tables(found.mixed)]))


def _drawings(found: Agreement, plots: str) -> list[Drawing]:
    """Verdicts of the first questions; then points of every comparison.

    Raises:
        ValueError: two plots would have one file name.
    """
    if plots == "none":
        return []
    drawings: list[Drawing] = [
        (f"verdicts_{anchor_of(question)}.svg", partial(figures.verdict_plot, question))
        for question in found.questions[:MOST_PLOTS]
    ]
    for question in found.questions if plots == "all" else ():
        points = [(row.statistics, row.pair) for row in question.rows
                  if isinstance(row.statistics, Comparison)]  # fmt: skip
        for start in range(0, len(points), figures.PER_FIGURE):
            number = start // figures.PER_FIGURE + 1
            name = f"points_{anchor_of(question)}_{number:03d}.svg"
            some = points[start : start + figures.PER_FIGURE]
            drawings.append((name, partial(figures.point_plots, some)))
    counted = Counter(name for name, _ in drawings)
    twice = [name for name, count in counted.items() if count > 1]
    if twice:
        raise ValueError(
            f"two plots would be called {twice[0]}: names of methods or families differ only in "
            "special characters; rename one"
        )
    return drawings
