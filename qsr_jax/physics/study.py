"""One person through both scans: phantom, signal, acquisition, fit."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.ops.fourier import crop, to_kspace
from qsr_jax.physics.acquire import acquire, centre_offset, receiver_noise, smooth_phase
from qsr_jax.physics.fit import clip_to_scanner, fit
from qsr_jax.physics.phantom import Phantom, properties
from qsr_jax.physics.planes import Planes
from qsr_jax.physics.protocol import Protocol
from qsr_jax.physics.signal import signal
from qsr_jax.types import Geometry


@dataclasses.dataclass(frozen=True)
class Study:
    """What is known of a person after the scans; maps are T1 (ms), T2 (ms), PD (%).

    Attributes:
        truth: (z, y, x, 3) float32 on the truth grid, 0 in air. PD of a mixed voxel is the sum
            over its tissues; rates 1/T1 and 1/T2 are averaged over its protons (share x PD), as
            under fast exchange. A scan fits a mixture of exponentials there and differs.
        scans: protocol name to (z, y, x, 3) float32 on the grid of that protocol.
    """

    truth: np.ndarray
    scans: dict[str, np.ndarray]


@jax.jit
def mixed_truth(share: jax.Array, values: jax.Array) -> jax.Array:
    """True maps (y, x, 3) of voxels that hold several tissues, see :class:`Study`.

    Args:
        share: (k, y, x) fraction of every class.
        values: (k, 3, y, x) T1 (ms), T2 (ms), PD (%) of every class.
    """
    protons = share * values[:, 2]
    total = protons.sum(axis=0)
    rates = [(protons / values[:, i]).sum(axis=0) for i in range(2)]
    # Less than 1 % of water is air: the times of what is not there would be specks.
    maps = jnp.stack([*(total / rate for rate in rates), total], axis=-1)
    return jnp.where(total[..., None] < 1.0, 0.0, maps)


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


@functools.partial(jax.jit, static_argnames=("planes", "protocol"))
def _kspace(
    share: jax.Array,
    values: jax.Array,
    b1: jax.Array,
    phase: jax.Array,
    *,
    planes: Planes,
    protocol: Protocol,
) -> jax.Array:
    signals = mixed_signal(share, values, planes.enlarge(b1), protocol)
    return to_kspace(signals * jnp.exp(1j * phase))


def scan(
    rng: np.random.Generator,
    phantom: Phantom,
    grids: Mapping[Protocol, Geometry],
    *,
    snr: float,
    reference: Protocol,
) -> Study:
    """Scans a person with every protocol, as noisy as the physics says, and fits the maps.

    The object's k-space is computed once, so the protocols must share times and angles.

    Args:
        rng: source of phase and noise.
        phantom: the person, on the truth grid.
        grids: protocols and where their voxels lie.
        snr: of white matter in ``reference``, see
            :func:`qsr_jax.physics.acquire.receiver_noise`.
        reference: the protocol that ``snr`` is stated for.

    Raises:
        ValueError: protocols differ in times, angles or slices, or ``snr`` is not positive.
    """
    timing = {(p.tr_ms, p.te_ms, p.td_ms, p.angles, p.slices) for p in grids}
    if len(timing) != 1:
        raise ValueError(f"protocols scanned together differ in times, angles or slices: {timing}")
    noise = receiver_noise(snr, reference)
    planes = phantom.planes
    phase = smooth_phase(rng, phantom.fractions.shape[-2:], echoes=len(reference.te_ms))
    widest = tuple(np.max([protocol.matrix for protocol in grids], axis=0).tolist())
    truth, kspaces = [], []
    for index, share in enumerate(phantom.fractions):
        values, b1 = properties(phantom, index), phantom.b1[index]
        truth.append(mixed_truth(share, values))
        kspace = _kspace(share, values, b1, phase, planes=planes, protocol=reference)
        kspaces.append(crop(kspace, widest))  # no protocol sees more of it
    scans = {}
    for protocol, grid in grids.items():
        offset = centre_offset(grid, planes.geometry)
        images = (acquire(rng, k, protocol, noise=noise, offset=offset) for k in kspaces)
        scans[protocol.name] = clip_to_scanner(fit(images, protocol))
    return Study(truth=np.stack(truth), scans=scans)
