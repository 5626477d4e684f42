"""Maps of a fingerprinting scan on disk, for doors and notebooks."""

import datetime
from pathlib import Path

import numpy as np

from qsr_jax.data.dicom import Acquisition, make_uid, write_acquired
from qsr_jax.data.nifti.map_folder import write_map_folder
from qsr_jax.files.digest import file_sha256
from qsr_jax.maps import MAPS
from qsr_jax.phantom.measured_density import density_percent
from qsr_jax.phantom.measured_maps import brain_of_slices
from qsr_jax.reconstruct.raw_folder import SEAL, RawFolder
from qsr_jax.types import Volume

UNITS = {name: spec.unit if spec.unit == "ms" else "au" for name, spec in MAPS.items()}
"""Proton density comes out in the units of the coils' signal."""
NOTE = "research use, not for diagnostic use"


def write_maps(maps: np.ndarray, raw: RawFolder, folder: Path) -> None:
    """Writes T1, T2 and PD as NIfTI files with their units.

    Args:
        maps: (z, y, x, 3) T1 ms, T2 ms, PD in units of the samples.
        raw: what they were made from.
        folder: is there already.
    """
    held = {name: maps[..., channel] for channel, name in enumerate(MAPS)}
    write_map_folder(folder, held, raw.geometry, UNITS)


def write_dicom(maps: np.ndarray, raw: RawFolder, folder: Path, *, derivation: str) -> None:
    """Writes T1, T2 and PD as three DICOM series of one study, ``folder/t1`` and so on.

    Raw data name nobody: the patient is called after the content. PD becomes percent of the brain's
    own water with the receive field divided out; T1 and T2 that no scanner writes are clipped.

    Args:
        maps: (z, y, x, 3) T1 ms, T2 ms, PD in units of the samples.
        raw: what they were made from.
        folder: is there already.
        derivation: how they were made, at most 1000 characters.

    Raises:
        ValueError: PD cannot be percent: no brain, or no water in it.
        WriteError: the system refused the write.
    """
    called = file_sha256(raw.folder / SEAL)[:16]
    now = datetime.datetime.now()
    for number, (name, spec) in enumerate(MAPS.items()):
        values = maps[..., number] if spec.unit == "ms" else _percent(maps, raw)
        values = np.clip(values, 0.0, spec.scanner_max).astype(np.float32)[..., None]
        acquisition = Acquisition(
            patient_id=called,
            patient_name="",
            study_uid=make_uid(f"{called}/study"),
            frame_uid=make_uid(f"{called}/frame"),
            study_date=f"{now:%Y%m%d}",
            study_time=f"{now:%H%M%S}",
            series_number=number + 1,
            series_description=f"qsr_jax {spec.label} fingerprinting research",
            tr_ms=raw.scan.train.tr_ms,
            te_ms=raw.scan.train.te_ms,
            echo_train_length=1,
            matrix=raw.scan.shape,
            field_strength_t=None,
            model="fingerprinting",
            sequence="GR",
            derivation=f"{derivation}; {NOTE}",
        )
        write_acquired(
            Volume(values, (name,), raw.geometry),
            folder / name,
            acquisition=acquisition,
            uid_seed=f"{called}/{derivation}/{name}",
        )


def _percent(maps: np.ndarray, raw: RawFolder) -> np.ndarray:
    """PD (z, y, x) in percent of water."""
    brain = brain_of_slices(maps, raw.geometry.spacing_mm)
    t1_ms, pd = maps[..., 0], maps[..., 2]
    where = f"{raw.folder}: DICOM holds PD in percent"
    found, _ = density_percent(*(a.transpose(2, 1, 0) for a in (pd, t1_ms, brain)), where=where)
    return found.transpose(2, 1, 0)
