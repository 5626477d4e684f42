"""From the DICOM series of one subject to super-resolved maps on disk, for doors and notebooks."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from qsr_jax import __version__
from qsr_jax.data.dicom import Series, write_derived, write_parametric_map
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.data.nifti.bids_derivative import Derived, write_bids_derivative
from qsr_jax.data.studies.geometry_match import check_one_grid
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import spec_of
from qsr_jax.predictors.batched import FLOAT32
from qsr_jax.predictors.scans import Scan, read_scan, whole_folder
from qsr_jax.predictors.trained import MismatchError, Named, TrainedPredictor
from qsr_jax.provenance import software_version
from qsr_jax.types import Familiarity, Prediction, Volume

DICOM, PARAMETRIC_MAP, NIFTI = "dicom", "parametric_map", "nifti"
FORMATS = (DICOM, PARAMETRIC_MAP, NIFTI)
STD_SUFFIX = "_std"


@dataclasses.dataclass(frozen=True)
class Made:
    """One map: the model, the series it was made from, what it made, how, in which precision."""

    model: Named
    series: Series
    prediction: Prediction
    how: str = "Super-resolved"
    precision: str = FLOAT32

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
            "were set to its nearer end (air, of which nothing is learned, counts)"
        )

    @property
    def familiarity(self) -> str:
        """How like the scan is to those the model learned from; empty where it cannot tell."""
        found = self.prediction.familiarity
        return "" if found is None else f"scan {found.words}"

    @property
    def derivation(self) -> str:
        """DerivationDescription: model, weights, precision, clamped voxels, likeness, purpose."""
        parts = [
            f"{self.how} by {self.model.description}",
            f"weights sha256 {self.model.weights_sha256}",
            f"products asked for in {self.precision}",
            self.clamped,
            self.familiarity,
            "research use, not for diagnostic use",
        ]
        return "; ".join(part for part in parts if part)

    @property
    def derived(self) -> Derived:
        """The map as a BIDS derivative takes it; its ``desc`` label is the network's name."""
        label = "".join(c for c in self.model.description.split()[0] if c.isalnum())
        return Derived(self.prediction, self.series.volume.geometry, label, self.derivation)


def predict(
    predictor: TrainedPredictor | Sequence[TrainedPredictor],
    input: Path | str,
    output: Path | str,
    *,
    format: str = DICOM,
    subject: str | None = None,
    std: bool | None = None,
    protocols: Sequence[SeriesRule] = (),
    refuse_unfamiliar: bool = False,
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
            a file whose ``desc`` ends in "std"; None: where the model tells one.
        protocols: rows that recognise other scanners' maps, as
            :func:`qsr_jax.data.studies.pair_folder.added_rows` reads them from a file.
        refuse_unfamiliar: whether a scan unlike those a model learned from is refused; else the
            maps and ``tell`` say so.
        tell: is given a line for each map of which voxels were clamped, and one on how like the
            scan is to those the models learned from.

    Returns:
        What was written: folders of series, or image files.

    Raises:
        MismatchError: no series, or more than one, fits a map of a model, or the maps of a joint
            model lie on different grids or belong to different studies.
        ValueError: no such format, a subject missing or not wanted, or a model that knows no
            standard deviation where it is wanted.
        ScaleError: the values cannot be in the units of their maps.
        UnfamiliarError: the scan is unlike those a model learned from, and that is refused.
        DicomInputError: the series cannot be trusted.
        FileExistsError: ``output`` exists.
        WriteError: the system refused the write; nothing is left at ``output``.
    """
    source, target = Path(input), Path(output)
    models = list(predictor) if isinstance(predictor, Sequence) else [predictor]
    check_models(models, format)
    if (format == NIFTI) != (subject is not None):
        wanted = "a label for the subject" if format == NIFTI else "no subject"
        raise ValueError(f"format {format} with subject {subject!r}; expected {wanted}")
    scan = whole_folder(source, protocols)
    made = make_maps(models, scan, std=std, refuse_unfamiliar=refuse_unfamiliar)
    for one in made:
        if one.clamped:
            tell(f"{spec_of(one.series.map_name).label}: {one.clamped}")
    for line in dict.fromkeys(one.familiarity for one in made if one.familiarity):
        tell(line)
    if format == NIFTI:
        maps = [one.derived for one in made]
        return write_bids_derivative(maps, target, subject=subject or "", version=__version__)
    alone = len(made) == 1 and made[0].prediction.std is None
    return write_series(made, target, parametric=format == PARAMETRIC_MAP, alone=alone)


def check_models(models: Sequence[TrainedPredictor], format: str) -> None:
    """Refuses what cannot be written, before anything is read.

    Raises:
        ValueError: no such format.
        MismatchError: no models, or two of one map.
    """
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    names = [name for model in models for name in model.names]
    if not names or len(set(names)) < len(names):
        told = ", ".join(names) or "nothing"
        raise MismatchError(f"models of {told}; expected each map once")


class UnfamiliarError(ValueError):
    """A scan unlike those a model learned from, where that is refused."""


def make_maps(
    models: Sequence[TrainedPredictor],
    scan: Scan,
    *,
    std: bool | None,
    refuse_unfamiliar: bool = False,
) -> list[Made]:
    """Runs every model on the one series of each of its maps.

    Args:
        models: that make different maps.
        scan: of one subject.
        std: whether predictions keep their standard deviation; None: where the model tells one.
        refuse_unfamiliar: see :func:`predict`.

    Raises:
        MismatchError, ValueError, UnfamiliarError, DicomInputError: see :func:`predict`.
    """
    read, reasons = read_scan(scan, [name for model in models for name in model.names])
    jobs = [
        (model, [_matching(model, name, read, reasons, scan.root) for name in model.names])
        for model in models
    ]
    bar = tqdm(jobs, desc="predict", unit="model", mininterval=1.0, leave=False)
    made = [one for model, series in bar for one in _run(model, series, std=std)]
    worst = Familiarity.worst_of([one.prediction.familiarity for one in made])
    if refuse_unfamiliar and worst is not None and worst.is_unfamiliar:
        raise UnfamiliarError(
            f"{scan.root.name}: scan {worst.words}; leave --refuse-unfamiliar out to predict it "
            "all the same"
        )
    return made


def _run(model: TrainedPredictor, series: Sequence[Series], *, std: bool | None) -> list[Made]:
    """What a model makes of its series, map by map."""
    made = model(_joined(series))
    if std and made.std is None:
        raise ValueError(
            f"{model.description}: knows no standard deviation; give two or more trainings of the "
            "same maps as an ensemble (--ensemble), or leave the standard deviation out"
        )
    if std is False:
        made = dataclasses.replace(made, std=None)
    return [
        Made(model, one, made.select([one.map_name]), precision=model.precision) for one in series
    ]


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


def write_series(
    made: Sequence[Made], output: Path, *, parametric: bool, alone: bool
) -> list[Path]:
    """Writes every map, and its spread where it knows one, as a series.

    Args:
        made: the maps.
        output: folder to make.
        parametric: whether a Parametric Map is written in place of a classic series.
        alone: whether the one map, without spread, becomes ``output`` itself; else each is a folder
            in it.

    Returns:
        The folders of the series.

    Raises:
        FileExistsError, WriteError, ValueError: see :func:`predict`.
    """
    write = write_parametric_map if parametric else write_derived
    software = software_version()
    if alone:
        (one,) = made
        write(one.prediction, one.series, output, derivation=one.derivation, software=software)
        return [output]
    names = []
    with staged_folder(output) as folder:
        for one in made:
            for spread in (False,) if one.prediction.std is None else (False, True):
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
