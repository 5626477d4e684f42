"""Makes a blinded reader study: pairs of pictures, a form, and a key kept apart.

Give readers the folder readers/ and keep key/. A filled form is held against the key with --solve.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from launch.model_argument import add_model_argument
from qsr_jax.checkpoint import LATEST
from qsr_jax.cli import program
from qsr_jax.data.studies.manifest import SPLITS
from qsr_jax.evaluation.reader_study import METHODS, Preference, make_study, solve
from qsr_jax.evaluation.trainings import doubts_of, load_runs
from qsr_jax.formats.numbers import joined
from qsr_jax.maps import spec_of


def main(argv: Sequence[str] | None = None) -> None:
    """The door; errors of the user's end in one line and exit status 1."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.solve:
            print("\n".join(_said(found) for found in solve(*arguments.solve)))
            return
        if arguments.manifest is None or not arguments.model or arguments.out is None:
            raise ValueError("give --manifest, --model and --out, or --solve FORM KEY")
        runs = load_runs(
            [(arguments.manifest, arguments.model)],
            split=arguments.split,
            trained_on=arguments.trained_on,
            which=LATEST,
        )
        pair = [part.strip() for part in arguments.methods.split(",")]
        if len(pair) != 2:
            raise ValueError(f"--methods {arguments.methods}: expected two of {joined(METHODS)}")
        count = make_study(
            runs,
            out=arguments.out,
            pair=(pair[0], pair[1]),
            slices=arguments.slices,
            seed=arguments.seed,
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    for doubt in doubts_of(runs):
        print(f"not checked: {doubt}")
    print(f"{arguments.out}: {count} pictures in readers/, the key in key/")


def _said(found: Preference) -> str:
    """One map in a line."""
    parts = [f"{method} {n}" for method, n in sorted(found.preferred.items())]
    alike, twice = found.consistent
    again = f"; {alike} of {twice} repeated alike" if twice else ""
    label = spec_of(found.map).label
    return f"{label}: {joined(parts)} of {found.pictures} pictures{again}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.reader_study"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--manifest", type=Path, help="made by data_tools.pair_studies")
    add_model_argument(parser, required=False)
    add("--trained-on", type=Path, metavar="MANIFEST", help="as in launch.evaluate")
    add("--split", choices=SPLITS, default="test", help="whom to show (default: %(default)s)")
    add("--out", type=Path, help="folder to make")
    add("--methods", default="trained,routine", help=f"two of {joined(METHODS)} (%(default)s)")
    add("--slices", type=int, default=3, help="of each subject and map (default: %(default)s)")
    add("--seed", type=int, default=0, help="of sides and order; it stands in the key alone")
    add("--solve", type=Path, nargs=2, metavar=("FORM", "KEY"), help="a filled form and its key")
    return parser


if __name__ == "__main__":
    main()
