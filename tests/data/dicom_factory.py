"""Writes series with pydicom alone, so that our reader is not tested against our own writer."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from qsr_jax.data import dicom
from qsr_jax.types import CORNER, Geometry, Volume

CANARY = "CANARY"
SLICES, SIDE = 5, 16
SLOPE = 0.1
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


def stored_slice(index: int) -> np.ndarray:
    """Different in every slice and not symmetric, T1-like: 300 to 3000 ms at slope 0.1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (3000 + 1000 * index + 90 * y + 7 * x * (1 + index)).astype(np.uint16)


def make_slices(image_type=("DERIVED", "PRIMARY", "T1")) -> list[Dataset]:
    """A good axial series, feet to head, 5 mm apart; identity holds canary words."""
    series, study, frame = (generate_uid(entropy_srcs=[CANARY, word]) for word in "abc")
    slices = []
    for index in range(SLICES):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MR_IMAGE
        ds.SOPInstanceUID = generate_uid(entropy_srcs=[CANARY, str(index)])
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.ImageType = list(image_type)
        ds.Modality, ds.Manufacturer = "MR", "GE MEDICAL SYSTEMS"
        ds.PatientID, ds.PatientName = f"{CANARY}-ID", f"{CANARY}^NAME"
        ds.PatientBirthDate, ds.StudyDate = "19700101", "20260101"
        ds.SeriesDescription = f"{CANARY} DESCRIPTION"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.InstanceNumber, ds.SeriesNumber = index + 1, 7
        ds.ImagePositionPatient = [-40.0, -50.0, -20.0 + 5.0 * index]
        ds.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        ds.PixelSpacing = [3.4375, 3.4375]
        ds.SliceThickness = 5.0
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 0
        ds.RescaleSlope, ds.RescaleIntercept = "0.10", "0"
        set_stored(ds, stored_slice(index))
        slices.append(ds)
    return slices


def set_stored(ds: Dataset, stored: np.ndarray) -> None:
    ds.Rows, ds.Columns = stored.shape
    ds.PixelData = np.ascontiguousarray(stored).astype("<u2", casting="unsafe").tobytes()
    ds["PixelData"].VR = "OW"


def save(ds: Dataset, path: Path) -> None:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())


def write_series(
    folder: Path,
    edit: Callable[[list[Dataset]], None] | None = None,
    *,
    edit_files: Callable[[Path], None] | None = None,
) -> Path:
    """Writes a good series, spoilt by ``edit`` (datasets) and ``edit_files`` (the folder)."""
    folder.mkdir(parents=True)
    slices = make_slices()
    if edit:
        edit(slices)
    for index, ds in enumerate(slices):
        save(ds, folder / f"{index:03d}.dcm")
    if edit_files:
        edit_files(folder)
    return folder


def head_maps(shape: tuple[int, int, int], seed: int, centre: float = 0.5) -> dict[str, np.ndarray]:
    """T1, T2, PD (z, y, x) of an ellipse with a rim of CSF in empty air.

    ``centre``: where in a pixel its centre lies; 1 for the finer of two grids that share samples.
    """
    nz, ny, nx = shape
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:ny, :nx]
    radius = np.hypot((y + centre) / ny - 0.5, ((x + centre) / nx - 0.5) / 0.8) / 0.42
    inside, brain, white = radius < 1, radius < 0.8, np.sin(9 * radius) > 0
    tissues = {"t1": (4000, 1250, 850), "t2": (1500, 95, 78), "pd": (100, 80, 68)}
    maps = {}
    for name, (csf, grey, wm) in tissues.items():
        value = np.where(brain, np.where(white, wm, grey), csf) * inside
        noise = 1 + 0.02 * rng.standard_normal(shape)
        maps[name] = (value * noise).astype(np.float32)
    return maps


def fast_geometry(side: int = 32, slices: int = 3) -> Geometry:
    pixel = 220.0 / side
    first = -110.0 + pixel / 2
    return Geometry(
        origin_mm=(first, first, -5.0),
        row_dir=(1.0, 0.0, 0.0),
        col_dir=(0.0, 1.0, 0.0),
        spacing_mm=(5.0, pixel, pixel),
        shape=(slices, side, side),
    )


def acquisition(person: str, number: int = 1, **changes) -> dicom.Acquisition:
    fields = {
        "patient_id": f"{CANARY}-{person}",
        "patient_name": f"{CANARY}^{person}",
        "study_uid": dicom.make_uid(f"study {person}"),
        "frame_uid": dicom.make_uid(f"frame {person}"),
        "study_date": "20260101",
        "study_time": "120000",
        "series_number": number,
        "series_description": "map",
        "tr_ms": 4000.0,
        "te_ms": 18.3,
        "echo_train_length": 16,
        "matrix": (192, 128),
        "field_strength_t": 3.0,
    }
    return dicom.Acquisition(**(fields | changes))


def write_person(
    folder: Path,
    *,
    seed: int,
    alignment: str = CORNER,
    skip=(),
    change=None,
    person: str = "",
    side: int = 32,
) -> Path:
    """Six series of one person; ``change(scan, name, volume, acquisition)`` may replace both."""
    low = fast_geometry(side)
    centres = {"fast": 0.5, "routine": 0.5 if alignment == CORNER else 1.0}
    for scan, geometry in (("fast", low), ("routine", low.refined(2, alignment))):
        maps = head_maps(geometry.shape, seed, centres[scan])
        for number, (name, values) in enumerate(maps.items(), start=1):
            series = f"{scan}_{name}"
            if series in skip:
                continue
            volume = Volume(values[..., None], (name,), geometry)
            header = acquisition(person or folder.name, number)
            if change:
                volume, header = change(scan, name, volume, header)
            uid_seed = f"{folder.name}/{series}"
            dicom.write_acquired(volume, folder / series, acquisition=header, uid_seed=uid_seed)
    return folder
