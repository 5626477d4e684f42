"""What is known of how three contrasts were received, and how a network is told."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import ACQUISITION, CONTRASTS
from qsr_jax.physics.weighted_acquisition import known_or_typical
from qsr_jax.physics.weighted_signal import weighted_signals

BRIGHT_PERCENT = 99.0
"""The brightest of the brain: in the T2-weighted image this is fluid."""

SPARSE = 64
"""Pixels a side, at least, that brightness is told by; a percentile of all would cost a sort."""

WATER = (4200.0, 1800.0, 1.0)
"""T1 and T2, ms, and PD of cerebrospinal fluid at 3 T; what the brightest of T2w is taken for."""

JITTER = 0.1
"""Of a free gain in training: a percentile is not exactly the same in everybody."""

THUMBNAIL = 16
"""Side of the small picture of the slice, pixels."""

RATIOS = tuple(math.log(t) for t in (3000.0, 50.0, 2400.0))
"""ln of TR, TE and TI that are 0 in the numbers of one contrast, ms."""

HIDDEN, GAIN, ABSENT = 5, 6, 7
"""Set these draws apart from those of crops, flips, values and scans (1, 2, 3)."""


class Receive(NamedTuple):
    """How the slices of a batch were received.

    Attributes:
        gain: (n, 1, 1, 3), what images are divided by.
        acquisition_ms: (n, 7), NaN where nobody knows.
        common: (n,) bool, whether the three contrasts share their gain.
    """

    gain: jax.Array
    acquisition_ms: jax.Array
    common: jax.Array

    @property
    def known(self) -> jax.Array:
        """(n, 7) bool, which times are known."""
        return jnp.isfinite(self.acquisition_ms)

    @property
    def filled_ms(self) -> jax.Array:
        """(n, 7), typical times where nobody knows."""
        return known_or_typical(self.acquisition_ms)

    @property
    def solvable(self) -> jax.Array:
        """(n,) bool, whether T1, T2 and PD can be solved pixel by pixel."""
        return self.common & self.known.all(-1)


def known_receive(
    images: jax.Array, mask: jax.Array, acquisition_ms: jax.Array, *, common: bool
) -> Receive:
    """All that is known of slices (n, h, w, 3), by their brightness in the mask (n, h, w, 1).

    Without T2w there is nothing to judge a common gain by, and gains are free.
    """
    shared = jnp.full(len(images), common) & _has_t2w(images)
    return Receive(gains(images, mask, acquisition_ms, shared), acquisition_ms, shared)


def drawn_receive(
    images: jax.Array,
    mask: jax.Array,
    acquisition_ms: jax.Array,
    keys: jax.Array,
    *,
    free: float,
    unknown: float,
) -> Receive:
    """The same with times hidden and gains made free at random, for training.

    Args:
        images: (n, h, w, 3).
        mask: (n, h, w, 1).
        acquisition_ms: (n, 7).
        keys: one per sample.
        free: share of samples whose gains are free.
        unknown: share of samples in which every time is hidden with even odds.
    """

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        hide = jax.random.split(jax.random.fold_in(key, HIDDEN))
        hidden = jax.random.bernoulli(hide[0], unknown) & jax.random.bernoulli(
            hide[1], 0.5, (len(ACQUISITION),)
        )
        gain = jax.random.split(jax.random.fold_in(key, GAIN))
        off = jax.random.uniform(gain[1], (len(CONTRASTS),), minval=-JITTER, maxval=JITTER)
        return hidden, ~jax.random.bernoulli(gain[0], free), 1.0 + off

    hidden, common, jitter = jax.vmap(one)(keys)
    common &= _has_t2w(images)
    told = jnp.where(hidden, jnp.nan, acquisition_ms)
    gain = gains(images, mask, told, common)
    jitter = jnp.where(common[:, None], 1.0, jitter)[:, None, None]
    return Receive(gain * jitter, told, common)


def _has_t2w(images: jax.Array) -> jax.Array:
    return images[..., CONTRASTS.index("t2w")].any((1, 2))


def without_one(images: jax.Array, keys: jax.Array, *, absent: float) -> jax.Array:
    """Images (n, h, w, 3) in which a share of the samples lacks one contrast, for training."""

    def kept(key: jax.Array) -> jax.Array:
        draws = jax.random.split(jax.random.fold_in(key, ABSENT))
        which = jnp.arange(len(CONTRASTS)) == jax.random.randint(draws[1], (), 0, len(CONTRASTS))
        return ~(which & jax.random.bernoulli(draws[0], absent))

    return images * jax.vmap(kept)(keys)[:, None, None]


def told_of(images: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    """Times (n, 7) that are there; a contrast without signal anywhere has none."""
    there = images.any((1, 2))[:, np.array([CONTRASTS.index(n.split("_")[0]) for n in ACQUISITION])]
    return jnp.where(there & (acquisition_ms > 0.0), acquisition_ms, jnp.nan)


def gains(
    images: jax.Array, mask: jax.Array, acquisition_ms: jax.Array, common: jax.Array
) -> jax.Array:
    """What images are divided by, (n, 1, 1, 3).

    Of a common gain: that which makes the brightest of T2w what its times make of water, so that
    PD comes out in parts of water's. Of free gains: each contrast's own brightest. Where there is
    nothing to judge by (no brain in the slice) it is infinite, and the image dark: in the scanner's
    own numbers it would be thousands of times brighter than anything a network has seen.
    """
    bright = brightness(images, mask)
    t1_ms, t2_ms, density = (jnp.float32(value) for value in WATER)
    water = weighted_signals(t1_ms, t2_ms, density, known_or_typical(acquisition_ms))
    t2w = CONTRASTS.index("t2w")
    shared = jnp.broadcast_to((bright / water)[:, t2w, None], bright.shape)
    gain = jnp.where(common[:, None], shared, bright)
    usable = jnp.isfinite(gain) & (gain > 0.0)
    return jnp.where(usable, gain, jnp.inf)[:, None, None]


def brightness(images: jax.Array, mask: jax.Array) -> jax.Array:
    """The 99 % percentile of each contrast in the mask, (n, 3); NaN where it is empty."""
    stride = max(1, min(images.shape[1:3]) // SPARSE)
    few, inside = images[:, ::stride, ::stride], mask[:, ::stride, ::stride] > 0
    values = jnp.where(inside, few, jnp.nan).reshape(len(images), -1, images.shape[-1])
    return jnp.nanpercentile(values, BRIGHT_PERCENT, axis=1)


def thumbnail_of(images: jax.Array, receive: Receive) -> jax.Array:
    """A small picture of whole slices (n, h, w, 3), (n, 16, 16, 3)."""
    shape = (len(images), THUMBNAIL, THUMBNAIL, images.shape[-1])
    return jax.image.resize(images / receive.gain, shape, "linear", antialias=True)


def numbers_of(receive: Receive) -> jax.Array:
    """(n, 15): ln of every time over its typical value, which are known, whether one gain."""
    typical = known_or_typical(jnp.full_like(receive.acquisition_ms, jnp.nan))
    ratios = jnp.log(receive.filled_ms / typical)
    return jnp.concatenate([ratios, receive.known, receive.common[:, None]], -1)


def times_of(receive: Receive) -> jax.Array:
    """(n, 3, 7): of every contrast ln TR, TE, TI (0 without), which are known, whether one gain."""
    rows = []
    for name in CONTRASTS:
        places = [_place(name, kind) for kind in ("tr", "te", "ti")]
        logs = jnp.log(receive.filled_ms) * receive.known
        for place, usual in zip(places, RATIOS, strict=True):
            there = place is not None
            known = receive.known[:, place] if there else jnp.zeros_like(receive.common)
            value = (logs[:, place] - usual) * known if there else jnp.zeros(len(logs))
            rows += [value, known]
        rows.append(receive.common)
    return jnp.stack([row.astype(jnp.float32) for row in rows], -1).reshape(-1, len(CONTRASTS), 7)


def _place(contrast: str, kind: str) -> int | None:
    name = f"{contrast}_{kind}_ms"
    return ACQUISITION.index(name) if name in ACQUISITION else None


def constant_maps(receive: Receive, height: int, width: int) -> jax.Array:
    """The numbers as channels that are the same everywhere, (n, h, w, 15)."""
    numbers = numbers_of(receive)[:, None, None]
    return jnp.broadcast_to(numbers, (len(numbers), height, width, numbers.shape[-1]))
