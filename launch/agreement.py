"""Agreement of methods with a reference, from anybody's table: tests, limits, lines, plots.

The table is a csv file with the columns subject, region, map, unit, method, value: one positive
number per line, one line per subject, region, map and method. The subject is the unit of analysis.
The report of launch.evaluate has its values in such a table too:

  python -m launch.agreement report/values.csv --reference routine --margin-percent 5 --out DIR
      --column region=place --where quantity=mean --where group=healthy
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from qsr_jax.evaluation.agreement_report.figures import KINDS
from qsr_jax.evaluation.agreement_report.long_table import COLUMNS, blocks_of, read_long_table
from qsr_jax.evaluation.agreement_report.tables import digits_of
from qsr_jax.evaluation.agreement_report.write import adjusted, check_target, write_agreement
from qsr_jax.evaluation.report.opening import number, p_value
from qsr_jax.provenance import software_version
from qsr_jax.statistics import BOOTSTRAPS, Comparison, Plan

CLAIM = """equivalence: shown where TOST's P, corrected by Holm over {} comparisons, is below alpha.
Where it is open, neither a difference nor agreement follows, whatever the P of a t-test."""


def _pair(text: str) -> tuple[str, str]:
    """NAME=TEXT of a flag."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _margin(text: str) -> tuple[str, float]:
    name, value = _pair(text)
    return name, _positive(value)


def _positive(text: str) -> float:
    """A positive, finite number of a flag."""
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def _column(text: str) -> tuple[str, str]:
    name, column = _pair(text)
    if name not in COLUMNS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(COLUMNS)}")
    return name, column


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m launch.agreement",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", type=Path, help="csv file, one value per line")
    parser.add_argument(
        "--reference", required=True, help="method that the others are compared with"
    )
    parser.add_argument(
        "--margin-percent",
        type=_positive,
        required=True,
        metavar="P",
        help="largest difference that does not matter, in percent of the reference's mean",
    )

    def repeated(flag: str, kind: Callable, metavar: str, text: str) -> None:
        parser.add_argument(
            flag, type=kind, action="append", default=[], metavar=metavar, help=f"{text}; repeat it"
        )

    repeated("--margin-raw", _margin, "MAP=X", "a margin in units of a map, tested as well")
    repeated("--column", _column, "NAME=COLUMN", "what the table calls one of our columns")
    repeated("--where", _pair, "COLUMN=TEXT", "keep only lines with this text in a column")
    parser.add_argument(
        "--average",
        metavar="COLUMN",
        help="a subject's values that differ in this column, such as the run of a model, become "
        "their mean; without it they are refused",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the results; an older one is replaced"
    )
    parser.add_argument(
        "--alpha", type=_positive, default=0.05, help="level of TOST (default: %(default)s)"
    )
    parser.add_argument(
        "--error-ratio",
        type=_positive,
        default=1.0,
        help="Deming: var(error of test) / var(error of reference) (default: %(default)s)",
    )
    parser.add_argument(
        "--bootstrap", choices=BOOTSTRAPS, default="bca", help="interval (default: %(default)s)"
    )
    parser.add_argument(
        "--resamples", type=int, default=2000, help="0 for no bootstrap (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)"
    )
    parser.add_argument(
        "--plots", choices=KINDS, default="svg", help="kind of picture (default: %(default)s)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.agreement --help``."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    pairs = {name: getattr(arguments, name) for name in ("margin_raw", "column", "where")}
    for name, given in pairs.items():
        if len(dict(given)) != len(given):
            parser.error(f"--{name.replace('_', '-')}: one name was given twice")
    plan = Plan(
        alpha=arguments.alpha,
        margin_percent=arguments.margin_percent,
        margins=dict(pairs["margin_raw"]),
        error_ratio=arguments.error_ratio,
        resamples=arguments.resamples,
        bootstrap=arguments.bootstrap,
        seed=arguments.seed,
    )
    try:
        check_target(arguments.out)
        table = read_long_table(
            arguments.table,
            columns=dict(pairs["column"]),
            where=dict(pairs["where"]),
            average=arguments.average,
        )
        blocks = blocks_of(table, reference=arguments.reference)
        about = {"table": arguments.table.name, "software": f"qsr_jax {software_version()}"}
        comparisons = write_agreement(
            arguments.out, blocks, plan=plan, about=about, plots=arguments.plots, watch=tqdm
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(summary(comparisons))
    print(CLAIM.format(len(comparisons)))
    print(f"all numbers and plots: {arguments.out}")


def summary(comparisons: Sequence[Comparison]) -> str:
    """The outcome for a terminal. Where equivalence is not shown, the question is open."""
    first = comparisons[0].equivalence_percent
    level, margin = f"{100 * first.interval.level:g} %", f"{first.margin_percent:g} %"
    head = (
        *("map", "region", "test", "n", "difference", f"{level} interval", f"margin ({margin})"),
        *("P (Holm)", "equivalence", "margin in units", "limits (%)", "slope"),
    )
    lines = [head]
    for c, extra in zip(comparisons, adjusted(comparisons), strict=True):
        endpoint, tost, relative = c.endpoint, c.equivalence_percent, c.bland_altman_percent
        digits, units = digits_of(c.paired_t.sd), c.equivalence_units
        verdict = {
            name: "shown" if found["holm"] < tost.alpha else "open" for name, found in extra.items()
        }
        lines.append(
            (
                *(endpoint.map, endpoint.region, endpoint.test, str(c.n)),
                f"{number(tost.difference, digits, signed=True)} {endpoint.unit}",
                _span(tost.interval.low, tost.interval.high, digits),
                f"{number(tost.margin, digits)} {endpoint.unit}",
                p_value(extra["equivalence_percent"]["holm"]),
                verdict["equivalence_percent"],
                f"{units.margin:g} {endpoint.unit}: {verdict['equivalence_units']}"
                if units
                else "",
                _span(relative.low, relative.high, 2),
                number(c.regression.slope, 3),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _span(low: float, high: float, digits: int) -> str:
    return f"{number(low, digits)} to {number(high, digits)}"


if __name__ == "__main__":
    main()
