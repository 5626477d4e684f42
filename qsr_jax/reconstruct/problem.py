"""One slice to reconstruct: what remains of its samples, and how any image would be sampled.

Samples are used twice: for the right-hand side ``b = A^H W y`` and, whatever they are, for the
kernel of ``A^H W A``. Every iteration works with these two on a grid.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from qsr_jax.ops.nufft import image_of_samples
from qsr_jax.ops.toeplitz import normal_operator, sampling_kernel
from qsr_jax.physics.fingerprint_dictionary import Dictionary
from qsr_jax.physics.fingerprint_matching import Match, Table, match, receiver_phase
from qsr_jax.physics.fingerprint_scan import FingerprintScan

SUPPORT, SUPPORT_SMOOTH = 0.1, 3.0
"""The object is where the size of the smoothed ``b`` exceeds this part of its 99th percentile;
standard deviation of the Gaussian in pixels. What is smoothed keeps its phase, so the streaks of
undersampling cancel."""
GROWN = 2
"""Pixels that the support grows by."""
STEP = 4096
"""Pixels inside are counted up to whole multiples of it: few shapes to compile for."""
POWER_ROUNDS, POWER_MARGIN, POWER_SEED = 20, 1.1, 0
"""Rounds of the power iteration, what its result is multiplied by, and what it starts from."""


class ScanKernel(NamedTuple):
    """What sampling does to any image of a scan.

    Attributes:
        values: (k, k, 2 y, 2 x) float32 of :func:`qsr_jax.ops.toeplitz.sampling_kernel`.
        largest: an upper bound of the largest eigenvalue of ``A^H W A``, for step sizes.
    """

    values: jax.Array
    largest: jax.Array


class Problem(NamedTuple):
    """A slice, ready for every method.

    Attributes:
        adjoint: (k, y, x) complex64 images ``b = A^H W y``.
        kernel: of the scan.
        coils: (coil, y, x) complex64.
        inside: (n,) int32 pixels of the object, the last one repeated.
    """

    adjoint: jax.Array
    kernel: ScanKernel
    coils: jax.Array
    inside: jax.Array

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) of the images."""
        rows, columns = self.adjoint.shape[1:]
        return rows, columns

    def normal(self, images: jax.Array) -> jax.Array:
        """``A^H W A`` of images (k, y, x)."""
        return normal_operator(images, self.kernel.values, self.coils)

    def voxels(self, images: jax.Array) -> jax.Array:
        """Images (k, y, x) at the pixels inside, (n, k)."""
        return images.reshape(len(images), -1)[:, self.inside].T

    def images(self, voxels: jax.Array) -> jax.Array:
        """(n, k) values of the pixels inside as images (k, y, x), 0 outside."""
        flat = jnp.zeros((voxels.shape[1], self.shape[0] * self.shape[1]), voxels.dtype)
        return flat.at[:, self.inside].set(voxels.T).reshape(-1, *self.shape)


class FingerprintMaps(NamedTuple):
    """What a method finds, 0 outside the object.

    Attributes:
        t1_ms: (y, x) float32.
        t2_ms: (y, x) float32.
        pd: (y, x) float32, in units of the samples.
    """

    t1_ms: np.ndarray
    t2_ms: np.ndarray
    pd: np.ndarray


def scan_kernel(scan: FingerprintScan, basis: jax.Array) -> ScanKernel:
    """The kernel of a scan, the same for all slices.

    Args:
        scan: its sampling is what matters.
        basis: (frames, k) of the dictionary.

    Raises:
        ValueError: the basis belongs to another number of frames.
    """
    _check_basis(scan, basis)
    sampling, values = scan.sampling, np.asarray(basis)
    products = np.zeros((len(sampling.points), values.shape[1], values.shape[1]))
    for interleaf in sampling.arm_of.T:
        np.add.at(products, interleaf, values[:, :, None] * values[:, None, :])
    weights = np.moveaxis(products, 0, -1)[..., None] * sampling.weights
    kernel = sampling_kernel(
        jnp.asarray(weights.reshape(*weights.shape[:2], -1), jnp.float32),
        jnp.asarray(sampling.points.reshape(-1, 2)),
        scan.shape,
    )
    return ScanKernel(kernel, _largest_eigenvalue(kernel, jnp.asarray(scan.coils)))


def make_problem(
    kspace: np.ndarray, scan: FingerprintScan, basis: jax.Array, kernel: ScanKernel
) -> Problem:
    """The right-hand side of a slice, and where its object lies.

    Args:
        kspace: (coil, frame, interleaf, sample) complex.
        scan: what it belongs to.
        basis: (frames, k).
        kernel: of :func:`scan_kernel`.

    Raises:
        ValueError: the samples or the basis are not this scan's.
    """
    scan.checked(kspace, where="slice")
    _check_basis(scan, basis)
    sampling = scan.sampling
    arms, samples = sampling.weights.shape
    values = np.asarray(basis)
    combined = np.zeros((values.shape[1], len(kspace), arms, samples), np.complex64)
    for arm in range(arms):
        frame, interleaf = np.nonzero(sampling.arm_of == arm)
        seen = kspace[:, frame, interleaf]
        combined[:, :, arm] = np.einsum("tk,cts->kcs", values[frame], seen, optimize=True)
    weighted = (combined * sampling.weights).reshape(*combined.shape[:2], -1)
    points = jnp.asarray(sampling.points.reshape(-1, 2))
    seen_images = image_of_samples(jnp.asarray(weighted), points, scan.shape)
    b = jnp.sum(jnp.conj(jnp.asarray(scan.coils)) * seen_images, axis=1)
    return Problem(b, kernel, jnp.asarray(scan.coils), jnp.asarray(_inside(np.asarray(b))))


def _check_basis(scan: FingerprintScan, basis: jax.Array) -> None:
    if len(basis) != scan.train.frames:
        raise ValueError(
            f"a basis of {len(basis)} frames for a scan of {scan.train.frames}; make the "
            "dictionary of the scan's own train"
        )


def _inside(b: np.ndarray) -> np.ndarray:
    """(n,) int32 pixels of the object, found in the adjoint images (k, y, x)."""
    smooth = ndimage.gaussian_filter(b, (0.0, SUPPORT_SMOOTH, SUPPORT_SMOOTH))
    size = np.linalg.norm(smooth, axis=0)
    bright = size > SUPPORT * np.percentile(size, 99)
    whole = ndimage.binary_fill_holes(ndimage.binary_dilation(bright, iterations=GROWN))
    places = np.flatnonzero(whole).astype(np.int32)
    return np.pad(places, (0, -len(places) % STEP), mode="edge")


@jax.jit
def _largest_eigenvalue(kernel: jax.Array, coils: jax.Array) -> jax.Array:
    """An upper bound of the largest eigenvalue of ``A^H W A``."""

    def once(image: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        seen = normal_operator(image, kernel, coils)
        size = jnp.linalg.norm(seen)
        return seen / size, size

    shape = (len(kernel), *coils.shape[1:])
    start = jax.random.normal(jax.random.key(POWER_SEED), shape, jnp.complex64)
    return POWER_MARGIN * jax.lax.scan(once, start, None, length=POWER_ROUNDS)[1][-1]


@jax.jit
def phase_and_match(
    images: jax.Array, problem: Problem, table: Table
) -> tuple[jax.Array, Match, jax.Array]:
    """What the voxels of coefficient images (k, y, x) are.

    Returns:
        (n,) the receiver's ``exp(i phase)``, the match, and the (n, k) real coefficients matched.
    """
    voxels = problem.voxels(images)
    phase = receiver_phase(voxels, problem.inside, table, problem.shape)
    real = (jnp.conj(phase)[:, None] * voxels).real
    return phase, match(real, table), real


def maps_of(found: Match, problem: Problem) -> FingerprintMaps:
    """Matched voxels as images."""
    stacked = problem.images(jnp.stack([found.t1_ms, found.t2_ms, found.pd], axis=-1))
    return FingerprintMaps(*np.asarray(stacked, np.float32))


def atoms_of(found: Match, dictionary: Dictionary) -> jax.Array:
    """(n, c) atoms that the voxels were matched with, times their PD."""
    flat = dictionary.atoms.reshape(-1, dictionary.atoms.shape[-1])
    return found.grid_pd[:, None] * flat[found.atom]
