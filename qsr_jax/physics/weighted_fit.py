"""T1, T2 and PD of every pixel from its T1-weighted, T2-weighted and FLAIR signal alone.

Maximum likelihood under white noise that is alike in the three images. T1 by brute force over a
logarithmic grid; for each T1 the ratio of the two spin echoes gives T2, and PD is a projection
(variable projection, Golub 1973, doi:10.1137/0710036). From the best of them damped Gauss-Newton
steps. Three signals, three unknowns: without noise they come back, but for fluid whose FLAIR signal
has another sign, which a magnitude does not show: then two tissues explain the same three numbers.
The one with more water than water has is none: PD is bounded.
Rounding picks one of them, so that the posterior mean can be asked for instead, under noise of
:data:`NOISE`, all T1 of the grid as likely before: it moves as little as the images do.
With noise of 1 % of water white matter's PD is known to 22 % and its T1 to 28 %, so this is what a
network begins with and not what it is judged by.

The images must share one receive chain: a contrast of unknown scale tells nothing pixel by pixel.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from qsr_jax.acquisition import ACQUISITION, CONTRASTS
from qsr_jax.physics.weighted_signal import weighted_signals

T1_RANGE_MS, T2_RANGE_MS = (450.0, 4800.0), (20.0, 2200.0)
"""Where solutions are looked for: from below white matter at 1.5 T to cold fluid. With T1 from 250
ms on, up to 40 % of white matter had a second, exact solution at 250 to 400 ms, which is found as
often as the first (T1w TR 690, FLAIR TR 5100 ms, and like times)."""

MOST_WATER = 1.3
"""PD, in parts of water, beyond which nothing is looked for; a receive field may add a fifth.
Without this bound, at inversion times of 1350 to 1600 ms, half of grey matter was taken for what
has twice its T1, a FLAIR signal below its null and more protons than water: T1 erred by 74 %
without noise."""

GRID = 32
"""Values of T1, 7.6 % apart."""

STEPS = 3
"""Gauss-Newton steps after the grid."""

FREEDOM = (0.08, 0.35)
"""How far those may lead in ln T1 (a cell) and ln T2 (what noise of the ratio does)."""

DAMPING = 1e-4
"""Of a step, in parts of the diagonal: what keeps a pixel without signal where it is."""

NOISE = 0.016
"""Of a signal, in parts of the root of the three's summed squares, for the mean: white matter at a
signal-to-noise ratio of 35."""

TINY = 1e-12
LASTING_MS = 1e9
"""A T2 at which nothing decays."""

TE = tuple(ACQUISITION.index(f"{name}_te_ms") for name in CONTRASTS)


def weighted_fit(images: jax.Array, acquisition_ms: jax.Array, *, mean: bool = False) -> jax.Array:
    """T1, T2 and PD by pixel, (n, h, w, 3): ms, ms, and parts of water.

    Args:
        images: (n, h, w, 3) T1w, T2w, FLAIR on one scale, of which fully relaxed water is 1.
        acquisition_ms: (n, 7), all known.
        mean: the posterior mean, not what explains the signals best.

    Example:
        >>> maps = jnp.array([[900.0, 75.0, 0.7], [1500.0, 110.0, 0.85]])
        >>> times = jnp.array([530.0, 12.6, 4400.0, 98.0, 8370.0, 106.0, 2380.0])
        >>> seen = weighted_signals(*maps.T, times)
        >>> found = weighted_fit(seen[None, None], times[None])[0, 0]
        >>> bool((jnp.abs(found / maps - 1.0) < 1e-3).all())
        True
    """
    n, height, width, count = images.shape
    flat = images.reshape(n, height * width, count)
    solved = _mean if mean else _best
    found = jax.lax.map(lambda one: solved(*one), (flat, acquisition_ms))
    return found.reshape(n, height, width, count)


def _mean(seen: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    """(pixels, 3) of one slice, the posterior mean of ln T1, ln T2 and PD."""
    grid = _on_grid(seen, acquisition_ms)
    energy = jnp.maximum(jnp.square(seen).sum(-1, keepdims=True), TINY)
    weight = jax.nn.softmax(grid.explained / (2.0 * NOISE**2 * energy), -1)
    of = (grid.log_t1, grid.log_t2, grid.density)
    log_t1, log_t2, density = ((weight * values).sum(-1) for values in of)
    return jnp.stack([jnp.exp(log_t1), jnp.exp(log_t2), density], -1)


def _best(seen: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    """(pixels, 3) of one slice, what explains the signals best."""
    low, high = (jnp.array(ends) for ends in zip(*_log_ranges(), strict=True))
    grid = _on_grid(seen, acquisition_ms)
    best = jnp.argmax(grid.explained, -1)
    log_t2 = jnp.take_along_axis(grid.log_t2, best[:, None], -1)[:, 0]
    start = jnp.stack([grid.log_t1[best], log_t2], -1)
    near, far = (jnp.clip(start + sign * jnp.array(FREEDOM), low, high) for sign in (-1.0, 1.0))

    def step(_: int, at: jax.Array) -> jax.Array:
        return jnp.clip(at + _newton(seen, at, acquisition_ms), near, far)

    at = jax.lax.fori_loop(0, STEPS, step, start)
    density = _projection(seen, _signals(at[:, 0], at[:, 1], acquisition_ms))
    return jnp.concatenate([jnp.exp(at), density[:, None]], -1)


def _log_ranges() -> tuple[tuple[float, float], ...]:
    return tuple((math.log(low), math.log(high)) for low, high in (T1_RANGE_MS, T2_RANGE_MS))


class _Grid(NamedTuple):
    """T1 of the grid (GRID,); T2, PD and how much of the energy they explain, (pixels, GRID)."""

    log_t1: jax.Array
    log_t2: jax.Array
    density: jax.Array
    explained: jax.Array


def _on_grid(seen: jax.Array, acquisition_ms: jax.Array) -> _Grid:
    log_t1 = jnp.linspace(*_log_ranges()[0], GRID)
    undecayed = _signals(log_t1, jnp.full_like(log_t1, math.log(LASTING_MS)), acquisition_ms)
    te_ms = acquisition_ms[jnp.array(TE)]
    logs = [jnp.log(jnp.maximum(x, TINY)) for x in (seen, undecayed)]
    t1w, t2w = (logs[0][:, i, None] - logs[1][None, :, i] for i in (0, 1))
    rate = jnp.maximum((t1w - t2w) / (te_ms[1] - te_ms[0]), 1.0 / T2_RANGE_MS[1])
    rate = jnp.minimum(rate, 1.0 / T2_RANGE_MS[0])
    models = [undecayed[None, :, i] * jnp.exp(-te_ms[i] * rate) for i in range(3)]
    alike = sum(seen[:, i, None] * model for i, model in enumerate(models))
    size = jnp.maximum(sum(jnp.square(m) for m in models), TINY)
    density = jnp.minimum(alike / size, MOST_WATER)
    explained = density * (2.0 * alike - density * size)
    return _Grid(log_t1, -jnp.log(rate), density, explained)


def _newton(seen: jax.Array, at: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    """One damped step of (ln T1, ln T2), (pixels, 2), PD projected out of residual and slopes."""
    model, slopes = _with_slopes(at, acquisition_ms)
    density = _projection(seen, model)[:, None]
    residual = seen - density * model
    free = [_without(density * slope, model) for slope in slopes]
    a, b, c = ((x * y).sum(-1) for x, y in ((free[0],) * 2, (free[1],) * 2, free))
    p, q = ((x * residual).sum(-1) for x in free)
    a, b = (x * (1.0 + DAMPING) + TINY for x in (a, b))
    turned = jnp.maximum(a * b - c * c, TINY**2)
    found = jnp.stack([b * p - c * q, a * q - c * p], -1) / turned[:, None]
    return jnp.where(jnp.isfinite(found), found, 0.0)


def _with_slopes(
    at: jax.Array, acquisition_ms: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Signals of PD 1 and their slopes along ln T1 and ln T2, (pixels, 3) each."""

    def model(log_t1: jax.Array, log_t2: jax.Array) -> jax.Array:
        return _signals(log_t1, log_t2, acquisition_ms)

    one, zero = jnp.ones_like(at[:, 0]), jnp.zeros_like(at[:, 0])
    value, along_t1 = jax.jvp(model, (at[:, 0], at[:, 1]), (one, zero))
    return value, (along_t1, jax.jvp(model, (at[:, 0], at[:, 1]), (zero, one))[1])


def _signals(log_t1: jax.Array, log_t2: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    return weighted_signals(jnp.exp(log_t1), jnp.exp(log_t2), jnp.float32(1.0), acquisition_ms)


def _projection(seen: jax.Array, model: jax.Array) -> jax.Array:
    """The PD that fits best, (pixels,)."""
    return (seen * model).sum(-1) / jnp.maximum(jnp.square(model).sum(-1), TINY)


def _without(slope: jax.Array, model: jax.Array) -> jax.Array:
    """What of a slope no change of PD can do."""
    return slope - _projection(slope, model)[:, None] * model
