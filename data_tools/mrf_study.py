"""Reconstructs simulated fingerprinting scans of heads by several methods, and keeps the errors.

Every head, slice, acceleration and method is a cell of one JSON file, written when it is done and
found again: killed, the same command goes on, and a later one adds cells; a cell of other maps,
pixels or another denoiser is refused. The scans of a slice are
parts of one with the same noise. "mrf" is the loop with the denoiser that ships, "contrast-tv" the
loop with total variation in its place, "pnp-series" that denoiser on the coefficient images. What
came out: docs/fingerprinting.md.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from data_tools.simulate_mrf import framed, read_head
from qsr_jax.cli import program
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import arrays_sha256
from qsr_jax.formats.table import to_terminal
from qsr_jax.maps import MAPS
from qsr_jax.phantom.measured_maps import brain_of_slices
from qsr_jax.physics.fingerprint_dictionary import Dictionary, make_dictionary
from qsr_jax.physics.fingerprint_scan import ACCELERATIONS, FingerprintScan, spiral_sampling
from qsr_jax.physics.fingerprint_train import DELI_CS
from qsr_jax.predictors.denoiser import load_denoiser
from qsr_jax.provenance import software_version
from qsr_jax.reconstruct.errors import percent_errors
from qsr_jax.reconstruct.head import CG, LLR, LRTV, PNP, PNP_SERIES, SVD, Method, learned_method
from qsr_jax.reconstruct.problem import make_problem, scan_kernel
from qsr_jax.reconstruct.strength import choose_strength
from qsr_jax.simulate.fingerprinting import simulate_kspace, wire_coils
from qsr_jax.simulate.planted_lesions import plant_lesions
from qsr_jax.types import Geometry

MODEL, CONTRAST_TV = "mrf", "contrast-tv"
NAMES = (SVD, CG, LLR, LRTV, MODEL, CONTRAST_TV, PNP_SERIES)
SNR_DB, SEED = 30.0, 0
MADE_FROM = "made_from"
Cells = dict[str, Any]
"""By name."""
Head = tuple[np.ndarray, Geometry]
"""Maps (z, y, x, 3) in the frame of the scan, and where they lie."""


class Wanted(NamedTuple):
    """A cell that is asked for.

    Attributes:
        key: its name in the file.
        method: how it is reconstructed.
        made_from: what else decides its numbers.
    """

    key: str
    method: Method
    made_from: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Scene:
    """One slice with its scan.

    Attributes:
        maps: (y, x, 3) what is scanned.
        brain: (y, x) bool.
        lesions: (y, x) numbers, or None.
        scan: train, sampling and coils.
        kspace: (coil, frame, interleaf, sample).
    """

    maps: np.ndarray
    brain: np.ndarray
    lesions: np.ndarray | None
    scan: FingerprintScan
    kspace: np.ndarray


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        cells = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
        dictionary = make_dictionary(DELI_CS)
        methods = {name: _method(name, args) for name in args.methods}
        for wanted, scene in _missing(args, methods, cells):
            made = _cell(scene, wanted.method, dictionary, auto=args.auto)
            cells[wanted.key] = made | {MADE_FROM: wanted.made_from}
            write_text_atomically(args.out, json.dumps(cells, indent=1) + "\n")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(to_terminal(_lines(cells)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("data_tools.mrf_study"), description=__doc__)
    add = parser.add_argument
    add("--heads", type=Path, nargs="+", required=True, metavar="DIR", help="of convert_qmaps")
    add("--slices", type=int, nargs="+", required=True, metavar="N", help="counted from the feet")
    add("--out", type=Path, required=True, metavar="FILE", help=".json to make or to go on with")
    add("--methods", nargs="+", choices=NAMES, default=[SVD, LRTV, MODEL], help="(%(default)s)")
    add("--accelerations", type=int, nargs="+", choices=ACCELERATIONS, default=[8], help="(8)")
    add("--model", default=MODEL, help="denoiser: name, file or workdir (default: mrf)")
    add("--coils", type=int, default=8, help="(default: 8)")
    add("--lesions", type=int, default=0, metavar="N", help="put into every slice (default: none)")
    add("--pixels", type=int, default=224, help="of an image's side (default: 224)")
    add("--strength", type=float, help="of the prior (default: the usual one)")
    add("--auto", action="store_true", help="strength from held-out frames of every slice")
    return parser


def _method(name: str, args: argparse.Namespace) -> tuple[Method, str | None]:
    """The method, and the digest of its denoiser's weights."""
    weights_sha256 = None
    if name in (MODEL, PNP_SERIES):
        denoiser, opened = load_denoiser(args.model)
        weights_sha256 = opened.weights_sha256
        method = learned_method(PNP if name == MODEL else name, denoiser, coils=args.coils)
    else:
        method = Method(PNP if name == CONTRAST_TV else name)
    if args.strength is not None:
        method = dataclasses.replace(method, strength=args.strength)
    return method, weights_sha256


def _missing(
    args: argparse.Namespace, methods: Mapping[str, tuple[Method, str | None]], cells: Cells
) -> Iterator[tuple[Wanted, Scene]]:
    """What is not there yet, with its scene; every scene is simulated once.

    Raises:
        ValueError: a cell of this name was made from something else.
    """
    heads = {head: framed(*read_head(head)[:2], args.pixels) for head in args.heads}
    scans = [
        (head, number, acceleration)
        for head in args.heads
        for number in args.slices
        for acceleration in args.accelerations
    ]
    for head, number, acceleration in tqdm(scans, "scans", mininterval=1.0):
        if not 0 <= number < len(heads[head][0]):
            raise ValueError(f"slice {number}; {head} has {len(heads[head][0])}, counted from 0")
        how = f"{head.name} slice {number} R{acceleration}{_how(args)}"
        source = {
            "maps_sha256": arrays_sha256([("maps", heads[head][0][number])]),
            "pixels": args.pixels,
        }
        wanted = [
            Wanted(f"{how} {name}", method, source | {"denoiser_sha256": weights})
            for name, (method, weights) in methods.items()
        ]
        if missing := [one for one in wanted if not _is_there(one, cells)]:
            scene = _scene(heads[head], number, acceleration, args)
            yield from ((one, scene) for one in missing)


def _how(args: argparse.Namespace) -> str:
    """Part of a cell's name: what differs from what is usual."""
    said = f" {args.coils} coils" if args.coils != 8 else ""
    said += f" {args.lesions} lesions" if args.lesions else ""
    said += " auto" if args.auto else ""
    return said + (f" {args.strength:g}" if args.strength is not None else "")


def _is_there(wanted: Wanted, cells: Cells) -> bool:
    if wanted.key not in cells:
        return False
    if (found := cells[wanted.key].get(MADE_FROM)) != wanted.made_from:
        raise ValueError(
            f"{wanted.key} was made from {found}, expected {wanted.made_from}; choose another --out"
        )
    return True


def _scene(head: Head, number: int, acceleration: int, args: argparse.Namespace) -> Scene:
    maps, geometry = head
    maps, lesions = maps[number : number + 1], None
    if args.lesions:
        brain = brain_of_slices(maps, geometry.spacing_mm)
        pixel_mm = geometry.spacing_mm[1]
        maps, lesions = plant_lesions(maps, brain, args.lesions, seed=SEED, pixel_mm=pixel_mm)
    brain = brain_of_slices(maps, geometry.spacing_mm)
    sampling = spiral_sampling(args.pixels, DELI_CS.frames, acceleration=acceleration)
    scan = FingerprintScan(DELI_CS, sampling, wire_coils(args.coils, args.pixels))
    kspace, _ = simulate_kspace((SEED, number), maps[0], scan, snr_db=SNR_DB)
    return Scene(maps[0], brain[0], None if lesions is None else lesions[0], scan, kspace)


def _cell(scene: Scene, method: Method, dictionary: Dictionary, *, auto: bool) -> dict[str, Any]:
    interleaves = scene.scan.sampling.arm_of.shape[1]
    method.check_scan(interleaves, len(scene.scan.coils))
    start = time.process_time()
    strength = method.strength_of(interleaves)
    if auto and strength is not None:
        strength, _ = choose_strength(
            scene.kspace, scene.scan, dictionary, method.images, start=strength
        )
    kernel = scan_kernel(scene.scan, dictionary.basis)
    problem = make_problem(scene.kspace, scene.scan, dictionary.basis, kernel)
    maps, _ = method.solve(problem, dictionary, strength or 0.0)
    found = np.stack(maps, axis=-1)
    return {
        "strength": strength,
        "errors_percent": percent_errors(found, scene.maps, scene.brain, scene.lesions),
        "processor_s": round(time.process_time() - start, 1),
        "software": software_version(),
    }


def _lines(cells: Cells) -> list[list[str]]:
    """A line for every cell: absolute errors, and in brackets the bias."""
    lines = [["cell", "place", *(spec.label for spec in MAPS.values())]]
    for key, cell in cells.items():
        for place, of in cell["errors_percent"].items():
            numbers = [f"{absolute:.2f} ({bias:+.2f})" for absolute, bias in of.values()]
            lines.append([key, place, *numbers])
    return lines


if __name__ == "__main__":
    main()
