"""What a terminal shows of an evaluation and of a comparison."""

from collections.abc import Sequence

from qsr_jax.evaluation.compare_volumes import VolumeComparison
from qsr_jax.evaluation.formats.table import Cell, Num, to_terminal
from qsr_jax.evaluation.sections.summary import VerdictRow
from qsr_jax.evaluation.values import BICUBIC, TRAINED


def summary(rows: Sequence[VerdictRow]) -> str:
    """The outcome, the paper's numbers in brackets."""
    lines: list[list[Cell]] = [
        ["map", "n", "PSNR brain (dB)", "", "gain", "bias (%)", "R²", "slope", "beats bicubic"],
        ["", "", BICUBIC, TRAINED, "dB", *3 * ["trained [paper]"], "PSNR, bias"],
    ]
    for row in rows:
        pairs: list[Cell] = ["–", "–", "–"]
        if row.bias_percent:
            pairs = [
                (Num(row.bias_percent[TRAINED]), " [", Num(row.paper.bias_percent), "]"),
                (Num(row.r_squared[TRAINED], 3), " [", Num(row.paper.r_squared), "]"),
                (Num(row.slope[TRAINED], 3), " [", Num(row.paper.slope, 3), "]"),
            ]
        psnr = [Num(row.psnr[method].mean) for method in (BICUBIC, TRAINED)]
        answers = ", ".join(_yes(flag) for flag in (row.nearer_psnr, row.nearer_bias))
        gain = Num(row.gain_db, signed=True)
        lines.append([row.row, str(row.n), *psnr, gain, *pairs, answers])
    return to_terminal(lines)


def _yes(flag: bool | None) -> str:
    return {True: "yes", False: "NO", None: "–"}[flag]


def comparison(result: VolumeComparison) -> str:
    """Two volumes: what they are, and a line per quantity."""
    unit = f" {result.unit}".rstrip()
    heading = [
        f"test       {result.test}",
        f"reference  {result.reference}",
        f"map {result.map or 'not known'}, mask: {result.mask}, L = {result.data_range:g}{unit}, "
        f"{result.shape[0]} slices of {result.shape[1]} x {result.shape[2]}",
    ]
    lines = [["", "unit", "slices", "mean", "SD", "smallest", "largest"]]
    for row in result.rows:
        numbers = row.summary()
        shown = (f"{numbers[key]:.5g}" for key in ("mean", "sd", "min", "max"))
        lines.append([row.label, row.unit, str(numbers["n"]), *shown])
    return "\n".join([*heading, "", to_terminal(lines)])
