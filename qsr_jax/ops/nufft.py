"""Fourier sums at any points: images to samples of their k-space, and back; the room of finufft.

Pixel ``n // 2`` of an axis lies at 0, points are in radians per pixel. The two are each other's
adjoint, both not scaled:

- :func:`samples_of_image`: ``s_j = sum_n f_n exp(-i k_j . n)`` (type 2),
- :func:`image_of_samples`: ``f_n = sum_j s_j exp(+i k_j . n)`` (type 1).

With the extra ``mrf`` on a CPU they are those of finufft (Barnett 2019, doi:10.1137/18M120885X);
else gridding with a Kaiser-Bessel kernel (Beatty 2005, doi:10.1109/TMI.2005.848376) of
:data:`WIDTH` cells on a grid twice as fine. Never differentiate with respect to the points.
"""

import functools
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np

FINUFFT, GRIDDING = "finufft", "gridding"
WIDTH, OVERSAMPLING = 6, 2
SHAPE = float(np.pi * np.sqrt((WIDTH / OVERSAMPLING * (OVERSAMPLING - 0.5)) ** 2 - 0.8))
"""Shape parameter of the Kaiser-Bessel kernel (Beatty 2005, equation 5)."""
TOLERANCE = 1e-6
"""Relative error that is asked of finufft; about what single precision can hold."""


def usual_method() -> str:
    """What is used when nobody says: finufft where it is installed and runs, else gridding.

    Its wheels have no code for a GPU.

    >>> usual_method() in (FINUFFT, GRIDDING)
    True
    """
    there = importlib.util.find_spec("jax_finufft") is not None
    return FINUFFT if there and jax.default_backend() == "cpu" else GRIDDING


def samples_of_image(
    image: jax.Array, points: jax.Array, *, method: str | None = None
) -> jax.Array:
    """Samples of the k-space of images, (..., m) complex64, in units of the image times pixels.

    >>> image = jnp.zeros((4, 6)).at[2, 4].set(1.0)  # one pixel to the right of the middle
    >>> turn = samples_of_image(image, jnp.asarray([[0.0, 0.5]]), method=GRIDDING)
    >>> round(float(jnp.angle(turn[0])), 3)
    -0.5

    Args:
        image: (..., y, x).
        points: (m, 2) along y and x, radians per pixel, in [-pi, pi].
        method: :data:`FINUFFT` or :data:`GRIDDING`; None for :func:`usual_method`.

    Raises:
        ValueError: points of another shape, or an unknown method.
        ImportError: finufft is asked for and not installed.
    """
    _check_points(points)
    shape = image.shape[-2:]
    stack = jnp.asarray(image, jnp.complex64).reshape(-1, *shape)
    if _chosen(method) == FINUFFT:
        import jax_finufft

        y, x = jnp.asarray(points, jnp.float32).T
        found = jax_finufft.nufft2(stack, y, x, iflag=-1, eps=TOLERANCE)
    else:
        found = _interpolated(stack, jnp.asarray(points, jnp.float32))
    return found.reshape(*image.shape[:-2], len(points))


def image_of_samples(
    samples: jax.Array, points: jax.Array, shape: tuple[int, int], *, method: str | None = None
) -> jax.Array:
    """Images that samples of k-space add up to, (..., y, x) complex64: the adjoint.

    >>> image = image_of_samples(jnp.ones(1), jnp.asarray([[0.0, 0.5]]), (4, 6), method=GRIDDING)
    >>> round(float(jnp.angle(image[2, 4])), 3)
    0.5

    Args:
        samples: (..., m).
        points: (m, 2) along y and x, radians per pixel, in [-pi, pi].
        shape: (y, x) wanted.
        method: :data:`FINUFFT` or :data:`GRIDDING`; None for :func:`usual_method`.

    Raises:
        ValueError: points of another shape or number, or an unknown method.
        ImportError: finufft is asked for and not installed.
    """
    _check_points(points)
    if samples.shape[-1] != len(points):
        raise ValueError(f"{samples.shape[-1]} samples at {len(points)} points; expected one each")
    stack = jnp.asarray(samples, jnp.complex64).reshape(-1, len(points))
    if _chosen(method) == FINUFFT:
        import jax_finufft

        y, x = jnp.asarray(points, jnp.float32).T
        found = jax_finufft.nufft1(shape, stack, y, x, iflag=1, eps=TOLERANCE)
    else:
        found = _gridded(stack, jnp.asarray(points, jnp.float32), shape)
    return found.reshape(*samples.shape[:-1], *shape)


def _check_points(points: jax.Array) -> None:
    if points.ndim != 2 or points.shape[-1] != 2:
        raise ValueError(f"points have shape {points.shape}; expected (m, 2): along y and x")


def _chosen(method: str | None) -> str:
    """The method, checked."""
    if method not in (None, FINUFFT, GRIDDING):
        raise ValueError(f"method {method!r}; expected {FINUFFT!r} or {GRIDDING!r}")
    if method == FINUFFT and importlib.util.find_spec("jax_finufft") is None:
        raise ImportError('finufft is not installed: pip install "qsr_jax[mrf]", or use gridding')
    return method or usual_method()


def _near(points: jax.Array, fine: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Cells (m, WIDTH^2) of the flattened fine grid around every point, and their weights."""
    cells, weights = [], []
    for axis, n in enumerate(fine):
        place = points[:, axis] * (n / (2 * np.pi))
        first = jnp.ceil(place - WIDTH / 2)
        steps = first[:, None] + jnp.arange(WIDTH)
        distance = (place[:, None] - steps) * (2 / WIDTH)
        inside = jnp.maximum(1.0 - distance * distance, 0.0)
        weights.append(jnp.i0(SHAPE * jnp.sqrt(inside)) / np.i0(SHAPE))
        cells.append(steps.astype(jnp.int32) % n)
    both = cells[0][:, :, None] * fine[1] + cells[1][:, None, :]
    weight = weights[0][:, :, None] * weights[1][:, None, :]
    return both.reshape(len(points), -1), weight.reshape(len(points), -1)


def _rolloff(n: int) -> np.ndarray:
    """The kernel's Fourier transform at the pixels of an axis, (n,) float32."""
    pixel = np.arange(n) - n // 2
    root = np.sqrt(SHAPE**2 - (np.pi * WIDTH * pixel / (OVERSAMPLING * n)) ** 2)
    return (WIDTH * np.sinh(root) / (root * np.i0(SHAPE))).astype(np.float32)


def _divided(image: jax.Array) -> jax.Array:
    """(..., y, x) without the kernel's shading."""
    rows, columns = image.shape[-2:]
    return image / (_rolloff(rows)[:, None] * _rolloff(columns))


@functools.partial(jax.jit, static_argnames="shape")
def _gridded(stack: jax.Array, points: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Samples (n, m) to images (n, *shape)."""
    fine = (OVERSAMPLING * shape[0], OVERSAMPLING * shape[1])
    cells, weight = _near(points, fine)

    def one(samples: jax.Array) -> jax.Array:
        spread = (samples[:, None] * weight).reshape(-1)
        grid = jax.ops.segment_sum(spread, cells.reshape(-1), fine[0] * fine[1])
        whole = jnp.fft.ifft2(grid.reshape(fine), norm="forward")
        # Cell 0 is at 0, so pixels of negative place lie at the end
        turned = jnp.roll(whole, (shape[0] // 2, shape[1] // 2), axis=(0, 1))
        return _divided(turned[: shape[0], : shape[1]])

    return jax.lax.map(one, stack)


@jax.jit
def _interpolated(stack: jax.Array, points: jax.Array) -> jax.Array:
    """Images (n, y, x) to samples (n, m): the transpose of :func:`_gridded`, step by step."""
    rows, columns = stack.shape[-2:]
    fine = (OVERSAMPLING * rows, OVERSAMPLING * columns)
    cells, weight = _near(points, fine)

    def one(image: jax.Array) -> jax.Array:
        padded = jnp.pad(_divided(image), ((0, fine[0] - rows), (0, fine[1] - columns)))
        grid = jnp.fft.fft2(jnp.roll(padded, (-(rows // 2), -(columns // 2)), axis=(0, 1)))
        return jnp.sum(grid.reshape(-1)[cells] * weight, axis=-1)

    return jax.lax.map(one, stack)
