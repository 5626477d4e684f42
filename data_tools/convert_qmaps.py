"""Turns fingerprinting maps (.npz) into a folder for ``simulate_cohort --measured``.

The .npz files are those of p-mayo/mrf-diph, made from the Deli-CS data (Zenodo 7697373): indices
``T1_index`` and ``T2_index`` into ``T1_grid_s`` and ``T2_grid_s`` (seconds), ``PD_q`` times
``PD_scale`` (arbitrary units, with the receive coil's shading) and packed bits of ``head_mask``.
They carry no orientation: it is taken as axial, rows to the back, columns to the left, slices to
the head, unless the flags turn it; the voxel size is given by hand, too.
"""

import argparse
import json
import zipfile
from pathlib import Path

import numpy as np

from qsr_jax.cli import program
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.types import Geometry

TURNS = {"none": 0, "quarter": 1, "half": 2, "three-quarters": 3}
UNITS = {"t1": "s", "t2": "s", "pd": "au"}


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        maps = read_maps(args.npz)
        if args.out.exists():
            raise ValueError(f"{args.out} exists; choose a new --out")
        if not args.voxel_mm > 0:
            raise ValueError(f"--voxel-mm must be positive; got {args.voxel_mm}")
        for name, values in maps.items():
            turned = np.rot90(values, TURNS[args.turn], axes=(1, 2))
            maps[name] = turned[::-1] if args.feet_last else turned
        args.out.mkdir(parents=True)
        shape = maps["t1"].shape
        first = [-(n - 1) / 2 * args.voxel_mm for n in reversed(shape)]
        step = (args.voxel_mm,) * 3
        geometry = Geometry(tuple(first), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), step, shape)
        for name, values in maps.items():
            write_nifti(np.ascontiguousarray(values), geometry, args.out / f"{name}.nii.gz")
        (args.out / "units.json").write_text(json.dumps(UNITS) + "\n")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{args.out}: {shape} voxels of {args.voxel_mm:g} mm")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.convert_qmaps"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--npz", type=Path, required=True, metavar="FILE", help="one head")
    add("--out", type=Path, required=True, metavar="DIR", help="new folder")
    add("--voxel-mm", type=float, required=True, help="side of a voxel; the file does not say")
    add("--turn", choices=list(TURNS), default="none", help="turn every slice counter-clockwise")
    add("--feet-last", action="store_true", help="the first slice is nearest to the crown")
    return parser


def read_maps(path: Path) -> dict[str, np.ndarray]:
    """T1 (s), T2 (s) and PD (arbitrary), (z, y, x) float32, 0 outside the head.

    Raises:
        ValueError: not such a file.
    """
    try:
        with np.load(path) as content:
            shape = content["T1_index"].shape
            inside = np.unpackbits(content["head_mask"])[: np.prod(shape)].reshape(shape)
            maps = {
                "t1": content["T1_grid_s"][content["T1_index"]],
                "t2": content["T2_grid_s"][content["T2_index"]],
                "pd": content["PD_q"] * content["PD_scale"],
            }
    except (KeyError, zipfile.BadZipFile, ValueError, IndexError) as error:
        raise ValueError(f"{path}: not a file of such maps ({error})") from None
    return {name: (values * inside).astype(np.float32) for name, values in maps.items()}


if __name__ == "__main__":
    main()
