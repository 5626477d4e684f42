"""Fourier sums at any points against the direct sum, each method; the convolution against both."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.ops import nufft
from qsr_jax.ops.nufft import FINUFFT, GRIDDING, image_of_samples, samples_of_image
from qsr_jax.ops.toeplitz import normal_operator, sampling_kernel

METHODS = [
    GRIDDING,
    pytest.param(
        FINUFFT,
        marks=pytest.mark.skipif(
            importlib.util.find_spec("jax_finufft") is None,
            reason='finufft is not installed: pip install "qsr_jax[mrf]"',
        ),
    ),
]
SHAPE = (32, 30)


def material(points=300):
    rng = np.random.default_rng(0)
    k = rng.uniform(-np.pi, np.pi, (points, 2)).astype(np.float32)
    k[:2] = [(np.pi, -np.pi), (0.0, 0.0)]  # the edges, where cells wrap around
    pixels = [np.arange(n) - n // 2 for n in SHAPE]
    places = k[:, :1, None].astype(float) * pixels[0][:, None]
    places = places + k[:, 1:, None].astype(float) * pixels[1]
    image, samples = (
        rng.standard_normal((2, *shape)) + 1j * rng.standard_normal((2, *shape))
        for shape in (SHAPE, (points,))
    )
    return k, np.exp(-1j * places), image, samples


def apart(found, expected):
    return np.linalg.norm(np.asarray(found) - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("method", METHODS)
def test_the_direct_sum_and_its_adjoint(method):
    k, turns, image, samples = material()
    ahead = samples_of_image(jnp.asarray(image), jnp.asarray(k), method=method)
    back = image_of_samples(jnp.asarray(samples), jnp.asarray(k), SHAPE, method=method)
    assert apart(ahead, np.einsum("myx,nyx->nm", turns, image)) < 1e-5
    assert apart(back, np.einsum("myx,nm->nyx", turns.conj(), samples)) < 1e-5
    left, right = np.vdot(samples, ahead), np.vdot(back, image)
    assert abs(left - right) < 1e-5 * abs(left)


@pytest.mark.parametrize("method", METHODS)
def test_the_convolution_is_sampling_and_back(method):
    k, turns, image, _ = material()
    rng = np.random.default_rng(1)
    mixed = rng.uniform(size=(2, 2, len(k)))
    weights = mixed + mixed.swapaxes(0, 1)
    coils = rng.standard_normal((3, *SHAPE)) + 1j * rng.standard_normal((3, *SHAPE))
    kernel = sampling_kernel(jnp.asarray(weights), jnp.asarray(k), SHAPE, method=method)
    found = normal_operator(
        jnp.asarray(image, jnp.complex64), kernel, jnp.asarray(coils, jnp.complex64)
    )
    seen = np.einsum("myx,cyx,kyx->kcm", turns, coils, image)
    again = np.einsum("klm,lcm->kcm", weights, seen)
    expected = np.einsum("cyx,myx,kcm->kyx", coils.conj(), turns.conj(), again)
    assert apart(found, expected) < 1e-4


def test_what_is_used_when_nobody_says(monkeypatch):
    there = importlib.util.find_spec("jax_finufft") is not None
    monkeypatch.setattr(nufft.jax, "default_backend", lambda: "cpu")
    assert nufft.usual_method() == (FINUFFT if there else GRIDDING)
    monkeypatch.setattr(nufft.jax, "default_backend", lambda: "gpu")
    assert nufft.usual_method() == GRIDDING  # its wheels have no code for one


def test_what_is_refused(monkeypatch):
    points = jnp.zeros((4, 2))
    with pytest.raises(ValueError, match=r"points have shape \(4,\)"):
        samples_of_image(jnp.zeros((8, 8)), points[:, 0])
    with pytest.raises(ValueError, match="3 samples at 4 points"):
        image_of_samples(jnp.zeros(3), points, (8, 8))
    with pytest.raises(ValueError, match="method 'fft'; expected 'finufft' or 'gridding'"):
        image_of_samples(jnp.zeros(4), points, (8, 8), method="fft")
    monkeypatch.setattr(nufft.importlib.util, "find_spec", lambda name: None)
    assert nufft.usual_method() == GRIDDING
    with pytest.raises(ImportError, match="pip install"):
        samples_of_image(jnp.zeros((8, 8)), points, method=FINUFFT)
