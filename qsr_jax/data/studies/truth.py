"""What a simulated subject really is like: maps and labels beside the studies, for evaluation.

The truth is told where the head lay in the routine scan. Where it lay elsewhere in another scan,
a folder of that scan's name holds the same truth as that scan met it, on the same grid: slices of
5 mm cannot be moved by half a millimetre afterwards, they have to be cut there.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.data.nifti.files import read_grid, read_nifti
from qsr_jax.data.nifti.stack import stack_geometry
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
        poses: scan to where the head lay in it, (6,): displacement in mm along the patient's left,
            back and head, then turns about these axes in degrees, as in
            :mod:`qsr_jax.simulate.motion`; the mean over the scan's delays. Empty where nobody
            wrote it down.
    """

    maps: np.ndarray
    tissue: np.ndarray
    regions: np.ndarray
    region_names: Mapping[int, str]
    lesions: np.ndarray
    lesion_kinds: Mapping[int, str]
    noise_free: np.ndarray | None = None
    regions_from: str = ""
    poses: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def check_study(folder: Path, study_uid: str) -> None:
    """Refuses a truth folder of another study; raises TruthError."""
    if _read_json(folder, "study_uid") != study_uid:
        raise TruthError(f"{folder / TRUTH_JSON}: study_uid is another study's")


def place_of(folder: Path, scan: str) -> Path:
    """Folder of the truth as a scan met it: the truth's own where the head lay still.

    Raises:
        TruthError: the head had moved, and there is no truth of that scan.
    """
    if (folder / scan).is_dir():
        return folder / scan
    pose = poses_in(folder).get(scan)
    if pose is not None and pose.any():
        raise TruthError(
            f"{folder / scan}: missing, though the head had moved in the {scan} scan: it was "
            "simulated by another version of this software. Simulate it anew, or take the scans "
            "as they lie (--register none)"
        )
    return folder


def read_truth(folder: Path, geometry: Geometry, *, scan: str = "") -> Truth:
    """Reads the truth of one subject.

    Args:
        folder: written by ``data_tools.simulate_cohort``.
        geometry: the routine grid that all files must lie on.
        scan: whose view of it, such as "fast"; "" for the routine scan's.

    Raises:
        TruthError: a file is missing, damaged, or lies on another grid.
    """
    place, noise_free = place_of(folder, scan), None
    if any((place / file).exists() for file in NOISE_FREE_FILES.values()):
        noise_free = _read_maps(place, NOISE_FREE_FILES, geometry)
    return Truth(
        maps=_read_maps(place, MAP_FILES, geometry),
        tissue=_read(place / "tissue.nii.gz", geometry),
        regions=_read(place / "regions.nii.gz", geometry),
        region_names=_labels(folder, "region_names"),
        lesions=_read(place / "lesions.nii.gz", geometry),
        lesion_kinds=_labels(folder, "lesion_kinds"),
        noise_free=noise_free,
        regions_from=str(_optional(folder, "regions_from", "")),
        poses=poses_in(folder),
    )


def truth_geometry(folder: Path) -> Geometry:
    """The routine grid that a truth lies on, as its own files say.

    Raises:
        TruthError: a file is missing or damaged, or its slices do not run from the feet up.
    """
    path = folder / MAP_FILES["t1"]
    try:
        geometry, upside_down = stack_geometry(path, *read_grid(path))
    except (OSError, ValueError) as error:
        raise TruthError(f"{path}: cannot be read ({error}); simulate the subject again") from None
    if upside_down:
        raise TruthError(f"{path}: slices run against rows and columns; simulate the subject again")
    return geometry


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


def _optional(folder: Path, key: str, otherwise: Any) -> Any:
    """What truth.json says, or something else where older folders lack it."""
    content = json.loads((folder / TRUTH_JSON).read_text())
    return content.get(key, otherwise)


def poses_in(folder: Path) -> dict[str, np.ndarray]:
    """Where the head lay in every scan, see :class:`Truth`; raises TruthError where damaged."""
    content = _optional(folder, "poses", {})
    try:
        return {scan: np.mean(np.reshape(of, (-1, 6)), axis=0) for scan, of in content.items()}
    except (AttributeError, ValueError, TypeError):
        raise TruthError(f"{folder / TRUTH_JSON}: poses is no table of poses") from None


def _labels(folder: Path, key: str) -> dict[int, str]:
    names = _read_json(folder, key)
    try:
        return {int(label): name for label, name in names.items()}
    except (AttributeError, ValueError):
        raise TruthError(f"{folder / TRUTH_JSON}: {key} is no table of labels") from None
