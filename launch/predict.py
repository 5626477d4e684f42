"""Super-resolves DICOM map series with trained models: DICOM in, DICOM out, physical units kept.

With one --workdir the output folder becomes one series. With several (one model per map) the input
is a folder that holds the fast series of one subject, and the output gets one folder per map.
--parametric-map writes Parametric Maps (float) instead of classic series; --nifti writes one BIDS
derivative data set, T1 and T2 in seconds.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from qsr_jax import __version__
from qsr_jax.checkpoint import BEST, LATEST
from qsr_jax.data.dicom import (
    DicomInputError,
    Series,
    find_series,
    read_series,
    write_derived,
    write_parametric_map,
)
from qsr_jax.data.nifti.bids_derivative import Derived, write_bids_derivative
from qsr_jax.files.staged import staged_folder
from qsr_jax.predictors.network import MismatchError, NetworkPredictor, load_predictors
from qsr_jax.provenance import software_version
from qsr_jax.types import Prediction


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.predict --help``."""
    parser = argparse.ArgumentParser(prog="python -m launch.predict", description=__doc__)
    parser.add_argument(
        "--workdir",
        type=Path,
        action="append",
        required=True,
        help="folder of a trained model; repeat it for several maps",
    )
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        help="folder of one DICOM map series, or a folder above the series of one subject",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder to make; must not exist yet"
    )
    parser.add_argument(
        "--checkpoint",
        choices=(LATEST, BEST),
        default=LATEST,
        help="the last one saved, or the one that did best on validation subjects "
        "(default: %(default)s)",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--parametric-map", action="store_true", help="write Parametric Maps; needs highdicom"
    )
    kinds.add_argument(
        "--nifti",
        metavar="SUBJECT",
        help="write a BIDS derivative data set with this label for the subject (never a name)",
    )
    arguments = parser.parse_args(argv)
    write = write_parametric_map if arguments.parametric_map else write_derived
    try:
        for path in predict(
            arguments.workdir,
            arguments.input,
            arguments.output,
            which=arguments.checkpoint,
            write=write,
            nifti_subject=arguments.nifti,
        ):
            print(f"wrote {path}")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def predict(
    workdirs: Sequence[Path],
    source: Path,
    output: Path,
    *,
    which: str = LATEST,
    write: Callable[..., None] = write_derived,
    nifti_subject: str | None = None,
) -> list[Path]:
    """Runs every model on the one series that fits it; returns what was written.

    Everything is read and predicted before anything is written, and either all series appear or
    none.

    Args:
        workdirs: one trained model each.
        source: the series, or the folder above several.
        output: folder to make.
        which: checkpoint of each model, "latest" or "best".
        write: :func:`qsr_jax.data.dicom.write_derived` or ``write_parametric_map``.
        nifti_subject: label of the subject in a BIDS derivative data set; None writes DICOM.

    Raises:
        MismatchError: no series, or more than one, fits a model.
        DicomInputError: the series cannot be trusted.
        CheckpointError: a workdir holds no complete model.
        WriteError: the system refused the write; nothing is left at ``output``.
    """
    models = load_predictors(workdirs, which=which)
    folders = _series_folders(source)
    jobs = [(model, _matching(model, folders, source)) for model in models]
    results = [
        (model, series, model(series.volume))
        for model, series in tqdm(jobs, desc="predict", unit="map", mininterval=1.0)
    ]
    if nifti_subject is not None:
        maps = [_derived(*result) for result in results]
        return write_bids_derivative(maps, output, subject=nifti_subject, version=__version__)
    if len(models) == 1:
        _write(write, *results[0], output)
        return [output]
    with staged_folder(output) as folder:
        for model, series, prediction in results:
            _write(write, model, series, prediction, folder / model.map_name)
    return [output / model.map_name for model in models]


def _write(
    write: Callable[..., None],
    model: NetworkPredictor,
    series: Series,
    prediction: Prediction,
    out: Path,
) -> None:
    write(prediction, series, out, derivation=_derivation(model), software=software_version())


def _derived(model: NetworkPredictor, series: Series, prediction: Prediction) -> Derived:
    """One map of a BIDS derivative; its ``desc`` label is the network's name."""
    label = "".join(c for c in model.description.split()[0] if c.isalnum())
    return Derived(prediction, series.volume.geometry, label, _derivation(model))


def _derivation(model: NetworkPredictor) -> str:
    return (
        f"Super-resolved by {model.description}; weights sha256 {model.weights_sha256}; "
        "research use, not for diagnostic use"
    )


def _series_folders(source: Path) -> Sequence[Path]:
    if not source.is_dir():
        raise MismatchError(f"{source}: no such folder; --input wants a folder of DICOM files")
    folders = find_series(source).folders
    if not folders:
        raise MismatchError(f"{source}: holds no DICOM files")
    return folders


def _matching(model: NetworkPredictor, folders: Sequence[Path], source: Path) -> Series:
    """The one series a model was made for; says why each other one is not."""
    if len(folders) == 1:
        series = read_series(folders[0])
        model.check(series.volume)
        return series
    fitting, reasons = [], []
    for folder in folders:
        try:
            series = read_series(folder)
            model.check(series.volume)
            fitting.append(series)
        except (DicomInputError, MismatchError) as error:
            reasons.append(f"{folder.name}: {error}")
    if not fitting:
        raise MismatchError(f"{source}: no series fits the model. " + "; ".join(reasons))
    if len(fitting) > 1:
        names = ", ".join(series.files[0].parent.name for series in fitting)
        raise MismatchError(f"{source}: {names} all fit the model; give the folder of one of them")
    return fitting[0]


if __name__ == "__main__":
    main()
