"""One subject, read from the manifest, whole: both scans, the mask, the truth if there is one."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from qsr_jax.data.dicom import Series
from qsr_jax.data.studies.manifest import FAST, ROUTINE, Manifest, ManifestError, Subject
from qsr_jax.data.studies.scan_sources import SOURCES
from qsr_jax.data.studies.truth import Truth, check_study, read_truth
from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import tissue_mask
from qsr_jax.types import Volume


@dataclasses.dataclass(frozen=True)
class Case:
    """What evaluation needs of one subject.

    Attributes:
        subject: salted hash.
        group: "healthy" or "patient".
        grid_alignment: how the routine grid lies on the fast one.
        fast: T1, T2, PD of the fast scan.
        routine: T1, T2, PD of the routine scan, with the tissue mask.
        truth: what was simulated, on the routine grid, or None.
    """

    subject: str
    group: str
    grid_alignment: str
    fast: Volume
    routine: Volume
    truth: Truth | None


def read_listed(manifest: Manifest, subject: Subject, map_name: str, side: str) -> Series:
    """Reads one series of the manifest and makes sure that it is still what was paired.

    Raises:
        DicomInputError, BidsError: the series cannot be read.
        ManifestError: its files are not those that were paired.
    """
    pair = subject.maps[map_name]
    source, rows = SOURCES[manifest.kind], manifest.protocols
    series = source.read_one(pair.folders[side], map_name, rows, manifest.root)
    if series.sha256 != pair.sha256[side] or series.map_name != map_name:
        raise ManifestError(
            f"{pair.folders[side]}: files changed since the studies were paired; pair them again"
        )
    return series


def read_mask(manifest: Manifest, subject: Subject, *, known: Mapping[str, Volume]) -> np.ndarray:
    """The tissue mask (z, y, x) bool of the routine scan.

    Args:
        manifest: lists the series.
        subject: whose mask.
        known: routine maps that were read already, by name; the others are read here.
    """
    volumes = {
        name: known[name] if name in known else read_listed(manifest, subject, name, ROUTINE).volume
        for name in MAPS
    }
    return tissue_mask(*(volumes[name].maps[..., 0] for name in MAPS))


def load_case(manifest: Manifest, subject: Subject) -> Case:
    """Reads everything about one subject.

    Raises:
        DicomInputError, BidsError, ManifestError: see :func:`read_listed`.
        TruthError: the truth is damaged or belongs to another study.
    """
    fast, routine = (
        [read_listed(manifest, subject, name, side) for name in MAPS] for side in (FAST, ROUTINE)
    )
    volume = _joined(routine)
    truth = None
    if subject.truth is not None:
        folder = manifest.root / subject.truth
        check_study(folder, routine[0].study_uid)
        truth = read_truth(folder, volume.geometry)
    return Case(
        subject=subject.subject,
        group=subject.group,
        grid_alignment=subject.grid_alignment,
        fast=_joined(fast),
        routine=dataclasses.replace(volume, mask=tissue_mask(*np.moveaxis(volume.maps, -1, 0))),
        truth=truth,
    )


def _joined(scan: Sequence[Series]) -> Volume:
    """The maps of one scan as one volume."""
    maps = np.concatenate([series.volume.maps for series in scan], axis=-1)
    return Volume(maps, tuple(series.map_name for series in scan), scan[0].volume.geometry)
