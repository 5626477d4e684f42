"""One person, read from the manifest, whole: both scans, the mask, the truth if there is one."""

import dataclasses

import numpy as np

from qsr_jax.data.dicom import Series, read_series
from qsr_jax.data.manifest import FAST, ROUTINE, Manifest, ManifestError, Person
from qsr_jax.data.truth import Truth, read_truth
from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import tissue_mask
from qsr_jax.types import Volume


@dataclasses.dataclass(frozen=True)
class Case:
    """What evaluation needs of one person.

    Attributes:
        person: salted hash.
        group: "healthy" or "patient".
        grid_alignment: how the routine grid lies on the fast one.
        fast: T1, T2, PD of the fast scan.
        routine: T1, T2, PD of the routine scan, with the tissue mask.
        truth: what was simulated, on the routine grid, or None.
    """

    person: str
    group: str
    grid_alignment: str
    fast: Volume
    routine: Volume
    truth: Truth | None


def read_listed(manifest: Manifest, person: Person, map_name: str, side: str) -> Series:
    """Reads one series of the manifest and makes sure that it is still what was paired.

    Raises:
        DicomInputError: the series cannot be read.
        ManifestError: its files are not those that were paired.
    """
    pair = person.maps[map_name]
    series = read_series(manifest.dicom_dir / pair.folders[side])
    if series.sha256 != pair.sha256[side] or series.map_name != map_name:
        raise ManifestError(
            f"{pair.folders[side]}: files changed since the studies were paired; pair them again"
        )
    return series


def read_mask(manifest: Manifest, person: Person) -> np.ndarray:
    """The tissue mask (z, y, x) bool of the routine scan, from its three maps."""
    return tissue_mask(
        *(read_listed(manifest, person, name, ROUTINE).volume.maps[..., 0] for name in MAPS)
    )


def load_case(manifest: Manifest, person: Person) -> Case:
    """Reads everything about one person.

    Raises:
        DicomInputError, ManifestError: see :func:`read_listed`.
        TruthError: the truth is damaged or belongs to another study.
    """
    fast, routine = (_read_scan(manifest, person, side) for side in (FAST, ROUTINE))
    mask = tissue_mask(*np.moveaxis(routine.maps, -1, 0))
    truth = None
    if person.truth is not None:
        truth = read_truth(manifest.dicom_dir / person.truth, routine.geometry)
    return Case(
        person=person.person,
        group=person.group,
        grid_alignment=person.grid_alignment,
        fast=fast,
        routine=dataclasses.replace(routine, mask=mask),
        truth=truth,
    )


def _read_scan(manifest: Manifest, person: Person, side: str) -> Volume:
    """The three maps of one scan as one volume."""
    volumes = [read_listed(manifest, person, name, side).volume for name in MAPS]
    maps = np.concatenate([volume.maps for volume in volumes], axis=-1)
    return Volume(maps, tuple(MAPS), volumes[0].geometry)
