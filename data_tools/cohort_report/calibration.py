"""What a cohort's tissue means say beside the paper's Table 1, and what mechanisms would say."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from qsr_jax.evaluation.sections.published import TABLE_1
from qsr_jax.maps import MAPS
from qsr_jax.physics import mechanisms

TISSUES = {2: "GM", 3: "WM"}
SCANS = ("routine", "fast")
REACH_SD, REACH_POINTS, REACH_FACTOR = 1.0, 1.0, 1.5
DIFFERENCE = "fast minus routine"


@dataclasses.dataclass(frozen=True)
class CalibrationLine:
    """One comparison with the paper.

    Attributes:
        quantity: what is compared.
        tissue: GM or WM.
        map: key of :data:`qsr_jax.maps.MAPS`.
        unit: of both values.
        paper: the paper's value.
        ours: the cohort's.
        residue: ours minus paper, or for spreads ours over paper.
        reach: the largest residue that counts as reached.
        reached: whether it is.
    """

    quantity: str
    tissue: str
    map: str
    unit: str
    paper: float
    ours: float
    residue: float
    reach: float
    reached: bool


def compare(means: np.ndarray) -> list[CalibrationLine]:
    """All comparisons, from means (subject, scan, tissue, map)."""
    rows = []
    average, spread = means.mean(axis=0), means.std(axis=0, ddof=1)
    for t, tissue in enumerate(TISSUES.values()):
        for m, (name, spec) in enumerate(MAPS.items()):
            paper = TABLE_1[tissue, name]
            routine, fast = average[:, t, m]
            lines = (
                ("routine mean", spec.unit, paper.routine.mean, routine, paper.routine.sd),
                (DIFFERENCE, "%", _percent(paper.fast.mean, paper.routine.mean),
                 _percent(fast, routine), REACH_POINTS),
            )  # fmt: skip
            for quantity, unit, theirs, ours, reach in lines:
                residue = ours - theirs
                reached = bool(abs(residue) <= reach)
                head = (quantity, tissue, name, unit)
                rows.append(
                    CalibrationLine(*head, theirs, float(ours), float(residue), reach, reached)
                )
            for scan, theirs in (("routine", paper.routine.sd), ("fast", paper.fast.sd)):
                ours = float(spread[SCANS.index(scan), t, m])
                factor = ours / theirs
                reached = 1 / REACH_FACTOR <= factor <= REACH_FACTOR
                head = (f"{scan} spread", tissue, name, spec.unit)
                rows.append(CalibrationLine(*head, theirs, ours, factor, REACH_FACTOR, reached))
    return sorted(rows, key=lambda row: row.quantity, reverse=True)


def _percent(value: float, reference: float) -> float:
    return 100.0 * (value / reference - 1.0)


def as_markdown(rows: Iterable[CalibrationLine]) -> str:
    """The rows as a table."""
    lines = [
        "| quantity | tissue | map | paper | ours | residue | reach | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        factor = "x" if row.quantity.endswith("spread") else ""
        values = f"{row.paper:.2f} {row.unit} | {row.ours:.2f} {row.unit}"
        residue = f"{factor}{row.residue:.2f} | {factor}{row.reach:.2f}"
        verdict = "yes" if row.reached else "**no**"
        label = MAPS[row.map].label
        lines.append(
            f"| {row.quantity} | {row.tissue} | {label} | {values} | {residue} | {verdict} |"
        )
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Fast minus routine of one map in one tissue, percent.

    Attributes:
        tissue: GM or WM.
        map: key of :data:`qsr_jax.maps.MAPS`.
        paper: of the paper's means.
        mean: over the subjects.
        error: standard error of the mean.
        spread: standard deviation between subjects; the paper prints none.
        same_sign: whether mean and paper have one sign.
    """

    tissue: str
    map: str
    paper: float
    mean: float
    error: float
    spread: float
    same_sign: bool


def differences(means: np.ndarray) -> list[Difference]:
    """Of every map and tissue, from means (subject, scan, tissue, map)."""
    found = []
    change = 100.0 * (means[:, 1] / means[:, 0] - 1.0)
    for t, tissue in enumerate(TISSUES.values()):
        for m, name in enumerate(MAPS):
            paper = TABLE_1[tissue, name]
            theirs = _percent(paper.fast.mean, paper.routine.mean)
            mine = change[:, t, m]
            mean, spread = float(mine.mean()), float(mine.std(ddof=1))
            error = spread / len(mine) ** 0.5
            found.append(Difference(tissue, name, theirs, mean, error, spread, mean * theirs > 0))
    return found


def null_means(means: np.ndarray) -> np.ndarray:
    """What a simulator measures whose fast scan is its routine scan."""
    return np.repeat(means[:, :1], 2, axis=1)


def score(means: np.ndarray) -> str:
    """How many lines and signs are right, beside those of the null simulator."""
    parts = []
    for who, measured in (("this cohort", means), ("the null simulator", null_means(means))):
        rows = compare(measured)
        mine = [row for row in rows if row.quantity == DIFFERENCE]
        signs = sum(one.same_sign for one in differences(measured))
        parts.append(
            f"{who}: {sum(row.reached for row in rows)} of {len(rows)} lines within reach, "
            f"{sum(row.reached for row in mine)} of {len(mine)} differences, "
            f"{signs} of {len(mine)} with the paper's sign"
        )
    return "; ".join(parts)


def differences_markdown(found: Iterable[Difference]) -> str:
    """The differences as a table."""
    lines = [
        "| fast minus routine | paper | ours, mean ± standard error | between subjects | sign |",
        "|---|---|---|---|---|",
    ]
    for one in found:
        place = f"{one.tissue} {MAPS[one.map].label}"
        ours = f"{one.mean:+.2f} ± {one.error:.2f} % | ± {one.spread:.2f} %"
        sign = "yes" if one.same_sign else "**no**"
        lines.append(f"| {place} | {one.paper:+.2f} % | {ours} | {sign} |")
    return "\n".join(lines)


def mechanisms_markdown() -> str:
    """What each mechanism alone would make of fast minus routine, as a table."""
    columns = [f"{t} {MAPS[m].label}" for m in MAPS for t in TISSUES.values()]
    lines = [f"| mechanism | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    paper = [TABLE_1[t, m] for m in MAPS for t in TISSUES.values()]
    theirs = [f"{_percent(cell.fast.mean, cell.routine.mean):+.2f}" for cell in paper]
    for one in mechanisms.MECHANISMS:
        effects = {t: mechanisms.effect(one, t) for t in TISSUES.values()}
        cells = [
            f"{effects[t][i, 0]:+.2f} ± {effects[t][i, 1]:.2f}"
            for i in range(len(MAPS))
            for t in TISSUES.values()
        ]
        lines.append(f"| {one.said} | {' | '.join(cells)} |")
    lines.append(f"| the paper | {' | '.join(theirs)} |")
    return "\n".join(lines)
