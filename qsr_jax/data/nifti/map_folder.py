"""T1, T2 and PD of one head as three NIfTI files, and beside them the units: ``units.json``."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.types import Geometry

UNITS_JSON = "units.json"


def write_map_folder(
    folder: Path, maps: Mapping[str, np.ndarray], geometry: Geometry, units: Mapping[str, str]
) -> None:
    """Writes ``t1.nii.gz``, ``t2.nii.gz``, ``pd.nii.gz`` and their units into a folder.

    Args:
        folder: is there already.
        maps: name to (z, y, x) float32.
        geometry: where the voxels lie.
        units: name to "ms" or "s", for PD "%" or "au".

    Raises:
        ValueError: a map has another shape or type.
    """
    for name, values in maps.items():
        write_nifti(np.ascontiguousarray(values), geometry, folder / f"{name}.nii.gz")
    (folder / UNITS_JSON).write_text(json.dumps(dict(units)) + "\n")
