"""The study's results as tables and figures, written into docs/study.md below its marker."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.study.cells import Cell, Study
from launch.study.criterion import (
    LEAST_SEEDS,
    MAPS,
    REFERENCES,
    Choice,
    Verdict,
    choose,
    judge,
)
from launch.study.figures import draw_figures
from launch.study.results import read_result
from qsr_jax.files.atomic import write_text_atomically

MARKER = "<!-- Below: qsr study --page docs/study.md; anything written here by hand is lost. -->"
NOT_YET = "not run yet"

Result = Mapping[str, Any]
Results = Mapping[str, Sequence[Result]]
"""Cell to its seeds, in order."""


def write_page(page: Path, study: Study, folder: Path) -> str:
    """Writes tables and figures below the marker of a page; what stands above it stays.

    Returns:
        What was done, in a line.

    Raises:
        ValueError: the page has no marker, or a json is no result of this study.
    """
    text = page.read_text(encoding="utf-8")
    above, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"{page}: no line {MARKER!r}; results are written below it")
    results = read_results(study, folder)
    figures = draw_figures(study, results, folder) if results else []
    links = [f"![{says}]({path.relative_to(page.parent).as_posix()})" for path, says in figures]
    below = "\n\n".join([*parts(study, results), *links])
    write_text_atomically(page, f"{above}{MARKER}\n\n{below}\n")
    return f"{page}: {sum(map(len, results.values()))} trainings of {len(results)} cells"


def read_results(study: Study, folder: Path) -> dict[str, list[Result]]:
    """Every json of the study's cells; seeds in order.

    Raises:
        ValueError: a file that is no result, or made with ``--dry``.
    """
    found: dict[str, list[Result]] = {}
    for run in study.runs():
        path = folder / f"{run.name}.json"
        if path.is_file():
            result = read_result(path)
            if result["dry"]:
                raise ValueError(f"{path}: made with --dry, its numbers mean nothing; move it away")
            found.setdefault(run.cell.name, []).append(result)
    return found


def parts(study: Study, results: Results) -> Iterator[str]:
    """The page's results, piece by piece."""
    every = len(study.runs())
    yield f"## Results\n\n{sum(map(len, results.values()))} of {every} trainings are done."
    yield from _chosen(study, results)
    for group, title in study.groups.items():
        named = [*study.beside.get(group, ()), *(c.name for c in study.cells if c.group == group)]
        cells = [cell for name in named for cell in study.cells if cell.name == name]
        yield f"### {title}"
        yield _table(ERROR_COLUMNS, cells, results)
        if any(cell.name in results for cell in cells):
            yield _table(DETAIL_COLUMNS, cells, results)
        if elsewhere := _elsewhere(cells, results):
            yield elsewhere


def first_measured(cell: Cell, seeds: Sequence[Result]) -> list[Mapping[str, Any]]:
    """Map to numbers of every seed on the manifest that decides."""
    name = cell.measured_on[0]
    return [seed["measured"][name]["maps"] for seed in seeds if name in seed["measured"]]


def verdicts(study: Study, results: Results, reference: str, *, widened: bool) -> list[Verdict]:
    """Every cell that made all maps, held against the criterion."""
    found = []
    for cell in study.cells:
        measured = first_measured(cell, results.get(cell.name, ()))
        if measured and all(set(MAPS) <= set(seed) for seed in measured):
            found.append(judge(cell.name, measured, reference=reference, widened=widened))
    return found


def _chosen(study: Study, results: Results) -> Iterator[str]:
    """The criterion applied, by reference."""
    for reference in REFERENCES:
        said = f"**Biases against {reference}.** "
        for widened, limits in ((False, "the repeatability"), (True, "the widened limits")):
            judged = verdicts(study, results, reference, widened=widened)
            choice, inside = choose(judged), [v.cell for v in judged if v.is_inside]
            said += f"Inside {limits}: {', '.join(inside) or 'no cell'}. "
            if choice.best and choice.best.is_inside:
                break
        yield said + _said(choice)


def _said(choice: Choice) -> str:
    """The chosen cell or the nearest, and what cannot be told apart from it."""
    best = choice.best
    if best is None:
        return f"No cell has {LEAST_SEEDS} trainings yet: nothing is chosen."
    said = "Chosen" if best.is_inside else "No cell may be chosen; the nearest"
    said += f": `{best.cell}`, {_range(best.scores, 3)} of routine's own error."
    if not best.is_inside:
        said += f" Outside: {', '.join(best.outside) or 'none'}."
        said += f" Not known: {', '.join(best.open) or 'none'}."
    if choice.alike:
        said += f" Not told apart from it: {', '.join(v.cell for v in choice.alike)}."
    return said


Picks = Callable[[Mapping[str, Any]], float | None]


def _bias(tissue: str) -> Picks:
    def pick(numbers: Mapping[str, Any]) -> float | None:
        found = numbers["bias_percent"]["truth"].get("trained", {}).get(tissue)
        return None if found is None else found["mean"]

    return pick


def _of_routine(quantity: str) -> Picks:
    def pick(numbers: Mapping[str, Any]) -> float | None:
        found = numbers["fidelity"].get(quantity, {})
        return found["trained"] / found["routine"] if {"trained", "routine"} <= set(found) else None

    return pick


ERROR_COLUMNS: tuple[tuple[str, Picks, int], ...] = (
    ("error / routine's", lambda n: n["share"].get("routine", {}).get("mean"), 2),
    ("error / bicubic's", lambda n: n["share"].get("bicubic", {}).get("mean"), 2),
    ("gain, dB", lambda n: n["gain_db"]["mean"], 1),
    ("GM bias, %", _bias("GM"), 1),
    ("WM bias, %", _bias("WM"), 1),
    ("lesions, median error, %",
     lambda n: n["lesions"]["median_error_percent"]["truth"].get("trained"), 1),
)  # fmt: skip
"""Against the truth, but for the gain in the brain over bicubic, which is against routine."""

DETAIL_COLUMNS: tuple[tuple[str, Picks, int], ...] = (
    ("noise / routine's", _of_routine("noise"), 2),
    ("edge sharpness", lambda n: n["fidelity"].get("edge_sharpness", {}).get("trained"), 2),
    ("resolution, mm", lambda n: n["fidelity"].get("resolution_mm", {}).get("trained"), 2),
    ("lesions kept, %", lambda n: _part(n["lesions"]["kept"], n["lesions"]["shown_by_routine"]), 0),
    ("sites invented, %",
     lambda n: _part(n["lesions"]["invented_sites"].get("trained"), n["lesions"]["sites"]), 1),
    ("routine invents, %",
     lambda n: _part(n["lesions"]["invented_sites"].get("routine"), n["lesions"]["sites"]), 1),
)  # fmt: skip


def _part(some: float | None, of: float) -> float | None:
    return None if some is None or not of else 100.0 * some / of


def _table(
    columns: Sequence[tuple[str, Picks, int]], cells: Sequence[Cell], results: Results
) -> str:
    """A line per cell; T1/T2/PD in every column, with the range over seeds of several."""
    heads = ["cell", "what", "seeds", *(head for head, *_ in columns), "parameters", "min"]
    lines = [heads, ["---"] * len(heads)]
    for cell in cells:
        seeds = results.get(cell.name, ())
        measured = first_measured(cell, seeds)
        if not measured:
            lines.append([f"`{cell.name}`", cell.says, NOT_YET, *[""] * (len(heads) - 3)])
            continue
        values = [_by_map(measured, pick, digits) for _, pick, digits in columns]
        minutes = sum(seed["seconds"] for seed in seeds) / len(seeds) / 60.0
        count = f"{len(seeds)} of {cell.seeds}"
        size = [f"{seeds[0]['parameters']:,}", f"{minutes:.1f}"]
        lines.append([f"`{cell.name}`", cell.says, count, *values, *size])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _by_map(measured: Sequence[Mapping[str, Any]], pick: Picks, digits: int) -> str:
    told = []
    for name in MAPS:
        found = [pick(seed[name]) for seed in measured if name in seed]
        values = [value for value in found if value is not None]
        told.append(_range(values, digits) if values else "–")
    return " / ".join(told)


def _range(values: Sequence[float], digits: int) -> str:
    """The mean and, of several, half of what they span."""
    mean, half = sum(values) / len(values), (max(values) - min(values)) / 2.0
    spread = f" ± {half:.{digits}f}" if len(values) > 1 else ""
    return f"{mean:.{digits}f}{spread}".replace("-", "−")


def _elsewhere(cells: Sequence[Cell], results: Results) -> str:
    """Error and bias on all other manifests; "" where nothing was measured there."""
    columns = (ERROR_COLUMNS[0], *(column for column in ERROR_COLUMNS if "bias" in column[0]))
    lines = []
    for cell in cells:
        seeds = results.get(cell.name, ())
        for name in dict.fromkeys(name for seed in seeds for name in seed["measured"]):
            if name == cell.measured_on[0]:
                continue
            measured = [s["measured"][name]["maps"] for s in seeds if name in s["measured"]]
            values = [_by_map(measured, pick, digits) for _, pick, digits in columns]
            lines.append([f"`{cell.name}`", name, *values])
    if not lines:
        return ""
    heads = ["cell", "measured on", *(head for head, *_ in columns)]
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
