"""Reconstructs T1, T2 and PD maps from raw fingerprinting data: k-space in, maps out.

--input is raw data as qsr simulate-mrf writes it. Methods: svd matches the adjoint images; cg is
least squares with the coils; llr and lrtv have a prior of low rank or of total variation; pnp has a
denoiser of weighted images in its loop: that of --model, which says pnp by itself and has total
variation of the coefficients beside it, total variation alone (--denoiser tv), or none to see what
the loop does without a prior; pnp-series has the denoiser on the coefficient images. --output
becomes t1, t2 and pd.nii.gz with units.json, PD in the unit of the samples; --dicom adds a series
of each. With --truth the errors are printed, and index.html shows maps and differences.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.cli import program
from qsr_jax.data.nifti.files import read_placed
from qsr_jax.evaluation.report.reconstruction import PAGE, reconstruction_page
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MAPS
from qsr_jax.ops.devices import start_cpu_devices, usable_cores
from qsr_jax.phantom.measured_maps import brain_of_slices
from qsr_jax.predictors.denoiser import load_denoiser
from qsr_jax.predictors.fingerprints import write_dicom, write_maps
from qsr_jax.reconstruct import denoisers
from qsr_jax.reconstruct.alternating import PlugAndPlay
from qsr_jax.reconstruct.errors import Errors, PercentError
from qsr_jax.reconstruct.head import (
    AUTO,
    LOOPS,
    METHODS,
    PNP,
    SLICES_WORTH,
    USUAL,
    Method,
    learned_method,
    reconstruct_head,
)
from qsr_jax.reconstruct.raw_folder import LESIONS_FILE, RawFolder, open_raw

DENOISERS = {"tv": denoisers.total_variation, "none": denoisers.identity}
ABOUT, DICOM = "reconstruct.json", "dicom"
Truth = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Maps (z, y, x, 3), brain and number of the lesion (z, y, x)."""


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.reconstruct --help``."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.output.exists():
            raise ValueError(f"{arguments.output}: exists already; choose a new --output")
        raw = open_raw(arguments.input)
        devices = max(1, len(raw.slices) // SLICES_WORTH)
        start_cpu_devices(min(usable_cores(), devices))  # before a model is opened
        method, prior = _method(arguments, len(raw.scan.coils))
        truth = None if arguments.truth is None else _truth(arguments.truth, raw)
        maps, strength = reconstruct_head(raw, method)
        about: dict[str, object] = {"method": method.name, "strength": strength, "b1": method.b1}
        about |= {"denoiser": prior} if method.name in LOOPS else {}
        errors = _write(arguments, maps, raw, truth, about)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    for place, of in errors.items():
        print(f"{place:<13} {_line(of)}")
    print(f"wrote {arguments.output}")


def _write(
    arguments: argparse.Namespace,
    maps: np.ndarray,
    raw: RawFolder,
    truth: Truth | None,
    about: dict[str, object],
) -> Errors:
    """Everything at once or nothing; the errors, if there is a truth."""
    errors: Errors = {}
    with staged_folder(arguments.output) as folder:
        write_maps(maps, raw, folder)
        if arguments.dicom:
            made = ", ".join(f"{name} {value}" for name, value in about.items())
            (folder / DICOM).mkdir()
            write_dicom(maps, raw, folder / DICOM, derivation=f"Fingerprinting: {made}")
        if truth is not None:
            page, errors = reconstruction_page(maps, *truth, about=about)
            (folder / PAGE).write_text(page, encoding="utf-8")
        told = about | ({"errors_percent": errors} if errors else {})
        (folder / ABOUT).write_text(json.dumps(told, indent=1) + "\n")
    return errors


def _line(errors: dict[str, PercentError]) -> str:
    """Errors of a place, and in brackets their bias."""
    parts = (
        f"{MAPS[name].label} {error.absolute:.2f} % ({error.bias:+.2f})"
        for name, error in errors.items()
    )
    return "  ".join(parts)


def _method(arguments: argparse.Namespace, coils: int) -> tuple[Method, str]:
    """The method for a scan of so many coils, and the name of its denoiser."""
    name = arguments.method or (PNP if arguments.model else None)
    if name is None:
        raise ValueError(f"no --method; expected {', '.join(METHODS)}, or a --model such as mrf")
    if name not in LOOPS and (arguments.denoiser or arguments.model or not arguments.dual):
        raise ValueError(f"--model, --denoiser and --no-dual belong to {' and '.join(LOOPS)}")
    if arguments.model and arguments.denoiser:
        raise ValueError("--model is a denoiser; leave out --denoiser, or --model")
    prior = arguments.denoiser or "tv"
    settings = PlugAndPlay(dual=arguments.dual)
    options: dict[str, Any] = {"strength": arguments.strength, "b1": arguments.b1}
    if not arguments.model:
        return Method(name, denoiser=DENOISERS[prior], settings=settings, **options), prior
    denoiser, opened = load_denoiser(arguments.model)
    prior = f"{opened.description}, sha256 of the weights {opened.weights_sha256}"
    return learned_method(name, denoiser, coils=coils, settings=settings, **options), prior


def _strength(text: str) -> float | str:
    """A number, or how to find one."""
    if text in (AUTO, USUAL):
        return text
    try:
        return float(text)
    except ValueError:
        expected = f"expected a number, {AUTO} or {USUAL}"
        raise argparse.ArgumentTypeError(f"{text!r}: {expected}") from None


def _truth(folder: Path, raw: RawFolder) -> Truth:
    """Maps that the scan was simulated from, their brain, and lesions where some were planted."""
    read = [read_placed(folder / f"{name}.nii.gz") for name in MAPS]
    maps = np.stack([values for values, _ in read], axis=-1).astype(np.float32)
    if maps.shape[:3] != raw.geometry.shape:
        raise ValueError(
            f"{folder}: maps of {maps.shape[:3]}; expected {raw.geometry.shape} as the raw data: "
            "give the folder truth of the same simulation"
        )
    marked = folder / LESIONS_FILE
    lesions = read_placed(marked)[0] if marked.is_file() else None
    return maps, brain_of_slices(maps, raw.geometry.spacing_mm), lesions


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
        help="denoiser of a loop: a name that ships (mrf), a model file, or a training's workdir",
    )
    add(
        "--strength",
        type=_strength,
        metavar="X",
        help="weight of the prior: a number; auto, chosen by frames of the middle slice that are "
        "held out, for four to seven times its work; or usual, that of the acceleration, tuned on "
        "a measured head (default: auto)",
    )
    add("--denoiser", choices=tuple(DENOISERS), help="of a loop without --model (default: tv)")
    add(
        "--dual",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="a loop keeps the dual variable; without, half-quadratic splitting (default: kept)",
    )
    add("--dicom", action="store_true", help="write DICOM series as well, PD in percent of water")
    add(
        "--b1",
        type=float,
        default=1.0,
        metavar="X",
        help="what the flip angles are taken to be multiplied by (default: 1)",
    )
    add("--truth", type=Path, metavar="DIR", help="maps of the simulation: errors and a page")
    return parser


if __name__ == "__main__":
    main()
