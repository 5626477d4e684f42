"""Writes predictions as a BIDS derivative data set: NIfTI in seconds and percent, with side-cars.

``sub-01/anat/sub-01_acq-fast_res-512_desc-srgan_T1map.nii.gz`` and ``dataset_description.json``
(BIDS 1.10, derivatives). BIDS wants T1map and T2map in seconds; its validator does not look.
"""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.data.nifti.files import read_nifti, write_nifti
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MAPS, check, spec_of
from qsr_jax.types import Geometry, Prediction

BIDS_VERSION = "1.10.0"
METHOD_URL = "https://doi.org/10.2196/79389"
FACTORS = {s.name: (1.0 / s.bids_units[0][1], s.bids_units[0][0]) for s in MAPS.values()}
"""What a physical value of the house is multiplied with, and the unit it has then."""
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
        description: the model and the sha256 of its weights, for subjects.
    """

    prediction: Prediction
    source: Geometry
    model: str
    description: str


def write_bids_derivative(
    maps: Sequence[Derived], out: Path, *, subject: str, version: str
) -> list[Path]:
    """Writes the maps of one subject as the data set ``out``; it appears whole or not at all.

    Every image is read back before: values within 1e-6, positions within 1e-3 mm.

    Args:
        maps: at most one of each kind.
        out: folder to make.
        subject: label of the subject, letters and digits; never a name or a PatientID.
        version: of this software.

    Returns:
        The image files.

    Raises:
        ValueError: labels or values that cannot be.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write. Nothing is left at ``out`` in any case.
    """
    for label in (subject, *(item.model for item in maps)):
        if not re.fullmatch("[A-Za-z0-9]+", label):
            raise ValueError(f"{out}: BIDS labels have letters and digits only; got {label!r}")
    names = [_name(item, subject) for item in maps]
    if len(set(names)) < len(names):
        raise ValueError(f"{out}: two maps of one kind")
    with staged_folder(out) as folder:
        (folder / "dataset_description.json").write_text(_json(_dataset(version)))
        (folder / "README").write_text(
            "Super-resolved quantitative maps. Research use only; not for diagnosis.\n"
        )
        anat = folder / f"sub-{subject}" / "anat"
        anat.mkdir(parents=True)
        for item, name in zip(maps, names, strict=True):
            _write_map(item, anat / f"{name}.nii.gz", out)
            (anat / f"{name}.json").write_text(_json(_side_car(item)))
    return [out / f"sub-{subject}" / "anat" / f"{name}.nii.gz" for name in names]


def _name(item: Derived, subject: str) -> str:
    """File name without suffixes; ``res`` is the number of columns."""
    (map_name,) = item.prediction.names
    matrix = item.prediction.geometry.shape[2]
    return f"sub-{subject}_acq-fast_res-{matrix}_desc-{item.model}_{spec_of(map_name).bids_suffix}"


def _write_map(item: Derived, path: Path, out: Path) -> None:
    """Writes one image in BIDS's unit and compares what comes back with what was meant."""
    (map_name,) = item.prediction.names
    values, geometry = item.prediction.mean[..., 0], item.prediction.geometry
    check(values, spec_of(map_name), where=str(out))
    factor, unit = FACTORS[map_name]
    write_nifti((values * np.float64(factor)).astype(np.float32), geometry, path)
    array, affine = read_nifti(path)
    if not np.allclose(array / factor, values, rtol=RELATIVE_TOLERANCE, atol=0):
        raise ValueError(f"{out}: values read back in {unit} differ; not written")
    last = [*(n - 1 for n in geometry.shape), 1]
    for corner in ([0, 0, 0, 1], last):
        moved = (affine - geometry.affine_lps()) @ corner
        if np.abs(moved).max() > GEOMETRY_TOLERANCE_MM:
            raise ValueError(f"{out}: positions read back differ by {moved[:3]} mm; not written")


def _side_car(item: Derived) -> dict[str, Any]:
    """What BIDS wants beside a derived map."""
    (map_name,) = item.prediction.names
    fine, coarse = item.prediction.geometry, item.source
    size = "{1} x {2} pixels of {pixel:.4g} mm"
    return {
        "Units": FACTORS[map_name][1],
        "SkullStripped": False,
        "Resolution": "super-resolved in plane from "
        + size.format(*coarse.shape, pixel=coarse.spacing_mm[1])
        + " to "
        + size.format(*fine.shape, pixel=fine.spacing_mm[1]),
        "EstimationAlgorithm": item.description,
        "EstimationReference": METHOD_URL,
        "Description": "Research use only; not for diagnosis.",
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
