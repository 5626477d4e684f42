"""T1w, T2w and FLAIR of a head whose maps are known, as a scanner would deliver them.

Images are computed on the grid of the maps, moved, multiplied by a receive field, cut in k-space
where the scan's resolution ends (edges ring), sampled on the coarser grid, and get complex noise
before their magnitude is taken. T2w lies where the maps lie; the other two have moved. Everything
is a pure function of a key, the maps and the study that was drawn.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import ACQUISITION, WIDE, Ranges
from qsr_jax.ops import fourier
from qsr_jax.phantom.tissue_values import TISSUES
from qsr_jax.physics.weighted_acquisition import draw_acquisition
from qsr_jax.physics.weighted_signal import USUAL, Hidden, weighted_signals

WAVES, WAVELENGTHS_MM = 4, (150.0, 400.0)
"""Waves that a receive field is made of, and how long they are."""

MOVES = (True, False, True)
"""Which of T1w, T2w and FLAIR moved against the maps."""


class Limits(NamedTuple):
    """How studies differ. Our choices; Rician SNR, bias and movement as usual in such studies.

    Attributes:
        acquisition: range of every time.
        still_share: part of the studies that have neither receive field nor movement.
        bias: largest departure of the receive field from 1 (as drawn, before its mean is 1).
        shift_px: largest displacement of T1w and FLAIR along rows and columns, pixels of the scan.
        turn_deg: their largest turn.
        resolution_mm: acquired voxel in the plane, of every contrast.
        snr: white matter's signal over the noise's standard deviation, in every contrast.
        efficiency: of the inversion.
        train_per_te: length of the trains of T2w and FLAIR over their echo times.
    """

    acquisition: Ranges = WIDE
    still_share: float = 0.5
    bias: float = 0.2
    shift_px: float = 1.0
    turn_deg: float = 1.0
    resolution_mm: tuple[float, float] = (0.7, 1.2)
    snr: tuple[float, float] = (20.0, 60.0)
    efficiency: tuple[float, float] = (0.95, 1.0)
    train_per_te: tuple[float, float] = (1.6, 2.4)


CLINICAL = Limits()


class Study(NamedTuple):
    """One study, as drawn; every leaf is an array.

    Attributes:
        acquisition_ms: (7,) see :data:`qsr_jax.acquisition.ACQUISITION`.
        hidden: what its header does not tell.
        still: 1 without receive field and movement, else 0.
        bias: amount of the receive field.
        waves: (4, 4) of the field: cycles per mm along z, y, x, and a phase.
        shift_px: (3, 2) displacement of each contrast along (y, x), pixels of the scan.
        turn_deg: (3,) turn of each contrast.
        resolution_mm: (3,) acquired voxel in the plane.
        snr: of white matter; infinite for no noise.
    """

    acquisition_ms: jax.Array
    hidden: Hidden
    still: jax.Array
    bias: jax.Array
    waves: jax.Array
    shift_px: jax.Array
    turn_deg: jax.Array
    resolution_mm: jax.Array
    snr: jax.Array


def draw_study(key: jax.Array, limits: Limits = CLINICAL) -> Study:
    """Draws one study within its limits.

    >>> study = draw_study(jax.random.key(0), Limits(still_share=1.0))
    >>> study.acquisition_ms.shape, float(jnp.abs(study.shift_px).max())
    ((7,), 0.0)
    """
    keys = iter(jax.random.split(key, 11))

    def uniform(shape: tuple[int, ...], low: float, high: float) -> jax.Array:
        return jax.random.uniform(next(keys), shape, minval=low, maxval=high)

    still = (uniform((), 0.0, 1.0) < limits.still_share).astype(jnp.float32)
    moves = (1.0 - still) * jnp.asarray(MOVES, jnp.float32)
    direction = jax.random.normal(next(keys), (WAVES, 3))
    direction /= jnp.linalg.norm(direction, axis=1, keepdims=True)
    waves = direction / uniform((WAVES, 1), *WAVELENGTHS_MM)
    trains = uniform((2,), *limits.train_per_te)
    return Study(
        acquisition_ms=draw_acquisition(next(keys), limits.acquisition, 1)[0],
        hidden=USUAL._replace(
            train_per_te=jnp.concatenate([jnp.ones(1), trains]),
            efficiency=uniform((), *limits.efficiency),
        ),
        still=still,
        bias=(1.0 - still) * limits.bias,
        waves=jnp.concatenate([waves, uniform((WAVES, 1), 0.0, 1.0)], axis=1),
        shift_px=moves[:, None] * uniform((3, 2), -limits.shift_px, limits.shift_px),
        turn_deg=moves * uniform((3,), -limits.turn_deg, limits.turn_deg),
        resolution_mm=uniform((3,), *limits.resolution_mm),
        snr=uniform((), *limits.snr),
    )


def perfect_study(acquisition_ms: jax.Array, *, hidden: Hidden = USUAL) -> Study:
    """A study of these times without noise, field, movement or loss of resolution.

    >>> float(perfect_study(jnp.ones(7)).bias)
    0.0

    Raises:
        ValueError: not seven times.
    """
    times = jnp.asarray(acquisition_ms, jnp.float32)
    if times.shape != (len(ACQUISITION),):
        raise ValueError(f"times of shape {times.shape}, expected (7,): {', '.join(ACQUISITION)}")
    return Study(
        acquisition_ms=times,
        hidden=hidden,
        still=jnp.float32(1.0),
        bias=jnp.float32(0.0),
        waves=jnp.zeros((WAVES, 4)),
        shift_px=jnp.zeros((3, 2)),
        turn_deg=jnp.zeros(3),
        resolution_mm=jnp.full(3, 1e-3),
        snr=jnp.float32(jnp.inf),
    )


def receive_field(study: Study, z_mm: np.ndarray, y_mm: np.ndarray, x_mm: np.ndarray) -> jax.Array:
    """The study's receive field (z, y, x), common to all contrasts, within 1 +- its amount.

    Args:
        study: its waves and their amount.
        z_mm: (z,) places.
        y_mm: (y,) likewise.
        x_mm: (x,) likewise.
    """
    along = [jnp.asarray(places, jnp.float32) for places in (z_mm, y_mm, x_mm)]
    total = jnp.zeros([len(places) for places in along], jnp.float32)
    for fz, fy, fx, phase in study.waves:
        cycles = phase + fz * along[0][:, None, None] + fy * along[1][:, None] + fx * along[2]
        total = total + jnp.cos(2 * jnp.pi * cycles)
    return 1.0 + study.bias * total / WAVES


def weighted_slice(
    key: jax.Array,
    maps: jax.Array,
    field: jax.Array,
    study: Study,
    *,
    pixel_mm: float,
    factor: int = 1,
) -> jax.Array:
    """T1w, T2w and FLAIR of one slice, magnitudes in the unit of PD, (h, w, 3).

    Args:
        key: of the noise.
        maps: (H, W, 3) T1 ms, T2 ms, PD; even H and W.
        field: (H, W) receive field.
        study: what is scanned how.
        pixel_mm: of the scan, square.
        factor: pixels of the maps along one of the scan; the scan's grid shares their outer edge.
    """
    signals = weighted_signals(
        maps[..., 0],
        maps[..., 1],
        maps[..., 2],
        study.acquisition_ms,
        hidden=study.hidden,
        signed=True,
    )
    sigma = _white_matter(study) / study.snr
    contrasts = []
    for index, one in enumerate(jax.random.split(key, 3)):
        image = signals[..., index] * field
        if MOVES[index]:
            image = fourier.turned(image, study.turn_deg[index])
        spectrum = _sampled(image, study.shift_px[index], factor)
        window = _window(spectrum.shape, study.resolution_mm[index], pixel_mm)
        noise = _noise(one, spectrum.shape) * sigma[index] / jnp.sqrt(window.mean())
        contrasts.append(jnp.abs(fourier.to_image(window * (spectrum + noise))))
    return jnp.stack(contrasts, axis=-1)


def _white_matter(study: Study) -> jax.Array:
    """Signals (3,) of usual white matter, which the noise is measured by."""
    maps = jnp.asarray(TISSUES["white"].mean, jnp.float32)
    return weighted_signals(maps[0], maps[1], maps[2], study.acquisition_ms, hidden=study.hidden)


def _sampled(image: jax.Array, shift_px: jax.Array, factor: int) -> jax.Array:
    """Coefficients (h, w) of the image on the scan's grid, displaced."""
    rows, columns = (size // factor for size in image.shape)
    spectrum = fourier.crop(fourier.to_kspace(image), (rows, columns))
    edge = (factor - 1) / 2 / factor  # pixel n // 2 of the scan covers several of the maps
    for axis, size in enumerate((rows, columns)):
        cycles = jnp.asarray(fourier.frequencies(size)) * (edge - shift_px[axis]) / size
        ramp = jnp.exp(2j * jnp.pi * cycles).astype(jnp.complex64)
        spectrum = spectrum * (ramp[:, None] if axis == 0 else ramp)
    return spectrum


def _window(shape: tuple[int, ...], resolution_mm: jax.Array, pixel_mm: float) -> jax.Array:
    """1 where k-space was acquired."""
    acquired = [
        jnp.abs(jnp.asarray(fourier.frequencies(size))) <= size * pixel_mm / (2 * resolution_mm)
        for size in shape
    ]
    return (acquired[0][:, None] & acquired[1]).astype(jnp.float32)


def _noise(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Coefficients of complex white noise whose two parts have a standard deviation of 1."""
    parts = jax.random.normal(key, (2, *shape)) / np.sqrt(np.prod(shape))
    return jax.lax.complex(parts[0], parts[1])
