"""One volume to compare, in the unit of the house: DICOM says its unit, NIfTI has to be asked.

BIDS has relaxation times in seconds, most programs write milliseconds, and the file itself says
neither: the JSON file beside it does, or whoever compares.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np

from qsr_jax.data.dicom import read_series
from qsr_jax.data.nifti.bids import SUFFIXES, factor_of, said_unit, side_car_of
from qsr_jax.data.nifti.bids import UNITS as BIDS_UNITS
from qsr_jax.data.nifti.files import read_placed
from qsr_jax.maps import spec_of

UNITS = tuple(dict.fromkeys(u for of in BIDS_UNITS.values() for u in of if u.isalpha()))
"""What may be said of a file: s, ms, percent."""
_SUFFIX = re.compile(rf"(?:.*_)?({'|'.join(SUFFIXES)})\.nii(?:\.gz)?")


@dataclasses.dataclass(frozen=True)
class Image:
    """A volume that was read.

    Attributes:
        path: file or folder.
        values: (z, y, x) float32, in ``unit``.
        affine: index (z, y, x) to LPS mm, (4, 4).
        map_name: what it holds, None where nobody knows.
        unit: that of the map; of an unknown map what its side-car says, else "".
    """

    path: Path
    values: np.ndarray
    affine: np.ndarray
    map_name: str | None
    unit: str


def read_image(path: Path, map_name: str | None, *, units: str | None = None) -> Image:
    """Reads a NIfTI file, or a folder of one DICOM series, which says itself what it holds.

    Args:
        path: file or folder.
        map_name: what a NIfTI file holds; None asks its BIDS suffix (``_T1map.nii.gz``).
        units: unit of a NIfTI file without a side-car that says it, of :data:`UNITS`. PD without
            either is in percent.

    Raises:
        ValueError: not readable, ``map_name`` contradicts the series or the suffix, or the unit is
            not known, none of the map, or one that its values cannot have.
    """
    if units is not None and units not in UNITS:
        raise ValueError(f"units {units!r}; expected one of {', '.join(UNITS)}")
    image = read_values(path)
    said = image.map_name if path.is_dir() else _map_of_suffix(path)
    if map_name is not None and said not in (None, map_name):
        raise ValueError(f"{path}: holds {said}, not --map {map_name}")
    name = map_name or said
    if path.is_dir():
        return image
    if name is None:
        if units is not None:
            raise ValueError(f"{path}: --units {units} without a map; say which it is (--map)")
        return dataclasses.replace(image, unit=said_unit(path) or "")
    values = image.values * _factor(path, name, units)
    _check_unit(path, name, values)
    return dataclasses.replace(
        image, values=values.astype(np.float32), map_name=name, unit=spec_of(name).unit
    )


def read_values(path: Path) -> Image:
    """Reads values as they stand in the file, such as those of a mask.

    Raises:
        ValueError: no such file, not readable, no real numbers (complex, RGB), no orientation, or a
            grid that is not in mm.
    """
    if not path.is_dir():
        if not path.exists():
            raise ValueError(f"{path}: no such file or folder")
        values, affine = read_placed(path)
        return Image(path, values.astype(np.float32), affine, None, "")
    series = read_series(path)
    values, affine = series.volume.maps[..., 0], series.volume.geometry.affine_lps()
    return Image(path, values, affine, series.map_name, spec_of(series.map_name).unit)


def _map_of_suffix(path: Path) -> str | None:
    match = _SUFFIX.fullmatch(path.name)
    return None if match is None else SUFFIXES[match[1]]


def _factor(path: Path, name: str, units: str | None) -> float:
    """To the unit of the map; the side-car is asked first."""
    allowed = BIDS_UNITS[name]
    words = [unit for unit in UNITS if unit in allowed]
    if said_unit(path) is None and units not in (None, *allowed):
        raise ValueError(f"{path}: --units {units} for {name}; expected {' or '.join(words)}")
    one_scale = len(set(allowed.values())) == 1
    without = units or (next(iter(allowed)) if one_scale else None)
    if without is None and said_unit(path) is None:
        raise ValueError(
            f"{path}: {name} in {' or '.join(words)}? {side_car_of(path).name} beside it does not "
            f"say Units; give --units {'|'.join(words)}"
        )
    return factor_of(path, name, without=without)


def _check_unit(path: Path, name: str, values: np.ndarray) -> None:
    """Raises ValueError where seconds were read as milliseconds, or the reverse.

    A head holds water between ``measured_min`` and ``readable_max``. Where 99 in 100 voxels lie
    below the first, or one in 100 lies above the second, and the other unit makes them fit, no
    other reading is left.
    """
    spec, there = spec_of(name), values[np.isfinite(values) & (values > 0.0)]
    if not there.size or len({factor for _, factor in spec.bids_units}) == 1:
        return
    high = float(np.percentile(there, 99.0))
    for beyond, factor, said in (
        (high < spec.measured_min, 1000.0, "seconds that were read as milliseconds"),
        (high > spec.readable_max, 0.001, "milliseconds that were read as seconds"),
    ):
        if beyond and spec.measured_min <= high * factor <= spec.readable_max:
            raise ValueError(
                f"{path}: {name} with a median of {np.median(there):.4g} {spec.unit}: these can "
                f"only be {said}; give the unit they have (--units, or Units in "
                f"{side_car_of(path).name})"
            )
