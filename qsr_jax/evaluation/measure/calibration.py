"""Calibration: by how much a map is off, by the value it should have.

A single bias hides a slope: a network that pulls everything towards the mean is right on average
and wrong in every lesion. Bins by a noisy reference tilt the curve of *any* method, a perfect one
included (regression dilution); against the truth of simulated subjects, which has no noise, they do
not.
"""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from qsr_jax.evaluation.values import Fields
from qsr_jax.maps import spec_of

MIN_VOXELS = 200
"""A subject's bin with fewer voxels says nothing."""

KIND = "calibration"


def bin_name(low: float, high: float) -> str:
    """The place of a bin, e.g. "700 to 800"."""
    return f"{low:g} to {high:g}"


def calibration_fields(
    sources: Mapping[str, np.ndarray],
    names: tuple[str, ...],
    mask: np.ndarray,
    *,
    reference: str,
) -> Iterator[Fields]:
    """Mean of test minus reference in every bin of the reference's values, one subject.

    Args:
        sources: method to (z, y, x, c) physical units, the reference among them.
        names: c map names.
        mask: (z, y, x) bool, voxels that count.
        reference: the key of ``sources`` that says what the value should be.

    Yields:
        The fields of a value but the subject's.
    """
    inside = {method: maps[mask] for method, maps in sources.items()}
    for channel, name in enumerate(names):
        spec = spec_of(name)
        edges = np.asarray(spec.value_bins, np.float32)
        expected = inside[reference][:, channel]
        index = np.digitize(expected, edges)
        count = np.bincount(index, minlength=len(edges) + 1)
        for method, values in inside.items():
            if method == reference:
                continue
            off = (values[:, channel] - expected).astype(np.float64)
            total = np.bincount(index, off, len(edges) + 1)
            for i, (low, high) in enumerate(itertools.pairwise(spec.value_bins), 1):
                if count[i] >= MIN_VOXELS:
                    yield {
                        "kind": KIND,
                        "place": bin_name(low, high),
                        "map": name,
                        "quantity": f"difference from {reference}",
                        "unit": spec.unit,
                        "method": method,
                        "value": float(total[i] / count[i]),
                        "count": int(count[i]),
                        "convention": f"brain, voxels whose {reference} value lies in the bin",
                    }
