"""Made-up scans, batches and records of the paper's size, for benchmarks to measure on."""

from pathlib import Path

import numpy as np

from qsr_jax.data.dicom import Acquisition, make_uid, write_acquired
from qsr_jax.data.records.build import build_records
from qsr_jax.data.studies.manifest import DICOM
from qsr_jax.data.studies.pair_folder import pair_folder, write_manifest
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.types import CORNER, Geometry, Volume

SCALE, SIDE, SLICES = 2, 256, 24
"""The paper's fast scan: 24 slices of 256 x 256, doubled."""

FAST, ROUTINE = "fast", "routine"
SUBJECTS = ("bench1", "bench2")
FOLD_PX = 12
"""Period of what takes the place of grey and white matter."""


def batch(size: int, *, maps: int = 1, context: int = 1) -> dict[str, np.ndarray]:
    """Random records of so many maps, see :data:`qsr_jax.types.Batch`."""
    rng = np.random.default_rng(0)
    fine = SIDE * SCALE
    return {
        "lr": rng.integers(0, 16000, (size, SIDE, SIDE, maps * context), np.uint16),
        "hr": rng.integers(0, 16000, (size, fine, fine, maps), np.uint16),
        "mask": np.ones((size, fine, fine, 1), np.uint8),
        "sample_id": np.arange(size, dtype=np.int32),
    }


def write_scan(out: Path, name: str, side: str, subject: str = "bench") -> None:
    """Writes one map of one scan as a DICOM series."""
    matrix = (192, 128) if side == FAST else (320, 256)
    acquisition = _acquisition(subject, f"{side} {name}", matrix=matrix)
    volume = _volume(name, side, sum(subject.encode()))
    write_acquired(volume, out, acquisition=acquisition, uid_seed=f"{subject} {side} {name}")


def _acquisition(
    subject: str, description: str, *, matrix: tuple[int, int] = (192, 128)
) -> Acquisition:
    return Acquisition(
        patient_id=subject,
        patient_name=subject,
        study_uid=make_uid(f"{subject} study"),
        frame_uid=make_uid(f"{subject} frame"),
        study_date="20260101",
        study_time="120000",
        series_number=1,
        series_description=description,
        tr_ms=4000.0,
        te_ms=18.3,
        echo_train_length=16,
        matrix=matrix,
        field_strength_t=3.0,
    )


def write_subjects(folder: Path) -> None:
    """Writes the studies of two subjects."""
    for subject in SUBJECTS:
        for side in (FAST, ROUTINE):
            for name in MAPS:
                write_scan(folder / subject / f"{side}_{name}", name, side, subject)


def write_tiny(folder: Path, series: int) -> None:
    """Writes so many series of two slices of 16 x 16, six for each subject."""
    side, geometry = 16, _fast_geometry(2, 16)
    values = np.linspace(300.0, 3000.0, 2 * side * side, dtype=np.float32)
    volume = Volume(values.reshape(2, side, side, 1), ("t1",), geometry)
    for number in range(series):
        subject = f"tiny{number // 6}"
        name = f"{subject} {number}"
        write_acquired(
            volume, folder / subject / str(number), acquisition=_acquisition(subject, name),
            uid_seed=name,
        )  # fmt: skip


def records(folder: Path) -> Path:
    """Builds records of two subjects, one of each split, in ``folder``; returns the data_dir."""
    write_subjects(folder / "dicom")
    out, data_dir = folder / "manifest.json", folder / "records"
    named = {"test": SUBJECTS[:1]}
    manifest = pair_folder(
        folder / "dicom", out, kind=DICOM, seed=0, test_fraction=0.0, named=named
    )
    assert manifest is not None  # all of it is done here
    write_manifest(manifest, out)
    build_records(out, data_dir)
    return data_dir


def _volume(name: str, side: str, seed: int) -> Volume:
    geometry = _fast_geometry(SLICES, SIDE)
    geometry = geometry.refined(SCALE, CORNER) if side == ROUTINE else geometry
    rows, columns = ((np.arange(n) + 0.5) * 2 / n - 1 for n in geometry.shape[1:])
    disc = np.hypot(rows[:, None], columns) < 0.7
    waves = np.pi * SIDE / FOLD_PX
    folds = 1 + 0.2 * np.sin(waves * rows[:, None] + seed) * np.sin(waves * columns)
    noise = np.random.default_rng(seed).uniform(0.95, 1.05, geometry.shape)
    level = spec_of(name).tissue_levels[0]  # what it is does not matter to a clock
    values = np.where(disc, level, 0.1 * level) * folds * noise
    return Volume(values[..., None].astype(np.float32), (name,), geometry)


def _fast_geometry(slices: int, side: int) -> Geometry:
    return Geometry(
        origin_mm=(-109.5703125, -109.5703125, -60.0),
        row_dir=(1.0, 0.0, 0.0),
        col_dir=(0.0, 1.0, 0.0),
        spacing_mm=(5.0, 220 / side, 220 / side),
        shape=(slices, side, side),
    )
