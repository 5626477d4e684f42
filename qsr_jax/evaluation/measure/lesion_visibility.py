"""How large each lesion is, and what its like reads where there is no lesion.

A contrast to noise that reads as present means little by itself: the mean of three voxels scatters
more than that of three hundred. So every lesion has *control sites* of its own: places of as many
voxels, round, in the tissue around the lesion, in the same subject, so far from all lesions that no
ring touches one. They are spread evenly over all places there are; no chance is involved, and
every method is read at the same places. Lesions against their control sites make a receiver
operating characteristic (:mod:`qsr_jax.evaluation.sections.lesion_visibility`).
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import ndimage

from qsr_jax.anatomy.regions import GREY, WHITE
from qsr_jax.evaluation.measure.labels import Labels
from qsr_jax.evaluation.measure.lesion_contrast import (
    CNR,
    LESION_KIND,
    RING_MM,
    Site,
    contrasts,
    lesion_sites,
    site_of,
)
from qsr_jax.evaluation.values import Fields

KIND = "matched control"
"""A value's place is "3 WMH, control 2"."""
VOLUME, VOXELS, DIAMETER = "volume", "voxels", "diameter"
"""Sizes of a lesion, of kind :data:`LESION_KIND`: mm3, voxels, and mm of the disc as large as its
largest slice."""
LABEL = "label"
"""Method of a size."""
CONTROLS = 10
"""Control sites of a lesion at most."""
MARGIN_MM = {WHITE: 1.5, GREY: 0.0}
"""Tissue wanted around a control site, so that nothing blurs into it; cortex is too thin."""
SHRINK = 0.8
"""Where no place is as large as the lesion, one this much smaller is looked for, again and again:
a smaller site scatters more, so no method is flattered."""


def visibility_fields(
    sources: Mapping[str, np.ndarray],
    names: tuple[str, ...],
    labels: Labels,
    spacing_mm: tuple[float, float, float],
    *,
    sizes: bool = True,
) -> Iterator[Fields]:
    """Sizes of the subject's lesions, and the contrast to noise of every method at control sites.

    Args:
        sources: method to (z, y, x, c) physical units on the grid of the labels.
        names: c map names.
        labels: where the lesions are.
        spacing_mm: distance between (slices, rows, columns).
        sizes: whether the sizes are wanted; once per subject is enough.
    """
    rooms: dict[int, np.ndarray] = {}
    for code, site in lesion_sites(labels, spacing_mm).items():
        lesion = f"{code} {labels.lesion_kinds[code]}"
        if sizes:
            yield from _sizes(lesion, site, spacing_mm)
        for number, control in enumerate(matched_sites(labels, site, spacing_mm, rooms), 1):
            shared = {
                "kind": KIND,
                "place": f"{lesion}, control {number}",
                "quantity": CNR,
                "unit": "SD",
                "count": len(control.inside[0]),
                "convention": "in the tissue around the lesion, as large, without a lesion",
            }
            for method, maps in sources.items():
                for name, ratio in zip(names, contrasts(maps, control)[1].tolist(), strict=True):
                    yield shared | {"map": name, "method": method, "value": ratio}


def _sizes(lesion: str, site: Site, spacing_mm: tuple[float, float, float]) -> Iterator[Fields]:
    voxels = len(site.inside[0])
    sizes = {
        VOXELS: ("", float(voxels)),
        VOLUME: ("mm³", voxels * float(np.prod(spacing_mm))),
        DIAMETER: ("mm", 2.0 * disc_radius_mm(site, spacing_mm)),
    }
    for quantity, (unit, value) in sizes.items():
        yield {
            "kind": LESION_KIND,
            "place": lesion,
            "map": "",
            "quantity": quantity,
            "unit": unit,
            "method": LABEL,
            "value": value,
            "count": voxels,
            "convention": "voxels of the label",
        }


def _largest_slice(site: Site) -> int:
    """Voxels of a place in the slice that holds most of it."""
    return int(np.unique(site.inside[0], return_counts=True)[1].max())


def disc_radius_mm(site: Site, spacing_mm: tuple[float, float, float]) -> float:
    """Of the disc as large as the largest slice of a place."""
    return float(np.sqrt(_largest_slice(site) * spacing_mm[1] * spacing_mm[2] / np.pi))


def matched_sites(
    labels: Labels,
    lesion: Site,
    spacing_mm: tuple[float, float, float],
    rooms: dict[int, np.ndarray],
) -> list[Site]:
    """Control sites of one lesion; see the head of this file.

    Args:
        labels: on the routine grid.
        lesion: the lesion.
        spacing_mm: distance between (slices, rows, columns).
        rooms: what was found about each tissue before; empty at first, filled here.

    Returns:
        At most :data:`CONTROLS`; none where the tissue has no place without lesion.
    """
    around = labels.tissue[lesion.ring]
    tissue = WHITE if 2 * (around == WHITE).sum() >= np.isin(around, (GREY, WHITE)).sum() else GREY
    if tissue not in rooms:
        rooms[tissue] = _room_mm(labels, tissue, spacing_mm)
    size, radius = _largest_slice(lesion), disc_radius_mm(lesion, spacing_mm)
    places = np.argwhere(rooms[tissue] > radius + MARGIN_MM[tissue])
    while not len(places) and size > 1:
        radius, size = radius * SHRINK, max(1, int(size * SHRINK**2))
        places = np.argwhere(rooms[tissue] > radius + MARGIN_MM[tissue])
    if not len(places):
        return []
    chosen = np.unique(np.linspace(0, len(places) - 1, CONTROLS).round().astype(int))
    found = [_disc(labels, place, size, radius, spacing_mm) for place in places[chosen]]
    return [site for site in found if site is not None]


def _room_mm(labels: Labels, tissue: int, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Distance (z, y, x) in its slice from what is not this tissue, or is near a lesion; mm."""
    free = (labels.tissue == tissue) & (labels.lesions == 0)
    steps = [int(np.ceil(2 * RING_MM[1] / step)) for step in spacing_mm[1:]]
    for z in np.flatnonzero((labels.lesions > 0).any((1, 2))):
        size = tuple(2 * step + 1 for step in steps)
        free[z] &= ~ndimage.maximum_filter(labels.lesions[z] > 0, size)
    free[:, [0, -1]] = free[:, :, [0, -1]] = False  # the frame ends there
    return np.stack([ndimage.distance_transform_edt(part, spacing_mm[1:]) for part in free])


def _disc(
    labels: Labels,
    place: np.ndarray,
    size: int,
    radius_mm: float,
    spacing_mm: tuple[float, float, float],
) -> Site | None:
    """The ``size`` voxels nearest to a place in its slice, with their ring."""
    z, *centre = place.tolist()
    reach = [int(np.ceil(radius_mm / step)) + 1 for step in spacing_mm[1:]]
    down, across = (np.arange(-n, n + 1) for n in reach)
    far = np.hypot(down[:, None] * spacing_mm[1], across * spacing_mm[2])
    order = np.argsort(far, axis=None, kind="stable")[:size]
    y, x = (part + c for part, c in zip(np.unravel_index(order, far.shape), centre, strict=True))
    disc = np.zeros((1, *labels.tissue.shape[1:]), bool)
    disc[0, y - reach[0], x - reach[1]] = True
    return site_of(labels, disc, spacing_mm, first=z)
