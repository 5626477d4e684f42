"""Writes predictions as a BIDS derivative data set: NIfTI in seconds and percent, with side-cars.

``sub-01/anat/sub-01_acq-fast_res-512_desc-srgan_T1map.nii.gz`` and ``dataset_description.json``
(BIDS 1.10, derivatives). BIDS wants T1map and T2map in seconds; its validator does not look.
Standard deviations stand beside the maps with ``std`` at the end of their ``desc`` label, since
BIDS has no entity for a statistic (its validator refuses ``stat-``), and say ``Statistic`` in their
side-car, so that :func:`qsr_jax.data.nifti.bids.read_map` does not take them for maps.
"""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.data.nifti.bids import STATISTIC
from qsr_jax.data.nifti.files import read_nifti, write_nifti
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MAPS, check, spec_of
from qsr_jax.types import Familiarity, Geometry, Prediction

BIDS_VERSION = "1.10.0"
METHOD_URL = "https://doi.org/10.2196/79389"
FACTORS = {s.name: (1.0 / s.bids_units[0][1], s.bids_units[0][0]) for s in MAPS.values()}
"""What a physical value of the house is multiplied with, and the unit it has then."""
STANDARD_DEVIATION = "standard deviation"
FAMILIARITY = "Familiarity"
RELATIVE_TOLERANCE = 1e-6
GEOMETRY_TOLERANCE_MM = 1e-3
"""A NIfTI header holds float32: 1e-5 mm at 100 mm."""


@dataclasses.dataclass(frozen=True)
class Derived:
    """One map to write.

    Attributes:
        prediction: one map.
        source: grid of the scan it was made from.
        model: short name of the model, letters and digits.
        description: the model and the sha256 of its weights, for people.
        scan: what it was made from, as the ``acq`` label.
        reference: where the method is described.
    """

    prediction: Prediction
    source: Geometry
    model: str
    description: str
    scan: str = "fast"
    reference: str = METHOD_URL


def write_bids_derivative(
    maps: Sequence[Derived], out: Path, *, subject: str, version: str
) -> list[Path]:
    """Writes the maps of one subject as the data set ``out``; it appears whole or not at all.

    Every image is read back before: values within 1e-6, positions within 1e-3 mm.

    Args:
        maps: at most one of each kind; one that knows its standard deviation has it beside it.
        out: folder to make.
        subject: label of the subject, letters and digits; never a name or a PatientID.
        version: of this software.

    Returns:
        The image files; the spread of a map follows it.

    Raises:
        ValueError: labels or values that cannot be, or a prediction of several maps.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write. Nothing is left at ``out`` in any case.
    """
    with staged_folder(out) as folder:
        describe_data_set(folder, version=version)
        made = add_to_data_set(maps, folder, subject=subject)
    return [out / path.relative_to(folder) for path in made]


def describe_data_set(folder: Path, *, version: str) -> None:
    """Writes what stands at the top of a derivative data set."""
    (folder / "dataset_description.json").write_text(_json(_dataset(version)))
    (folder / "README").write_text(
        "Super-resolved quantitative maps. Research use only; not for diagnosis.\n"
    )


def folder_in_data_set(subject: str, session: str) -> Path:
    """Where the images of a session lie, relative to the data set, without ``anat``."""
    return Path(f"sub-{subject}", *([f"ses-{session}"] if session else []))


def check_label(label: str, *, where: Path) -> None:
    """Refuses what cannot be a label of a subject, session or model.

    Raises:
        ValueError: it has anything but letters and digits, or nothing.
    """
    if not re.fullmatch("[A-Za-z0-9]+", label):
        raise ValueError(f"{where}: BIDS labels have letters and digits only; got {label!r}")


def add_to_data_set(
    maps: Sequence[Derived], out: Path, *, subject: str, session: str = ""
) -> list[Path]:
    """Adds one session to the data set ``out``; its folder appears whole or not at all.

    Args:
        maps: see :func:`write_bids_derivative`, as the others.
        out: the data set.
        subject: label.
        session: label, empty for none.

    Returns:
        The image files; the spread of a map follows it.

    Raises:
        ValueError, FileExistsError, WriteError: see :func:`write_bids_derivative`.
    """
    labels = (subject, *([session] if session else []), *(item.model for item in maps))
    for label in labels:
        check_label(label, where=out)
    place = folder_in_data_set(subject, session)
    stem = "_".join(place.parts)
    images = [image for item in maps for image in _images(item, stem, out)]
    if len({image.name for image in images}) < len(images):
        raise ValueError(f"{out}: two maps of one kind")
    with staged_folder(out / place) as folder:
        (folder / "anat").mkdir()
        for image in images:
            path = folder / "anat" / f"{image.name}.nii.gz"
            _write_image(image, path, out)
            path.with_name(f"{image.name}.json").write_text(_json(_side_car(image)))
    return [out / place / "anat" / f"{image.name}.nii.gz" for image in images]


@dataclasses.dataclass(frozen=True)
class _Image:
    """One file: its name without suffixes, the map's name, and (z, y, x) physical values."""

    name: str
    map_name: str
    values: np.ndarray
    item: Derived
    statistic: str | None = None


def _images(item: Derived, stem: str, out: Path) -> list[_Image]:
    """The map and, where it knows one, its spread; ``res`` is the number of columns."""
    made = item.prediction
    if len(made.names) != 1:
        raise ValueError(f"{out}: an image holds one map, got {', '.join(made.names)}")
    (map_name,) = made.names
    name = f"{stem}_acq-{item.scan}_res-{made.geometry.shape[2]}_desc-{item.model}"
    suffix = spec_of(map_name).bids_suffix
    images = [_Image(f"{name}_{suffix}", map_name, made.mean[..., 0], item)]
    if made.std is not None:
        spread = made.std[..., 0]
        images.append(_Image(f"{name}std_{suffix}", map_name, spread, item, STANDARD_DEVIATION))
    return images


def _write_image(image: _Image, path: Path, out: Path) -> None:
    """Writes one image in BIDS's unit and compares what comes back with what was meant."""
    geometry = image.item.prediction.geometry
    check(image.values, spec_of(image.map_name), where=str(out))
    factor, unit = FACTORS[image.map_name]
    write_nifti((image.values * np.float64(factor)).astype(np.float32), geometry, path)
    array, affine = read_nifti(path)
    if not np.allclose(array / factor, image.values, rtol=RELATIVE_TOLERANCE, atol=0):
        raise ValueError(f"{out}: values read back in {unit} differ; not written")
    last = [*(n - 1 for n in geometry.shape), 1]
    for corner in ([0, 0, 0, 1], last):
        moved = (affine - geometry.affine_lps()) @ corner
        if np.abs(moved).max() > GEOMETRY_TOLERANCE_MM:
            raise ValueError(f"{out}: positions read back differ by {moved[:3]} mm; not written")


def _side_car(image: _Image) -> dict[str, Any]:
    """What BIDS wants beside a derived map, and what tells its spread from it."""
    fine, coarse = image.item.prediction.geometry, image.item.source
    size = "{1} x {2} pixels of {pixel:.4g} mm"
    grids = [size.format(*g.shape, pixel=g.spacing_mm[1]) for g in (coarse, fine)]
    car = {
        "Units": FACTORS[image.map_name][1],
        "SkullStripped": False,
        "Resolution": f"super-resolved in plane from {grids[0]} to {grids[1]}"
        if fine != coarse
        else f"as scanned, {grids[0]}",
        "EstimationAlgorithm": image.item.description,
        "EstimationReference": image.item.reference,
        "Description": "Research use only; not for diagnosis.",
    }
    if image.item.prediction.familiarity is not None:
        car[FAMILIARITY] = _familiarity(image.item.prediction.familiarity)
    return car if image.statistic is None else car | {STATISTIC: image.statistic}


def _familiarity(found: Familiarity) -> dict[str, Any]:
    """How like the scan is to those the model learned from; BIDS leaves such names to us."""
    return {
        "OutOfRange": found.is_unfamiliar,
        "Description": found.words,
        "Scores": {kind: round(score, 3) for kind, score in found.scores.items()},
        "Limit": 1.0,
        "Subjects": found.subjects,
        "PlacesSliceRowColumn": [list(place) for place in found.places],
    }


def _dataset(version: str) -> dict[str, Any]:
    return {
        "Name": "qsr_jax: super-resolved quantitative maps",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "qsr_jax", "Version": version}],
    }


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
