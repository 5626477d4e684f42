"""What a simulated person really is like: maps and labels beside the studies, for evaluation."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.data.nifti import read_nifti
from qsr_jax.maps import MAPS
from qsr_jax.types import Geometry

TRUTH_JSON = "truth.json"
MAP_FILES = {"t1": "t1_ms.nii.gz", "t2": "t2_ms.nii.gz", "pd": "pd_percent.nii.gz"}
GRID_TOLERANCE_MM = 1e-3


class TruthError(ValueError):
    """A truth folder that is damaged or belongs to something else."""


@dataclasses.dataclass(frozen=True)
class Truth:
    """The simulated person on the routine grid.

    Attributes:
        maps: (z, y, x, 3) float32, T1 ms, T2 ms, PD percent.
        tissue: (z, y, x) uint8 labels: 0 none, 1 CSF, 2 GM, 3 WM, 4 lesion.
        regions: (z, y, x) uint8 labels of ``region_names``.
        region_names: label to name.
        lesions: (z, y, x) uint8 number of the lesion, 0 elsewhere.
        lesion_kinds: number of the lesion to its kind.
    """

    maps: np.ndarray
    tissue: np.ndarray
    regions: np.ndarray
    region_names: Mapping[int, str]
    lesions: np.ndarray
    lesion_kinds: Mapping[int, str]


def check_study(folder: Path, study_uid: str) -> None:
    """Refuses a truth folder of another study; raises TruthError."""
    if _read_json(folder, "study_uid") != study_uid:
        raise TruthError(f"{folder / TRUTH_JSON}: study_uid is another study's")


def read_truth(folder: Path, geometry: Geometry) -> Truth:
    """Reads the truth of one person.

    Args:
        folder: written by ``data_tools.simulate_cohort``.
        geometry: the routine grid that all files must lie on.

    Raises:
        TruthError: a file is missing, damaged, or lies on another grid.
    """
    maps = [_read(folder / MAP_FILES[name], geometry) for name in MAPS]
    return Truth(
        maps=np.stack(maps, axis=-1).astype(np.float32),
        tissue=_read(folder / "tissue.nii.gz", geometry),
        regions=_read(folder / "regions.nii.gz", geometry),
        region_names=_labels(folder, "region_names"),
        lesions=_read(folder / "lesions.nii.gz", geometry),
        lesion_kinds=_labels(folder, "lesion_kinds"),
    )


def _read(path: Path, geometry: Geometry) -> np.ndarray:
    """One volume (z, y, x), which must lie on ``geometry``."""
    try:
        array, affine = read_nifti(path)
    except (OSError, ValueError) as error:
        raise TruthError(f"{path}: cannot be read ({error}); simulate the person again") from None
    same = array.shape == geometry.shape and np.allclose(
        affine, geometry.affine_lps(), atol=GRID_TOLERANCE_MM
    )
    if not same:
        raise TruthError(f"{path}: does not lie on the routine grid {geometry.shape}")
    return array


def _read_json(folder: Path, key: str) -> Any:
    path = folder / TRUTH_JSON
    try:
        return json.loads(path.read_text())[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TruthError(f"{path}: {key} cannot be read ({type(error).__name__})") from None


def _labels(folder: Path, key: str) -> dict[int, str]:
    names = _read_json(folder, key)
    try:
        return {int(label): name for label, name in names.items()}
    except (AttributeError, ValueError):
        raise TruthError(f"{folder / TRUTH_JSON}: {key} is no table of labels") from None
