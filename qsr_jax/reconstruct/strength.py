"""How strong a prior should be, told by samples that the reconstruction has not seen.

A tenth of the frames is held out, the slice is reconstructed from the others with several
strengths, and the one whose images predict the held-out samples best is taken. Neither truth nor
the noise's size is needed. (The discrepancy principle, a residual as large as the noise, cannot
tell here: between fitting the noise and the right strength the residual changes by what a few
images have of degrees of freedom, some percent of the noise, and what five components leave out of
the signal is as large as the noise itself.)
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.ops.devices import on_every_device
from qsr_jax.physics.fingerprint_dictionary import Dictionary
from qsr_jax.physics.fingerprint_scan import FingerprintScan
from qsr_jax.reconstruct.problem import Problem, make_problem, scan_kernel

HELD_OUT, SEED = 0.1, 0
"""Part of the frames that is held out; which ones they are."""
FACTOR, MOST_TRIED = 2.0, 6
"""Between two strengths; of strengths at most."""

Images = Callable[[Problem, Dictionary, float], jax.Array]
"""(problem, dictionary, strength) to coefficient images (k, y, x)."""


class Tried(NamedTuple):
    """A strength, and how far its images are from samples that they have not seen.

    Attributes:
        strength: of the prior.
        missed: squared distance to the held-out samples, less a number that is the same for all.
    """

    strength: float
    missed: float


def choose_strength(
    kspace: np.ndarray,
    scan: FingerprintScan,
    dictionary: Dictionary,
    images: Images,
    *,
    start: float,
) -> tuple[float, list[Tried]]:
    """The best strength of a slice, and all that were tried.

    Half and twice the first guess are tried, on as many devices as there are; while the best lies
    at an end, one more beyond it. The answer is the bottom of the parabola through the best and its
    neighbours.

    Args:
        kspace: (coil, frame, interleaf, sample) complex.
        scan: what it belongs to.
        dictionary: of the whole train.
        images: the method.
        start: first guess.

    Raises:
        ValueError: too few frames to hold any out, or as
            :func:`~qsr_jax.reconstruct.problem.make_problem`.
    """
    held = _held_out(scan.train.frames)
    seen, unseen = (
        make_problem(kspace, scan, basis, scan_kernel(scan, basis))
        for basis in (dictionary.basis * part[:, None] for part in (~held, held))
    )

    def tried(strength: float) -> Tried:
        return Tried(strength, float(missed(images(seen, dictionary, strength), unseen)))

    first = [start / FACTOR, start, start * FACTOR]
    found = list(on_every_device(lambda number: tried(first[number]), len(first)))
    while len(found) < MOST_TRIED:
        best = min(range(len(found)), key=lambda n: found[n].missed)
        if best == 0:
            found.insert(0, tried(found[0].strength / FACTOR))
        elif best == len(found) - 1:
            found.append(tried(found[-1].strength * FACTOR))
        else:
            break
    return _bottom(found), found


@jax.jit
def missed(images: jax.Array, unseen: Problem) -> jax.Array:
    """``|W^(1/2) (y - A x)|^2`` of held-out samples, less that of ``x = 0``."""
    return jnp.vdot(images, unseen.normal(images) - 2.0 * unseen.adjoint).real


def _held_out(frames: int) -> np.ndarray:
    """(frame,) bool."""
    count = round(HELD_OUT * frames)
    if count < 1:
        raise ValueError(f"{frames} frames; expected at least 10 to choose a strength with")
    held = np.zeros(frames, bool)
    held[np.random.default_rng(SEED).permutation(frames)[:count]] = True
    return held


def _bottom(found: list[Tried]) -> float:
    """Where a parabola over the logarithm of the strength is least."""
    best = min(range(len(found)), key=lambda n: found[n].missed)
    if not 0 < best < len(found) - 1:
        return found[best].strength
    low, top, high = (found[best + k].missed for k in (-1, 0, 1))
    shift = 0.5 * (low - high) / max(low - 2.0 * top + high, 1e-30)
    return found[best].strength * math.exp(shift * math.log(FACTOR))
