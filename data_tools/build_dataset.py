"""Builds sharded training records (tfds, array_record) of T1, T2 and PD from a manifest.

Safe to run twice: a whole dataset of the same manifest is left alone, a half-written one is built
again, one of another manifest is refused. Every subject is in one split only, or nothing is built.
"""

import argparse
from pathlib import Path

from qsr_jax.cli import program
from qsr_jax.data.records.build import build_records
from qsr_jax.data.studies.registration import METHODS, NONE


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        build_records(
            args.manifest,
            args.data_dir.resolve(),
            fold=args.fold,
            processes=args.workers,
            register=args.register,
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
    add("--workers", type=int, default=1, help="processes that read; the bytes do not depend on it")
    add(
        "--register",
        choices=METHODS,
        default=NONE,
        help="rigid: bring the routine scan to where the head lay in the fast scan (SimpleITK); "
        "the numbers go to the dataset's card, its seal and the models' notes",
    )
    return parser


if __name__ == "__main__":
    main()
