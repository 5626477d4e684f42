"""Builds sharded training records (tfds, array_record) of T1, T2 and PD from a manifest.

Safe to run twice: a whole dataset of the same manifest is left alone, a half-written one is built
again, one of another manifest is refused. Every subject is in one split only, or nothing is built.
"""

import argparse
import dataclasses
from pathlib import Path

from data_tools.schedule_options import add_schedule, schedule_of
from qsr_jax.cli import program
from qsr_jax.data.records.build import build_records
from qsr_jax.data.records.on_beam import on_beam
from qsr_jax.data.studies.registration import METHODS, NONE
from qsr_jax.files.journal import Schedule


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        build_records(
            args.manifest,
            args.data_dir.resolve(),
            fold=args.fold,
            schedule=_schedule(args),
            register=args.register,
            further=args.append,
            tell=print,
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.build_dataset"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--manifest", type=Path, required=True, metavar="FILE", help="from data_tools.pair_studies")
    add("--data_dir", type=Path, required=True, metavar="DIR", help="receives qmri_pairs/")
    add("--fold", metavar="K/N", help="split as this fold of the manifest says, such as 3/5")
    add(
        "--register",
        choices=METHODS,
        default=NONE,
        help="rigid: bring the routine scan to where the head lay in the fast scan, as found in T1 "
        "(SimpleITK); known: by the poses the simulator wrote down, scanned subjects as they lie; "
        "the numbers go to the manifest, the dataset's card, its seal and the models' notes",
    )
    add(
        "--append",
        action="store_true",
        help="add the subjects that are new in the manifest; the shards that are there stay",
    )
    add_schedule(parser)
    add(
        "--beam",
        metavar="OPTIONS",
        help="run on Apache Beam with these pipeline options, such as "
        "runner=DirectRunner,direct_num_workers=4,direct_running_mode=multi_processing",
    )
    return parser


def _schedule(args: argparse.Namespace) -> Schedule:
    schedule = schedule_of(args)
    if args.beam is None:
        return schedule
    if args.workers > 1:
        raise ValueError("--workers are processes of this machine; --beam has workers of its own")
    return dataclasses.replace(schedule, run=on_beam(args.beam))


if __name__ == "__main__":
    main()
