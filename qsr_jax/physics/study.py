"""One person through both scans: phantom, signal, acquisition, fit."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.physics.acquire import acquire, centre_offset, receiver_noise, smooth_phase
from qsr_jax.physics.fit import clip_to_scanner, fit
from qsr_jax.physics.phantom import Phantom, properties
from qsr_jax.physics.protocol import Protocol
from qsr_jax.physics.signal import signal
from qsr_jax.types import Geometry


def truth_maps(phantom: Phantom) -> np.ndarray:
    """True T1 (ms), T2 (ms), PD (%) on the truth grid, (z, y, x, 3) float32, 0 in air.

    T1 and T2 of a mixed voxel are averages weighted with the protons of each tissue (share x PD);
    PD is the sum of the protons. No scan can measure more than that in a voxel of one tissue; in a
    mixed one it fits a mixture of exponentials and differs.
    """
    return np.stack(
        [
            np.asarray(_mix(share, properties(phantom, index)))
            for index, share in enumerate(phantom.fractions)
        ]
    )


@jax.jit
def _mix(share: jax.Array, values: jax.Array) -> jax.Array:
    protons = share * values[:, 2]
    total = protons.sum(axis=0)
    times = jnp.einsum("kyx,kcyx->yxc", protons, values[:, :2])
    # Below 1 % of water there is air: the times fade to 0 instead of showing specks.
    times = times / jnp.maximum(total, 1.0)[..., None]
    return jnp.concatenate([times, total[..., None]], axis=-1)


@functools.partial(jax.jit, static_argnames="protocol")
def mixed_signal(
    share: jax.Array, values: jax.Array, b1: jax.Array, protocol: Protocol
) -> jax.Array:
    """Signal (delay, echo, y, x) of voxels that hold several tissues: the sum of their signals.

    Args:
        share: (k, y, x) fraction of every class.
        values: (k, 3, y, x) T1 (ms), T2 (ms), PD (%) of every class.
        b1: (y, x) transmit field.
        protocol: times and angles.
    """
    return sum(
        fraction * signal(t1_ms, t2_ms, pd_percent, b1, protocol)
        for fraction, (t1_ms, t2_ms, pd_percent) in zip(share, values, strict=True)
    )


def scan(
    key: jax.Array,
    phantom: Phantom,
    grids: Mapping[Protocol, Geometry],
    *,
    snr: float,
    reference: Protocol,
) -> dict[str, np.ndarray]:
    """Maps of every protocol, as a scanner would write them.

    The protocols must share times and angles: the object's signal is computed once.

    Args:
        key: random key of this person.
        phantom: the person, on the truth grid.
        grids: protocols and where their voxels lie.
        snr: of white matter in ``reference``, see
            :func:`qsr_jax.physics.acquire.receiver_noise`.
        reference: the protocol that ``snr`` is stated for.

    Returns:
        Protocol name to (z, y, x, 3) float32 T1 (ms), T2 (ms), PD (%).

    Raises:
        ValueError: protocols differ in times or angles, or a value is out of its range.
    """
    timing = {(p.tr_ms, p.te_ms, p.td_ms, p.angles, p.slices) for p in grids}
    if len(timing) != 1:
        raise ValueError(f"protocols scanned together differ in times, angles or slices: {timing}")
    noise = receiver_noise(snr, reference)
    phase_key, *keys = jax.random.split(key, 1 + len(grids))
    shape = phantom.fractions.shape[-2:]
    turn = jnp.exp(1j * smooth_phase(phase_key, shape, echoes=len(reference.te_ms)))

    images: dict[Protocol, list[np.ndarray]] = {protocol: [] for protocol in grids}
    for index, share in enumerate(phantom.fractions):
        b1 = phantom.planes.enlarge(phantom.b1[index])
        truth = turn * mixed_signal(share, properties(phantom, index), b1, reference)
        for protocol_key, (protocol, grid) in zip(keys, grids.items(), strict=True):
            offset = centre_offset(grid, phantom.planes.geometry)
            slice_key = jax.random.fold_in(protocol_key, index)
            image = acquire(slice_key, truth, protocol, noise=noise, offset=offset)
            images[protocol].append(np.asarray(image))
    return {
        protocol.name: clip_to_scanner(
            fit(np.stack(images.pop(protocol)), protocol, pixel_mm=protocol.pixel_mm)
        )
        for protocol in grids
    }
