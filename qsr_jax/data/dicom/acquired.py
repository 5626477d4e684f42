"""Writes map series that look like the scanner's, for simulated subjects."""

import dataclasses
from pathlib import Path

from pydicom.dataset import Dataset

from qsr_jax.data.dicom.elements import (
    decimal,
    make_uid,
    save,
    set_pixels,
    set_plane,
    set_rescale,
)
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MapSpec, spec_of, to_stored
from qsr_jax.types import Volume


@dataclasses.dataclass(frozen=True)
class Acquisition:
    """What the header of a map series says about the subject and the scan.

    Attributes:
        patient_id: PatientID; the same in all series of a subject.
        patient_name: PatientName, "FAMILY^GIVEN".
        study_uid: StudyInstanceUID, see :func:`qsr_jax.data.dicom.make_uid`.
        frame_uid: FrameOfReferenceUID; equal for series that share patient coordinates.
        study_date: "YYYYMMDD".
        study_time: "HHMMSS".
        series_number: SeriesNumber.
        series_description: SeriesDescription, at most 64 characters.
        tr_ms: RepetitionTime.
        te_ms: EchoTime of the first echo.
        echo_train_length: EchoTrainLength.
        matrix: acquired samples along (frequency, phase); phase runs along the rows (left-right).
        field_strength_t: MagneticFieldStrength, tesla; None where it is not known.
        model: ManufacturerModelName.
        sequence: ScanningSequence.
        derivation: DerivationDescription: how the maps were made; "" says nothing.
    """

    patient_id: str
    patient_name: str
    study_uid: str
    frame_uid: str
    study_date: str
    study_time: str
    series_number: int
    series_description: str
    tr_ms: float
    te_ms: float
    echo_train_length: int
    matrix: tuple[int, int]
    field_strength_t: float | None
    model: str = "simulated MDME"
    sequence: str = "SE"
    derivation: str = ""


def write_acquired(volume: Volume, out: Path, *, acquisition: Acquisition, uid_seed: str) -> None:
    r"""Writes ``volume`` (one map) as the folder ``out`` with 001.dcm, 002.dcm, ...

    The layout is GE MAGiC's as far as it is public: ImageType ``DERIVED\PRIMARY\T1``, unsigned
    16 bit, RescaleSlope 0.1, no RealWorldValueMapping. UIDs of series and images are pure
    functions of ``uid_seed``; the bytes of equal calls are equal.

    Raises:
        ValueError: not exactly one map, or values that are no such map.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write; nothing is left at ``out``.
    """
    if len(volume.names) != 1:
        raise ValueError(f"{out}: a series holds one map, got {', '.join(volume.names)}")
    spec = spec_of(volume.names[0])
    stored = to_stored(volume.maps[..., 0], spec, where=str(out))
    with staged_folder(out) as folder:
        for index, pixels in enumerate(stored):
            dataset = _header(acquisition, spec, uid_seed)
            _set_slice(dataset, volume, index, uid_seed)
            set_pixels(dataset, pixels)
            save(dataset, folder / f"{index + 1:03d}.dcm")


def _header(acquisition: Acquisition, spec: MapSpec, uid_seed: str) -> Dataset:
    """What all slices of a series share."""
    a, dataset = acquisition, Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "PRIMARY", spec.label]
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = a.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = a.study_time
    dataset.ContentDate, dataset.ContentTime = a.study_date, a.study_time
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality = "MR"
    dataset.Manufacturer = "qsr_jax"
    dataset.ManufacturerModelName = a.model
    dataset.SeriesDescription = a.series_description
    dataset.PatientName, dataset.PatientID = a.patient_name, a.patient_id
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.BodyPartExamined = "BRAIN"
    dataset.ScanningSequence, dataset.SequenceVariant = a.sequence, "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime, dataset.EchoTime = decimal(a.tr_ms), decimal(a.te_ms)
    dataset.EchoTrainLength = a.echo_train_length
    if a.field_strength_t is not None:
        dataset.MagneticFieldStrength = decimal(a.field_strength_t)
    if a.derivation:
        dataset.DerivationDescription = a.derivation
    frequency, phase = a.matrix
    dataset.AcquisitionMatrix = [0, frequency, phase, 0]
    dataset.InPlanePhaseEncodingDirection = "ROW"
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = a.study_uid, a.frame_uid
    dataset.SeriesInstanceUID = make_uid(f"{uid_seed}/series")
    dataset.StudyID, dataset.PositionReferenceIndicator = "1", ""
    dataset.SeriesNumber = a.series_number
    set_rescale(dataset, spec)
    return dataset


def _set_slice(dataset: Dataset, volume: Volume, index: int, uid_seed: str) -> None:
    """What belongs to slice ``index`` alone."""
    dataset.SOPInstanceUID = make_uid(f"{uid_seed}/image/{index}")
    dataset.InstanceNumber = index + 1
    dataset.ImagesInAcquisition = len(volume.maps)
    dataset.SliceThickness = decimal(volume.geometry.spacing_mm[0])
    set_plane(dataset, volume.geometry, index)
