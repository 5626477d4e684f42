"""Image metrics of every method against routine, per slice and averaged over slices."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.values import NEEDS_BOTH, SLICES, Fields
from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import BRAIN, METRICS, PAPER, Convention, whole_windows
from qsr_jax.metrics.ssim import Prepared, prepare, ssim_against

SUMS = ("mae", "rmse", "bias", "psnr")
"""Metrics that are made of sums over voxels and computed in one pass."""

QUANTITIES = (*SUMS, "ssim")
"""The metrics of the report."""

BOX_STEP = 64
"""Brains are cut out to whole steps of this many pixels: few shapes, few compilations."""

AT_ONCE = 2
"""Slices that go through the metrics together: what is made of so few stays in a core's cache,
which makes SSIM three times as fast on a CPU as with 24."""


def image_fields(
    case: Case, names: tuple[str, ...], sources: Mapping[str, np.ndarray]
) -> Iterator[Fields]:
    """Metrics against routine: per slice, then the mean over slices that hold a whole window.

    The fast map has no pixel where a routine pixel is, and is measured by its interpolations. The
    whole frame, mostly air, is measured for what the paper measured there, and bicubic.
    """
    mask = brain_mask(case)
    usable = np.asarray(whole_windows(mask).any((1, 2)))
    if not usable.any():
        raise ValueError(f"subject {case.subject}: the mask holds no 11 x 11 window in any slice")
    box = brain_box(mask)
    brain = _against(sources[ROUTINE][box], mask[box], names, BRAIN)
    frame = _against(sources[ROUTINE], np.ones_like(mask), names, PAPER)
    for method, test in sources.items():
        if method in (FAST, ROUTINE):
            continue
        found = _metrics_of(test[box], brain)
        yield from _metric_rows(found, method, names, BRAIN, mask, usable)
        if method in NEEDS_BOTH:
            found = _metrics_of(test, frame)
            yield from _metric_rows(found, method, names, PAPER, mask, usable)


def brain_mask(case: Case) -> np.ndarray:
    """(z, y, x) bool of the routine grid, voxels with tissue.

    Raises:
        ValueError: nobody has made a mask.
    """
    if case.routine.mask is None:
        raise ValueError(f"subject {case.subject}: the routine maps have no mask; one is needed")
    return case.routine.mask


def brain_box(mask: np.ndarray) -> tuple[slice, ...]:
    """All slices, and the rows and columns that hold the mask: metrics are blind to the rest."""
    box = [slice(None)]
    for axis in (1, 2):
        there = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        size = mask.shape[axis]
        wanted = -(-(there[-1] + 1 - there[0]) // BOX_STEP) * BOX_STEP
        start = max(0, min(there[0], size - wanted))
        box.append(slice(start, min(size, start + wanted)))
    return tuple(box)


@jax.jit
def _sums(
    test: jax.Array, reference: jax.Array, mask: jax.Array, ranges: jax.Array
) -> dict[str, jax.Array]:
    """:data:`SUMS` of the same arrays, which are read once."""
    return {
        name: METRICS[name].compute(
            test, reference, mask, **({"data_range": ranges} if METRICS[name].ranged else {})
        )
        for name in SUMS
    }


@dataclasses.dataclass(frozen=True)
class _Against:
    """Some slices of a reference and all that does not depend on what is compared with them."""

    convention: Convention
    part: slice
    reference: jax.Array
    mask: jax.Array
    ranges: jax.Array
    windows: Prepared


def _against(
    reference: np.ndarray, mask: np.ndarray, names: tuple[str, ...], convention: Convention
) -> list[_Against]:
    """All slices, :data:`AT_ONCE` in each part."""
    ranges = jnp.array([convention.data_range(spec_of(name)) for name in names], jnp.float32)
    found = []
    for start in range(0, len(mask), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        arrays = jnp.asarray(reference[part]), jnp.asarray(mask[part])
        found.append(_Against(convention, part, *arrays, ranges, prepare(*arrays)))
    return found


def _metrics_of(test: np.ndarray, against: Sequence[_Against]) -> dict[str, np.ndarray]:
    """Quantity to (z, c); slices are chosen afterwards."""
    parts = [_metrics_of_part(jnp.asarray(test[a.part]), a) for a in against]
    return {
        quantity: np.concatenate([np.asarray(part[quantity], float) for part in parts])
        for quantity in parts[0]
    }


def _metrics_of_part(test: jax.Array, against: _Against) -> dict[str, jax.Array]:
    pair, ranges = (test, against.reference), against.ranges
    found = dict(_sums(*pair, against.mask, ranges))
    found["ssim"] = ssim_against(test, against.mask, against.windows, data_range=ranges)
    return found


def _metric_rows(
    found: Mapping[str, np.ndarray],
    method: str,
    names: tuple[str, ...],
    convention: Convention,
    mask: np.ndarray,
    usable: np.ndarray,
) -> Iterator[Fields]:
    """Means over usable slices, and of two methods in the brain some numbers of every slice."""
    for quantity, per_slice in found.items():
        unit = METRICS[quantity].unit
        for spec, values in zip(map(spec_of, names), per_slice.T, strict=True):
            row = {
                "map": spec.name,
                "quantity": quantity,
                "unit": spec.unit if unit == "map" else unit,
                "method": method,
                "convention": convention.text(spec),
            }
            mean, count = float(values[usable].mean()), int(usable.sum())
            place = {"kind": "image", "place": convention.place}
            yield row | place | {"value": mean, "count": count}
            if convention is BRAIN and quantity in ("rmse", "bias"):
                yield from _slice_rows(row, values, mask, usable)


def _slice_rows(
    row: Fields, values: np.ndarray, mask: np.ndarray, usable: np.ndarray
) -> Iterator[Fields]:
    """One value per slice, of the methods that are compared slice by slice."""
    if row["method"] in NEEDS_BOTH:
        for index in np.flatnonzero(usable).tolist():
            yield row | {
                "kind": SLICES,
                "place": f"slice {index + 1}",
                "value": float(values[index]),
                "count": int(mask[index].sum()),
            }
