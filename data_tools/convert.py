"""Writes one accepted map series as a float32 NIfTI file, so that any tool can check our values.

The series is read as strictly as for training. Values are written unscaled; the position is written
as qform and sform, in millimetres. A JSON file beside the image says the unit, so that a BIDS tree
of such files can be paired (--bids).
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np

from qsr_jax.cli import program
from qsr_jax.data.dicom import DicomInputError, one_series, read_series
from qsr_jax.data.dicom.series_rules import PROTOCOLS, ProtocolError, load_rows
from qsr_jax.data.nifti.bids import side_car_of
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.files.staged import WriteError
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.types import Geometry

MS_PER_S = 1000.0
SUFFIX = ".nii.gz"


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        print(_convert(args))
    except (DicomInputError, ProtocolError, ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


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
        help="folder, or a file of the series",
    )
    add("--output", type=Path, required=True, metavar=f"FILE{SUFFIX}", help="file to write")
    add("--map", choices=list(MAPS), help="which map, where the series is a bundle of several")
    add("--unit", choices=["ms", "s"], help="of T1 and T2; ms when not said. PD is in percent")
    add(
        "--protocols",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with rows that recognise other scanners' maps",
    )
    return parser


def _convert(args: argparse.Namespace) -> str:
    """Reads and writes; returns a sentence about what was written."""
    if not args.output.name.endswith(SUFFIX):
        raise ValueError(f"{args.output}: expected a name that ends in {SUFFIX}")
    for path in (args.output, side_car_of(args.output)):
        _refuse_existing(path)
    protocols = PROTOCOLS if args.protocols is None else load_rows(args.protocols)
    series = read_series(one_series(args.input), map_name=args.map, protocols=protocols)
    spec = spec_of(series.map_name)
    unit = spec.unit if args.unit is None else args.unit
    if spec.unit != "ms" and args.unit is not None:
        raise ValueError(f"--unit {args.unit}: {spec.label} is in {spec.unit}; leave --unit out")
    values = series.volume.maps[..., 0]
    if unit == "s":
        values = (values / np.float64(MS_PER_S)).astype(np.float32)
    _write(values, series.volume.geometry, args.output, unit)
    said = f"{args.output}: {spec.label}, {values.min():g}..{values.max():g} {unit}"
    return "; ".join([said, *series.notes])


def _refuse_existing(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise FileExistsError(f"{out}: exists already; remove it or choose another path")


def _write(values: np.ndarray, geometry: Geometry, out: Path, unit: str) -> None:
    """Writes image and side-car whole or not at all; never over others.

    The side-car comes first: without it the image would be refused, not misread.
    """
    side_car = side_car_of(out)
    parts = {side_car: out.with_name(f".{os.getpid()}.{side_car.name}"),
             out: out.with_name(f".{os.getpid()}.{out.name}")}  # fmt: skip
    made: list[Path] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(values, geometry, parts[out])
        parts[side_car].write_text(json.dumps({"Units": unit}) + "\n")
        for path, part in parts.items():
            with part.open("rb") as file:
                os.fsync(file.fileno())
            _refuse_existing(path)
            part.rename(path)
            made.append(path)
    except FileExistsError:
        for path in made:
            path.unlink()
        raise
    except OSError as error:
        for path in made:
            path.unlink()
        raise WriteError(f"{out}: could not be written ({error.strerror or error})") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
