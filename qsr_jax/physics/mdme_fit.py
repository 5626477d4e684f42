"""From the images of a whole MDME scan to T1, T2 and PD (W08: doi:10.1002/mrm.21635, eq. 1-5).

Two passes over the voxels (:mod:`qsr_jax.physics.mdme_voxel_fit`): the first tells T2 and the
saturation angle; the second takes that angle, smoothed as W08 does, as known and fits T1 and PD.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from qsr_jax.maps import MAPS
from qsr_jax.physics.flip_angle_map import smooth_angles
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.mdme_voxel_fit import fit_density, fit_echoes, fit_saturation, signed

SIGNAL_FRACTION = 0.15
"""Fraction of the largest signal above which a voxel counts for the angle map."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """Fitted maps, (z, y, x) float32, not clipped.

    Attributes:
        t1_ms: longitudinal relaxation time.
        t2_ms: transverse relaxation time.
        pd_percent: proton density, water = 100; may be negative where there is only noise.
        theta_deg: effective saturation angle used.
    """

    t1_ms: np.ndarray
    t2_ms: np.ndarray
    pd_percent: np.ndarray
    theta_deg: np.ndarray


class FirstPass(NamedTuple):
    """One slice after its first pass; what the second needs.

    Attributes:
        t2_ms: (y, x).
        relaxed: (delay, y, x) signal at TE 0.
        theta_deg: (y, x) voxel-wise saturation angle.
        last: (y, x) signal of the longest delay at the first echo.
    """

    t2_ms: jax.Array
    relaxed: jax.Array
    theta_deg: jax.Array
    last: jax.Array


@functools.partial(jax.jit, static_argnames="protocol")
def _first_pass(images: jax.Array, protocol: Protocol) -> FirstPass:
    real = signed(images)
    t2_ms, relaxed = fit_echoes(real, protocol)
    return FirstPass(t2_ms, relaxed, fit_saturation(relaxed, protocol), real[-1, 0])


_fit_density = jax.jit(fit_density, static_argnames="protocol")


def first_pass(images: jax.Array, protocol: Protocol) -> FirstPass:
    """T2 and the voxel-wise angle of one slice (delay, echo, y, x); the images are then free.

    >>> import jax.numpy as jnp
    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> from qsr_jax.physics.mdme_signal import signal
    >>> full = [jnp.full((8, 8), value) for value in (800.0, 80.0, 70.0)]
    >>> image = signal(*full, 1.0, ROUTINE).astype(jnp.complex64)
    >>> first = first_pass(image, ROUTINE)
    >>> round(float(first.t2_ms[4, 4]), 2), round(float(first.theta_deg[4, 4]), 2)
    (80.0, 100.51)

    Raises:
        ValueError: delays or echoes do not match the protocol.
    """
    expected = (len(protocol.td_ms), len(protocol.te_ms))
    if images.shape[:2] != expected:
        raise ValueError(f"a slice has (delay, echo) {images.shape[:2]}, protocol {expected}")
    return _first_pass(images, protocol)


def second_pass(
    firsts: Sequence[FirstPass], protocol: Protocol, *, theta_deg: np.ndarray | None = None
) -> Fit:
    """T1 and PD of a whole scan, the angle map made smooth over all slices.

    The angle is the scan's own, the nominal one or a map that is given, as the protocol's
    ``theta_source`` says. An error of the delays as played goes into an angle of the scan's own and
    leaves T1 alone; with an angle from elsewhere it goes into T1.

    >>> import jax.numpy as jnp
    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> from qsr_jax.physics.mdme_signal import signal
    >>> full = [jnp.full((8, 8), value) for value in (800.0, 80.0, 70.0)]
    >>> image = signal(*full, 1.0, ROUTINE).astype(jnp.complex64)
    >>> fitted = second_pass([first_pass(image, ROUTINE)] * 2, ROUTINE)
    >>> fitted.t1_ms.shape, round(float(fitted.t1_ms[1, 4, 4]), 1)
    ((2, 8, 8), 800.0)

    Args:
        firsts: one per slice.
        protocol: times, angles and field of view.
        theta_deg: (z, y, x) degrees, for a protocol whose ``theta_source`` is "map" and only then.

    Raises:
        ValueError: the scan holds no signal, or a map of the angle is missing, not asked for or of
            another shape.
    """
    last = np.stack([one.last for one in firsts])
    if not last.max() > 0.0:
        raise ValueError("the scan holds no signal: its longest delay is zero everywhere")
    if (theta_deg is not None) != (protocol.theta_source == "map"):
        raise ValueError(
            f"protocol {protocol.name!r} takes its angle from {protocol.theta_source!r}; got "
            f"{'no map' if theta_deg is None else 'a map'} of it"
        )
    if theta_deg is None:
        theta_deg = _own_angle(firsts, last, protocol)
    if theta_deg.shape != last.shape:
        raise ValueError(f"a scan of {last.shape} needs a map of its shape; got {theta_deg.shape}")
    pairs = zip(firsts, theta_deg, strict=True)
    found = [_fit_density(one.relaxed, theta, protocol) for one, theta in pairs]
    t1_ms, pd_percent = (np.stack(parts) for parts in zip(*found, strict=True))
    t2_ms = np.stack([one.t2_ms for one in firsts])
    return Fit(t1_ms, t2_ms, pd_percent, theta_deg=theta_deg)


def _own_angle(firsts: Sequence[FirstPass], last: np.ndarray, protocol: Protocol) -> np.ndarray:
    """(z, y, x) saturation angle in degrees, from the scan itself or nominal."""
    if protocol.theta_source == "nominal":
        return np.full(last.shape, protocol.angles.theta_deg, np.float32)
    pixel_mm = protocol.fov_mm / last.shape[-1]
    has_signal = last > SIGNAL_FRACTION * last.max()
    raw_deg = np.stack([one.theta_deg for one in firsts])
    return smooth_angles(raw_deg, has_signal, pixel_mm, protocol.angles)


def fit(images: Iterable[jax.Array], protocol: Protocol) -> Fit:
    """T1, T2 and PD of a whole scan.

    >>> import jax.numpy as jnp
    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> from qsr_jax.physics.mdme_signal import signal
    >>> full = [jnp.full((8, 8), value) for value in (800.0, 80.0, 70.0)]
    >>> image = signal(*full, 1.0, ROUTINE).astype(jnp.complex64)
    >>> fitted = fit([image], ROUTINE)
    >>> [round(float(m[0, 4, 4]), 1) for m in (fitted.t1_ms, fitted.t2_ms, fitted.pd_percent)]
    [800.0, 80.0, 70.0]

    Args:
        images: its slices, (delay, echo, y, x) complex64 each, as
            :func:`qsr_jax.simulate.acquisition.reconstruct` makes them; used up one by one, so a
            generator keeps the memory small.
        protocol: times, angles and field of view.

    Raises:
        ValueError: delays or echoes do not match the protocol, or the scan holds no signal.
    """
    return second_pass([first_pass(image, protocol) for image in images], protocol)


def clip_to_scanner(fitted: Fit) -> np.ndarray:
    """(z, y, x, 3) T1 (ms), T2 (ms), PD (%) as a scanner writes them: from 0 to ``scanner_max``.

    >>> voxel = np.ones((1, 1, 1), np.float32)
    >>> fitted = Fit(9000 * voxel, 80 * voxel, -3 * voxel, theta_deg=106 * voxel)
    >>> clip_to_scanner(fitted).ravel().tolist()
    [4300.0, 80.0, 0.0]
    """
    columns = {"t1": fitted.t1_ms, "t2": fitted.t2_ms, "pd": fitted.pd_percent}
    return np.stack(
        [np.clip(columns[name], 0.0, spec.scanner_max) for name, spec in MAPS.items()], axis=-1
    )
