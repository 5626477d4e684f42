"""One subject through both scans: phantom, signal, acquisition, fit."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.phantom.phantom import Phantom
from qsr_jax.phantom.slices import properties
from qsr_jax.physics.flip_angle_map import angles_on
from qsr_jax.physics.mdme_fit import FirstPass, clip_to_scanner, first_pass, second_pass
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.receive_field import correct_density
from qsr_jax.physics.scanner import SCANNER, Scanner
from qsr_jax.simulate.acquisition import receiver_noise
from qsr_jax.simulate.scan import Generators, HeadScan, check_scans
from qsr_jax.types import Geometry

LEAST_PD = 1.0
"""Percent; less water than that is air: the times of what is not there would be specks."""


@dataclasses.dataclass(frozen=True)
class SimulatedScans:
    """What is known of a subject after the scans; maps are T1 (ms), T2 (ms), PD (%).

    Attributes:
        truth: (z, y, x, 3) float32 on the truth grid, 0 in air. PD of a mixed voxel is the sum
            over its tissues; rates 1/T1 and 1/T2 are averaged over its protons (volume fraction x
            PD), as under fast exchange. A scan fits a mixture of exponentials there and differs.
        scans: protocol name to (z, y, x, 3) float32 on the grid of that protocol.
        noise_free: (z, y, x, 3) float32, what the reference protocol reads without noise: the
            second target beside the truth; None where it was not asked for.
        poses: protocol name to where the head lay in every delay, (delay, 6), see
            :mod:`qsr_jax.simulate.motion`; the truth is told in the reference protocol's frame.
        g_factor: protocol name to (z, y, x) float32 on the unfolded grid, the acquired matrix with
            its phase side a multiple of the acceleration.
    """

    truth: np.ndarray
    scans: dict[str, np.ndarray]
    noise_free: np.ndarray | None
    poses: dict[str, np.ndarray]
    g_factor: dict[str, np.ndarray]


@jax.jit
def mixed_truth(fraction: jax.Array, values: jax.Array) -> jax.Array:
    """True maps (y, x, 3) of voxels that hold several tissues, see :class:`SimulatedScans`.

    Args:
        fraction: (k, y, x) volume fraction of every class.
        values: (k, 3, y, x) T1 (ms), T2 (ms), PD (%) of every class.
    """
    protons = fraction * values[:, 2]
    total = protons.sum(axis=0)
    rates = [(protons / values[:, i]).sum(axis=0) for i in range(2)]
    maps = jnp.stack([*(total / rate for rate in rates), total], axis=-1)
    return jnp.where(total[..., None] < LEAST_PD, 0.0, maps)


def true_maps(phantom: Phantom) -> np.ndarray:
    """(z, y, x, 3) float32 true maps of a subject on the truth grid."""
    parts = enumerate(phantom.fractions)
    return np.stack([mixed_truth(part, properties(phantom, index)) for index, part in parts])


def scan(
    rng: np.random.Generator,
    phantom: Phantom,
    grids: Mapping[Protocol, Geometry],
    *,
    snr: float,
    reference: Protocol,
    scanner: Scanner = SCANNER,
    noise_free: bool = False,
) -> SimulatedScans:
    """Scans a subject with every protocol, as noisy as the physics says, and fits the maps.

    Phase, motion, pulsation and every protocol's noise have generators of their own, so none moves
    when another is switched on.

    Args:
        rng: source of phase, motion, pulsation and noise.
        phantom: the subject.
        grids: protocols and where their voxels lie.
        snr: of white matter in ``reference``, see
            :func:`qsr_jax.simulate.acquisition.receiver_noise`.
        reference: the protocol that ``snr`` is stated for, and that is scanned without noise.
        scanner: coils, slice profile, disturbances.
        noise_free: whether to scan and fit ``reference`` without noise as well.

    Raises:
        ValueError: the scanner cannot scan a protocol, protocols differ in slices, ``snr`` is not
            positive, or PD cannot be scaled because the head holds no white matter or CSF.
    """
    protocols = tuple(grids)
    check_scans(protocols, scanner)
    exact = (reference.name,) if noise_free else ()
    noise = receiver_noise(snr, reference, cross_talk=scanner.cross_talk)
    head_scan = HeadScan(phantom, grids, scanner, noise, reference.name, exact)
    random = Generators.spawn(rng, protocols)
    poses = head_scan.poses(random)
    firsts: dict[str, list[FirstPass]] = {protocol.name: [] for protocol in protocols}
    g_factor: dict[str, list[np.ndarray]] = {protocol.name: [] for protocol in protocols}
    noise_free_passes = []
    for scanned in head_scan.slices(random, poses):
        for protocol in protocols:
            one = scanned[protocol.name]
            firsts[protocol.name].append(first_pass(one.images, protocol))
            g_factor[protocol.name].append(one.g_factor)
        if noise_free and (exact_images := scanned[reference.name].noise_free) is not None:
            noise_free_passes.append(first_pass(exact_images, reference))
    reader = _Reader(grids, reference, scanner.density_correction)
    # The reference scan's angles may serve the others
    ordered = sorted(protocols, key=lambda p: p != reference)
    scans = {p.name: reader.maps(firsts.pop(p.name), p) for p in ordered}
    return SimulatedScans(
        truth=true_maps(phantom),
        scans=scans,
        noise_free=reader.maps(noise_free_passes, reference) if noise_free else None,
        poses=poses,
        g_factor={name: np.stack(parts) for name, parts in g_factor.items()},
    )


class _Reader:
    """Fits the scans of one session; the angles of the reference scan are kept for the others."""

    def __init__(
        self, grids: Mapping[Protocol, Geometry], reference: Protocol, correction: float
    ) -> None:
        self._grids, self._reference, self._correction = grids, reference, correction
        self._theta_deg: np.ndarray | None = None

    def maps(self, firsts: list[FirstPass], protocol: Protocol) -> np.ndarray:
        """(z, y, x, 3) maps as the scanner writes them, PD corrected for the receive field."""
        given = None
        if protocol.theta_source == "map" and self._theta_deg is not None:
            here, there = self._grids[self._reference], self._grids[protocol]
            given = angles_on(self._theta_deg, here, there)
        fitted = second_pass(firsts, protocol, theta_deg=given)
        if protocol == self._reference:
            self._theta_deg = fitted.theta_deg
        corrected = correct_density(fitted, pixel_mm=protocol.pixel_mm, part=self._correction)
        return clip_to_scanner(corrected)
