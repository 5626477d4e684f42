"""A head in the scanner, slice by slice: the same object under every protocol."""

import dataclasses
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.phantom.phantom import Phantom
from qsr_jax.phantom.slices import slice_b1, slice_fractions, slice_values
from qsr_jax.phantom.volume_fractions import CLASSES
from qsr_jax.physics import sense
from qsr_jax.physics.coils import sensitivities, smooth_phase
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.scanner import Scanner
from qsr_jax.simulate import acquisition
from qsr_jax.simulate.motion import draw_motion, move
from qsr_jax.types import Geometry


@dataclasses.dataclass(frozen=True)
class ScannedSlice:
    """One slice of one protocol.

    Attributes:
        images: (delay, echo, recon, recon) complex64.
        noise_free: likewise without any noise, or None where it was not asked for.
        g_factor: (y, x) float32 on the unfolded grid.
    """

    images: jax.Array
    noise_free: jax.Array | None
    g_factor: np.ndarray


@dataclasses.dataclass(frozen=True)
class Generators:
    """Randomness of one scan, each kind from its own stream.

    Attributes:
        phase: of the images.
        motion: between delays.
        pulsation: of CSF.
        noise: one for each protocol, by name.
    """

    phase: np.random.Generator
    motion: np.random.Generator
    pulsation: np.random.Generator
    noise: Mapping[str, np.random.Generator]

    @classmethod
    def spawn(cls, rng: np.random.Generator, protocols: tuple[Protocol, ...]) -> "Generators":
        """Streams that do not depend on which of the others are used."""
        phase, motion, pulsation, *noise = rng.spawn(3 + len(protocols))
        names = [protocol.name for protocol in protocols]
        return cls(phase, motion, pulsation, dict(zip(names, noise, strict=True)))


def check_scans(protocols: tuple[Protocol, ...], scanner: Scanner) -> None:
    """Refuses what this scanner cannot scan.

    Raises:
        ValueError: names or slices of the protocols clash, the acceleration exceeds the coils, or
            a matrix exceeds the truth grid.
    """
    stacks = {(p.slices, p.slice_mm, p.fov_mm) for p in protocols}
    if len(stacks) != 1 or len({p.name for p in protocols}) != len(protocols):
        raise ValueError(
            "protocols scanned together need one stack of slices, one field of view and different "
            f"names; got {[(p.name, p.slices, p.slice_mm, p.fov_mm) for p in protocols]}"
        )
    widest = widest_matrix(protocols)
    points, shape = scanner.truth_points(widest), acquisition.working_shape(widest)
    for protocol in protocols:
        if protocol.acceleration > scanner.coils:
            raise ValueError(
                f"protocol {protocol.name!r}: acceleration must not exceed the {scanner.coils} "
                f"coils; got {protocol.acceleration}"
            )
    if points < max(shape):
        raise ValueError(
            f"matrix {widest} (with its margin {shape}) must not exceed the truth grid of {points} "
            "points; raise the scanner's oversampling"
        )
    if scanner.reference_lines > min(min(acquisition.unfolded_shape(p)) for p in protocols):
        raise ValueError(
            f"the reference scan's {scanner.reference_lines} lines exceed a protocol's matrix"
        )


def widest_matrix(protocols: tuple[Protocol, ...]) -> tuple[int, int]:
    """Largest number of samples of any protocol along (frequency, phase)."""
    rows, columns = np.max([p.matrix for p in protocols], axis=0).tolist()
    return rows, columns


@dataclasses.dataclass(frozen=True)
class HeadScan:
    """What stays the same from slice to slice.

    Attributes:
        phantom: the head.
        grids: protocols and where their voxels lie.
        scanner: coils, slice profile, disturbances.
        noise: standard deviation of the real part of one k-space sample.
        noise_free: names of the protocols to be scanned without noise as well.
    """

    phantom: Phantom
    grids: Mapping[Protocol, Geometry]
    scanner: Scanner
    noise: float
    noise_free: tuple[str, ...]

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """All protocols, in order."""
        return tuple(self.grids)

    def groups(self) -> list[tuple[Protocol, ...]]:
        """Protocols that see the same object: same magnetisation, and nothing moves."""
        disturbed = self.scanner.motion_mm or self.scanner.motion_deg or self.scanner.csf_pulsation
        groups: dict[object, list[Protocol]] = {}
        for p in self.protocols:
            key = p.name if disturbed else (p.tr_ms, p.played_td_ms, p.angles)
            groups.setdefault(key, []).append(p)
        return [tuple(group) for group in groups.values()]

    def slices(self, rng: np.random.Generator) -> Iterator[dict[str, ScannedSlice]]:
        """Scans slice after slice; protocol name to what was scanned."""
        random = Generators.spawn(rng, self.protocols)
        shape = acquisition.working_shape(widest_matrix(self.protocols))
        echoes = len(self.protocols[0].te_ms)
        phase = smooth_phase(random.phase, shape, echoes=echoes, size_rad=self.scanner.phase_rad)
        poses = {
            p.name: draw_motion(random.motion, self.scanner, delays=len(p.td_ms))
            for p in self.protocols
        }
        for index in range(self.protocols[0].slices):
            yield self._slice(index, random, shape, phase, poses)

    def _slice(
        self,
        index: int,
        random: Generators,
        shape: tuple[int, int],
        phase: np.ndarray,
        poses: Mapping[str, np.ndarray],
    ) -> dict[str, ScannedSlice]:
        z_mm = float(self.phantom.planes.geometry.slice_positions_mm()[index, 2])
        fov_mm = self.protocols[0].fov_mm
        coils = sensitivities(shape, z_mm=z_mm, fov_mm=fov_mm, scanner=self.scanner)
        tissue = self._tissue(index)
        scanned = {}
        for group in self.groups():
            anchors, weights, first = acquisition.line_weights(group)
            images = self._object(tissue, group[0], anchors, shape, random.pulsation)
            reference = acquisition.measure_reference(
                images, coils, first, points=self.scanner.reference_lines
            )
            images = self._moved(images, poses[group[0].name], fov_mm)
            kspaces = acquisition.measure(images, coils, phase, weights, group)
            for protocol, kspace in zip(group, kspaces, strict=True):
                scanned[protocol.name] = self._receive(protocol, kspace, reference, random)
        return scanned

    def _tissue(self, index: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Volume fractions, values and transmit field of a slice on the fine grid."""
        size = self.scanner.truth_points(widest_matrix(self.protocols))
        profile = self.scanner.slice_weights(self.phantom.planes.per_slice)
        fraction = slice_fractions(self.phantom, index, size=size, weights=profile)
        b1 = 1.0 + self.scanner.b1_strength * (slice_b1(self.phantom, index, size=size) - 1.0)
        return fraction, slice_values(self.phantom, index, size=size), b1

    def _object(
        self,
        tissue: tuple[jax.Array, jax.Array, jax.Array],
        protocol: Protocol,
        anchors_ms: tuple[float, ...],
        shape: tuple[int, int],
        rng: np.random.Generator,
    ) -> jax.Array:
        factors = np.ones((len(protocol.td_ms), len(CLASSES)), np.float32)
        swing = self.scanner.csf_pulsation
        factors[:, CLASSES.index("csf")] += rng.uniform(-swing, swing, len(factors))
        fine = self.phantom.planes.grid(tissue[0].shape[-1])
        down, right = acquisition.isocentre_offset(fine)
        return acquisition.object_images(
            *tissue,
            jnp.asarray(factors),
            protocol,
            anchors_ms=anchors_ms,
            shape=shape,
            by_fov=(-down, -right),
        )

    def _moved(self, images: jax.Array, poses: np.ndarray, fov_mm: float) -> jax.Array:
        if not poses.any():
            return images
        by = poses * (1 / fov_mm, 1 / fov_mm, np.pi / 180)
        moved = [move(one, pose) for one, pose in zip(images, by.astype(np.float32), strict=True)]
        return jnp.stack(moved)

    def _receive(
        self, protocol: Protocol, kspace: jax.Array, reference: jax.Array, random: Generators
    ) -> ScannedSlice:
        rng = random.noise[protocol.name]
        shape = acquisition.unfolded_shape(protocol)
        offset = acquisition.isocentre_offset(self.grids[protocol])
        noisy = reference + acquisition.complex_noise(rng, reference.shape, self.noise)
        maps = sense.coil_maps(noisy[:-1], noisy[-1], shape)
        received = kspace + acquisition.complex_noise(rng, kspace.shape, self.noise)
        noise_free = None
        if protocol.name in self.noise_free:
            exact = sense.coil_maps(reference[:-1], reference[-1], shape)
            noise_free = acquisition.reconstruct(kspace, exact, protocol, offset=offset)
        return ScannedSlice(
            images=acquisition.reconstruct(received, maps, protocol, offset=offset),
            noise_free=noise_free,
            g_factor=np.asarray(sense.g_factor(maps, protocol.acceleration)),
        )
