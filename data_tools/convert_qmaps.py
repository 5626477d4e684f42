"""Turns fingerprinting maps (.npz) into a folder for ``simulate_cohort --measured``.

Two kinds of file are read, both of the Deli-CS data (Zenodo 7697373) as p-mayo/mrf-diph prepared
it:

- its published slices ``qmaps_vol0_slice*.npz``, all of one head at once: ``qmaps`` (4, y, x), T1
  (s), T2 (s), real and imaginary part of PD (arbitrary units). The head is where PD's magnitude is
  above its authors' threshold of 0.006;
- a whole head in one file: ``T1_index`` and ``T2_index`` (z, y, x) into ``T1_grid_s`` and
  ``T2_grid_s`` (s), ``PD_q`` times ``PD_scale`` and packed bits of ``head_mask``.

PD carries the receive coil's shading; ``simulate_cohort`` divides it out. No file says where it
lies: it is taken as axial, rows to the back, columns to the left, slices to the head, unless the
flags turn it; the voxel size is given by hand, too.
"""

import argparse
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qsr_jax.cli import program
from qsr_jax.data.nifti.map_folder import write_map_folder
from qsr_jax.types import Geometry

TURNS = {"none": 0, "quarter": 1, "half": 2, "three-quarters": 3}
UNITS = {"t1": "s", "t2": "s", "pd": "au"}
PD_LEAST = 0.006
"""Magnitude of PD inside the head, in the published slices (their ``mask_threshold``)."""

LONGEST_S = 10.0
"""No tissue has a longer T1; a longer median means milliseconds."""


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
        write_map_folder(args.out, maps, geometry, UNITS)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{args.out}: {shape} voxels of {args.voxel_mm:g} mm")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.convert_qmaps"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--npz", type=Path, nargs="+", required=True, metavar="FILE", help="one head, or its slices"
    )
    add("--out", type=Path, required=True, metavar="DIR", help="new folder")
    add("--voxel-mm", type=float, required=True, help="side of a voxel; the file does not say")
    add("--turn", choices=list(TURNS), default="none", help="turn every slice counter-clockwise")
    add("--feet-last", action="store_true", help="the first slice is nearest to the crown")
    return parser


def read_maps(paths: list[Path]) -> dict[str, np.ndarray]:
    """T1 (s), T2 (s) and PD (arbitrary), (z, y, x) float32, 0 outside the head.

    Args:
        paths: one whole head, or all slices of one head in any order.

    Raises:
        ValueError: not such files, not one head, or a slice is missing.
    """
    parts = []
    for path in _in_order(paths):
        try:
            with np.load(path) as content:
                parts.append(_slice(content["qmaps"]) if "qmaps" in content else _whole(content))
        except (KeyError, zipfile.BadZipFile, ValueError, IndexError) as error:
            raise ValueError(f"{path}: not a file of such maps ({error})") from None
    shapes = {part["t1"].shape[1:] for part in parts}
    if len(shapes) != 1:
        raise ValueError(f"{paths[0].parent}: slices of {sorted(shapes)} voxels, expected one size")
    maps = {name: np.concatenate([part[name] for part in parts]) for name in UNITS}
    if np.median(maps["t1"][maps["t1"] > 0]) > LONGEST_S:
        raise ValueError(
            f"{paths[0]}: the median T1 is above {LONGEST_S:g} s; T1 and T2 must be in seconds"
        )
    return maps


def _in_order(paths: list[Path]) -> list[Path]:
    """Slices by their number; raises ValueError where they are not all of one head."""
    if len(paths) == 1:
        return paths
    found = [re.search(r"(.*)slice(\d+)\.npz$", path.name) for path in paths]
    if not all(found):
        raise ValueError(f"{paths[0]}: several files must be slices, named ...slice<number>.npz")
    names = {match[1] for match in found if match}
    if len(names) != 1:
        raise ValueError(
            f"{paths[0].parent}: slices of {', '.join(sorted(names))}; give one head's"
        )
    numbers = {int(match[2]): path for match, path in zip(found, paths, strict=True) if match}
    missing = set(range(min(numbers), max(numbers) + 1)) - set(numbers)
    if missing:
        raise ValueError(f"{paths[0].parent}: slices {sorted(missing)} are missing")
    return [numbers[number] for number in sorted(numbers)]


def _slice(qmaps: np.ndarray) -> dict[str, np.ndarray]:
    """Maps (1, y, x) of one published slice."""
    if qmaps.ndim != 3 or len(qmaps) != 4:
        raise ValueError(f"qmaps has shape {qmaps.shape}, expected (4, y, x)")
    t1, t2, real, imaginary = np.asarray(qmaps, np.float32)[:, None]
    pd = np.hypot(real, imaginary)
    return {name: values * (pd > PD_LEAST) for name, values in (("t1", t1), ("t2", t2), ("pd", pd))}


def _whole(content: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps (z, y, x) of a whole head."""
    shape = content["T1_index"].shape
    inside = np.unpackbits(content["head_mask"])[: np.prod(shape)].reshape(shape)
    maps = {
        "t1": content["T1_grid_s"][content["T1_index"]],
        "t2": content["T2_grid_s"][content["T2_index"]],
        "pd": content["PD_q"] * content["PD_scale"],
    }
    return {name: (values * inside).astype(np.float32) for name, values in maps.items()}


if __name__ == "__main__":
    main()
