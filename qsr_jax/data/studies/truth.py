"""What a simulated subject really is like: maps and labels beside the studies, for evaluation."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.maps import MAPS
from qsr_jax.types import Geometry

TRUTH_JSON = "truth.json"
MAP_FILES = {spec.name: f"{spec.file_stem}.nii.gz" for spec in MAPS.values()}
NOISE_FREE_FILES = {name: f"noiseless_{file}" for name, file in MAP_FILES.items()}
GRID_TOLERANCE_MM = 1e-3


class TruthError(ValueError):
    """A truth folder that is damaged or belongs to something else."""


@dataclasses.dataclass(frozen=True)
class Truth:
    """The simulated subject on the routine grid.

    Attributes:
        maps: (z, y, x, 3) float32, T1 ms, T2 ms, PD percent.
        tissue: (z, y, x) uint8 labels: 0 none, 1 CSF, 2 GM, 3 WM, 4 lesion, 5 fat and marrow,
            6 muscle, 7 skin, 8 bone.
        regions: (z, y, x) uint8 labels of ``region_names``.
        region_names: label to name.
        lesions: (z, y, x) uint8 number of the lesion, 0 elsewhere.
        lesion_kinds: number of the lesion to its kind.
        noise_free: (z, y, x, 3) float32, what the routine scan would measure without noise; None
            where it was not simulated.
        regions_from: what told the regions, or "" where nobody wrote it down.
    """

    maps: np.ndarray
    tissue: np.ndarray
    regions: np.ndarray
    region_names: Mapping[int, str]
    lesions: np.ndarray
    lesion_kinds: Mapping[int, str]
    noise_free: np.ndarray | None = None
    regions_from: str = ""


def check_study(folder: Path, study_uid: str) -> None:
    """Refuses a truth folder of another study; raises TruthError."""
    if _read_json(folder, "study_uid") != study_uid:
        raise TruthError(f"{folder / TRUTH_JSON}: study_uid is another study's")


def read_truth(folder: Path, geometry: Geometry) -> Truth:
    """Reads the truth of one subject.

    Args:
        folder: written by ``data_tools.simulate_cohort``.
        geometry: the routine grid that all files must lie on.

    Raises:
        TruthError: a file is missing, damaged, or lies on another grid.
    """
    noise_free = None
    if any((folder / file).exists() for file in NOISE_FREE_FILES.values()):
        noise_free = _read_maps(folder, NOISE_FREE_FILES, geometry)
    return Truth(
        maps=_read_maps(folder, MAP_FILES, geometry),
        tissue=_read(folder / "tissue.nii.gz", geometry),
        regions=_read(folder / "regions.nii.gz", geometry),
        region_names=_labels(folder, "region_names"),
        lesions=_read(folder / "lesions.nii.gz", geometry),
        lesion_kinds=_labels(folder, "lesion_kinds"),
        noise_free=noise_free,
        regions_from=_optional(folder, "regions_from"),
    )


def read_true_map(folder: Path, name: str, geometry: Geometry) -> np.ndarray:
    """One map of the truth on the routine grid, (z, y, x) in the unit of the map.

    Raises:
        TruthError: the file is missing, damaged, or lies on another grid.
    """
    return _read(folder / MAP_FILES[name], geometry)


def _read_maps(folder: Path, files: Mapping[str, str], geometry: Geometry) -> np.ndarray:
    """T1, T2 and PD (z, y, x, 3) float32."""
    maps = [_read(folder / files[name], geometry) for name in MAPS]
    return np.stack(maps, axis=-1).astype(np.float32)


def _read(path: Path, geometry: Geometry) -> np.ndarray:
    """One volume (z, y, x), which must lie on ``geometry``."""
    try:
        array, affine = read_nifti(path)
    except (OSError, ValueError) as error:
        raise TruthError(f"{path}: cannot be read ({error}); simulate the subject again") from None
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


def _optional(folder: Path, key: str) -> str:
    """A text of truth.json that older folders lack."""
    content = json.loads((folder / TRUTH_JSON).read_text())
    return str(content[key]) if key in content else ""


def _labels(folder: Path, key: str) -> dict[int, str]:
    names = _read_json(folder, key)
    try:
        return {int(label): name for label, name in names.items()}
    except (AttributeError, ValueError):
        raise TruthError(f"{folder / TRUTH_JSON}: {key} is no table of labels") from None
