"""From the DICOM series of one subject to super-resolved maps on disk, for doors and notebooks."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from qsr_jax import __version__
from qsr_jax.data.dicom import (
    DicomInputError,
    Series,
    find_series,
    read_folder,
    write_derived,
    write_parametric_map,
)
from qsr_jax.data.nifti.bids_derivative import Derived, write_bids_derivative
from qsr_jax.data.studies.geometry_match import check_one_grid
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import spec_of
from qsr_jax.predictors.trained import MismatchError, TrainedPredictor
from qsr_jax.provenance import software_version
from qsr_jax.types import Prediction, Volume

DICOM, PARAMETRIC_MAP, NIFTI = "dicom", "parametric_map", "nifti"
FORMATS = (DICOM, PARAMETRIC_MAP, NIFTI)
STD_SUFFIX = "_std"


@dataclasses.dataclass(frozen=True)
class _Made:
    """One map: the model, the series it was made from, and what it made."""

    model: TrainedPredictor
    series: Series
    prediction: Prediction

    @property
    def clamped(self) -> str:
        """What was clamped, in words; empty where nothing was."""
        count = (self.prediction.clamped or (0,))[0]
        if not count:
            return ""
        spec = spec_of(self.series.map_name)
        share = 100 * count / self.prediction.mean.size
        return (
            f"{count} voxels ({share:.2g} %) lay outside 0 to {spec.network_max:g} {spec.unit} and "
            "were set to its nearer end"
        )

    @property
    def derivation(self) -> str:
        """DerivationDescription: the model, its weights, what was clamped, what it is for."""
        parts = [
            f"Super-resolved by {self.model.description}",
            f"weights sha256 {self.model.weights_sha256}",
            self.clamped,
            "research use, not for diagnostic use",
        ]
        return "; ".join(part for part in parts if part)


def predict(
    predictor: TrainedPredictor | Sequence[TrainedPredictor],
    input: Path | str,
    output: Path | str,
    *,
    format: str = DICOM,
    subject: str | None = None,
    std: bool = False,
    tell: Callable[[str], None] = print,
) -> list[Path]:
    """Super-resolves the DICOM series of one subject that the models were trained for.

    Every model runs on the one series of each of its maps. Everything is read and predicted before
    anything is written, and either all maps appear or none.

    Args:
        predictor: a model, or several that make different maps, as
            :func:`qsr_jax.predictors.load_predictor` and ``load_predictors`` give them.
        input: the folder of one series, or a folder above the series of one subject.
        output: folder to make. One map alone becomes this folder itself; of several, each becomes a
            folder in it, named after the map.
        format: "dicom" (classic MR series), "parametric_map" (float; needs highdicom) or "nifti"
            (a BIDS derivative data set, T1 and T2 in seconds).
        subject: label of the subject in a BIDS data set, never a name; of "nifti" alone.
        std: whether the standard deviation is written too: a series of its own in ``<map>_std``, or
            a file whose ``desc`` ends in "std".
        tell: is given a line for each map of which voxels were clamped.

    Returns:
        What was written: folders of series, or image files.

    Raises:
        MismatchError: no series, or more than one, fits a map of a model, or the maps of a joint
            model lie on different grids or belong to different studies.
        ValueError: no such format, a subject missing or not wanted, or a model that knows no
            standard deviation where it is wanted.
        DicomInputError: the series cannot be trusted.
        FileExistsError: ``output`` exists.
        WriteError: the system refused the write; nothing is left at ``output``.
    """
    source, target = Path(input), Path(output)
    models = list(predictor) if isinstance(predictor, Sequence) else [predictor]
    _check_request(models, format, subject)
    jobs = [(model, series) for model, series in zip(models, _study(models, source), strict=True)]
    made = [
        one
        for model, series in tqdm(jobs, desc="predict", unit="model", mininterval=1.0)
        for one in _run(model, series, std=std)
    ]
    for one in made:
        if one.clamped:
            tell(f"{spec_of(one.series.map_name).label}: {one.clamped}")
    if format == NIFTI:
        maps = [_derived(one) for one in made]
        return write_bids_derivative(
            maps, target, subject=subject or "", version=__version__, std=std
        )
    return _write_series(made, target, parametric=format == PARAMETRIC_MAP, std=std)


def _check_request(models: Sequence[TrainedPredictor], format: str, subject: str | None) -> None:
    """Refuses what cannot be written, before anything is read."""
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    if (format == NIFTI) != (subject is not None):
        wanted = "a label for the subject" if format == NIFTI else "no subject"
        raise ValueError(f"format {format} with subject {subject!r}; expected {wanted}")
    names = [name for model in models for name in model.names]
    if not names or len(set(names)) < len(names):
        told = ", ".join(names) or "nothing"
        raise MismatchError(f"models of {told}; expected each map once")


def _run(model: TrainedPredictor, series: Sequence[Series], *, std: bool) -> list[_Made]:
    """What a model makes of its series, map by map."""
    made = model(_joined(series))
    if std and made.std is None:
        raise ValueError(
            f"{model.description}: knows no standard deviation; give two or more trainings of the "
            "same maps as an ensemble (--ensemble), or leave the standard deviation out"
        )
    return [_Made(model, one, made.select([one.map_name])) for one in series]


def _joined(series: Sequence[Series]) -> Volume:
    """The maps of one scan as one volume."""
    first = series[0]
    if any(one.study_uid != first.study_uid for one in series):
        names = ", ".join(one.map_name for one in series)
        raise MismatchError(
            f"the series of {names} belong to different studies; expected one scan of one subject"
        )
    check_one_grid(series)
    maps = np.concatenate([one.volume.maps for one in series], axis=-1)
    return Volume(maps, tuple(one.map_name for one in series), first.volume.geometry)


def _study(models: Sequence[TrainedPredictor], source: Path) -> list[list[Series]]:
    """For each model the series of each of its maps; every folder is read once."""
    if not source.is_dir():
        raise MismatchError(f"{source}: no such folder; --input wants a folder of DICOM files")
    found = find_series(source).series
    if not found:
        raise MismatchError(f"{source}: holds no DICOM files")
    read: list[Series] = []
    reasons: list[str] = []
    for one in found:
        try:
            read += read_folder(one, root=source)
        except DicomInputError as error:
            if len(found) == 1:
                raise
            reasons.append(f"{one.place.name}: {error}")
    return [[_matching(model, name, read, reasons, source) for name in model.names]
            for model in models]  # fmt: skip


def _matching(
    model: TrainedPredictor,
    name: str,
    read: Sequence[Series],
    unread: Sequence[str],
    source: Path,
) -> Series:
    """The one series that a map of a model is made from; says why each other one is not."""
    fitting, reasons = [], list(unread)
    for series in read:
        try:
            model.check(series.volume)
        except MismatchError as error:
            if len(read) == 1 and not unread:
                raise
            reasons.append(f"{_folder(series)}: {error}")
            continue
        if series.map_name == name:
            fitting.append(series)
    if not fitting:
        wanted = "the model" if len(model.names) == 1 else f"{spec_of(name).label} of the model"
        why = "; ".join(reasons) or "there is none"
        raise MismatchError(f"{source}: no series fits {wanted}. {why}")
    if len(fitting) > 1:
        names = ", ".join(_folder(series) for series in fitting)
        raise MismatchError(f"{source}: {names} all fit the model; give the folder of one of them")
    return fitting[0]


def _folder(series: Series) -> str:
    return series.place.name


def _write_series(
    made: Sequence[_Made], output: Path, *, parametric: bool, std: bool
) -> list[Path]:
    """Writes every map, and its spread where it is wanted, as a series."""
    write = write_parametric_map if parametric else write_derived
    software = software_version()
    if len(made) == 1 and not std:
        (one,) = made
        write(one.prediction, one.series, output, derivation=one.derivation, software=software)
        return [output]
    names = []
    with staged_folder(output) as folder:
        for one in made:
            for spread in (False, True) if std else (False,):
                name = one.series.map_name + (STD_SUFFIX if spread else "")
                write(
                    one.prediction,
                    one.series,
                    folder / name,
                    derivation=one.derivation,
                    software=software,
                    std=spread,
                )
                names.append(name)
    return [output / name for name in names]


def _derived(one: _Made) -> Derived:
    """One map of a BIDS derivative; its ``desc`` label is the network's name."""
    label = "".join(c for c in one.model.description.split()[0] if c.isalnum())
    return Derived(one.prediction, one.series.volume.geometry, label, one.derivation)
