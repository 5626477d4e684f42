"""A study of T1w, T2w and FLAIR: found, checked, and brought to one grid.

DICOM series are told apart by their times (:mod:`qsr_jax.data.dicom.contrasts`); NIfTI files have
none, so that a person says them. Intensities stay as they are stored: nobody knows whether the
three have one scale.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qsr_jax.acquisition import ACQUISITION, CONTRASTS, check_acquisition
from qsr_jax.data.dicom import DicomInputError, Series, find_series
from qsr_jax.data.dicom.contrasts import Timing, contrast_of, read_weighted, series_timing
from qsr_jax.data.dicom.find import SeriesFiles
from qsr_jax.data.nifti.stack import read_stack
from qsr_jax.data.studies.registration import NONE, RIGID, rigid_between_contrasts
from qsr_jax.data.studies.regrid import on_grid
from qsr_jax.files.digest import file_sha256
from qsr_jax.types import Geometry

GRID = "t2w"
METHODS = (NONE, RIGID)
UNKNOWN = "?"
"""How a door is told that nobody knows a time."""


class StudyError(ValueError):
    """Images that are no study of T1w, T2w and FLAIR, and what to do."""


@dataclasses.dataclass(frozen=True)
class WeightedStudy:
    """Three contrasts of one head on one grid.

    Attributes:
        images: (z, y, x, 3) float32 T1w, T2w, FLAIR as stored; 0 where one was not scanned.
        geometry: where the voxels lie.
        acquisition_ms: (7,) float32, NaN where nobody knows.
        grid: the contrast whose grid it is.
        sha256: contrast to a digest of its files.
        source: the series whose grid it is, which derived series refer to; None of NIfTI files.
        notes: what a person should look at, without personal values.
    """

    images: np.ndarray
    geometry: Geometry
    acquisition_ms: np.ndarray
    grid: str
    sha256: Mapping[str, str]
    source: Series | None = None
    notes: tuple[str, ...] = ()


def read_dicom_study(
    folder: Path | Mapping[str, Path], *, grid: str = GRID, register: str = NONE
) -> WeightedStudy:
    """Finds the three series of a folder, and brings them to the grid of one.

    Args:
        folder: holds the study; or contrast to the folder of its series, each checked all the same.
        grid: the contrast that the others are brought to.
        register: "rigid" looks for movement by mutual information; "none" goes by the headers.

    Raises:
        StudyError: a contrast is missing or comes twice, one is another kind of scan (T1-FLAIR,
            MPRAGE, FLAIR without TI), or they are of different studies or places.
        DicomInputError: a series cannot be read.
        RegistrationError: see :func:`rigid_between_contrasts`.
        ValueError: times that cannot be, or unknown names.
    """
    _check_names(grid, register)
    chosen = _named(folder) if isinstance(folder, Mapping) else _found(folder)
    series, times = {}, np.full(len(ACQUISITION), np.nan, np.float32)
    for name, files in chosen.items():
        series[name], timing = read_weighted(files, name)
        _set_times(times, name, timing)
    notes = _check_one_study(series, register)
    images = {name: (s.volume.maps[..., 0], s.volume.geometry) for name, s in series.items()}
    return WeightedStudy(
        images=_together(images, grid, {}, register),
        geometry=series[grid].volume.geometry,
        acquisition_ms=check_acquisition(times, where=str(series[grid].place)),
        grid=grid,
        sha256={name: one.sha256 for name, one in series.items()},
        source=series[grid],
        notes=notes,
    )


def read_nifti_study(
    files: Mapping[str, Path],
    *,
    acquisition_ms: Sequence[float] | np.ndarray,
    grid: str = GRID,
    transforms: Mapping[str, np.ndarray] | None = None,
    register: str = NONE,
) -> WeightedStudy:
    """Three NIfTI files on the grid of one.

    Args:
        files: "t1w", "t2w" and "flair" to a file each.
        acquisition_ms: seven times, NaN where nobody knows (:func:`parse_times`).
        grid: the contrast that the others are brought to.
        transforms: contrast to the (4, 4) matrix that carries points of the grid's scan (LPS mm)
            to points of its scan; without one they lie as the headers say.
        register: as of :func:`read_dicom_study`, for those without a transform.

    Raises:
        StudyError: a contrast is missing, a file cannot be used, or a transform is no such matrix.
        RegistrationError: see :func:`rigid_between_contrasts`.
        ValueError: times that cannot be, or unknown names.
    """
    _check_names(grid, register)
    transforms = {} if transforms is None else transforms
    if set(files) != set(CONTRASTS):
        raise StudyError(f"files for {', '.join(files)}; expected {', '.join(CONTRASTS)}")
    for name, matrix in transforms.items():
        if name not in CONTRASTS or name == grid or np.shape(matrix) != (4, 4):
            raise StudyError(
                f"transform of {name}: expected a (4, 4) matrix from the grid of {grid} to another "
                "contrast"
            )
    times = check_acquisition(np.asarray(acquisition_ms), where=str(files[grid]))
    images = {name: _nifti(files[name]) for name in CONTRASTS}
    return WeightedStudy(
        images=_together(images, grid, transforms, register),
        geometry=images[grid][1],
        acquisition_ms=times,
        grid=grid,
        sha256={name: file_sha256(files[name]) for name in CONTRASTS},
    )


def parse_times(tr: str, te: str, ti: str) -> np.ndarray:
    """Seven times (ms) of ``--tr T1W,T2W,FLAIR --te T1W,T2W,FLAIR --ti FLAIR``; "?" is unknown.

    >>> parse_times("600,4500,11000", "15,100,140", "?").tolist()
    [600.0, 15.0, 4500.0, 100.0, 11000.0, 140.0, nan]

    Raises:
        StudyError: not three, three and one number.
    """
    parts = [text.split(",") for text in (tr, te, ti)]
    try:
        trs, tes, tis = (
            [np.nan if part.strip() == UNKNOWN else float(part) for part in one] for one in parts
        )
    except ValueError:
        raise StudyError(f"times {tr!r}, {te!r}, {ti!r}; expected ms or {UNKNOWN}") from None
    if (len(trs), len(tes), len(tis)) != (3, 3, 1):
        raise StudyError(
            f"times {tr!r}, {te!r}, {ti!r}; expected TR and TE of T1w,T2w,FLAIR and TI of FLAIR"
        )
    pairs = [value for both in zip(trs, tes, strict=True) for value in both]
    return np.array([*pairs, *tis], np.float32)


def read_itk_affine(path: Path) -> np.ndarray:
    """(4, 4) LPS mm of an ITK text file of one affine transform, ``y = A (x - c) + t + c``.

    Raises:
        StudyError: not such a file.
    """
    try:
        lines = path.read_text().splitlines()
        found = dict(line.split(":", 1) for line in lines if ":" in line)
        numbers = np.array(found["Parameters"].split(), float)
        centre = np.array(found["FixedParameters"].split(), float)
        matrix = np.eye(4)
        matrix[:3, :3] = numbers[:9].reshape(3, 3)
        matrix[:3, 3] = numbers[9:].reshape(3) + centre - matrix[:3, :3] @ centre.reshape(3)
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"{path}: not an affine transform of ITK ({error})") from None
    return matrix


def _check_names(grid: str, register: str) -> None:
    if grid not in CONTRASTS or register not in METHODS:
        raise ValueError(
            f"grid {grid!r}, register {register!r}; expected one of {', '.join(CONTRASTS)} and one "
            f"of {', '.join(METHODS)}"
        )


def _nifti(path: Path) -> tuple[np.ndarray, Geometry]:
    try:
        values, geometry = read_stack(path)
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: {error}") from None
    if not np.isfinite(values).all() or values.min() < 0 or not values.any():
        raise StudyError(f"{path}: expected a magnitude image, finite and not negative or empty")
    return values.astype(np.float32), geometry


def _found(folder: Path) -> dict[str, SeriesFiles]:
    """The series of each contrast, one of each."""
    fit: dict[str, list[SeriesFiles]] = {name: [] for name in CONTRASTS}
    others = []
    for files in find_series(folder).series:
        try:
            name, why = contrast_of(series_timing(files))
        except DicomInputError as error:
            name, why = "", error.why
        if name:
            fit[name].append(files)
        else:
            others.append(f"{files.place.name}: {why}")
    wrong = [
        f"{len(found)} are {name} ({', '.join(one.place.name for one in found)})"
        if found
        else f"none is {name}"
        for name, found in fit.items()
        if len(found) != 1
    ]
    if wrong:
        rest = f"; not used: {'; '.join(others)}" if others else ""
        raise StudyError(
            f"{folder}: expected one T1w, one T2w and one FLAIR series; {'; '.join(wrong)}{rest}. "
            "Give a folder of three series, or name the folder of each"
        )
    return {name: found[0] for name, found in fit.items()}


def _named(folders: Mapping[str, Path]) -> dict[str, SeriesFiles]:
    """The series that a person named, if each is the contrast it is named for."""
    if set(folders) != set(CONTRASTS):
        raise StudyError(f"series for {', '.join(folders)}; expected {', '.join(CONTRASTS)}")
    chosen = {}
    for name in CONTRASTS:
        found = find_series(folders[name]).series
        if len(found) != 1:
            raise StudyError(f"{folders[name]}: {len(found)} series, expected that of {name} alone")
        told, why = contrast_of(series_timing(found[0]))
        if told != name:
            raise StudyError(f"{folders[name]}: given as {name}, but is {told or why}")
        chosen[name] = found[0]
    return chosen


def _set_times(times: np.ndarray, name: str, timing: Timing) -> None:
    for key, value in (("tr", timing.tr_ms), ("te", timing.te_ms), ("ti", timing.ti_ms)):
        if (full := f"{name}_{key}_ms") in ACQUISITION:
            times[ACQUISITION.index(full)] = value


def _check_one_study(series: Mapping[str, Series], register: str) -> tuple[str, ...]:
    """Refuses series of several people; tells where nothing says that they share a place."""
    people = {(one.patient_id, one.study_uid) for one in series.values()}
    if len(people) > 1:
        raise StudyError(
            "the three series have different PatientID or StudyInstanceUID; expected one study"
        )
    frames = {one.frame_uid for one in series.values()}
    if len(frames) > 1 and register == NONE:
        return ("series differ in FrameOfReferenceUID: the patient was repositioned; register",)
    return ()


def _together(
    images: Mapping[str, tuple[np.ndarray, Geometry]],
    grid: str,
    transforms: Mapping[str, np.ndarray],
    register: str,
) -> np.ndarray:
    """(z, y, x, 3) float32 on one grid."""
    fixed, place = images[grid]
    found = []
    for name in CONTRASTS:
        values, geometry = images[name]
        matrix = transforms.get(name)
        if matrix is None and register == RIGID and name != grid:
            matrix = rigid_between_contrasts(fixed, values, place, geometry)
        moved = on_grid(values, geometry, place, np.eye(4) if matrix is None else matrix)
        if not moved.any():
            raise StudyError(f"{name} and {grid} share no place; expected scans of one head")
        found.append(moved)
    return np.stack(found, axis=-1)
