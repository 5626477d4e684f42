"""Reads what subjects can be made from: label maps, images, measured maps, masks, atlases."""

import json
from pathlib import Path

import numpy as np

from qsr_jax.data.nifti.files import MINC, read_volume
from qsr_jax.maps import MAPS
from qsr_jax.phantom.label_maps import TABLES, LabelMap, label_map
from qsr_jax.phantom.lesions import LesionMask
from qsr_jax.phantom.measured_maps import MeasuredMaps, measured_maps
from qsr_jax.phantom.weighted_images import WeightedImage, weighted_image

NIFTI = (".nii", ".nii.gz", ".nii.xz")
UNITS = {"s": 1000.0, "ms": 1.0}
SIDECAR = "units.json"
PERCENT = ("%", "au")
T2_WEIGHTED = "t2w"
ANATOMIES = (*TABLES, T2_WEIGHTED)
"""What a volume in --anatomy can be: a label map in codes of TABLES, or a T2-weighted image."""
SCALING_ERROR = 1e-3
"""Of labels that a file stores scaled, as MINC does."""


def volume_files(folder: Path) -> list[Path]:
    """NIfTI and MINC files of a folder, by name.

    Raises:
        ValueError: there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    files = sorted(p for p in folder.iterdir() if p.name.endswith((*NIFTI, *MINC)))
    if not files:
        raise ValueError(f"{folder}: no NIfTI or MINC files ({', '.join((*NIFTI, *MINC))})")
    return files


def label_files(folder: Path, labels: str | None) -> dict[Path, str]:
    """Anatomies of a folder, each with what it is, one of ANATOMIES.

    Args:
        folder: holds the volumes, or subfolders that are named after what their volumes are.
        labels: what all volumes in ``folder`` are; None looks for the subfolders.

    Raises:
        ValueError: there is no such folder, or no volume where one is expected.
    """
    if labels is not None:
        return dict.fromkeys(volume_files(folder), labels)
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    named = [name for name in ANATOMIES if (folder / name).is_dir()]
    if not named:
        raise ValueError(
            f"{folder}: declare what its volumes are with --labels, or sort them into "
            f"subfolders named {', '.join(TABLES)} (codes of label maps) and {T2_WEIGHTED}"
        )
    return {path: name for name in named for path in volume_files(folder / name)}


def read_label_map(path: Path, labels: str) -> LabelMap:
    """A segmented head in the codes of ``labels``, a key of TABLES; raises ValueError."""
    codes, affine = read_volume(path)
    whole = np.round(codes)
    if np.abs(codes - whole).max() > SCALING_ERROR:
        raise ValueError(f"{path}: labels must be whole numbers")
    return label_map(whole.astype(np.int32), affine, TABLES[labels], where=str(path))


def read_weighted_image(path: Path) -> WeightedImage:
    """A head's T2-weighted image, on axes near those of the body; raises ValueError."""
    image, affine = read_volume(path)
    axial = int(np.abs(affine[2, :3]).argmax())
    if axial != 2 or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise ValueError(
            f"{path}: expected axial slices, the third index rising along the body; got an affine "
            f"whose axis {axial} does"
        )
    return weighted_image(np.asarray(image, np.float32), affine, where=str(path))


def read_lesion_mask(path: Path) -> LesionMask:
    """A lesion mask in MNI space.

    Raises:
        ValueError: not a mask of zeros and ones, or it is empty.
    """
    values, affine = read_volume(path)
    if not set(np.unique(values).tolist()) == {0, 1}:
        raise ValueError(f"{path}: a lesion mask must hold 0 and 1, and some of both")
    return LesionMask(values > 0, affine)


def measured_heads(folder: Path) -> list[Path]:
    """Heads in a folder: its subfolders with maps, or itself; ValueError if there is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    heads = sorted(p for p in folder.iterdir() if (p / SIDECAR).is_file())
    if (folder / SIDECAR).is_file():
        heads = [folder]
    if not heads:
        raise ValueError(
            f"{folder}: no {SIDECAR} in it or its subfolders. Maps without units are refused: "
            f'put {SIDECAR} beside t1, t2 and pd.nii.gz, {{"t1": "ms" or "s", "t2": "ms" or "s", '
            '"pd": "%" or "au"}'
        )
    return heads


def read_measured(folder: Path) -> MeasuredMaps:
    """One head from ``t1``, ``t2``, ``pd`` (.nii, .nii.gz, .nii.xz) and ``units.json``.

    PD in arbitrary units ("au") is flattened and scaled to percent of the brain's own water.

    Raises:
        ValueError: a unit is missing or unknown, a file cannot be used, or its PD cannot be scaled.
    """
    units = read_units(folder / SIDECAR)
    maps, affines = {}, []
    for name in MAPS:
        found = [folder / f"{name}{end}" for end in NIFTI if (folder / f"{name}{end}").is_file()]
        if len(found) != 1:
            raise ValueError(f"{folder}: expected one of {name}{{{','.join(NIFTI)}}}")
        values, affine = read_volume(found[0])
        maps[name] = np.maximum(values.astype(np.float32), 0) * UNITS.get(units[name], 1.0)
        affines.append(affine)
    if not all(np.allclose(affine, affines[0], atol=1e-3) for affine in affines):
        raise ValueError(f"{folder}: the three maps lie on different grids")
    in_percent = units["pd"] != "au"
    return measured_maps(maps, affines[0], where=str(folder), pd_in_percent=in_percent)


def read_units(path: Path) -> dict[str, str]:
    """Units of T1, T2 and PD beside three maps; raises ValueError."""
    try:
        units = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    if not isinstance(units, dict) or set(units) != set(MAPS):
        raise ValueError(f"{path}: expected units of {', '.join(MAPS)} and nothing else")
    for name, known in (("t1", UNITS), ("t2", UNITS), ("pd", PERCENT)):
        if units[name] not in known:
            raise ValueError(
                f"{path}: unit of {name} is {units[name]!r}, expected one of {', '.join(known)}"
            )
    return units
