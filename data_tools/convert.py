"""Writes accepted map series as float32 NIfTI files, so that any tool can check our values.

One series becomes one file; of a tree, every map series becomes DIR/<its place>/<map>.nii.gz. Each
is read as strictly as for training. Values are written unscaled; the position is written as qform
and sform, in millimetres. A JSON file beside the image says the unit, so that a BIDS tree of such
files can be paired (--bids). Exit status 3 when a series of a tree was left out.
"""

import argparse
from pathlib import Path

from data_tools.schedule_options import SHARD_DONE, add_schedule, schedule_of
from qsr_jax.cli import program
from qsr_jax.data.dicom import DicomInputError, one_series, read_series
from qsr_jax.data.dicom.series_rules import PROTOCOLS, ProtocolError, load_rows
from qsr_jax.data.nifti.bids import side_car_of
from qsr_jax.data.nifti.convert import SUFFIX, convert_series, convert_tree, refuse_existing
from qsr_jax.maps import MAPS

LEFT_OUT = 3


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        left_out = _tree(args) if args.tree else _one(args)
    except (DicomInputError, ProtocolError, ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    if left_out:
        raise SystemExit(LEFT_OUT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.convert"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--input",
        type=Path,
        required=True,
        metavar="SERIES",
        help="folder, or a file of the series; with --tree a folder of any series",
    )
    add(
        "--output",
        type=Path,
        required=True,
        metavar=f"FILE{SUFFIX}",
        help="file to write; with --tree a folder to make",
    )
    add("--tree", action="store_true", help="write every map series below --input")
    add("--map", choices=list(MAPS), help="which map, where the series is a bundle of several")
    add("--unit", choices=["ms", "s"], help="of T1 and T2; ms when not said. PD is in percent")
    add(
        "--protocols",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with rows that recognise other scanners' maps",
    )
    add_schedule(parser)
    return parser


def _one(args: argparse.Namespace) -> bool:
    """Reads and writes one series; never says that something was left out."""
    schedule = schedule_of(args)
    if schedule.shard or schedule.merge or schedule.workers > 1:
        raise ValueError("--workers, --shard and --merge belong to --tree; one series is one job")
    if not args.output.name.endswith(SUFFIX):
        raise ValueError(f"{args.output}: expected a name that ends in {SUFFIX}")
    for path in (args.output, side_car_of(args.output)):
        refuse_existing(path)
    protocols = PROTOCOLS if args.protocols is None else load_rows(args.protocols)
    series = read_series(one_series(args.input), map_name=args.map, protocols=protocols)
    said = convert_series(series, args.output, unit=args.unit)
    print(f"{args.output.parent / said}")
    return False


def _tree(args: argparse.Namespace) -> bool:
    """Reads and writes a tree; whether a series was left out."""
    if args.map is not None:
        raise ValueError("--map chooses one map of one series; with --tree all are written")
    done = convert_tree(
        args.input.resolve(),
        args.output.resolve(),
        unit=args.unit,
        protocols=PROTOCOLS if args.protocols is None else load_rows(args.protocols),
        schedule=schedule_of(args),
    )
    if done is None:
        print(f"{args.output}: {SHARD_DONE}")
        return False
    written, left_out = done
    for said in written:
        print(said)
    for said in left_out:
        print(f"left out  {said}")
    print(f"{args.output}: {len(written)} series written, {len(left_out)} left out")
    return bool(left_out)


if __name__ == "__main__":
    main()
