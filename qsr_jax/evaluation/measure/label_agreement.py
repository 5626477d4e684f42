"""How far labels that were found in a simulated subject's maps agree with the true ones."""

from collections.abc import Iterator

import numpy as np

from qsr_jax.evaluation.measure.labels import TISSUES, Labels
from qsr_jax.evaluation.values import Fields
from qsr_jax.types import Geometry

KIND = "label agreement"
"""Kind of a value that compares two opinions; such a value has no method."""
DICE, CENTROID, SHIFT = "Dice", "centroid distance", "shift of the routine mean"
"""Its quantities."""


def agreement_fields(
    found: Labels,
    true: Labels,
    routine: np.ndarray,
    names: tuple[str, ...],
    geometry: Geometry,
) -> Iterator[Fields]:
    """How far labels found in the maps agree with the truth, place by place.

    Dice; the distance of the centres of mass, mean over left and right where both hold the place;
    and by how many percent the mean of the routine maps moves.

    Args:
        found: from the maps.
        true: the truth's.
        routine: (z, y, x, c) physical units.
        names: c map names.
        geometry: of all arrays.

    Yields:
        The fields of a value but the subject's.
    """
    shared = {"kind": KIND, "method": "", "convention": "found in the maps, against the truth"}
    left = _left(true.tissue, geometry)
    places = [(name, found.tissue == code, true.tissue == code) for code, name in TISSUES.items()]
    codes = {name: code for code, name in found.region_names.items()}
    places += [
        (name, found.regions == codes[name], true.regions == code)
        for code, name in true.region_names.items()
        if name in codes
    ]
    for place, mine, theirs in places:
        if not (mine.any() and theirs.any()):
            continue
        row = shared | {"place": place, "count": int(theirs.sum())}
        overlap = 2.0 * float((mine & theirs).sum()) / float(mine.sum() + theirs.sum())
        yield row | {"map": "", "quantity": DICE, "unit": "", "value": overlap}
        apart = _centres_apart_mm(mine, theirs, left, geometry)
        if apart is not None:
            yield row | {"map": "", "quantity": CENTROID, "unit": "mm", "value": apart}
        moved = 100.0 * (routine[mine].mean(0, dtype=float) / routine[theirs].mean(0, dtype=float))
        for name, value in zip(names, moved.tolist(), strict=True):
            yield row | {"map": name, "quantity": SHIFT, "unit": "%", "value": value - 100.0}


def _left(tissue: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(z, y, x) bool, True on one side of the sagittal plane through the middle of the brain."""
    affine = geometry.affine_lps()
    z, y, x = np.ogrid[tuple(slice(n) for n in tissue.shape)]
    across = affine[0, 0] * z + affine[0, 1] * y + affine[0, 2] * x + affine[0, 3]
    brain = np.isin(tissue, list(TISSUES))
    return across > np.broadcast_to(across, tissue.shape)[brain].mean()


def _centres_apart_mm(
    mine: np.ndarray, theirs: np.ndarray, left: np.ndarray, geometry: Geometry
) -> float | None:
    """Mean over the sides that both labels reach; None where they share no side."""
    affine = geometry.affine_lps()
    apart = []
    for side in (left, ~left):
        pair = [np.nonzero(label & side) for label in (mine, theirs)]
        if all(len(index[0]) for index in pair):
            first, second = (np.array([np.mean(i) for i in index]) for index in pair)
            apart.append(float(np.linalg.norm(affine[:3, :3] @ (first - second))))
    return float(np.mean(apart)) if apart else None
