"""From a study of T1w, T2w and FLAIR to maps on disk, for doors and notebooks."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qsr_jax import __version__
from qsr_jax.acquisition import ACQUISITION, CONTRASTS
from qsr_jax.data.nifti.bids_derivative import Derived, check_label, write_bids_derivative
from qsr_jax.data.studies.weighted_study import WeightedStudy
from qsr_jax.files.staged import refuse_existing
from qsr_jax.ops.mask import brain_in_images
from qsr_jax.predictors.dicom_series import (
    DICOM,
    FORMATS,
    NIFTI,
    PARAMETRIC_MAP,
    Made,
    UnfamiliarError,
    write_series,
)
from qsr_jax.predictors.trained import MismatchError
from qsr_jax.predictors.weighted_network import WeightedPredictor
from qsr_jax.tasks.weighted_gains import FITTED
from qsr_jax.types import Prediction

HOW = "Estimated from T1w, T2w and FLAIR"
REFERENCE = "https://arxiv.org/abs/2508.08123"
SCAN = "weighted"


def predict_study(
    predictor: WeightedPredictor,
    study: WeightedStudy,
    output: Path | str,
    *,
    format: str = DICOM,
    subject: str | None = None,
    std: bool | None = None,
    gains: str = FITTED,
    brain: np.ndarray | None = None,
    refuse_unfamiliar: bool = False,
    tell: Callable[[str], None] = print,
) -> list[Path]:
    """Makes T1, T2 and PD maps of a study and writes them; all appear or none.

    Args:
        predictor: of :func:`qsr_jax.predictors.weighted_network.load_weighted`.
        study: three contrasts on one grid.
        output: folder to make.
        format: "dicom", "parametric_map" or "nifti"; files give NIfTI only.
        subject: label of the subject in a BIDS data set, never a name; of "nifti" alone.
        std: whether standard deviations are written too; None: where the model tells them.
        gains: one of :data:`qsr_jax.tasks.weighted_gains.GAINS`; a clinical scanner's
            contrasts seldom share one.
        brain: (z, y, x) bool; None: found in the images.
        refuse_unfamiliar: whether times or pixels that it was not trained on are refused; else
            the maps and ``tell`` say so.
        tell: is given a line for everything that a person should know.

    Returns:
        What was written: folders of series, or image files.

    Raises:
        ValueError: no such format, DICOM of files, or images or times that cannot be.
        MismatchError: a contrast is missing.
        UnfamiliarError: see ``refuse_unfamiliar``.
        FileExistsError: ``output`` exists.
        WriteError: the system refused the write; nothing is left at ``output``.
    """
    _check(predictor, study, format, subject, Path(output))
    if brain is None:
        brain = brain_in_images(study.images, float(study.geometry.spacing_mm[1]))
    made = predictor(study.images, study.acquisition_ms, study.geometry, brain=brain, gains=gains)
    if std and made.std is None:
        raise ValueError(f"{predictor.description}: knows no standard deviation; leave std out")
    if std is False:
        made = dataclasses.replace(made, std=None)
    for line in what_to_know(study, made, refuse_unfamiliar=refuse_unfamiliar):
        tell(line)
    if format == NIFTI:
        maps = [_derived(predictor, study, made.select([name])) for name in made.names]
        return write_bids_derivative(maps, Path(output), subject=subject or "", version=__version__)
    assert study.source is not None
    series = {name: dataclasses.replace(study.source, map_name=name) for name in made.names}
    each = [Made(predictor, series[n], made.select([n]), HOW) for n in made.names]
    parametric = format == PARAMETRIC_MAP
    return write_series(each, Path(output), parametric=parametric, alone=False)


def what_to_know(study: WeightedStudy, made: Prediction, *, refuse_unfamiliar: bool) -> list[str]:
    """What a person should know of the maps, a line each.

    Raises:
        UnfamiliarError: times or pixels lie outside what the model was trained on, and that is
            refused.
    """
    lines = list(study.notes)
    lines += [f"{n}: absent" for i, n in enumerate(CONTRASTS) if not study.images[..., i].any()]
    hidden = [n for n, v in zip(ACQUISITION, study.acquisition_ms, strict=True) if np.isnan(v)]
    if hidden:
        lines.append(f"not known: {', '.join(hidden)}; the network reads anatomy in their place")
    found = made.familiarity
    if found is not None and found.is_unfamiliar:
        if refuse_unfamiliar:
            raise UnfamiliarError(
                f"scan {found.words}; leave --refuse-unfamiliar out to predict it all the same"
            )
        lines.append(f"scan {found.words}")
    return lines


def _derived(predictor: WeightedPredictor, study: WeightedStudy, made: Prediction) -> Derived:
    """One map as a BIDS derivative takes it."""
    text = (
        f"{HOW} by {predictor.description}; weights sha256 {predictor.weights_sha256}; research "
        "use, not for diagnostic use"
    )
    label = "".join(c for c in predictor.description.split()[0] if c.isalnum())
    return Derived(made, study.geometry, label, text, SCAN, REFERENCE)


def _check(
    predictor: WeightedPredictor,
    study: WeightedStudy,
    format: str,
    subject: str | None,
    output: Path,
) -> None:
    """Refuses what cannot be written, before the work, and a study without one of its contrasts."""
    refuse_existing(output)
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    if (format == NIFTI) != (subject is not None):
        wanted = "a label for the subject" if format == NIFTI else "no subject"
        raise ValueError(f"format {format} with subject {subject!r}; expected {wanted}")
    if subject is not None:
        check_label(subject, where=output)
    if format != NIFTI and study.source is None:
        raise ValueError(
            f"format {format}: NIfTI files have no DICOM header to go on from; give --nifti SUBJECT"
        )
    missing = [n for i, n in enumerate(CONTRASTS) if not study.images[..., i].any()]
    if len(missing) > (predictor.task.absent > 0.0):
        able = "two of the contrasts" if predictor.task.absent else "all three contrasts"
        raise MismatchError(f"{', '.join(missing)}: empty; the model needs {able}")
