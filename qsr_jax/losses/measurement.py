"""Whether maps explain the fast scan they came from: signal equation, then its point spread."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from qsr_jax.losses.pixel import weighted_mean
from qsr_jax.ops import fourier
from qsr_jax.physics.mdme_protocol import FAST, Protocol
from qsr_jax.physics.mdme_signal import signal
from qsr_jax.physics.point_spread import k_space_window
from qsr_jax.types import first_voxel_shift

SHORTEST_MS = 1.0
"""Relaxation times below it are taken as it: air has none, and a gradient needs a quotient."""


def measurement_consistency(
    fine: jax.Array,
    coarse: jax.Array,
    weights: jax.Array | None = None,
    *,
    names: tuple[str, ...],
    alignment: str,
    protocol: Protocol = FAST,
) -> jax.Array:
    """Mean absolute difference of MDME signals, in parts of the signal of water at TE 0, (n,).

    Signals of the fine maps (W08 eq. 3, :mod:`qsr_jax.physics.mdme_signal`), seen through the
    window of the fast scan's k-space and sampled on its grid, against signals of the fast scan's
    own maps, which were fitted to what it measured. Both at a transmit field of 1: the fit has
    taken B1 out. Not in it: the decay along the echo train, the slice profile, the noise.

    The image is taken to repeat beyond its border, as a whole slice's does: give a crop a margin.

    Args:
        fine: (n, scale*h, scale*w, c) maps in physical units.
        coarse: (n, h, w, c) maps of the fast scan.
        weights: (n, h, w, 1) on the coarse grid, or None.
        names: of the channels; t1, t2 and pd must be among them.
        alignment: of the grids, see :data:`qsr_jax.types.ALIGNMENTS`.
        protocol: of the fast scan.

    Raises:
        ValueError: a map is missing.

    Example:
        >>> tissue = jnp.array([800.0, 75.0, 70.0])
        >>> fine, coarse = (jnp.broadcast_to(tissue, (1, n, n, 3)) for n in (16, 8))
        >>> names = ("t1", "t2", "pd")
        >>> value = measurement_consistency(fine, coarse, names=names, alignment="corner")
        >>> round(float(value[0]), 6)
        0.0
    """
    if not {"t1", "t2", "pd"} <= set(names):
        raise ValueError(
            f"an MDME signal needs t1, t2 and pd; the maps are {', '.join(names)}: set the weight "
            "of loss 'measurement' to 0, or map to t1+t2+pd"
        )
    shape = coarse.shape[1], coarse.shape[2]
    seen = through_fast_scan(
        signals(fine, names, protocol), shape, alignment=alignment, protocol=protocol
    )
    apart = jnp.abs(seen - signals(coarse, names, protocol))
    return weighted_mean(jnp.moveaxis(apart, 0, -1), weights)


def signals(maps: jax.Array, names: tuple[str, ...], protocol: Protocol) -> jax.Array:
    """Every delay and echo of (n, h, w, c) maps in physical units, (delays * echoes, n, h, w).

    Example:
        >>> tissue = jnp.array([800.0, 75.0, 70.0]).reshape(1, 1, 1, 3)
        >>> signals(tissue, ("t1", "t2", "pd"), FAST).shape
        (8, 1, 1, 1)
    """
    t1_ms, t2_ms = (jnp.maximum(maps[..., names.index(name)], SHORTEST_MS) for name in ("t1", "t2"))
    pd_percent = jnp.maximum(maps[..., names.index("pd")], 0.0)
    return signal(t1_ms, t2_ms, pd_percent, 1.0, protocol).reshape(-1, *maps.shape[:3])


def through_fast_scan(
    images: jax.Array, shape: tuple[int, int], *, alignment: str, protocol: Protocol
) -> jax.Array:
    """Fine images as the fast scan's k-space holds them, on its grid.

    Args:
        images: (..., scale*h, scale*w) real.
        shape: (h, w) of the coarse part of the slice that they show.
        alignment: of the grids.
        protocol: of the fast scan; its pixel is the coarse one.

    Returns:
        (..., h, w) real, same unit.

    Example:
        >>> through_fast_scan(jnp.ones((8, 8)), (4, 4), alignment="sample", protocol=FAST).shape
        (4, 4)
    """
    scale = images.shape[-1] // shape[1]
    by = first_voxel_shift(alignment, scale)
    places = [
        (scale * (coarse // 2 - by) - fine // 2) / fine
        for coarse, fine in zip(shape, images.shape[-2:], strict=True)
    ]
    kspace = fourier.shift(fourier.to_kspace(images), (places[0], places[1]))
    kept = fourier.crop(kspace, shape) * window_of_part(protocol, shape)
    return fourier.to_image(kept).real


@functools.lru_cache(maxsize=16)
def window_of_part(protocol: Protocol, shape: tuple[int, int]) -> np.ndarray:
    """The window over k-space, at the frequencies of a part of so many pixels of the slice.

    A part as large as the slice has the slice's frequencies; those of a smaller part lie further
    apart and, between two, the window is interpolated.

    Example:
        >>> window = window_of_part(FAST, (64, 64))
        >>> window.shape, round(float(window[32, 32]), 3), float(window[0, 32])
        ((64, 64), 1.0, 0.0)
    """
    places = [
        fourier.frequencies(side) * protocol.recon / side + samples // 2
        for side, samples in zip(shape, protocol.matrix, strict=True)
    ]
    grid = np.meshgrid(*places, indexing="ij")
    return ndimage.map_coordinates(k_space_window(protocol), grid, order=1, cval=0.0)
