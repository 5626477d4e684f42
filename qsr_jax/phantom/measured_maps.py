"""Subjects from measured maps: a real head's T1, T2 and PD, to be scanned again by the simulator.

Every place keeps the values that were measured there, so nothing is known of it below the measured
resolution, and the scan has to be coarser: see :func:`scaled_protocols`. Between voxels protons and
rates are averaged (:mod:`qsr_jax.phantom.mixing`). Tissues are told from T1, and water from T2 too;
they name places for the evaluation and do not change a value.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.maps import MAPS, check
from qsr_jax.ops.mask import (
    GREY_BELOW_MS,
    LEAST_T1_MS,
    WATER_T2_MS,
    WHITE_BELOW_MS,
    tissue_mask,
)
from qsr_jax.ops.resample import sample_linear
from qsr_jax.phantom.anatomy import BODY_CLASSES, Body
from qsr_jax.phantom.deformation import MNI_CENTRE_MM
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.measured_density import DensityScale, checked, density_percent
from qsr_jax.phantom.mixing import maps_of, sums_of
from qsr_jax.phantom.mni_template import nuclei_membership
from qsr_jax.physics.mdme_protocol import Protocol

LEAST = {spec.name: spec.measured_min for spec in MAPS.values()}
"""Least value inside the head: below it, nothing was measured there."""

T2_SCALE = 1.5
"""Other methods read shorter T2 than MDME, for which the brain mask is made; only it sees this."""

SCALP_MM = 10.0
"""No scalp is thicker."""

CERTAIN = 12.0
"""Log-odds of the tissue that a place is taken for."""

VOXELS_PER_PIXEL = 2
"""Measured voxels along the shortest acquired pixel."""


@dataclasses.dataclass(frozen=True)
class MeasuredMaps:
    """A measured head.

    Attributes:
        maps: (i, j, k, 3) float32 T1 ms, T2 ms, PD %, 0 where nothing was measured.
        affine: (4, 4) from index to RAS mm.
        brain: (i, j, k) bool, told from the maps; the rest of the head is scalp and skull.
        centre_mm: RAS point that goes to the isocentre.
        density: how PD became percent.
        borders_ms: T1 that parts white from grey, and grey from CSF.
        water_t2_ms: T2 from which on a place is CSF, too.
    """

    maps: np.ndarray
    affine: np.ndarray
    brain: np.ndarray
    centre_mm: np.ndarray
    density: DensityScale
    borders_ms: tuple[float, float] = (WHITE_BELOW_MS, GREY_BELOW_MS)
    water_t2_ms: float = WATER_T2_MS

    def body(self, rng: np.random.Generator, planes: Planes) -> Body:
        """This head as it is; ``rng`` is left alone."""
        del rng
        z, y, x = np.meshgrid(planes.z_mm, planes.axis_mm, planes.axis_mm, indexing="ij")
        ras = np.stack([-x, -y, z], axis=-1) + self.centre_mm
        inverse = np.linalg.inv(self.affine)
        index = (ras @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.float32)
        known = np.all(self.maps > 0, axis=-1)
        fraction = sample_linear(known[..., None].astype(np.float32), index)[..., 0]
        # Maps are filled outwards first: interpolation must not mix in what was not measured.
        _, nearest = ndimage.distance_transform_edt(~known, return_indices=True)
        sums = sample_linear(np.asarray(sums_of(self.maps[tuple(nearest)])), index)
        times_ms = np.asarray(maps_of(sums))[..., :2]
        beyond = (index < -0.5) | (index > np.array(known.shape, np.float32) - 0.5)
        fraction = np.where(beyond.any(axis=-1), 0.0, fraction).astype(np.float32)
        mni_mm = (ras - self.centre_mm + MNI_CENTRE_MM).astype(np.float32)
        middle = planes.middles
        nuclei = np.moveaxis(nuclei_membership(mni_mm[middle]), 0, 1)
        return Body(
            log_odds=self._log_odds(times_ms, fraction, self._brain_at(index)),
            inside=fraction > 0.5,
            mni_mm=mni_mm,
            nuclei=nuclei,
            traits=dataclasses.asdict(self.density),
            maps=np.moveaxis(np.asarray(maps_of(planes.by_slice(sums).mean(axis=1))), -1, 1),
        )

    def _brain_at(self, index: np.ndarray) -> np.ndarray:
        return sample_linear(self.brain[..., None].astype(np.float32), index)[..., 0] > 0.5

    def _log_odds(
        self, times_ms: np.ndarray, fraction: np.ndarray, brain: np.ndarray
    ) -> np.ndarray:
        """Log-odds (6, ...) of BODY_CLASSES: one is certain; how much of the voxel is head, too."""
        white_below, grey_below = self.borders_ms
        t1_ms, tissue = times_ms[..., 0], times_ms[..., 1] < self.water_t2_ms
        head = np.log(np.clip(fraction, 1e-5, 1.0)) - np.log(np.clip(1.0 - fraction, 1e-5, 1.0))
        kinds = {
            "white": brain & tissue & (t1_ms < white_below),
            "cortex": brain & tissue & (t1_ms >= white_below) & (t1_ms < grey_below),
            "csf": brain & ~(tissue & (t1_ms < grey_below)),
            "fat": ~brain & (t1_ms < LEAST_T1_MS),
            "muscle": ~brain & (t1_ms >= LEAST_T1_MS),
        }
        odds = np.full((len(BODY_CLASSES), *fraction.shape), -2 * CERTAIN, np.float32)
        for name, here in kinds.items():
            odds[BODY_CLASSES.index(name)] = np.where(here, head, head - CERTAIN)
        return odds


def measured_maps(
    maps: dict[str, np.ndarray], affine: np.ndarray, *, where: str, pd_in_percent: bool = True
) -> MeasuredMaps:
    """A head from its maps.

    Args:
        maps: "t1" (ms), "t2" (ms), "pd" (%), (i, j, k) each; 0 outside the head.
        affine: (4, 4) from index to RAS mm.
        where: what the maps belong to; opens the error messages.
        pd_in_percent: False where its unit is arbitrary and the receive field still in it, see
            :mod:`qsr_jax.phantom.measured_density`.

    Raises:
        ValueError: shapes differ, a value cannot be a map's, the head is empty, or its PD cannot be
            percent of water.
    """
    shapes = {name: maps[name].shape for name in MAPS}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"{where}: maps have shapes {shapes}, expected one")
    for name, spec in MAPS.items():
        if name != "pd" or pd_in_percent:
            check(maps[name], spec, where=where)
    least = LEAST if pd_in_percent else LEAST | {"pd": 0.0}
    known = np.all([maps[name] > least[name] for name in MAPS], axis=0)
    if not known.any():
        raise ValueError(f"{where}: nowhere are T1, T2 and PD all above {LEAST}; wrong units?")
    places = np.argwhere(known) @ affine[:3, :3].T + affine[:3, 3]
    stack = np.stack([np.where(known, maps[name], 0.0) for name in MAPS], axis=-1)
    centre = (places.min(axis=0) + places.max(axis=0)) / 2
    stack = stack.astype(np.float32)
    brain = brain_of(stack, affine)
    in_percent = checked if pd_in_percent else density_percent
    stack[..., 2], density = in_percent(stack[..., 2], stack[..., 0], brain, where=where)
    return MeasuredMaps(stack, affine, brain, centre, density)


def brain_of(maps: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The brain (i, j, k) in maps (i, j, k, 3) of T1 ms, T2 ms and PD of another method than MDME.

    Raises:
        ValueError: nothing in them looks like tissue.
    """
    t1_ms, t2_ms, pd = np.moveaxis(maps, (3, 2), (0, 1))
    brain = np.moveaxis(tissue_mask(t1_ms, T2_SCALE * t2_ms, pd), 0, 2)
    return _without_scalp(brain, np.linalg.norm(affine[:3, :3], axis=0))


def brain_of_slices(maps: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """:func:`brain_of` maps (z, y, x, 3) whose voxels are (z, y, x) mm large; (z, y, x) bool."""
    found = brain_of(maps.transpose(2, 1, 0, 3), np.diag([*spacing_mm[::-1], 1.0]))
    return found.transpose(2, 1, 0)


def _without_scalp(brain: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The thick part of a mask (i, j, k), in slices k: other methods may read scalp like brain."""
    inner_mm, grown_mm = SCALP_MM / 2, SCALP_MM / 2 + max(spacing[:2])

    def distance_mm(mask: np.ndarray) -> np.ndarray:
        slices = np.moveaxis(mask, 2, 0)
        found = [ndimage.distance_transform_edt(part, spacing[:2]) for part in slices]
        return np.stack(found, axis=2)

    labels, count = ndimage.label(distance_mm(brain) > inner_mm)
    if not count:
        return brain
    core = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    near = (distance_mm(~core) < grown_mm) & core.any(axis=(0, 1))
    return brain & near


def scaled_protocols(
    routine: Protocol, fast: Protocol, head: MeasuredMaps
) -> tuple[Protocol, Protocol]:
    """The two protocols at the resolution that a measured head allows.

    Field of view and slices follow the head; matrices shrink by one factor, so that the routine
    scan's shortest pixel is two measured voxels. Times, trains and accelerations stay.

    Raises:
        ValueError: the head is too small for one slice.
    """
    spacing = np.linalg.norm(head.affine[:3, :3], axis=0)
    extent = np.abs(head.affine[:3, :3]) @ np.array(head.maps.shape[:3])
    fov_mm = float(np.ceil(max(extent[:2])))
    slices = int(extent[2] // routine.slice_mm)
    if slices < 1:
        raise ValueError(
            f"the measured head is {extent[2]:g} mm high; a slice has {routine.slice_mm:g} mm"
        )
    factor = min(fov_mm / (VOXELS_PER_PIXEL * max(spacing)) / max(routine.matrix), 1.0)
    recon = _multiple(fast.recon * factor, 8)
    ratio = routine.recon // fast.recon
    return (
        _scaled(routine, factor, ratio * recon, fov_mm, slices),
        _scaled(fast, factor, recon, fov_mm, slices),
    )


def _scaled(protocol: Protocol, factor: float, recon: int, fov_mm: float, slices: int) -> Protocol:
    """A protocol with a smaller matrix, in whole groups of samples and of phase lines."""
    frequency, phase = protocol.matrix
    return dataclasses.replace(
        protocol,
        matrix=(_multiple(frequency * factor, 8), _multiple(phase * factor, 8)),
        recon=recon,
        fov_mm=fov_mm,
        slices=slices,
    )


def _multiple(value: float, of: int) -> int:
    return max(round(value / of), 1) * of
