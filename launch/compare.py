"""Compares two volumes on one grid, by slice: errors, PSNR, SSIM, sharpness, noise, resolution.

TEST and REFERENCE are NIfTI files (.nii, .nii.gz) or folders of one DICOM map series each. Their
grids must agree, in whatever order and direction a file stores its axes; slices are those of
REFERENCE. Nothing is clipped or registered. Values of NIfTI files are read in the unit that the
JSON file beside them says (BIDS has relaxation times in s), else in that of --units; values that
can only be in another unit are refused.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from qsr_jax.cli import program
from qsr_jax.evaluation.compare_volumes import PAPER_RANGE, as_json, compare
from qsr_jax.evaluation.compared_image import UNITS
from qsr_jax.evaluation.report.terminal import comparison
from qsr_jax.maps import MAPS


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.compare --help``."""
    arguments = _parser().parse_args(argv)
    try:
        result = compare(
            arguments.test,
            arguments.reference,
            mask=arguments.mask,
            data_range=arguments.data_range,
            map_name=arguments.map,
            units=arguments.units,
            niqe_model=arguments.niqe_model,
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(json.dumps(as_json(result), indent=2) if arguments.json else comparison(result))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("launch.compare"), description=__doc__)
    parser.add_argument("test", metavar="TEST", type=Path, help="what is judged")
    parser.add_argument("reference", metavar="REFERENCE", type=Path, help="what it is held against")
    parser.add_argument(
        "--mask", type=Path, help="NIfTI file, not 0 where voxels count (default: the whole frame)"
    )
    parser.add_argument(
        "--data-range",
        type=_range,
        metavar="X|paper",
        help="L of PSNR and SSIM in the unit of the map, or the paper's 65535 stored units (with "
        "the whole frame, its convention) (default: the largest value a scanner "
        "writes for the map: "
        + ", ".join(
            f"{s.label} {s.scanner_max:g} {s.unit}".replace("%", "%%") for s in MAPS.values()
        )
        + ")",
    )
    parser.add_argument(
        "--map",
        choices=tuple(MAPS),
        help="what NIfTI files hold (default: what their BIDS suffix says, such as _T1map)",
    )
    parser.add_argument(
        "--units",
        choices=UNITS,
        help="unit of NIfTI files without a JSON file beside them that says Units (T1 and T2 are "
        "refused without either)",
    )
    parser.add_argument(
        "--niqe-model", type=Path, help="natural-image model (.npz or .mat); adds NIQE of both"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, every slice included")
    return parser


def _range(text: str) -> float | str:
    """A number, or the name of the paper's convention."""
    if text == PAPER_RANGE:
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number or {PAPER_RANGE}") from None


if __name__ == "__main__":
    main()
