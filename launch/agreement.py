"""Does a method agree with a reference, on average and for each subject? From anybody's table.

The table is a csv file with the columns subject, region, map, unit, method, value: one positive
number per line, one line per subject, region, map and method. The subject is the unit of analysis.
--test says whose question it is; all its comparisons are one family (Holm) unless --family tells
more of them apart. A comparison that cannot be computed says why, the others go on, and the exit
status is 3. The report of launch.evaluate has its values in such a table:

  python -m launch.agreement report/values.csv --reference routine --test trained --out DIR
      --margin-percent 5 --column region=place --where "place=GM|WM" --where quantity=mean
      --where group=healthy --repeat routine2

--plan tells how many subjects a study needs: python -m launch.agreement --plan --help
"""

import argparse
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from qsr_jax.agreement_report import agreement
from qsr_jax.agreement_report.long_table import COLUMNS
from qsr_jax.agreement_report.mixed import MODELS
from qsr_jax.agreement_report.study import (
    Expected,
    Study,
    expected_of_pilot,
    plan_study,
)
from qsr_jax.agreement_report.write import PLOTS
from qsr_jax.cli import program
from qsr_jax.statistics import BOOTSTRAPS

PLAN = """How many subjects does each verdict need?

Either from what is expected (--sd-percent, and for the verdict on each subject --spread-percent),
or from a pilot in a csv file as without --plan: its differences, the SDs of its reference, and the
upper 80 % bounds of the SDs of its differences, because a small pilot's own may be too small. Each
comparison is tested at alpha / comparisons, the worst case of Holm's correction.
"""

INCOMPLETE = 3
"""Exit status where a comparison could not be computed: the results stand, but lack it."""


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


def _listed(text: str) -> list[str]:
    """NAME[,NAME] of a flag."""
    return [name for name in text.split(",") if name]


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
        usage="%(prog)s TABLE --reference METHOD --margin-percent P --out DIR ...",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", metavar="TABLE", type=Path, help="csv file, one value per line")
    _add_question(parser.add_argument_group("the question"))
    _add_table(parser.add_argument_group("the table"))
    _add_results(parser.add_argument_group("results and further statistics"))
    return parser


def _once(group: argparse._ArgumentGroup, flag: str, dest: str, **told: Any) -> None:
    """A flag NAME=VALUE that may be repeated."""
    help_text = f"{told.pop('text')}; repeat it"
    group.add_argument(flag, dest=dest, action=_Once, help=help_text, **told)


def _add_question(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--reference", required=True, metavar="METHOD", help="what the others are compared with")
    text = "whose question it is, METHOD[,METHOD], each a question of its own (default: all others)"
    add("--test", type=_listed, default=[], metavar="METHOD", help=text)
    text = "largest difference that does not matter, in percent of the reference's mean"
    add("--margin-percent", type=_positive, required=True, metavar="P", help=text)
    text = "margin of a map in its unit, in place of the one in percent"
    _once(group, "--margin-raw", "margins", type=_margin, metavar="MAP=X", text=text)
    text = (
        "columns that tell families of a question apart: map, region, or another column such as "
        "kind (default: all comparisons of a method are one family)"
    )
    add("--family", type=_listed, default=[], metavar="COLUMN[,COLUMN]", help=text)
    text = (
        "method that is the reference measured again; a margin below the repeatability "
        "coefficient that follows is said to be undecidable"
    )
    add("--repeat", metavar="METHOD", help=text)
    text = (
        "that coefficient where it is known otherwise: MAP=X in the unit of the map, MAP=X%%, or "
        "a csv file with the columns map, region, unit, value; repeat it"
    )
    add("--repeatability", action="append", default=[], metavar="MAP=X|FILE", help=text)
    _default(group, "--alpha", "level of each one-sided test", type=_positive)


def _add_table(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    text = "what the table calls one of our columns"
    _once(group, "--column", "columns", type=_column, metavar="NAME=COLUMN", text=text)
    text = "keep only lines with this text in a column, or with one of these"
    _once(group, "--where", "where", type=_pair, metavar="COLUMN=TEXT[|TEXT]", text=text)
    text = (
        "a subject's values that differ in this column, such as the run of a model, become their "
        "mean; without it they are refused"
    )
    add("--average", metavar="COLUMN", help=text)
    text = "subjects that are left out everywhere"
    add("--exclude", type=_listed, default=[], metavar="SUBJECT[,..]", help=text)
    text = (
        "leave out of a comparison who lacks one of its two values; without it such a comparison "
        "is not computed"
    )
    add("--complete-cases", action="store_true", help=text)


def _add_results(group: argparse._ArgumentGroup) -> None:
    text = "folder of the results; an older one is replaced"
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help=text)
    text = "pictures: none, the verdicts, or the points of every comparison too; drawn last"
    _default(group, "--plots", text, choices=PLOTS)
    text = "mixed: model of the differences with regions fixed and subjects random, map by map"
    _default(group, "--model", text, choices=MODELS)
    text = "Deming: var(error of test) / var(error of reference)"
    _default(group, "--error-ratio", text, type=_positive)
    _default(group, "--bootstrap", "interval of the bootstrap", choices=BOOTSTRAPS)
    _default(group, "--resamples", "samples of the bootstrap, 0 for none", type=int)
    _default(group, "--seed", "of the bootstrap", type=int)


def _default(group: argparse._ArgumentGroup, flag: str, text: str, **options: Any) -> None:
    """A flag with the library's default."""
    default = DEFAULTS[flag.strip("-").replace("-", "_")]
    group.add_argument(flag, default=default, help=f"{text} (default: %(default)s)", **options)


def _plan_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.agreement"),
        usage="%(prog)s --plan --margin-percent P --sd-percent S ...\n"
        "       %(prog)s PILOT --plan --reference METHOD --margin-percent P ...",
        description=PLAN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", metavar="PILOT", type=Path, nargs="?", help="csv file of a pilot")
    parser.add_argument("--plan", action="store_true", help="plan a study")
    group = parser.add_argument_group("the study")
    text = "largest difference that does not matter, in percent of the reference's mean"
    group.add_argument("--margin-percent", type=_positive, required=True, metavar="P", help=text)
    for flag, options, text in (
        ("--power", {"type": _positive, "default": 0.8}, "wanted chance that a verdict is shown"),
        ("--alpha", {"type": _positive, "default": 0.05}, "level of each one-sided test"),
        ("--comparisons", {"type": int}, "size of the family (default: 1, or the pilot's)"),
        ("--subjects", {"type": _numbers, "default": []}, "N[,N]: tell their power as well"),
    ):
        shown = f"{text} (default: %(default)s)" if options.get("default") else text
        group.add_argument(flag, help=shown, **options)  # type: ignore[arg-type]
    group = parser.add_argument_group("what is expected, without a pilot (percent of the mean)")
    for flag, default, text in (
        ("--sd-percent", None, "SD of the difference between the methods over subjects"),
        ("--spread-percent", None, "SD of the reference over subjects; for the second verdict"),
        ("--difference-percent", 0.0, "true mean difference (default: %(default)s)"),
    ):
        kind = float if default is not None else _positive
        group.add_argument(flag, type=kind, default=default, metavar="P", help=text)
    group = parser.add_argument_group("the pilot, as without --plan")
    group.add_argument("--reference", metavar="METHOD", help="what the other is compared with")
    group.add_argument("--test", type=_listed, default=[], metavar="METHOD", help="whose question")
    text = "margin of a map in its unit, in place of the one in percent"
    _once(group, "--margin-raw", "margins", type=_margin, metavar="MAP=X", text=text)
    _add_table(group)
    return parser


def _numbers(text: str) -> list[int]:
    """N[,N] of a flag."""
    return [int(number) for number in _listed(text)]


def _planned(argv: Sequence[str] | None) -> Study:
    """The plan that ``--plan`` asks for."""
    parser = _plan_parser()
    given = vars(parser.parse_args(argv))
    study = {name: given.pop(name) for name in ("comparisons", "power", "alpha", "subjects")}
    sd, spread, difference = (
        given.pop(f"{name}_percent") for name in ("sd", "spread", "difference")
    )
    del given["plan"]
    if (given["table"] is None) == (sd is None):
        parser.error("give --sd-percent, or the csv file of a pilot")
    if sd is not None:
        expected = Expected("any", given["margin_percent"], sd, spread, difference, "%")
        return plan_study([expected], **study)
    if given["reference"] is None:
        parser.error("a pilot needs --reference")
    return plan_study(expected_of_pilot(agreement(**given)), **study)


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.agreement --help``."""
    if "--plan" in (sys.argv[1:] if argv is None else argv):
        try:
            print(_planned(argv))
        except (ValueError, OSError) as error:
            raise SystemExit(f"error: {error}") from error
        return
    arguments = vars(_parser().parse_args(argv))
    try:
        found = agreement(**arguments, watch=tqdm)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(found)
    print(f"all numbers and the page: {arguments['out']}")
    if found.missing:
        raise SystemExit(INCOMPLETE)


if __name__ == "__main__":
    main()
