"""Runs a study cell by cell, keeps a json of each, and writes the page of all.

A cell is trained, then measured beside bicubic interpolation and the routine scan on each of its
manifests. Killed or stopped, the same command goes on where it was; what is finished is kept. Cells
whose material is not in --data are left out, and said. DATA holds for every name in the list of
cells NAME/ (records made by qsr build) and NAME.json (a manifest made by qsr pair): docs/study.md.

  qsr study --list                                     what there is to do
  qsr study --data DATA --work WORK --vgg FILE         all of it
  qsr study --page docs/study.md                       the results written into their page
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from launch.study.cells import CELLS, Run, Study, load_study
from launch.study.page import write_page
from launch.study.run import (
    AbsentError,
    Place,
    StoppedError,
    experiments_of,
    missing_manifests,
    perform,
)
from qsr_jax.cli import program
from qsr_jax.data.studies.manifest import SPLITS
from qsr_jax.training.stopping import STOPPED

RESULTS = Path("docs/study")


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.study --help``."""
    parser = _parser()
    args = parser.parse_args(argv)
    if not (args.list or args.page) and None in (args.data, args.work):
        parser.error("--data and --work are needed to run cells; see --list")
    try:
        study = load_study(args.study)
        runs = study.runs(*args.cells)
        if args.list:
            print(_listed(runs, args.results))
        elif args.page:
            print(write_page(args.page, study, args.results))
        else:
            _perform_all(study, runs, _place(args))
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.study"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--study", type=Path, default=CELLS, metavar="FILE", help="list of cells (ours if none)")
    add("--cells", nargs="+", default=[], metavar="GLOB", help="some: 'mae-*' base.seed-1")
    add("--data", type=Path, metavar="DIR", help="NAME/ (records) and NAME.json (manifests)")
    add("--work", type=Path, metavar="DIR", help="receives a folder per training")
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="json files (%(default)s)")
    add("--split", choices=SPLITS, default="test", help="whom to measure (%(default)s)")
    add("--vgg", type=Path, metavar="FILE", help="VGG-19 of qsr convert-vgg19, for some cells")
    add("--dry", action="store_true", help="everything once, tiny, in WORK/dry; no numbers")
    add("--list", action="store_true", help="names the cells, with minutes on two quiet cores")
    add("--page", type=Path, metavar="FILE", help="writes tables and figures into this page")
    return parser


def _place(args: argparse.Namespace) -> Place:
    """Where everything lies; what is dry never lies beside what counts.

    Raises:
        ValueError: there is no folder of data.
    """
    if not args.data.is_dir():
        raise ValueError(f"--data {args.data}: no such folder")
    work = args.work / "dry" if args.dry else args.work
    results = work / "results" if args.dry else args.results
    return Place(args.data, work, results, args.split, args.vgg, args.dry)


def _listed(runs: Sequence[Run], results: Path) -> str:
    """A line per run, and the sum."""
    done = {run.name: (results / f"{run.name}.json").is_file() for run in runs}
    lines = [
        f"{run.name:32} {run.cell.minutes:5.1f} min  {'done' if done[run.name] else 'to do'}  "
        f"{run.cell.trained_on:26} {run.cell.says}"
        for run in runs
    ]
    left = sum(run.cell.minutes for run in runs if not done[run.name])
    every = sum(run.cell.minutes for run in runs)
    return "\n".join([*lines, f"{len(runs)} trainings, {every:.0f} min, {left:.0f} left"])


def _perform_all(study: Study, runs: Sequence[Run], place: Place) -> None:
    """Runs every cell; one that fails does not cost the others theirs."""
    for run in runs:  # what is mistyped is told before anything runs
        experiments_of(study, run, place)
    failed = []
    total = sum(run.cell.minutes for run in runs)
    with tqdm(total=total, unit="min", desc="study", file=sys.stderr) as bar:
        for run in runs:
            bar.set_postfix_str(run.name)
            try:
                bar.write(f"{perform(study, run, place)}")
                for name in missing_manifests(run, place):
                    bar.write(f"{run.name}: not measured on {name}: no {name}.json in {place.data}")
            except AbsentError as error:
                bar.write(f"{run.name}: left out: {error}")
            except StoppedError as error:
                bar.write(f"{error}; the same command goes on")
                raise SystemExit(STOPPED) from error
            except (ValueError, OSError) as error:
                bar.write(f"{run.name}: failed: {error}", file=sys.stderr)
                failed.append(run.name)
            bar.update(run.cell.minutes)
    if failed:
        raise SystemExit(f"error: not finished: {', '.join(failed)}")
