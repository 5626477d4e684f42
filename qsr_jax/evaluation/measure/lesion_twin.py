"""Omission and invention: what a method shows of a change, and what it changes of its own.

A *twin* is the same simulated subject scanned with the same noise, with lesions planted or taken
away (``data_tools.lesion_twin``). What differs between the two scans of a method is the lesions and
nothing else. In a lesion the fraction of the true change that a method shows is its *sensitivity*:
0 is a lesion left out. Where nothing was changed whatever a method changes is its invention.

Two more tell a reader's side: the contrast to noise at a lesion's place with the lesion and
without, and by how much the contrast of places without a lesion is off the truth. Routine's noise
does that too, and no method should do it more.
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
from qsr_jax.evaluation.measure.lesion_contrast import Site, contrasts, lesion_sites
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
WITH, WITHOUT = "contrast to noise with the lesion", "contrast to noise without the lesion"
INVENTED = "invented contrast"
"""Root mean square over control sites of what a method's contrast is off the true one."""
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
    planted, has = bool(twin.truth.lesions.any()), case.routine.names
    ill, well = (twin.truth, case.truth) if planted else (case.truth, twin.truth)
    here, there = (_of(one.maps, has, names) for one in (case.truth, twin.truth))
    truth = _pair(here, there, planted=planted)
    pairs = {m: _predicted(both, names, planted=planted) for m, both in made.items()}
    if scans:
        pairs |= {s: _scanned(s, case, twin, names, planted=planted) for s in (FAST, ROUTINE)}
        pairs[TRUTH] = truth
    white = truth.well[well.tissue == WHITE].mean(0)
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
        same = [c for c in controls if (np.abs(truth.change(c)) <= UNCHANGED * white).all()]
        for method, pair in pairs.items():
            found = _found(pair, truth, site, same)
            if method == TRUTH:
                found = {CHANGE: found[CHANGE]}
            yield from _fields(row | {"method": method}, names, found)


def _tissue(codes: np.ndarray) -> str:
    """What a lesion stands in, by the tissue there without it."""
    return TISSUES[GREY if (codes == GREY).sum() > (codes == WHITE).sum() else WHITE]


@dataclasses.dataclass(frozen=True)
class _Pair:
    """What one method made of both scans, (z, y, x, c): with lesions, without, and of the subject.

    ``own`` is one of the two: that of the subject, not of the twin.
    """

    ill: np.ndarray
    well: np.ndarray
    own: np.ndarray

    def change(self, site: Site) -> np.ndarray:
        """(c,) mean over a place with lesions minus without."""
        with_, without = (maps[site.inside].mean(0, np.float64) for maps in (self.ill, self.well))
        return with_ - without


def _pair(here: np.ndarray, there: np.ndarray, *, planted: bool) -> _Pair:
    return _Pair(there, here, here) if planted else _Pair(here, there, here)


def _predicted(
    both: tuple[Prediction, Prediction], names: tuple[str, ...], *, planted: bool
) -> _Pair:
    here, there = (_of(one.mean, one.names, names) for one in both)
    return _pair(here, there, planted=planted)


def _scanned(side: str, case: Case, twin: Case, names: tuple[str, ...], *, planted: bool) -> _Pair:
    """Both scans of one side, on the routine grid."""
    if side == ROUTINE:
        both = [(one.routine.maps, one.routine.names) for one in (case, twin)]
    else:
        geometry = case.routine.geometry
        both = [(nearest_on(one.fast, geometry), one.fast.names) for one in (case, twin)]
    here, there = (_of(maps, has, names) for maps, has in both)
    return _pair(here, there, planted=planted)


def _found(
    pair: _Pair, truth: _Pair, lesion: Site, controls: Sequence[Site]
) -> dict[str, np.ndarray]:
    """Quantity to (c,) of one method at a lesion and its control sites."""
    found = {
        CHANGE: pair.change(lesion),
        WITH: contrasts(pair.ill, lesion)[1],
        WITHOUT: contrasts(pair.well, lesion)[1],
    }
    if controls:
        changed = [pair.change(control) for control in controls]
        made_up = [contrasts(pair.own, c)[0] - contrasts(truth.own, c)[0] for c in controls]
        for quantity, off in ((FALSE_CHANGE, changed), (INVENTED, made_up)):
            found[quantity] = np.sqrt(np.square(off).mean(0))
    return found


def _fields(
    row: Fields, names: tuple[str, ...], found: Mapping[str, np.ndarray]
) -> Iterator[Fields]:
    for quantity, values in found.items():
        for name, value in zip(names, values.tolist(), strict=True):
            unit = "SD" if quantity in (WITH, WITHOUT) else spec_of(name).unit
            yield row | {"map": name, "quantity": quantity, "unit": unit, "value": value}


def _of(maps: np.ndarray, has: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """(z, y, x, c) of the wanted maps."""
    return maps[..., [has.index(name) for name in wanted]]
