"""NIQE against the published algorithm written out plainly, and what must hold of any image.

`plain_niqe` below follows the authors' description block by block in float64 and shares no code
with the package: a second opinion for every step.
"""

import hashlib
from functools import cache

import numpy as np
import pytest
from scipy import ndimage
from scipy.io import savemat
from scipy.special import gamma
from skimage import data

from qsr_jax.metrics.niqe import (
    NiqeError,
    fit_model,
    load_fitted,
    load_model,
    niqe,
    niqe_of_stack,
    save_model,
    to_grey,
)
from qsr_jax.metrics.niqe_features import block_features

STORED = {"camera": data.camera, "brick": data.brick, "grass": data.grass}
"""Photographs of 512 x 512 that scikit-image ships."""

PUBLISHED = {"camera": 3.09620221, "brick": 9.48014249, "grass": 6.49292480}
"""Their NIQE by the authors' own computequality.m, computefeature.m and estimateaggdparam.m (NIQE
release 1.0, model modelparameters.mat), run in GNU Octave 7.3 with its image package 2.14
(fspecial, imfilter, imresize, blockproc) on the pixels of scikit-image 0.26."""


def plain_resize(image):
    """Half size: bicubic kernel of width 8, border mirrored, weights of each pixel sum to one."""

    def matrix(n):
        rows = np.zeros((n // 2, n))
        for j in range(n // 2):
            for k in range(2 * j - 4, 2 * j + 6):
                x = abs(0.5 * (k - (2 * j + 0.5)))
                inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
                weight = inner if x <= 1 else outer if x < 2 else 0.0
                mirrored = -1 - k if k < 0 else 2 * n - 1 - k if k >= n else k
                rows[j, mirrored] += weight
        return rows / rows.sum(1, keepdims=True)

    return matrix(image.shape[0]) @ image @ matrix(image.shape[1]).T


def plain_fit(values):
    """Asymmetric generalised Gaussian by moments, every exponent of the grid tried.

    Of constant values MATLAB's min, given nothing but NaN, takes the first exponent.
    """
    if not (values < 0).any() or not (values > 0).any():
        return 0.2, np.nan, np.nan
    shapes = np.arange(0.2, 10.0005, 0.001)
    ratios = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    left, right = (
        np.sqrt((values[values < 0] ** 2).mean()),
        np.sqrt((values[values > 0] ** 2).mean()),
    )
    skew = left / right
    ratio = np.abs(values).mean() ** 2 / (values**2).mean()
    ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = shapes[np.argmin((ratios - ratio) ** 2)]
    width = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * width, right * width


def plain_block(x):
    shape, left, right = plain_fit(x.ravel())
    found = [shape, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = plain_fit((x * np.roll(x, shift, (0, 1))).ravel())
        found += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return found


def plain_features(image, block):
    """(blocks, 36), top-left blocks first, row by row."""
    k = np.arange(-3, 4)
    window = np.exp(-(k[:, None] ** 2 + k**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    rows, columns = (n // block for n in image.shape)
    image = image[: rows * block, : columns * block].astype(float)
    scales = []
    for side in (block, block // 2):
        mean = ndimage.correlate(image, window, mode="nearest")
        spread = np.sqrt(np.abs(ndimage.correlate(image**2, window, mode="nearest") - mean**2))
        x = (image - mean) / (spread + 1)
        scales.append(
            [
                plain_block(x[r * side : (r + 1) * side, c * side : (c + 1) * side])
                for r in range(rows)
                for c in range(columns)
            ]
        )
        image = plain_resize(image)
    return np.concatenate(scales, axis=1)


@cache
def plain_of(name, block):
    return plain_features(STORED[name](), block)


def plain_niqe(features, mean, covariance):
    """With nanmean and nancov, which leaves out every block that misses a feature."""
    offset = np.nanmean(features, 0) - mean
    whole = features[np.isfinite(features).all(1)]
    middle = np.linalg.inv((np.cov(whole, rowvar=False) + covariance) / 2)
    return np.sqrt(offset @ middle @ offset)


def stacked(image):
    return image[None].astype(np.float32), np.ones((1, *image.shape), bool)


@pytest.fixture(scope="module")
def own_model():
    """A model from half of the photographs, in blocks of 32."""
    stacks = [stacked(STORED[name]()) for name in ("brick", "grass")]
    return fit_model(stacks, block=32, source="brick and grass")


@pytest.mark.parametrize("name", STORED)
def test_features_agree_with_the_published_algorithm(name):
    expected = plain_of(name, 96)
    found = block_features(*stacked(STORED[name]()), block=96)
    assert found.features.shape == expected.shape == (25, 36)
    np.testing.assert_allclose(found.features, expected, atol=4e-3)
    np.testing.assert_allclose(found.features.mean(0), expected.mean(0), atol=5e-4)


@pytest.mark.parametrize("name", STORED)
def test_natural_niqe_is_the_published_one(name, test_data):
    model = load_model(test_data("niqe/niqe_pris_params.npz"))
    found = niqe(*stacked(STORED[name]()), model)[0]
    assert found == pytest.approx(PUBLISHED[name], abs=1e-3)
    plain = plain_niqe(plain_of(name, 96), model.mean, model.covariance)
    assert plain == pytest.approx(PUBLISHED[name], abs=1e-6)


def in_air(name):
    """A photograph cut to a disc, like a head: 0 outside, and so in three whole blocks of 25."""
    image = STORED[name]()
    y, x = np.indices(image.shape) - 255.5
    return np.where(np.hypot(y, x) < 190, image, 0)


IN_AIR = {"camera": 3.489660, "brick": 9.204373, "grass": 6.833964}
"""NIQE of :func:`in_air` under the published model by `plain_niqe`, which gives PUBLISHED to 1e-6;
with whole blocks alone in the mean they would be 2, 4 and 7 % off."""


@pytest.mark.parametrize("name", STORED)
def test_constant_blocks_count_as_in_the_published_code(name, test_data):
    model = load_model(test_data("niqe/niqe_pris_params.npz"))
    features = block_features(*stacked(in_air(name)), block=96).features
    constant = np.isnan(features).any(1)
    assert constant.sum() == 3
    np.testing.assert_allclose(features[constant][:, [0, 2, 6, 10, 14]], 0.2, rtol=1e-6)
    found = niqe(*stacked(in_air(name)), model)[0]
    assert found == pytest.approx(IN_AIR[name], rel=1e-3)
    without = niqe_of_stack(*stacked(in_air(name)), model)
    assert without == pytest.approx(found)


def test_both_stored_models_are_one(test_data):
    ours = load_model(test_data("niqe/niqe_pris_params.npz"))
    live = load_model(test_data("niqe/modelparameters.mat"))
    np.testing.assert_array_equal(ours.mean, live.mean)
    np.testing.assert_array_equal(ours.covariance, live.covariance)
    assert (ours.block, ours.sha256 == live.sha256) == (96, False)


def test_the_digest_is_that_of_the_file(tmp_path, own_model):
    save_model(own_model, tmp_path / "model.npz")
    digest = hashlib.sha256((tmp_path / "model.npz").read_bytes()).hexdigest()
    assert load_fitted(tmp_path / "model.npz").sha256 == digest


def test_the_convention_says_model_crop_and_scale(own_model):
    text = own_model.text(crop="brain", grey_max=2500, unit="ms")
    assert text.startswith("NIQE against brick and grass (sha256 ")
    assert text.endswith("), 32 pixel blocks, brain, grey 255 = 2500 ms")


def test_a_fitted_model_comes_back_from_its_file(tmp_path, own_model):
    save_model(own_model, tmp_path / "model.npz")
    read = load_fitted(tmp_path / "model.npz")
    np.testing.assert_array_equal(read.covariance, own_model.covariance)
    assert (read.block, read.source) == (32, "brick and grass")


def test_the_fit_is_that_of_the_sharp_blocks(own_model):
    kept = []
    for name in ("brick", "grass"):
        blocks = block_features(*stacked(STORED[name]()), block=32)
        kept.append(blocks.features[blocks.sharpness > 0.75 * blocks.sharpness.max()])
    np.testing.assert_allclose(own_model.mean, np.concatenate(kept).mean(0), rtol=1e-12)


def test_blur_and_noise_are_farther_from_the_model(own_model, rng):
    image = STORED["grass"]().astype(float)
    blur, noisy = ndimage.gaussian_filter(image, 2), image + rng.normal(0, 25, image.shape)
    images = np.stack([image, blur, noisy]).astype(np.float32)
    good, *bad = niqe(images, np.ones(images.shape, bool), own_model)
    assert good < min(bad)


def test_laws(own_model, rng):
    """Blind outside the mask, batch = stacked singles, scale of grey stated."""
    images = np.stack([STORED["camera"](), STORED["brick"]()])[:, :192, :192].astype(np.float32)
    mask = np.zeros(images.shape, bool)
    mask[0, 5:180, 10:190] = True
    mask[1, 40:170, 40:170] = True
    found = niqe(images, mask, own_model)
    np.testing.assert_array_equal(niqe(np.where(mask, images, np.nan), mask, own_model), found)
    singles = [niqe(images[i : i + 1], mask[i : i + 1], own_model)[0] for i in range(2)]
    np.testing.assert_allclose(found, singles, rtol=1e-6)
    np.testing.assert_allclose(
        niqe(np.asarray(to_grey(images * 10, grey_max=2550.0)), mask, own_model), found, rtol=1e-4
    )
    assert niqe_of_stack(images[:1], mask[:1], own_model) == pytest.approx(found[0])


def test_too_few_blocks_is_nan(own_model):
    images, mask = stacked(STORED["camera"]())
    mask = np.zeros_like(mask)
    assert np.isnan(niqe(images, mask, own_model)[0])
    mask[0, :32, :32] = True
    assert np.isnan(niqe(images, mask, own_model)[0])
    mask[0, :32, :64] = True
    assert np.isfinite(niqe(images, mask, own_model)[0])


def test_too_little_to_fit_is_refused():
    with pytest.raises(NiqeError, match=r"few: \d+ sharp blocks of 96 pixels, more than 36"):
        fit_model([stacked(STORED["camera"]())], block=96, source="few")
    with pytest.raises(NiqeError, match="none: 0 sharp blocks"):
        fit_model([], block=96, source="none")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("absent.npz", None, r"no NIQE model \(FileNotFoundError\)"),
        ("text.npz", b"no", r"no NIQE model \(\w+Error\)"),
        ("other.npz", {"a": np.ones(3)}, "mu_pris_param and cov_pris_param"),
        ("shape.npz", {"mean": np.ones(36), "covariance": np.ones((18, 18))}, "expected .1, 36."),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, name, content, match):
    if isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NiqeError, match=match):
        load_model(tmp_path / name)


def test_a_natural_model_is_no_fitted_one(tmp_path):
    arrays = {"mu_pris_param": np.ones((1, 36)), "cov_pris_param": np.eye(36)}
    np.savez(tmp_path / "natural.npz", **arrays)
    savemat(tmp_path / "natural.mat", {"mu_prisparam": arrays["mu_pris_param"],
                                       "cov_prisparam": arrays["cov_pris_param"]})  # fmt: skip
    assert load_model(tmp_path / "natural.npz").source == "natural images"
    assert load_model(tmp_path / "natural.mat").mean.shape == (36,)
    with pytest.raises(NiqeError, match="block and source are missing"):
        load_fitted(tmp_path / "natural.npz")


@pytest.mark.parametrize(
    ("shape", "block", "match"),
    [((1, 64, 64), 33, "blocks of 33 pixels"), ((1, 64, 64), 96, "fits the frame of 64 x 64"),
     ((64, 64), 32, "expected equal")],
)  # fmt: skip
def test_impossible_blocks_are_refused(shape, block, match):
    with pytest.raises(ValueError, match=match):
        block_features(np.zeros(shape, np.float32), np.ones(shape, bool), block=block)
