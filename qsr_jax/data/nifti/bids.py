"""Maps of a BIDS data set: NIfTI files, their units from the side-car, read as a series.

``sub-01/anat/sub-01_acq-fast_T1map.nii.gz`` and ``..._acq-routine_T1map.nii.gz``, likewise T2map
and PDmap. BIDS wants seconds but its validator does not look, so nothing is read without ``Units``
in the JSON file beside the image. The rules for geometry are those of DICOM series.
"""

import json
import os
import re
from pathlib import Path

import numpy as np

from qsr_jax.data.dicom import Found, Series, SeriesFiles
from qsr_jax.data.dicom.read import LEAST_MAXIMUM
from qsr_jax.data.nifti.stack import read_stack
from qsr_jax.files.digest import file_sha256, text_sha256
from qsr_jax.files.tree import closed_folders, why_closed
from qsr_jax.maps import MAPS, check, spec_of
from qsr_jax.types import Volume

SUFFIXES = {spec.bids_suffix: spec.name for spec in MAPS.values()}
UNITS = {spec.name: dict(spec.bids_units) for spec in MAPS.values()}
"""What a side-car may say, and the factor to the house's unit."""
ARBITRARY = ("arbitrary", "a.u.", "au")
"""What BIDS lets a PDmap say: its values are then in no unit at all."""
STATISTIC = "Statistic"
"""Key of a side-car whose image is not the map but a statistic of it; ours."""

_NAME = re.compile(
    r"(?P<subject>sub-[A-Za-z0-9]+)(_(?P<session>ses-[A-Za-z0-9]+))?(_[a-z]+-[A-Za-z0-9]+)*"
    r"_acq-(?P<side>fast|routine)(_[a-z]+-[A-Za-z0-9]+)*_(?P<suffix>T1map|T2map|PDmap)\.nii(\.gz)?"
)


class BidsError(ValueError):
    """A map of a BIDS data set that must not be used, and why; names the file and the key."""


def find_maps(root: Path) -> Found:
    """All map files of a raw BIDS tree, and every other file; derivatives are not entered.

    Links are followed as long as they stay in the tree, as for DICOM (:mod:`qsr_jax.files.tree`).
    """
    maps: list[Path] = []
    ignored: list[Path] = []
    entered = {os.path.realpath(root)}
    for name, children, files in os.walk(root, followlinks=True):
        here = Path(name)
        skipped = {"derivatives", "sourcedata", "code"} if here == root else set()
        wanted = sorted(c for c in children if c not in skipped and not c.startswith("."))
        closed = closed_folders([here / c for c in wanted], root, entered=entered)
        ignored += closed
        children[:] = [child for child in wanted if here / child not in closed]
        for file in sorted(files):
            found = here.name == "anat" and _NAME.fullmatch(file)
            together = (here / file, side_car_of(here / file))
            usable = found and not any(why_closed(path, root) for path in together)
            (maps if usable else ignored).append(here / file)
    cars = {side_car_of(path) for path in maps}
    series = (SeriesFiles(path, (path, side_car_of(path))) for path in sorted(maps))
    return Found(tuple(series), tuple(sorted(set(ignored) - cars)))


def _parsed(path: Path) -> re.Match[str]:
    """The parts of a map's name; refuses other names."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise BidsError(f"{path}: expected a name like sub-01_acq-fast_T1map.nii.gz")
    return match


def owner_of_map(path: Path) -> tuple[str, str]:
    """Subject, and subject with session: what PatientID and StudyInstanceUID are to DICOM.

    Raises:
        BidsError: the name is no map's, or the folder is another subject's.
    """
    match = _parsed(path)
    subject, session = match["subject"], match["session"]
    home = [subject, *([session] if session else []), "anat"]
    if list(path.parent.parts[-len(home) :]) != home:
        raise BidsError(f"{path}: expected in {'/'.join(home)}")
    return subject, "/".join(home[:-1])


def read_map(path: Path) -> Series:
    """Reads one map; its description is the side its name claims, "fast" or "routine".

    Raises:
        BidsError: the file, its side-car, its unit, its values or its geometry cannot be trusted.
    """
    subject, study = owner_of_map(path)
    match = _parsed(path)
    spec = spec_of(SUFFIXES[match["suffix"]])
    factor = factor_of(path, spec.name)
    try:
        values, geometry = read_stack(path)
        values = check(values * factor, spec, where=str(path))
    except (OSError, ValueError) as error:
        raise BidsError(str(error)) from None
    if values.max() < LEAST_MAXIMUM:
        why = f"largest value {values.max():g} {spec.unit}; empty, or another unit?"
        raise BidsError(f"{path}: {why}")
    files = (path, side_car_of(path))
    digests = "".join(file_sha256(file) for file in files)
    maps = np.ascontiguousarray(values[..., None], np.float32)
    return Series(
        volume=Volume(maps, (spec.name,), geometry),
        map_name=spec.name,
        place=path,
        files=files,
        patient_id=subject,
        study_uid=study,
        series_uid=path.name,
        frame_uid=study,
        description=match["side"],
        sha256=text_sha256(digests),
    )


def side_car_of(path: Path) -> Path:
    """The JSON file beside an image."""
    return path.with_name(path.name.split(".nii")[0] + ".json")


def factor_of(path: Path, map_name: str, *, without: str | None = None) -> float:
    """What the values of a file are multiplied with to be in the house's unit; never a guess.

    Args:
        path: NIfTI file.
        map_name: what it holds.
        without: its unit where no side-car says one; None refuses such a file.

    Raises:
        BidsError: no unit is said, one that the map cannot have, or the side-car is no map's.
    """
    allowed = UNITS[map_name]
    wanted = f"Units must be one of {', '.join(allowed)}"
    side_car = side_car_of(path)
    unit = said_unit(path, wanted=wanted) or without
    if unit is None:
        state = "Units: missing" if side_car.exists() else "missing"
        raise BidsError(f"{side_car}: {state}; {wanted}")
    if unit not in allowed:
        why = "it is none of them"
        if unit.casefold() in ARBITRARY:
            why = (
                "it is arbitrary, and no percentage follows from that. Divide the map by its value "
                "in water (the ventricles), times 100, and say %"
            )
        raise BidsError(f"{side_car}: {wanted}; {why}")
    return allowed[unit]


def said_unit(path: Path, *, wanted: str = "expected JSON with Units") -> str | None:
    """``Units`` of the side-car, None where there is no side-car or it does not say.

    Args:
        path: NIfTI file.
        wanted: what should stand there, for the error.

    Raises:
        BidsError: the side-car cannot be read, or is that of a statistic.
    """
    side_car = side_car_of(path)
    try:
        content = json.loads(side_car.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BidsError(f"{side_car}: not readable ({type(error).__name__}); {wanted}") from None
    content = content if isinstance(content, dict) else {}
    if STATISTIC in content:
        raise BidsError(f"{side_car}: {STATISTIC}: present; expected a map, not a statistic of it")
    unit = content.get("Units")
    return None if unit is None else str(unit)
