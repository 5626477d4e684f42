"""Agreement of methods with a reference, from anybody's table: tests, limits, lines, plots.

The table is a csv file with the columns subject, region, map, unit, method, value: one positive
number per line, one line per subject, region, map and method. The subject is the unit of analysis.
The report of launch.evaluate has its values in such a table too:

  python -m launch.agreement report/values.csv --reference routine --margin-percent 5 --out DIR
      --column region=place --where quantity=mean --where group=healthy
"""

import argparse
import inspect
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from qsr_jax.cli import program
from qsr_jax.evaluation.agreement_report import agreement
from qsr_jax.evaluation.agreement_report.figures import KINDS
from qsr_jax.evaluation.agreement_report.long_table import COLUMNS
from qsr_jax.statistics import BOOTSTRAPS


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


class _Once(argparse.Action):
    """Collects NAME=VALUE flags of different names."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        name, value = values if isinstance(values, tuple) else (None, None)
        found = dict(getattr(namespace, self.dest) or {})
        if name in found:
            parser.error(f"{option_string}: {name} was given twice")
        setattr(namespace, self.dest, found | {name: value})


DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(agreement).parameters.items()
    if parameter.default is not parameter.empty
}
"""The defaults are those of the library."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.agreement"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("table", type=Path, help="csv file, one value per line")
    add("--reference", required=True, help="method that the others are compared with")
    text = "largest difference that does not matter, in percent of the reference's mean"
    add("--margin-percent", type=_positive, required=True, metavar="P", help=text)
    for flag, name, kind, metavar, text in (
        ("--margin-raw", "margins", _margin, "MAP=X", "a margin in units of a map, tested as well"),
        ("--column", "columns", _column, "NAME=COLUMN", "what the table calls one of our columns"),
        ("--where", "where", _pair, "COLUMN=TEXT", "keep only lines with this text in a column"),
    ):
        help_text = f"{text}; repeat it"
        add(flag, dest=name, type=kind, action=_Once, metavar=metavar, help=help_text)
    text = (
        "a subject's values that differ in this column, such as the run of a model, become their "
        "mean; without it they are refused"
    )
    add("--average", metavar="COLUMN", help=text)
    add("--out", type=Path, required=True, help="folder of the results; an older one is replaced")
    for flag, options, text in (
        ("--alpha", {"type": _positive}, "level of TOST"),
        (
            "--error-ratio",
            {"type": _positive},
            "Deming: var(error of test) / var(error of reference)",
        ),
        ("--bootstrap", {"choices": BOOTSTRAPS}, "interval"),
        ("--resamples", {"type": int}, "samples of the bootstrap, 0 for none"),
        ("--seed", {"type": int}, "of the bootstrap"),
        ("--plots", {"choices": KINDS}, "kind of picture"),
    ):
        default = DEFAULTS[flag.strip("-").replace("-", "_")]
        add(flag, default=default, help=f"{text} (default: %(default)s)", **options)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.agreement --help``."""
    arguments = vars(_parser().parse_args(argv))
    try:
        found = agreement(**arguments, watch=tqdm)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(found)
    print(f"all numbers and plots: {arguments['out']}")


if __name__ == "__main__":
    main()
