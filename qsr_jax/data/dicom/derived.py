"""Writes predictions back as a derived series of the scan they come from."""

import copy
import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import generate_uid

from qsr_jax.data.dicom.elements import (
    code,
    decimal,
    save,
    set_pixels,
    set_plane,
    set_real_world_values,
    set_rescale,
)
from qsr_jax.data.dicom.frames import Frame
from qsr_jax.data.dicom.header import unquoted
from qsr_jax.data.dicom.orientation import signs_towards, turned
from qsr_jax.data.dicom.read import read_series, read_spread, slices_of
from qsr_jax.data.dicom.series import Series
from qsr_jax.data.dicom.series_rules import MAP, QSR, QSR_SPREAD
from qsr_jax.data.dicom.spread import say_deviation, values_of
from qsr_jax.data.dicom.validator import check_standard
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MapSpec, spec_of, to_stored
from qsr_jax.types import Geometry, Prediction

SERIES_NUMBER_STEP = 9000
SPREAD_NUMBER_STEP = 9500
"""A derived series is numbered its source's number plus this; of its spread, the second."""
GEOMETRY_TOLERANCE_MM = 1e-4
FLOAT32_TOLERANCE = 1e-3
"""Physical units; a float32 of 6500 ms is exact to 5e-4."""

KEPT = (
    *("SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"),
    *("StudyInstanceUID", "StudyDescription", "ReferringPhysicianName"),
    *("AcquisitionDate", "AcquisitionTime", "InstitutionName", "StationName"),
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved"),
    *("DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("LongitudinalTemporalInformationModified", "BodyPartExamined", "PatientPosition"),
    *("ProtocolName", "ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType"),
    *("RepetitionTime", "EchoTime", "InversionTime", "EchoTrainLength", "FlipAngle"),
    *("MagneticFieldStrength", "ImagingFrequency", "ImagedNucleus", "SliceThickness"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
"""Kept from the source as they are; an allow-list, so private and stale attributes stay behind."""
FILLERS = {
    "BodyPartExamined": "BRAIN",
    "EchoTime": None,
    "EchoTrainLength": None,
    "Manufacturer": "",
    "MRAcquisitionType": "2D",
    "PatientBirthDate": "",
    "PatientName": "",
    "PatientPosition": "",
    "PatientSex": "",
    "PositionReferenceIndicator": "",
    "ReferringPhysicianName": "",
    "RepetitionTime": None,
    "ScanningSequence": "RM",
    "ScanOptions": "",
    "SequenceVariant": "NONE",
    "StudyDate": "",
    "StudyID": "",
    "StudyTime": "",
    "AccessionNumber": "",
    "LossyImageCompression": "00",
}
"""What the standard wants to be there, where the source says nothing."""


def write_derived(
    prediction: Prediction,
    source: Series,
    out: Path,
    *,
    derivation: str,
    software: str,
    std: bool = False,
) -> None:
    r"""Writes ``prediction`` (one map) as a new MR series of the study of ``source``.

    New UIDs for series and images; patient, study and frame of reference kept. Positions come from
    ``prediction.geometry``, turned to the orientation of the source's images. Values are unsigned
    16 bit with RescaleSlope and RealWorldValueMapping that agree. The folder is read back through
    :func:`read_series` before it appears: values within half a slope, geometry within 1e-4 mm, and
    no error of ours where dciodvfy is installed.

    Args:
        prediction: one map, its slices at the places of the source's slices.
        source: the series it was made from.
        out: folder to make; 001.dcm, 002.dcm, ... in order of position.
        derivation: DerivationDescription: model, sha256 of its weights, "not for diagnostic use".
        software: SoftwareVersions of the processing equipment, at most 64 characters.
        std: whether the standard deviation is written in place of the mean, see
            :mod:`qsr_jax.data.dicom.spread`; :func:`qsr_jax.data.dicom.read_spread` reads it.

    Raises:
        ValueError: not the map or slices of the source, values no file can hold, a text too long,
            or no standard deviation where it is wanted.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write. Nothing is left at ``out`` in any case.
    """
    spec = check_request(prediction, source, out, derivation, software)
    values, spec = values_of(prediction, spec, std=std)
    stored = to_stored(values, spec, where=str(out))
    originals = slices_of(source)
    orientation = originals[0].numbers("ImageOrientationPatient", 6)
    flips = signs_towards(prediction.geometry, orientation[:3], orientation[3:])
    stored, geometry, reversed_slices = turned(stored, prediction.geometry, flips)
    if reversed_slices:
        originals.reverse()
    series = _series_header(originals[0], source, spec, geometry, derivation, software)
    if std:
        _mark_spread(series)
    with staged_folder(out) as folder:
        for index, (pixels, original) in enumerate(zip(stored, originals, strict=True)):
            dataset = Dataset(series)
            dataset.SOPInstanceUID = generate_uid(prefix=None)
            dataset.InstanceNumber = index + 1
            dataset.SourceImageSequence = DicomSequence([reference_to(original)])
            set_plane(dataset, geometry, index)
            set_pixels(dataset, pixels)
            save(dataset, folder / f"{index + 1:03d}.dcm")
        written = read_spread(folder) if std else read_series(folder)
        _check_written(written, values, prediction.geometry, spec, out)
        check_standard(sorted(folder.iterdir()), source.files[0], where=out)


def check_request(
    prediction: Prediction, source: Series, out: Path, derivation: str, software: str
) -> MapSpec:
    """Refuses what cannot become a derived series of ``source``; returns its map."""
    if prediction.names != (source.map_name,):
        raise ValueError(f"{out}: prediction of {prediction.names}, source is {source.map_name}")
    mine, theirs = prediction.geometry, source.volume.geometry
    same = mine.shape[0] == theirs.shape[0] and np.allclose(
        [*mine.row_dir, *mine.col_dir, *_depths_mm(mine, theirs.normal)],
        [*theirs.row_dir, *theirs.col_dir, *_depths_mm(theirs, theirs.normal)],
        atol=GEOMETRY_TOLERANCE_MM,
    )
    if not same:
        raise ValueError(f"{out}: prediction and source differ in slices or orientation")
    if len(derivation) > 1024 or len(software) > 64:
        raise ValueError(f"{out}: derivation may have 1024 characters, software 64")
    return spec_of(source.map_name)


def _depths_mm(geometry: Geometry, normal: np.ndarray) -> np.ndarray:
    """Positions of the slices along ``normal``."""
    return geometry.slice_positions_mm() @ normal


def _series_header(
    original: Frame,
    source: Series,
    spec: MapSpec,
    geometry: Geometry,
    derivation: str,
    software: str,
) -> Dataset:
    """What all images of the derived series share."""
    dataset = kept(original.header.dataset)
    dataset.ImageType = [spec.image_type if token == MAP else token for token in QSR.image_type]
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = generate_uid(prefix=None)
    number = int(original.number("SeriesNumber")) if original.value("SeriesNumber") else 0
    dataset.SeriesNumber = SERIES_NUMBER_STEP + number
    scale = geometry.shape[1] / source.volume.geometry.shape[1]
    dataset.SeriesDescription = f"qsr_jax {spec.label} x{scale:g} research"
    now = datetime.datetime.now()
    for event in ("Series", "Content", "InstanceCreation"):
        setattr(dataset, f"{event}Date", f"{now:%Y%m%d}")
        setattr(dataset, f"{event}Time", f"{now:%H%M%S}")
    if "SliceThickness" not in dataset:
        dataset.SliceThickness = decimal(thickness_mm(original, geometry.spacing_mm[0]))
    dataset.BurnedInAnnotation = "NO"
    set_rescale(dataset, spec)
    set_real_world_values(dataset, spec)
    dataset.DerivationDescription = derivation
    dataset.DerivationCodeSequence = code("113085", "DCM", "Spatial resampling")
    dataset.ContributingEquipmentSequence = _equipment(software)
    return dataset


def _mark_spread(series: Dataset) -> None:
    """Says in the header of a derived series that it holds standard deviations."""
    series.ImageType = list(QSR_SPREAD.image_type)
    series.SeriesNumber += SPREAD_NUMBER_STEP - SERIES_NUMBER_STEP
    say_deviation(series.RealWorldValueMappingSequence[0])


def kept(original: Dataset) -> Dataset:
    """The attributes of the source that stay true, and fillers for those that must exist."""
    dataset = Dataset()
    with unquoted("ignore"):  # the source's own spelling is not ours to judge
        for keyword in KEPT:
            if keyword in original:
                dataset[keyword] = copy.deepcopy(original[keyword])
    for keyword, filler in FILLERS.items():
        if keyword not in dataset:
            setattr(dataset, keyword, filler)
    return dataset


def thickness_mm(original: Frame, spacing_mm: float) -> float:
    """SliceThickness of a slice, wherever its file keeps it; the slices' distance if nowhere."""
    said = original.value("SliceThickness") is not None
    return original.number("SliceThickness") if said else spacing_mm


def reference_to(original: Frame) -> Dataset:
    """Item of SourceImageSequence: the slice that a slice was made from."""
    item = Dataset()
    if original.index is not None:
        item.ReferencedFrameNumber = original.index + 1
    item.ReferencedSOPClassUID = original.text("SOPClassUID")
    with unquoted("ignore"):  # a UID that is not quite valid must be repeated as it is
        item.ReferencedSOPInstanceUID = original.text("SOPInstanceUID")
    item.PurposeOfReferenceCodeSequence = code(
        "121322", "DCM", "Source image for image processing operation"
    )
    return item


def _equipment(software: str) -> DicomSequence:
    """ContributingEquipmentSequence: this program."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = code("109102", "DCM", "Processing Equipment")
    item.Manufacturer = item.ManufacturerModelName = "qsr_jax"
    item.SoftwareVersions = software
    return DicomSequence([item])


def _check_written(
    written: Series, values: np.ndarray, geometry: Geometry, spec: MapSpec, out: Path
) -> None:
    """Compares the new files, read as a stranger would, with what was meant."""
    volume = written.volume
    error = np.abs(volume.maps[..., 0] - values).max()
    if error > 0.5 * spec.slope + FLOAT32_TOLERANCE:
        raise ValueError(f"{out}: values read back differ by {error:g} {spec.unit}; not written")
    last = [*(n - 1 for n in volume.geometry.shape), 1]
    for corner in ([0, 0, 0, 1], last):
        moved = (volume.geometry.affine_lps() - geometry.affine_lps()) @ corner
        if np.abs(moved).max() > GEOMETRY_TOLERANCE_MM:
            raise ValueError(f"{out}: positions read back differ by {moved[:3]} mm; not written")
