"""A head in the scanner, slice by slice: the same object under every protocol."""

import copy
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
from qsr_jax.physics.slice_state import plane_weights
from qsr_jax.physics.slice_table import SliceTable, slice_table
from qsr_jax.simulate import acquisition
from qsr_jax.simulate.motion import draw_poses, in_plane, move, tilt_of
from qsr_jax.simulate.object_images import centre_weights, line_weights, object_images
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
        pose: between scans.
        motion: between delays.
        pulsation: of CSF.
        noise: one for each protocol, by name.
    """

    phase: np.random.Generator
    pose: np.random.Generator
    motion: np.random.Generator
    pulsation: np.random.Generator
    noise: Mapping[str, np.random.Generator]

    @classmethod
    def spawn(cls, rng: np.random.Generator, protocols: tuple[Protocol, ...]) -> "Generators":
        """Streams that do not depend on which of the others are used."""
        phase, pose, motion, pulsation, *noise = rng.spawn(4 + len(protocols))
        names = [protocol.name for protocol in protocols]
        return cls(phase, pose, motion, pulsation, dict(zip(names, noise, strict=True)))


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
        still: name of the protocol whose head lies where the truth does.
        noise_free: names of the protocols to be scanned without noise as well.
    """

    phantom: Phantom
    grids: Mapping[Protocol, Geometry]
    scanner: Scanner
    noise: float
    still: str
    noise_free: tuple[str, ...]

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """All protocols, in order."""
        return tuple(self.grids)

    def _table(self, protocol: Protocol) -> SliceTable:
        return slice_table(protocol, cross_talk=self.scanner.cross_talk)

    def groups(self) -> list[tuple[Protocol, ...]]:
        """Protocols that see the same object: same magnetisation, and nothing moves."""
        one = self.scanner
        moves = one.motion_mm, one.motion_deg, one.pose_mm, one.pose_deg, one.csf_pulsation
        groups: dict[object, list[Protocol]] = {}
        for p in self.protocols:
            key = p.name if any(moves) else id(self._table(p))
            groups.setdefault(key, []).append(p)
        return [tuple(group) for group in groups.values()]

    def poses(self, random: Generators) -> dict[str, np.ndarray]:
        """Where the head lies in every delay of every protocol, (delay, 6) each."""
        scanner, found = self.scanner, {}
        for p in self.protocols:
            pose = draw_poses(random.pose, 1, mm=scanner.pose_mm, deg=scanner.pose_deg)
            motion = draw_poses(
                random.motion, len(p.td_ms), mm=scanner.motion_mm, deg=scanner.motion_deg
            )
            found[p.name] = motion + pose * (p.name != self.still)
        return found

    def slices(
        self, random: Generators, poses: Mapping[str, np.ndarray]
    ) -> Iterator[dict[str, ScannedSlice]]:
        """Scans slice after slice; protocol name to what was scanned."""
        echoes, size_rad = len(self.protocols[0].te_ms), self.scanner.phase_rad
        phases = {}
        for group in self.groups():
            shape = acquisition.working_shape(widest_matrix(group))
            same = copy.deepcopy(random.phase)  # one phase of the object, on every grid
            phases[shape] = smooth_phase(same, shape, echoes=echoes, size_rad=size_rad)
        for index in range(self.protocols[0].slices):
            yield self._slice(index, random, phases, poses)

    def _slice(
        self,
        index: int,
        random: Generators,
        phases: Mapping[tuple[int, int], np.ndarray],
        poses: Mapping[str, np.ndarray],
    ) -> dict[str, ScannedSlice]:
        fov_mm, z_mm = self.protocols[0].fov_mm, self._height_mm(index)
        scanned = {}
        carried = self._carried(index)
        for group in self.groups():
            shape = acquisition.working_shape(widest_matrix(group))
            coils = sensitivities(shape, z_mm=z_mm, fov_mm=fov_mm, scanner=self.scanner)
            table, factors = self._table(group[0]), self._factors(group[0], random.pulsation)
            images = self._seen(index, group[0], shape, factors, poses[group[0].name], carried)
            first = centre_weights(group[0], table)
            reference = acquisition.measure_reference(
                images, coils, first, points=self.scanner.reference_lines
            )
            weights = tuple(line_weights(protocol, table) for protocol in group)
            kspaces = acquisition.measure(images, coils, phases[shape], weights, group)
            for protocol, kspace in zip(group, kspaces, strict=True):
                scanned[protocol.name] = self._receive(protocol, kspace, reference, random)
        return scanned

    def _height_mm(self, index: int) -> float:
        return float(self.phantom.planes.geometry.slice_positions_mm()[index, 2])

    def _factors(self, protocol: Protocol, rng: np.random.Generator) -> np.ndarray:
        """What every class's signal is multiplied by in each delay, (delay, class)."""
        factors = np.ones((len(protocol.td_ms), len(CLASSES)), np.float32)
        swing = self.scanner.csf_pulsation
        factors[:, CLASSES.index("csf")] += rng.uniform(-swing, swing, len(factors))
        return factors

    def _seen(
        self,
        index: int,
        protocol: Protocol,
        shape: tuple[int, int],
        factors: np.ndarray,
        poses: np.ndarray,
        carried: tuple[jax.Array, jax.Array],
    ) -> jax.Array:
        """Images of a slice, every delay in its own pose; a tilt is cut once."""
        cut: dict[tuple[float, float, float], jax.Array] = {}
        seen = []
        for delay, pose in enumerate(poses):
            tilt = tilt_of(pose)
            if tilt not in cut:
                tissue = self._fractions(index, protocol, tilt), *carried
                cut[tilt] = self._object(tissue, self._table(protocol), shape, factors)
            by = in_plane(pose, z_mm=self._height_mm(index), fov_mm=protocol.fov_mm)
            image = cut[tilt][delay]
            seen.append(move(image, by.astype(np.float32)) if by.any() else image)
        return jnp.stack(seen)

    @property
    def _points(self) -> int:
        return self.scanner.truth_points(widest_matrix(self.protocols))

    def _carried(self, index: int) -> tuple[jax.Array, jax.Array]:
        """Values and transmit field of a slice on the fine grid, the same however the head lies."""
        b1 = slice_b1(self.phantom, index, size=self._points)
        b1 = (1.0 + self.scanner.b1_strength * (b1 - 1.0)) * self.scanner.b1_gain
        return slice_values(self.phantom, index, size=self._points), b1

    def _fractions(
        self, index: int, protocol: Protocol, tilt: tuple[float, float, float]
    ) -> jax.Array:
        """Volume fractions of a slice on the fine grid."""
        planes, cross_talk = self.phantom.planes.per_slice, self.scanner.cross_talk
        profile = plane_weights(protocol, planes, cross_talk=cross_talk)
        return slice_fractions(self.phantom, index, size=self._points, weights=profile, tilt=tilt)

    def _object(
        self,
        tissue: tuple[jax.Array, jax.Array, jax.Array],
        table: SliceTable,
        shape: tuple[int, int],
        factors: np.ndarray,
    ) -> jax.Array:
        fine = self.phantom.planes.grid(tissue[0].shape[-1])
        down, right = acquisition.isocentre_offset(fine)
        return object_images(*tissue, factors, table, shape=shape, by_fov=(-down, -right))

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
