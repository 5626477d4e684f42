"""Writes a prediction as one Parametric Map of 32-bit floats, through highdicom.

Stored value and physical value are the same number (slope 1), so that readers which ignore the
RealWorldValueMapping are right too. SimpleITK cannot open Parametric Maps; a classic series is the
default for that reason.
"""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from qsr_jax.data.dicom.derived import (
    GEOMETRY_TOLERANCE_MM,
    SERIES_NUMBER_STEP,
    SPREAD_NUMBER_STEP,
    check_request,
    thickness_mm,
)
from qsr_jax.data.dicom.elements import ZERO_PREAMBLE, code, decimals
from qsr_jax.data.dicom.header import Header, unquoted
from qsr_jax.data.dicom.read import slices_of
from qsr_jax.data.dicom.series import Series
from qsr_jax.data.dicom.source_images import refer_to_frames, stand_in
from qsr_jax.data.dicom.spread import say_deviation, values_of
from qsr_jax.data.dicom.validator import check_standard
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MapSpec, check
from qsr_jax.types import Geometry, Prediction

FILE = "001.dcm"
INSTALL = 'pip install "qsr_jax[parametric-map]"'


class MissingPackageError(ValueError):
    """A package that is not always needed is not installed; the text says how to get it."""


def write_parametric_map(
    prediction: Prediction,
    source: Series,
    out: Path,
    *,
    derivation: str,
    software: str,
    std: bool = False,
) -> None:
    """Writes ``prediction`` (one map) as the folder ``out`` with one multi-frame file.

    Patient, study and frame of reference are the source's; series and image get new UIDs. Every
    frame names the image, or the frame of a multi-frame source, that it was made from. The file is
    read back before it appears: values equal, positions within 1e-4 mm.

    Args:
        prediction: one map, its slices at the places of the source's slices.
        source: the series it was made from.
        out: folder to make.
        derivation: ContentDescription is short, so the text stands in DerivationDescription.
        software: SoftwareVersions, at most 64 characters.
        std: whether the standard deviation is written in place of the mean.

    Raises:
        MissingPackageError: highdicom is not installed.
        ValueError: not the map or slices of the source, impossible values, a text too long, or no
            standard deviation where it is wanted.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write. Nothing is left at ``out`` in any case.
    """
    highdicom = _highdicom()
    spec = check_request(prediction, source, out, derivation, software)
    values, spec = values_of(prediction, spec, std=std)
    check(values, spec, where=str(out))
    with staged_folder(out) as folder, unquoted("ignore"):
        try:
            dataset = _parametric_map(
                highdicom, values, prediction.geometry, source, spec, software=software, std=std
            )
            _complete(dataset, source, spec, derivation)
        except (AttributeError, KeyError) as error:
            kind = type(error).__name__
            raise ValueError(f"{out}: the source's header is too poor ({kind})") from None
        dataset.save_as(folder / FILE, enforce_file_format=True)
        check_standard([folder / FILE], source.files[0], where=out)
        _check_written(highdicom, folder / FILE, values, prediction.geometry, out)


def _highdicom() -> Any:
    try:
        import highdicom
    except ImportError:
        raise MissingPackageError(f"a Parametric Map needs highdicom: {INSTALL}") from None
    return highdicom


def _parametric_map(
    highdicom: Any,
    values: np.ndarray,
    geometry: Geometry,
    source: Series,
    spec: MapSpec,
    *,
    software: str,
    std: bool,
) -> Dataset:
    """The object as highdicom makes it."""
    dz, dy, dx = geometry.spacing_mm
    frames = slices_of(source)
    sources = [stand_in(frame, spacing_mm=dz) for frame in frames]
    number = int(sources[0].get("SeriesNumber") or 0)
    contrast = highdicom.pm.DerivedPixelContrastValues
    dataset = highdicom.pm.ParametricMap(
        source_images=sources,
        pixel_array=np.ascontiguousarray(values, np.float32),
        series_instance_uid=generate_uid(prefix=None),
        series_number=(SPREAD_NUMBER_STEP if std else SERIES_NUMBER_STEP) + number,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        contains_recognizable_visual_features=False,
        derived_pixel_contrast=contrast.STD_DEVIATION if std else contrast.QUANTITY,
        real_world_value_mappings=[_mapping(highdicom, spec, std=std)],
        # Stored values are the physical ones, so a window cannot be misread here.
        voi_lut_transformations=[
            highdicom.VOILUTTransformation(spec.scanner_max / 2, spec.scanner_max)
        ],
        pixel_measures=highdicom.PixelMeasuresSequence(
            decimals((dy, dx)), thickness_mm(frames[0], dz), dz
        ),
        **_words(spec, software),
        **_places(highdicom, geometry),
    )
    uids = [str(image.SOPInstanceUID) for image in sources]
    refer_to_frames(dataset, dict(zip(uids, frames, strict=True)))
    return dataset


def _words(spec: MapSpec, software: str) -> dict[str, str]:
    """Who made it and what it is, as arguments of highdicom's constructor."""
    return {
        "manufacturer": "qsr_jax",
        "manufacturer_model_name": "qsr_jax",
        "software_versions": software,
        "device_serial_number": "0",
        "content_description": f"{spec.label} super-resolved, research",
        "content_creator_name": "qsr_jax",
        "content_label": f"{spec.label}_QSR",
    }


def _mapping(highdicom: Any, spec: MapSpec, *, std: bool) -> Dataset:
    """What the stored values are: the quantity or its spread, in its unit."""
    mapping = highdicom.pm.RealWorldValueMapping(
        lut_label=spec.label,
        lut_explanation=f"{spec.label} in {spec.unit}",
        unit=Code(spec.ucum[0], "UCUM", spec.ucum[1]),
        value_range=(0.0, float(spec.readable_max)),
        slope=1.0,
        intercept=0.0,
        quantity_definition=Code(spec.quantity[0], "DCM", spec.quantity[1]),
    )
    if std:
        say_deviation(mapping)
    return mapping


def _places(highdicom: Any, geometry: Geometry) -> dict[str, Any]:
    """Orientation and positions of the frames, as arguments of highdicom's constructor."""
    patient = highdicom.CoordinateSystemNames.PATIENT
    directions = decimals((*geometry.row_dir, *geometry.col_dir))
    return {
        "plane_orientation": highdicom.PlaneOrientationSequence(patient, directions),
        "plane_positions": [
            highdicom.PlanePositionSequence(patient, decimals(position))
            for position in geometry.slice_positions_mm()
        ],
    }


def _complete(dataset: Dataset, source: Series, spec: MapSpec, derivation: str) -> None:
    """What highdicom leaves out: anatomy of the frames, modality, position, derivation."""
    original = Header(source.files[0])
    dataset.preamble = ZERO_PREAMBLE
    dataset.Modality = "MR"
    dataset.BodyPartExamined = original.optional_text("BodyPartExamined") or "BRAIN"
    dataset.PatientPosition = original.optional_text("PatientPosition")
    dataset.SeriesDescription = f"qsr_jax {spec.label} parametric map research"
    anatomy = Dataset()
    anatomy.FrameLaterality = "U"
    anatomy.AnatomicRegionSequence = code("12738006", "SCT", "Brain")
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.FrameAnatomySequence = DicomSequence([anatomy])
    for group in (shared, *dataset.PerFrameFunctionalGroupsSequence):
        for item in group.get("DerivationImageSequence", ()):
            item.DerivationDescription = derivation
            item.DerivationCodeSequence = code("113085", "DCM", "Spatial resampling")


def _check_written(
    highdicom: Any, path: Path, wanted: np.ndarray, geometry: Geometry, out: Path
) -> None:
    """Reads the file through highdicom, which sorts frames its own way, and compares."""
    volume = highdicom.imread(path).get_volume()
    affine, values = volume.affine.copy(), volume.array
    if affine[:3, 0] @ geometry.normal < 0:
        values = values[::-1]
        affine[:3, 3] += affine[:3, 0] * (len(values) - 1)
        affine[:3, 0] *= -1
    if not np.array_equal(values, wanted):
        raise ValueError(f"{out}: values read back differ; not written")
    last = [*(n - 1 for n in geometry.shape), 1]
    for corner in ([0, 0, 0, 1], last):
        moved = (affine - geometry.affine_lps()) @ corner
        if np.abs(moved).max() > GEOMETRY_TOLERANCE_MM:
            raise ValueError(f"{out}: positions read back differ by {moved[:3]} mm; not written")
