"""Which T1, T2 and PD a voxel's coefficients belong to: matching with a dictionary.

The best atom has the largest ``<x, d> / |d|``, and ``PD = <x, d> / |d|^2`` (Ma 2013,
doi:10.1038/nature11971). Every third atom along both axes is tried first, then what lies around
the best of the best three values of T1. In fluid the score is a narrow ridge along T2, so a long
look along T2 follows, and a last one close by. Between the grid's values the maximum of a parabola
is taken.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from qsr_jax.physics.fingerprint_dictionary import Dictionary

STRIDE, ROWS = 3, 3
"""Every third atom along each axis; the best three values of T1 with the best T2 of each."""
LOOKS = ((1, 2, 1), (1, 24, 3), (2, 2, 1))
"""How far along T1 and T2 to either side is looked, one look after the other; every how many of the
steps along T2."""
MARGIN = (5, 30)
"""Of the grid, so that no look leaves it."""
PIXELS = 1024
"""Matched at a time: their scores stay in the cache."""
SMOOTH_PIXELS = 2.0
"""Standard deviation of the Gaussian that smooths the receiver's phase."""
LEAST_NORM = 1e-20


class Table(NamedTuple):
    """A dictionary made ready for matching.

    Attributes:
        coarse: (m1, m2, c) unit atoms of the coarse grid, 0 where there is none.
        unit: (t1 + margins, t2 + margins, c) unit atoms, 0 where there is none.
        norm: (t1 + margins, t2 + margins) of the atoms.
        first: (2,) float32 ln of the first T1 and T2.
        step: (2,) float32 of ln T1 and ln T2.
    """

    coarse: jax.Array
    unit: jax.Array
    norm: jax.Array
    first: jax.Array
    step: jax.Array


class Match(NamedTuple):
    """What the voxels were found to be.

    Attributes:
        t1_ms: (n,) refined.
        t2_ms: (n,) refined; never above T1.
        pd: (n,) in units of the coefficients, >= 0.
        atom: (n,) int32 best atom, ``t1 * steps + t2``.
        grid_pd: (n,) PD of that atom itself.
    """

    t1_ms: jax.Array
    t2_ms: jax.Array
    pd: jax.Array
    atom: jax.Array
    grid_pd: jax.Array


def matching_table(dictionary: Dictionary) -> Table:
    """Lays out a dictionary's atoms for :func:`match`.

    >>> axis = jnp.geomspace(100.0, 1600.0, 4)
    >>> atoms = jnp.tril(jnp.ones((4, 4)))[..., None] * jnp.ones(3)
    >>> matching_table(Dictionary(atoms, axis, axis / 10, jnp.eye(3))).coarse.shape
    (1, 1, 3)
    """
    norm = jnp.linalg.norm(dictionary.atoms, axis=-1)
    unit = dictionary.atoms / jnp.maximum(norm, LEAST_NORM)[..., None]
    margins = [(side, side) for side in MARGIN]
    logs = [jnp.log(axis) for axis in (dictionary.t1_ms, dictionary.t2_ms)]
    return Table(
        unit[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE],
        jnp.pad(unit, [*margins, (0, 0)]),
        jnp.pad(norm, margins),
        jnp.stack([log[0] for log in logs]),
        jnp.stack([(log[-1] - log[0]) / (len(log) - 1) for log in logs]),
    )


@jax.jit
def match(coefficients: jax.Array, table: Table) -> Match:
    """Matches voxels with a dictionary.

    >>> from qsr_jax.physics.fingerprint_dictionary import make_dictionary
    >>> from qsr_jax.physics.fingerprint_train import FispTrain, ramps
    >>> train = FispTrain(ramps((0.0, 40.0, 0.0, 70.0, 0.0), (20, 20, 20, 20)))
    >>> dictionary = make_dictionary(train, steps=20, states=32)
    >>> found = match(2.0 * dictionary.atoms[12, 7][None], matching_table(dictionary))
    >>> divmod(int(found.atom[0]), 20), round(float(found.grid_pd[0]), 4)
    ((12, 7), 2.0)

    Args:
        coefficients: (n, c) real, the receiver's phase taken off.
        table: of a dictionary of c channels.
    """
    count = len(coefficients)
    parts = -(-count // PIXELS)
    padded = jnp.pad(coefficients, ((0, parts * PIXELS - count), (0, 0)))
    found = jax.lax.map(lambda x: _match_part(x, table), padded.reshape(parts, PIXELS, -1))
    return jax.tree.map(lambda array: array.reshape(-1)[:count], found)


def _match_part(x: jax.Array, table: Table) -> Match:
    """Voxels (n, c); places count the cells of the padded grid."""
    width = table.norm.shape[1]
    unit = table.unit.reshape(-1, x.shape[-1])
    scores = jnp.einsum("pc,ijc->pij", x, table.coarse)
    rows = jax.lax.top_k(jnp.max(scores, axis=-1), min(ROWS, scores.shape[1]))[1]
    columns = _largest(jnp.take_along_axis(scores, rows[..., None], axis=1))
    down, right = (
        STRIDE * k + STRIDE // 2 + m for k, m in zip((rows, columns), MARGIN, strict=True)
    )
    near = down * width + right
    for t1_reach, t2_reach, every in LOOKS:
        t2_steps = range(-t2_reach, t2_reach + 1, every)
        steps = [i * width + j for i in range(-t1_reach, t1_reach + 1) for j in t2_steps]
        near = (near[..., None] + jnp.asarray(steps)).reshape(len(x), -1)
        fine = jnp.einsum("pnc,pc->pn", unit[near], x)
        near = jnp.take_along_axis(near, _largest(fine)[:, None], axis=-1)
    return _refined(x, near[:, 0], table)


def _largest(scores: jax.Array) -> jax.Array:
    """Where the first largest of the last axis is, (...) int32; 0 where one is NaN.

    ``jnp.argmax`` of a CPU goes value by value and took nine tenths of a match's time.
    """
    count = scores.shape[-1]
    top = jnp.max(scores, axis=-1, keepdims=True)
    place = jnp.where(scores == top, jnp.arange(count, dtype=jnp.int32), count)
    return jnp.min(place, axis=-1) % count


def _refined(x: jax.Array, place: jax.Array, table: Table) -> Match:
    """The top of the parabolas through an atom's score and its neighbours', along both axes."""
    width = table.norm.shape[1]
    unit, norm = table.unit.reshape(-1, x.shape[-1]), table.norm.reshape(-1)
    sizes = [n - 2 * side for n, side in zip(table.norm.shape, MARGIN, strict=True)]
    top = jnp.maximum(jnp.sum(x * unit[place], axis=-1), 0.0)
    index = [place // width - MARGIN[0], place % width - MARGIN[1]]
    times, change = [], jnp.zeros_like(top)
    for axis, stride in enumerate((width, 1)):
        low, high = (jnp.sum(x * unit[place + way], axis=-1) for way in (-stride, stride))
        bend = low - 2.0 * top + high
        between = (norm[place - stride] > 0) & (norm[place + stride] > 0) & (bend < 0)
        shift = jnp.where(between, 0.5 * (low - high) / jnp.where(between, bend, -1.0), 0.0)
        shift = jnp.clip(shift, -0.5, 0.5)
        change += shift * (norm[place + stride] - norm[place - stride]) / 2.0
        # Pure noise may match nothing: PD is 0 there, and the times are some of the grid
        index[axis] = jnp.clip(index[axis], 0, sizes[axis] - 1)
        times.append(jnp.exp(table.first[axis] + (index[axis] + shift) * table.step[axis]))
    scale = jnp.maximum(norm[place], LEAST_NORM)
    return Match(
        times[0],
        jnp.minimum(times[1], times[0]),
        top / (scale + change),
        index[0] * sizes[1] + index[1],
        top / scale,
    )


@functools.partial(jax.jit, static_argnames="shape")
def receiver_phase(
    coefficients: jax.Array, inside: jax.Array, table: Table, shape: tuple[int, int]
) -> jax.Array:
    """``exp(i phase)`` of an image, (n,) complex64: what its best atoms leave, smoothed.

    The coefficients of one voxel share one phase; that of a magnetisation upside down is part of
    its atom. Every second of the coarse atoms along each axis tells it well enough. Smoothing
    weighs voxels by their signal.

    >>> from qsr_jax.physics.fingerprint_dictionary import make_dictionary
    >>> from qsr_jax.physics.fingerprint_train import FispTrain, ramps
    >>> train = FispTrain(ramps((0.0, 40.0, 0.0, 70.0, 0.0), (20, 20, 20, 20)))
    >>> dictionary = make_dictionary(train, steps=20, states=32)
    >>> image = jnp.broadcast_to(dictionary.atoms[12, 7] * jnp.exp(0.5j), (64, 5))
    >>> phase = receiver_phase(image, jnp.arange(64), matching_table(dictionary), (8, 8))
    >>> round(float(jnp.angle(phase)[0]), 3)
    0.5

    Args:
        coefficients: (n, c) complex.
        inside: (n,) int32 index of every voxel in the image.
        table: of the dictionary of these coefficients.
        shape: (y, x) of the image.
    """
    parts = -(-len(coefficients) // PIXELS)
    padded = jnp.pad(coefficients, ((0, parts * PIXELS - len(coefficients)), (0, 0)))
    coarse = table.coarse[::2, ::2].reshape(-1, table.coarse.shape[-1])

    def left_over(x: jax.Array) -> jax.Array:
        real, imaginary = x.real @ coarse.T, x.imag @ coarse.T
        best = _largest(real * real + imaginary * imaginary)
        return jnp.sum(x * coarse[best], axis=-1)

    found = jax.lax.map(left_over, padded.reshape(parts, PIXELS, -1)).reshape(-1)
    image = jnp.zeros(shape[0] * shape[1], jnp.complex64).at[inside].set(found[: len(inside)])
    smooth = _smooth(image.reshape(shape)).reshape(-1)[inside]
    return smooth / jnp.maximum(jnp.abs(smooth), LEAST_NORM)


def _smooth(image: jax.Array) -> jax.Array:
    """(y, x) convolved with a Gaussian of :data:`SMOOTH_PIXELS`, 0 beyond the edge."""
    reach = int(4 * SMOOTH_PIXELS)
    kernel = ndimage.gaussian_filter1d(np.eye(2 * reach + 1)[reach], SMOOTH_PIXELS)
    for axis in (0, 1):
        margin = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        padded, length = jnp.pad(image, margin), image.shape[axis]
        parts = [jax.lax.slice_in_dim(padded, k, k + length, axis=axis) for k in range(len(kernel))]
        image = jnp.tensordot(jnp.asarray(kernel, jnp.float32), jnp.stack(parts), axes=1)
    return image
