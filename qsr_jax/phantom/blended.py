"""A subject whose millimetres hold one kind of water each, as a measured head's do.

Where tissues meet, a simulated voxel holds several, which a scan adds up as signals and the truth
averages as rates. A head that was measured at 1 mm holds their mean values instead. A network that
saw only the first sharpens borders to fluid that the second does not have.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.phantom.phantom import Phantom
from qsr_jax.phantom.slices import slice_fractions, slice_values

LEAST_FRACTION = 1e-6
"""Of every class: where there is no tissue a value is needed all the same."""


def blend(phantom: Phantom, *, blur_mm: float) -> Phantom:
    """The same subject with its tissues' mean values, by volume, on every 1 mm point of a slice.

    Args:
        phantom: subject whose tissues have values of their own.
        blur_mm: width (sigma) of the measurement that is imitated.

    Raises:
        ValueError: the subject has measured maps already, or ``blur_mm`` is negative.
    """
    if phantom.maps is not None or blur_mm < 0.0:
        raise ValueError(
            f"a subject of tissues is blended, once, by at least 0 mm; got {blur_mm:g} mm and "
            f"{'no' if phantom.maps is None else 'measured'} maps"
        )
    size, planes = phantom.planes.size, phantom.planes.per_slice | 1
    slices = []
    for index in range(len(phantom.fractions)):
        values = np.asarray(slice_values(phantom, index, size=size))
        weights = (1.0 / planes,) * planes
        fractions = np.asarray(slice_fractions(phantom, index, size=size, weights=weights))
        parts = ndimage.gaussian_filter(fractions, (0, blur_mm, blur_mm)) + LEAST_FRACTION
        slices.append(np.einsum("kyx,kcyx->cyx", parts, values) / parts.sum(axis=0))
    return dataclasses.replace(phantom, maps=np.stack(slices).astype(np.float32))
