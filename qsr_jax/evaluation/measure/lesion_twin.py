"""Omission and invention: what a method shows of a change, and what it changes of its own.

A *twin* is the same simulated subject scanned with the same noise, with lesions planted or taken
away (``data_tools.lesion_twin``). What differs between the two scans of a method is the lesions and
nothing else. In a lesion the fraction of the true change that a method shows is its *sensitivity*:
0 is a lesion left out. Where nothing was changed whatever a method changes is its invention.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from qsr_jax.anatomy.label_means import nearest_on
from qsr_jax.anatomy.regions import GREY, WHITE
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import FAST, ROUTINE, Manifest, Subject
from qsr_jax.data.studies.truth import read_truth
from qsr_jax.evaluation.measure.labels import true_labels
from qsr_jax.evaluation.measure.lesion_contrast import Site, lesion_sites
from qsr_jax.evaluation.measure.lesion_visibility import disc_radius_mm, matched_sites
from qsr_jax.evaluation.values import TRUTH, Fields
from qsr_jax.maps import spec_of
from qsr_jax.types import Prediction, Volume

TWIN = "twin"
"""Folder of the twin's series and truth, beside the subject's own series."""

KIND = "lesion twin"
CHANGE, FALSE_CHANGE, DIAMETER = "change", "false change", "diameter"
"""Mean change in a lesion; root mean square over control sites as large, where the truth has none;
diameter of the disc as large as the lesion's largest slice."""
UNCHANGED = 1e-4
"""Largest true change, as a fraction of white matter, of a site where nothing was changed."""
TISSUES = {GREY: "grey matter", WHITE: "white matter"}


def read_twin(manifest: Manifest, subject: Subject, case: Case) -> Case | None:
    """The twin of a subject; None where there is none.

    Args:
        manifest: lists the series.
        subject: whose twin.
        case: the subject.

    Raises:
        DicomInputError: a series cannot be read.
        TruthError: the twin's truth is damaged or lies on another grid.
    """
    home = twin_folder(manifest, subject)
    if case.truth is None or not home.is_dir():
        return None
    scans = {side: _read(home, side, like) for side, like in ((FAST, case.fast),
                                                              (ROUTINE, case.routine))}  # fmt: skip
    truth = read_truth(home / "truth", case.routine.geometry)
    return dataclasses.replace(case, fast=scans[FAST], routine=scans[ROUTINE], truth=truth)


def twin_folder(manifest: Manifest, subject: Subject) -> Path:
    """Where a subject's twin lies, if there is one."""
    pair = next(iter(subject.maps.values()))
    return (manifest.root / pair.folders[ROUTINE]).parent / TWIN


def _read(home: Path, side: str, like: Volume) -> Volume:
    maps = [read_series(home / f"{side}_{name}").volume.maps for name in like.names]
    return dataclasses.replace(like, maps=np.concatenate(maps, axis=-1))


def twin_fields(
    case: Case,
    twin: Case,
    names: tuple[str, ...],
    made: Mapping[str, tuple[Prediction, Prediction]],
    *,
    scans: bool,
) -> Iterator[Fields]:
    """What every method shows of the lesions that one of the two has.

    Args:
        case: the subject.
        twin: the same with lesions where the subject has none, or the other way round.
        names: c map names, in the order of all maps.
        made: method to what it made of the subject's fast scan, and of the twin's.
        scans: whether fast, routine and truth are measured too; once per subject is enough.

    Yields:
        The fields of a value but the subject's.
    """
    if case.truth is None or twin.truth is None:
        return
    sign = 1.0 if twin.truth.lesions.any() else -1.0
    ill, well = (twin.truth, case.truth) if sign > 0 else (case.truth, twin.truth)
    has = case.routine.names
    truth = _of(ill.maps - well.maps, has, names)
    changes = {m: sign * _of(b.mean - a.mean, a.names, names) for m, (a, b) in made.items()}
    if scans:
        routine, fast = (
            sign * (there.maps - here.maps)
            for here, there in ((case.routine, twin.routine), (case.fast, twin.fast))
        )
        carried = nearest_on(dataclasses.replace(case.fast, maps=fast), case.routine.geometry)
        changes[FAST] = _of(carried, case.fast.names, names)
        changes |= {ROUTINE: _of(routine, has, names), TRUTH: truth}
    white = _of(well.maps, has, names)[well.tissue == WHITE].mean(0)
    labels, spacing_mm = true_labels(ill), case.routine.geometry.spacing_mm
    rooms: dict[int, np.ndarray] = {}
    for code, site in lesion_sites(labels, spacing_mm).items():
        row = {
            "kind": KIND,
            "place": f"{code} {labels.lesion_kinds[code]}, {_tissue(well.tissue[site.inside])}",
            "count": len(site.inside[0]),
            "convention": "the same subject and noise with lesions and without",
        }
        if scans:
            size = {"map": "", "quantity": DIAMETER, "unit": "mm", "method": TRUTH}
            yield row | size | {"value": 2.0 * disc_radius_mm(site, spacing_mm)}
        controls = matched_sites(labels, site, spacing_mm, rooms)
        same = [c for c in controls if (np.abs(_mean(truth, c)) <= UNCHANGED * white).all()]
        yield from _change_fields(row, changes, names, site, same)


def _tissue(codes: np.ndarray) -> str:
    """What a lesion stands in, by the tissue there without it."""
    return TISSUES[GREY if (codes == GREY).sum() > (codes == WHITE).sum() else WHITE]


def _mean(maps: np.ndarray, site: Site) -> np.ndarray:
    """(c,) mean over a place."""
    return maps[site.inside].mean(0, np.float64)


def _change_fields(
    row: Fields,
    changes: Mapping[str, np.ndarray],
    names: tuple[str, ...],
    lesion: Site,
    controls: Sequence[Site],
) -> Iterator[Fields]:
    for method, change in changes.items():
        found = {CHANGE: _mean(change, lesion)}
        if controls:
            square = np.square([_mean(change, control) for control in controls])
            found[FALSE_CHANGE] = np.sqrt(square.mean(0))
        for quantity, values in found.items():
            for name, value in zip(names, values.tolist(), strict=True):
                unit = {"map": name, "quantity": quantity, "unit": spec_of(name).unit}
                yield row | unit | {"method": method, "value": value}


def _of(maps: np.ndarray, has: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """(z, y, x, c) of the wanted maps."""
    return maps[..., [has.index(name) for name in wanted]]
