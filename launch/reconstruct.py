"""Reconstructs T1, T2 and PD maps from raw fingerprinting data: k-space in, NIfTI out.

--input is raw data as qsr simulate-mrf writes it. Methods: svd matches the adjoint images; cg is
least squares with the coils; llr and lrtv have a prior of low rank or of total variation; pnp has a
denoiser of weighted images in its loop: that of --model, which says pnp by itself, total variation
(--denoiser tv), or none to see what the loop does without a prior. --output becomes t1, t2 and
pd.nii.gz with units.json; PD has the unit of the samples. With --truth the errors are printed.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qsr_jax.cli import program
from qsr_jax.data.nifti.files import read_placed
from qsr_jax.data.nifti.map_folder import write_map_folder
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MAPS
from qsr_jax.phantom.measured_maps import brain_of
from qsr_jax.predictors.denoiser import load_denoiser
from qsr_jax.reconstruct import denoisers
from qsr_jax.reconstruct.errors import PercentError, percent_errors
from qsr_jax.reconstruct.head import METHODS, PNP, Method, reconstruct_head
from qsr_jax.reconstruct.plug_and_play import PlugAndPlay
from qsr_jax.reconstruct.raw_folder import RawFolder, open_raw

DENOISERS = {"tv": denoisers.total_variation, "none": denoisers.identity}
UNITS = {name: spec.unit if spec.unit == "ms" else "au" for name, spec in MAPS.items()}
"""Proton density comes out in the units of the coils' signal."""
ABOUT = "reconstruct.json"


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.reconstruct --help``."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.output.exists():
            raise ValueError(f"{arguments.output}: exists already; choose a new --output")
        method, prior = _method(arguments)
        raw = open_raw(arguments.input)
        truth = None if arguments.truth is None else _truth(arguments.truth, raw)
        maps = reconstruct_head(raw, method)
        about: dict[str, object] = {
            "method": method.name,
            "strength": method.strength,
            "b1": method.b1,
        }
        about |= {"denoiser": prior} if method.name == PNP else {}
        errors = {} if truth is None else percent_errors(maps, *truth)
        with staged_folder(arguments.output) as folder:
            held = {name: maps[..., channel] for channel, name in enumerate(MAPS)}
            write_map_folder(folder, held, raw.geometry, UNITS)
            about |= {"errors_percent": errors} if errors else {}
            (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    for place, of in errors.items():
        print(f"{place:<11} {_line(of)}")
    print(f"wrote {arguments.output}")


def _line(errors: dict[str, PercentError]) -> str:
    """Errors of a place, and in brackets their bias."""
    parts = (
        f"{MAPS[name].label} {error.absolute:.2f} % ({error.bias:+.2f})"
        for name, error in errors.items()
    )
    return "  ".join(parts)


def _method(arguments: argparse.Namespace) -> tuple[Method, str]:
    """The method, and the name of its denoiser."""
    name = arguments.method or (PNP if arguments.model else None)
    if name is None:
        raise ValueError(f"no --method; expected {', '.join(METHODS)}, or a --model such as mrf")
    if name != PNP and (arguments.denoiser or arguments.model or not arguments.dual):
        raise ValueError("--model, --denoiser and --no-dual belong to --method pnp")
    if arguments.model and arguments.denoiser:
        raise ValueError("--model is a denoiser; leave out --denoiser, or --model")
    prior = arguments.denoiser or "tv"
    denoiser: denoisers.Denoiser = DENOISERS[prior]
    if arguments.model:
        denoiser, opened = load_denoiser(arguments.model)
        prior = f"{opened.description}, sha256 of the weights {opened.weights_sha256}"
    settings = PlugAndPlay(dual=arguments.dual)
    strength, b1 = arguments.strength, arguments.b1
    return Method(name, strength=strength, denoiser=denoiser, settings=settings, b1=b1), prior


def _truth(folder: Path, raw: RawFolder) -> tuple[np.ndarray, np.ndarray]:
    """Maps (z, y, x, 3) that the scan was simulated from, and their brain."""
    read = [read_placed(folder / f"{name}.nii.gz") for name in MAPS]
    maps = np.stack([values for values, _ in read], axis=-1).astype(np.float32)
    if maps.shape[:3] != raw.geometry.shape:
        raise ValueError(
            f"{folder}: maps of {maps.shape[:3]}; expected {raw.geometry.shape} as the raw data: "
            "give the folder truth of the same simulation"
        )
    # The mask's maker counts (i, j, k), slices last
    brain = brain_of(maps.transpose(2, 1, 0, 3), np.diag([*raw.geometry.spacing_mm[::-1], 1.0]))
    return maps, brain.transpose(2, 1, 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("launch.reconstruct"), description=__doc__)
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="DIR", help="raw data")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to make")
    add("--method", choices=METHODS, help="how (default with --model: pnp)")
    add(
        "--model",
        type=Path,
        metavar="MODEL",
        help="denoiser of pnp: a name that ships (mrf), a model file, or the workdir of a training",
    )
    add(
        "--strength",
        type=float,
        metavar="X",
        help="weight of the prior of llr, lrtv or pnp (default: that of the acceleration)",
    )
    add("--denoiser", choices=tuple(DENOISERS), help="of pnp without --model (default: tv)")
    add(
        "--dual",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="pnp keeps the dual variable; without, half-quadratic splitting (default: kept)",
    )
    add(
        "--b1",
        type=float,
        default=1.0,
        metavar="X",
        help="what the flip angles are taken to be multiplied by (default: 1)",
    )
    add("--truth", type=Path, metavar="DIR", help="maps of the simulation, to print errors")
    return parser


if __name__ == "__main__":
    main()
