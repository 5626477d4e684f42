"""Simulates a fingerprinting scan of known maps: spiral k-space of several coils, with noise.

--input is a head of convert_qmaps (t1, t2, pd.nii.gz and units.json), or the folder truth of a
simulated subject. Every slice is played with the signal of every voxel's own T1 and T2 over all
frames, sampled on spirals and seen by coils around the head; nothing of the reconstruction is used.
The folder --out becomes raw data that qsr reconstruct reads, with the maps as truth/ beside it.
--lesions puts lesions of one T1 and T2 into the white matter first; truth/ then tells where.
--slab plays a stack of spirals, every step of phase encoding across the slices; all slices are held
in memory then.
Killed, the same command goes on. What the files hold: docs/fingerprinting.md.
"""

import argparse
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_tools.anatomy_files import NIFTI, SIDECAR, UNITS, read_units
from qsr_jax.cli import program
from qsr_jax.data.nifti.files import read_placed, write_nifti
from qsr_jax.data.nifti.map_folder import write_map_folder
from qsr_jax.data.nifti.stack import stack_geometry
from qsr_jax.data.studies.truth import MAP_FILES
from qsr_jax.files.digest import arrays_sha256
from qsr_jax.maps import MAPS
from qsr_jax.phantom.measured_maps import brain_of_slices
from qsr_jax.phantom.mixing import coarser_maps
from qsr_jax.physics.fingerprint_scan import ACCELERATIONS, FingerprintScan, spiral_sampling
from qsr_jax.physics.fingerprint_train import DELI_CS
from qsr_jax.reconstruct.raw_folder import LESIONS_FILE, Sampled, write_raw
from qsr_jax.simulate.fingerprinting import (
    checked_maps,
    simulate_kspace,
    simulate_slab,
    wire_coils,
)
from qsr_jax.simulate.planted_lesions import plant_lesions
from qsr_jax.types import Geometry, triple

MILLISECONDS = {name: spec.unit for name, spec in MAPS.items() if spec.unit == "ms"}
MOST_CUT = 0.01
"""Part of the head that may lie beyond the image; it is cut off the truth as well."""
SMALLEST = 16
"""Pixels of an image's side at least."""
WHOLE = 16
"""Pixels of a side are rounded up to whole multiples of it, where nobody gives them: Fourier
transforms are quick then."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        maps, geometry, pd_unit = read_head(args.input)
        maps, geometry = _coarser(maps, geometry, args.every)
        maps, geometry = framed(maps, geometry, _side(args.pixels, maps))
        maps, geometry = _chosen(maps, geometry, args.slices)
        labels = None
        if args.lesions:
            maps, labels = plant_lesions(
                maps,
                brain_of_slices(maps, geometry.spacing_mm),
                args.lesions,
                seed=args.seed,
                pixel_mm=geometry.spacing_mm[1],
            )
        checked_maps(maps, where=str(args.input))
        _simulate(args, maps, geometry, MILLISECONDS | {"pd": pd_unit}, labels)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(
        f"{args.out}: {len(maps)} slices, {args.frames} frames, {args.coils} coils, "
        f"acceleration {args.acceleration}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.simulate_mrf"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="DIR", help="maps of one head")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the raw data")
    add("--slices", metavar="N,...", help="counted from 0 at the feet, as in 6,15 (default: all)")
    add(
        "--acceleration",
        type=int,
        choices=ACCELERATIONS,
        default=8,
        help="8 plays one arm of 48 a frame, 1 plays eight; all are parts of one scan (default: 8)",
    )
    add("--coils", type=int, default=8, help="coils around the head (default: 8)")
    add(
        "--pixels",
        type=int,
        help="of an image's side; even (default: that of the maps or a bit more)",
    )
    add("--frames", type=int, default=DELI_CS.frames, help="first frames alone (default: all 500)")
    add("--snr-db", type=float, default=30.0, help="at acceleration 1; inf for none (default: 30)")
    add("--b1", type=float, default=1.0, help="what every flip angle is multiplied by (default: 1)")
    add("--every", type=int, default=1, help="mix so many voxels along y and x (default: 1)")
    add("--slab", action="store_true", help="a stack of spirals and not slice by slice")
    add(
        "--lesions",
        type=int,
        default=0,
        metavar="N",
        help="put so many into the white matter of every slice (default: none)",
    )
    add("--seed", type=int, default=0, help="of the noise, and of lesions (default: 0)")
    return parser


def read_head(folder: Path) -> tuple[np.ndarray, Geometry, str]:
    """Maps (z, y, x, 3) of T1 ms, T2 ms and PD, where they lie, and the unit of PD.

    Raises:
        ValueError: no maps of three kinds on one grid, or no units.
    """
    if (folder / SIDECAR).is_file():
        units = read_units(folder / SIDECAR)
        names = {name: [f"{name}{end}" for end in NIFTI[:2]] for name in MAPS}
    else:
        units = MILLISECONDS | {"pd": "%"}
        names = {name: [file] for name, file in MAP_FILES.items()}
    found, affines = [], []
    for name, files in names.items():
        paths = [folder / file for file in files if (folder / file).is_file()]
        if len(paths) != 1:
            raise ValueError(
                f"{folder}: expected one of {', '.join(files)}: a head of qsr convert-qmaps with "
                f"{SIDECAR}, or the folder truth of a simulated subject"
            )
        values, affine = read_placed(paths[0])
        found.append(values * UNITS.get(units[name], 1.0))
        affines.append(affine)
    shapes = {values.shape for values in found}
    if len(shapes) != 1 or not all(np.allclose(a, affines[0], atol=1e-3) for a in affines):
        raise ValueError(f"{folder}: the three maps lie on different grids {sorted(shapes)}")
    geometry, upside_down = stack_geometry(paths[0], found[0].shape, affines[0])
    maps = np.stack(found, axis=-1).astype(np.float32)
    return maps[::-1] if upside_down else maps, geometry, units["pd"]


def _side(pixels: int | None, maps: np.ndarray) -> int:
    """Pixels of an image's side."""
    return -(-max(maps.shape[1:3]) // WHOLE) * WHOLE if pixels is None else pixels


def framed(maps: np.ndarray, geometry: Geometry, pixels: int) -> tuple[np.ndarray, Geometry]:
    """Maps (z, y, x, 3) on a square of ``pixels``, cut or surrounded by nothing on every side.

    Raises:
        ValueError: an odd number or fewer than 16, or too much of the head would be cut off.
    """
    if pixels < SMALLEST or pixels % 2:
        raise ValueError(f"--pixels {pixels}; expected an even number of at least {SMALLEST}")
    size = np.asarray(maps.shape[1:3])
    first = size // 2 - pixels // 2
    source = [slice(max(f, 0), min(f + pixels, n)) for f, n in zip(first, size, strict=True)]
    framed_maps = np.zeros((len(maps), pixels, pixels, 3), np.float32)
    target = [slice(s.start - f, s.stop - f) for s, f in zip(source, first, strict=True)]
    framed_maps[:, target[0], target[1]] = maps[:, source[0], source[1]]
    head, kept = np.count_nonzero(maps[..., 2]), np.count_nonzero(framed_maps[..., 2])
    if kept < (1 - MOST_CUT) * head:
        raise ValueError(
            f"--pixels {pixels} cuts off {head - kept} of the head's {head} voxels; expected at "
            f"most {100 * MOST_CUT:g} %: give more pixels"
        )
    _, dy, dx = geometry.spacing_mm
    origin = (
        np.asarray(geometry.origin_mm)
        + first[0] * dy * np.asarray(geometry.col_dir)
        + first[1] * dx * np.asarray(geometry.row_dir)
    )
    shape = (len(maps), pixels, pixels)
    return framed_maps, dataclasses.replace(geometry, origin_mm=triple(origin), shape=shape)


def _coarser(maps: np.ndarray, geometry: Geometry, every: int) -> tuple[np.ndarray, Geometry]:
    """Maps (z, y, x, 3) of voxels that hold so many along y and x, the outer edge as it was."""
    if every < 1:
        raise ValueError(f"--every {every}; expected 1 or more")
    if min(maps.shape[1:3]) < every * SMALLEST:
        size = " x ".join(str(length) for length in maps.shape[1:3])
        raise ValueError(f"--every {every} leaves too little of {size} voxels; give fewer")
    coarse = coarser_maps(maps, every)
    dz, dy, dx = geometry.spacing_mm
    to_next_mm = dy * np.asarray(geometry.col_dir) + dx * np.asarray(geometry.row_dir)
    return coarse, dataclasses.replace(
        geometry,
        origin_mm=triple(np.asarray(geometry.origin_mm) + (every - 1) / 2 * to_next_mm),
        spacing_mm=(dz, every * dy, every * dx),
        shape=coarse.shape[:3],
    )


def _chosen(
    maps: np.ndarray, geometry: Geometry, slices: str | None
) -> tuple[np.ndarray, Geometry]:
    """The slices that are asked for; they must follow each other at one distance."""
    if slices is None:
        return maps, geometry
    words = slices.split(",")
    numbers = [int(word) for word in words if word.strip().isdecimal()]
    steps = set(np.diff(numbers).tolist()) or {1}
    if len(numbers) != len(words) or max(numbers) >= len(maps) or len(steps) != 1 or min(steps) < 1:
        raise ValueError(
            f"--slices {slices}: expected rising numbers below {len(maps)} at one distance, such "
            "as 15 or 6,15,24"
        )
    step = steps.pop()
    origin = triple(geometry.slice_positions_mm()[numbers[0]])
    spacing = (geometry.spacing_mm[0] * step, *geometry.spacing_mm[1:])
    shape = (len(numbers), *geometry.shape[1:])
    moved = dataclasses.replace(geometry, origin_mm=origin, spacing_mm=spacing, shape=shape)
    return maps[numbers], moved


def _sampler(args: argparse.Namespace, maps: np.ndarray, scan: FingerprintScan) -> Sampled:
    """What makes a slice, or a step of phase encoding of a slab."""
    played = {"snr_db": args.snr_db, "b1": args.b1}

    @functools.cache
    def slab() -> tuple[np.ndarray, float]:
        return simulate_slab(args.seed, maps, scan, where=str(args.input), **played)

    def sampled(number: int) -> tuple[np.ndarray, float]:
        if args.slab:
            steps, std = slab()
            return steps[number], std
        seed, where = (args.seed, number), f"{args.input}, slice {number}"
        return simulate_kspace(seed, maps[number], scan, where=where, **played)

    return sampled


def _simulate(
    args: argparse.Namespace,
    maps: np.ndarray,
    geometry: Geometry,
    units: dict[str, str],
    labels: np.ndarray | None,
) -> None:
    train = DELI_CS.cut(args.frames)
    pixels = geometry.shape[1]
    scan = FingerprintScan(
        train,
        spiral_sampling(pixels, args.frames, acceleration=args.acceleration),
        wire_coils(args.coils, pixels),
    )
    names = ("acceleration", "coils", "pixels", "frames", "b1", "seed", "slices", "slab", "every")
    made_from = {name: getattr(args, name) for name in names}
    made_from |= {
        "lesions": args.lesions,
        "snr_db": str(args.snr_db),
        "maps_sha256": arrays_sha256([("maps", maps)]),
    }

    def write_truth(folder: Path) -> None:
        held = {name: maps[..., channel] for channel, name in enumerate(MAPS)}
        write_map_folder(folder, held, geometry, units)
        if labels is not None:
            write_nifti(labels, geometry, folder / LESIONS_FILE)

    write_raw(
        args.out,
        scan,
        geometry,
        _sampler(args, maps, scan),
        made_from=made_from,
        write_truth=write_truth,
    )


if __name__ == "__main__":
    main()
