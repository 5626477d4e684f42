"""Is a lesion to be seen? Contrast of a place against the tissue around it.

The rule, the same for every map and method: a place *reads as present* if its mean differs from
the mean of the ring around it by at least :data:`READ_AT` standard deviations of that ring. The
ring is what lies 2 to 6 mm from the place in the same slices and is white matter outside all
lesions (any brain tissue outside all lesions where that is too little). Three standard deviations
is the lower end of what Rose found an eye to need (doi:10.1364/JOSA.38.000196: 3 to 5).
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from scipy import ndimage

from qsr_jax.anatomy.regions import GREY, WHITE
from qsr_jax.evaluation.measure.labels import Labels
from qsr_jax.evaluation.values import Fields
from qsr_jax.maps import spec_of

READ_AT = 3.0
"""Contrast in standard deviations of the ring from which on a place reads as present."""

RING_MM = (2.0, 6.0)
"""Distance of the ring from the place."""

LEAST_SPREAD = 1e-3
"""Smallest SD of a ring over its mean."""

MIN_RING = 30
"""Voxels of white matter that make a ring."""

LESION_KIND = "lesion contrast"
CONTRAST, CNR = "contrast", "contrast to noise"


@dataclasses.dataclass(frozen=True)
class Site:
    """A place and its ring as indices (z, y, x) of voxels."""

    inside: tuple[np.ndarray, ...]
    ring: tuple[np.ndarray, ...]


def contrasts(maps: np.ndarray, site: Site) -> tuple[np.ndarray, np.ndarray]:
    """Contrast of a site in map units and in standard deviations of its ring.

    Args:
        maps: (z, y, x, c) physical units.
        site: the place and its ring.

    Returns:
        (c,) mean inside minus mean of the ring, and (c,) the same over the ring's SD, which counts
        as :data:`LEAST_SPREAD` of the ring's mean where it is less: no scan is that quiet.
    """
    ring = maps[site.ring].astype(np.float64)
    contrast = maps[site.inside].astype(np.float64).mean(0) - ring.mean(0)
    spread = np.maximum(ring.std(0, ddof=1), LEAST_SPREAD * np.abs(ring.mean(0)))
    return contrast, contrast / np.maximum(spread, np.finfo(float).tiny)


def lesion_sites(labels: Labels, spacing_mm: tuple[float, float, float]) -> dict[int, Site]:
    """Every labelled lesion and its ring, by the lesion's number; lesions without a ring are out.

    Args:
        labels: on the routine grid.
        spacing_mm: distance between (slices, rows, columns).
    """
    sites = {}
    for code in labels.lesion_kinds:
        inside = labels.lesions == code
        if inside.any():
            site = site_of(labels, inside, spacing_mm, first=0)
            if site is not None:
                sites[code] = site
    return sites


def site_of(
    labels: Labels, inside: np.ndarray, spacing_mm: tuple[float, float, float], *, first: int
) -> Site | None:
    """A place with its ring; None where there is too little tissue around it.

    Args:
        labels: on the routine grid.
        inside: (z, y, x) bool, the place; fewer slices than the labels have.
        spacing_mm: distance between (slices, rows, columns).
        first: slice of the labels at which ``inside`` begins.
    """
    window = _window(inside, spacing_mm)
    start = (window[0].start + first, *(part.start for part in window[1:]))
    stop = (window[0].stop + first, *(part.stop for part in window[1:]))
    there = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    cut, tissue, lesions = inside[window], labels.tissue[there], labels.lesions[there]
    far = np.stack([ndimage.distance_transform_edt(~part, spacing_mm[1:]) for part in cut])
    near = cut.any((1, 2), keepdims=True) & (lesions == 0)
    near &= (far > RING_MM[0]) & (far <= RING_MM[1])
    ring = near & (tissue == WHITE)
    if ring.sum() < MIN_RING:
        ring = near & np.isin(tissue, (WHITE, GREY))
    if ring.sum() < 2:
        return None
    found = [[i + s for i, s in zip(np.nonzero(m), start, strict=True)] for m in (cut, ring)]
    return Site(*(tuple(indices) for indices in found))


def _window(inside: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[slice, ...]:
    """The slices of a place, and the rows and columns within reach of its ring."""
    (box,) = ndimage.find_objects(inside.astype(np.uint8))
    pads = (0, *(int(np.ceil(RING_MM[1] / step)) + 1 for step in spacing_mm[1:]))
    return tuple(
        slice(max(0, part.start - pad), min(size, part.stop + pad))
        for part, pad, size in zip(box, pads, inside.shape, strict=True)
    )


def contrast_fields(
    sources: Mapping[str, np.ndarray],
    names: tuple[str, ...],
    labels: Labels,
    spacing_mm: tuple[float, float, float],
) -> Iterator[Fields]:
    """What every method shows at the subject's lesions.

    Args:
        sources: method to (z, y, x, c) physical units on the grid of the labels.
        names: c map names.
        labels: where the lesions are.
        spacing_mm: distance between (slices, rows, columns).
    """
    rule = f"ring of {RING_MM[0]:g} to {RING_MM[1]:g} mm; present from {READ_AT:g} SD on"
    for code, site in lesion_sites(labels, spacing_mm).items():
        shared = {
            "kind": LESION_KIND,
            "place": f"{code} {labels.lesion_kinds[code]}",
            "count": len(site.inside[0]),
            "convention": rule,
        }
        for method, maps in sources.items():
            pair = contrasts(maps, site)
            for name, contrast, ratio in zip(names, *pair, strict=True):
                unit = spec_of(name).unit
                row = shared | {"map": name, "method": method}
                yield row | {"quantity": CONTRAST, "unit": unit, "value": float(contrast)}
                yield row | {"quantity": CNR, "unit": "SD", "value": float(ratio)}
