"""Laws that every metric obeys, and numbers that scikit-image also gets."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import (
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import (
    BRAIN,
    METRICS,
    NORMALISERS,
    PAPER,
    Metric,
    mae,
    nrmse,
    pooled_psnr_db,
    psnr,
    ssim,
    whole_windows,
)

WHOLE = np.ones((3, 40, 36), bool)


@pytest.fixture
def scene(rng):
    """(pred, ref, mask): three samples of two maps, a ragged mask."""
    ref = rng.uniform(0, 4000, (3, 40, 36, 2)).astype(np.float32)
    ref[:, :, 18:] += 6000  # an edge, steeper than the noise
    pred = ref + rng.normal(20, 200, ref.shape).astype(np.float32)
    mask = np.zeros(WHOLE.shape, bool)
    mask[:, 3:33, 5:30] = True
    mask[:, 20, 8] = False
    return pred, ref, mask


def compute(name, pred, ref, mask, data_range=4300.0):
    return np.asarray(METRICS[name](pred, ref, mask, data_range=data_range))


@pytest.mark.parametrize("name", METRICS)
class TestEveryMetric:
    def test_one_value_per_sample_and_map(self, name, scene):
        assert compute(name, *scene).shape == (3, 2)

    def test_at_equality(self, name, scene):
        _, ref, mask = scene
        expected = METRICS[name].at_equality
        np.testing.assert_allclose(compute(name, ref, ref, mask), expected, atol=1e-6)

    def test_blind_outside_the_mask(self, name, scene):
        pred, ref, mask = scene
        expected = compute(name, pred, ref, mask)
        outside = ~mask[..., None]
        dirty = np.where(outside, np.nan, pred), np.where(outside, 1e9, ref).astype(np.float32)
        np.testing.assert_array_equal(compute(name, *dirty, mask), expected)

    def test_sees_inside_the_mask(self, name, scene):
        pred, ref, mask = scene
        moved = np.where(mask[..., None], pred * 1.1 + 100, pred)
        assert (compute(name, moved, ref, mask) != compute(name, pred, ref, mask)).all()

    def test_batch_is_stacked_singles(self, name, scene):
        singles = [compute(name, *(part[i : i + 1] for part in scene)) for i in range(3)]
        np.testing.assert_allclose(compute(name, *scene), np.concatenate(singles), rtol=1e-6)

    def test_unit_scaling(self, name, scene):
        pred, ref, mask = scene
        factor = 0.1 if METRICS[name].unit == "map" else 1.0
        scaled = compute(name, pred * 0.1, ref * 0.1, mask, 430.0)
        np.testing.assert_allclose(scaled, factor * compute(name, *scene), rtol=2e-5)

    def test_jit_is_eager(self, name, scene):
        with jax.disable_jit():
            eager = compute(name, *scene)
        np.testing.assert_allclose(compute(name, *scene), eager, rtol=2e-6)

    def test_nothing_to_count_is_nan(self, name, scene):
        pred, ref, mask = scene
        mask = mask.copy()
        mask[1] = False
        assert np.isnan(compute(name, pred, ref, mask)).all(-1).tolist() == [False, True, False]

    def test_direction_is_true(self, name, scene):
        """Going from the reference to ten times the error moves the metric to its worse side."""
        _, ref, mask = scene
        slope = np.linspace(0, 1, ref.shape[2], dtype=np.float32)[:, None]
        small, large = (compute(name, ref + e * (1 + slope), ref, mask) for e in (30.0, 300.0))
        worse = {
            "low": large > small,
            "zero": abs(large) > abs(small),
            "high": large < small,
            "one": abs(large - 1) > abs(small - 1),
        }
        assert worse[METRICS[name].better].all()


@pytest.mark.parametrize("name", METRICS)
def test_cropping_around_the_mask_changes_nothing(name, rng):
    """What the report does with air; not for NIQE, whose blocks are counted from the corner."""
    ref = rng.uniform(0, 4000, (2, 100, 90, 1)).astype(np.float32)
    pred = ref + rng.normal(0, 200, ref.shape).astype(np.float32)
    mask = np.zeros(ref.shape[:3], bool)
    mask[0, 60:97, 20:50] = mask[1, 70:90, 15:40] = True
    small = (part[:, 36:, 15:79] for part in (pred, ref, mask))
    np.testing.assert_allclose(compute(name, *small), compute(name, pred, ref, mask), rtol=1e-5)


@pytest.mark.parametrize("name", METRICS)
def test_a_symmetric_metric_knows_no_first(name, scene):
    pred, ref, mask = scene
    there, back = compute(name, pred, ref, mask), compute(name, ref, pred, mask)
    same = np.allclose(there, back, rtol=2e-6)
    assert same == METRICS[name].symmetric


def test_bias_changes_its_sign(scene):
    pred, ref, mask = scene
    np.testing.assert_array_equal(
        compute("bias", pred, ref, mask), -compute("bias", ref, pred, mask)
    )


@pytest.mark.parametrize("start", ["apart", "equal"])
@pytest.mark.parametrize(
    "name", [name for name, m in METRICS.items() if np.isfinite(m.at_equality)]
)
def test_gradients_are_finite_whatever_stands_outside(name, start, scene):
    pred, ref, mask = scene
    inside = mask[..., None]
    test = np.where(inside, pred if start == "apart" else ref, np.nan)
    metric = METRICS[name]
    slope = jax.grad(lambda x: metric(x, ref, mask, data_range=4300.0).sum())(jnp.asarray(test))
    assert np.isfinite(slope).all()
    assert not np.where(inside, 0.0, slope).any()
    if start == "apart":
        assert np.abs(np.where(inside, slope, 0.0)).max() > 0


def test_a_metric_is_one_line_and_the_laws_catch_a_liar(scene, monkeypatch):
    """What a newcomer adds goes through the laws above; one that looks outside fails them."""
    honest = Metric(lambda t, r, m: mae(t, r, m) ** 2, "", "low", False, "MAE squared", 0.0, True)
    liar = dataclasses.replace(honest, compute=lambda t, r, _: ((t - r) ** 2).mean((1, 2)))
    laws = TestEveryMetric()
    monkeypatch.setitem(METRICS, "new", honest)
    laws.test_one_value_per_sample_and_map("new", scene)
    laws.test_at_equality("new", scene)
    laws.test_blind_outside_the_mask("new", scene)
    laws.test_direction_is_true("new", scene)
    test_a_symmetric_metric_knows_no_first("new", scene)
    monkeypatch.setitem(METRICS, "new", liar)
    with pytest.raises(AssertionError):
        laws.test_blind_outside_the_mask("new", scene)
    monkeypatch.setitem(METRICS, "new", dataclasses.replace(honest, better="high"))
    with pytest.raises(AssertionError):
        laws.test_direction_is_true("new", scene)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.ranged])
def test_a_ranged_metric_asks_for_its_range(name, scene):
    with pytest.raises(ValueError, match="expected a data_range, got None; state L"):
        METRICS[name](*scene)


def test_pooled_psnr_is_that_of_one_image_and_below_the_mean_over_slices(scene):
    """Three slices end to end are one image; the mean over slices is another number."""
    pred, ref, mask = (part.copy() for part in scene)
    pred[1] = ref[1] + 3.0 * (pred[1] - ref[1])
    error = np.where(mask[..., None], pred - ref, 0.0)[..., 0].astype(float)
    pooled = pooled_psnr_db(np.square(error).sum(), mask.sum(), 4300.0)
    rows = [part.reshape(1, -1, *part.shape[2:]) for part in (pred, ref, mask)]
    one_image = psnr(*rows, data_range=4300.0)[0, 0]
    assert float(pooled) == pytest.approx(float(one_image), abs=1e-4)
    per_slice = np.asarray(psnr(pred, ref, mask, data_range=4300.0))[:, 0]
    assert pooled < per_slice.mean() - 0.5
    assert np.isinf(pooled_psnr_db(0.0, 10, 4300.0))


def test_psnr_agrees_with_scikit_image(scene):
    pred, ref, _ = scene
    with jax.enable_x64(True):
        ours = np.asarray(psnr(pred.astype(float), ref.astype(float), WHOLE, data_range=4300.0))
    for i, c in np.ndindex(ours.shape):
        theirs = peak_signal_noise_ratio(
            ref[i, ..., c].astype(float), pred[i, ..., c].astype(float), data_range=4300.0
        )
        assert ours[i, c] == pytest.approx(theirs, abs=1e-6)


def test_psnr_in_single_precision_is_near_enough(scene):
    pred, ref, mask = scene
    with jax.enable_x64(True):
        exact = np.asarray(psnr(pred.astype(float), ref.astype(float), mask, data_range=4300.0))
    np.testing.assert_allclose(psnr(pred, ref, mask, data_range=4300.0), exact, atol=2e-5)  # dB


@pytest.mark.parametrize(
    ("ours", "theirs"), [("mean", "mean"), ("norm", "euclidean"), ("range", "min-max")]
)
def test_nrmse_agrees_with_scikit_image(ours, theirs, scene):
    pred, ref, _ = scene
    values = np.asarray(nrmse(pred, ref, WHOLE, normaliser=ours))
    for i, c in np.ndindex(values.shape):
        expected = normalized_root_mse(
            ref[i, ..., c].astype(float), pred[i, ..., c].astype(float), normalization=theirs
        )
        assert values[i, c] == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_nrmse_is_blind_outside_the_mask(normaliser, scene):
    pred, ref, mask = scene
    dirty = np.where(mask[..., None], ref, np.nan)
    np.testing.assert_allclose(
        nrmse(pred, dirty, mask, normaliser=normaliser),
        nrmse(pred, ref, mask, normaliser=normaliser),
        rtol=1e-6,
    )


def test_nrmse_by_the_spread(scene):
    pred, ref, mask = scene
    spread = ref[0, ..., 0][mask[0]].std()
    expected = compute("rmse", pred, ref, mask)[0, 0] / spread
    assert float(nrmse(pred, ref, mask, normaliser="sd")[0, 0]) == pytest.approx(expected, rel=1e-5)


def test_an_unknown_normaliser_is_refused(scene):
    with pytest.raises(ValueError, match="normaliser 'max' is not one of mean, norm, range, sd"):
        nrmse(*scene, normaliser="max")


@pytest.mark.parametrize(("x64", "tolerance"), [(True, 1e-12), (False, 1e-6)])
@pytest.mark.parametrize("data_range", [4300.0, 65535.0])
@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_ssim_agrees_with_scikit_image(scene, x64, tolerance, data_range, window):
    """scikit-image 0.26, whole frame, and its map averaged over the windows inside a mask."""
    pred, ref, mask = (part.astype(float) if part.dtype != bool else part for part in scene)
    options = {"data_range": data_range, "window": window}
    with jax.enable_x64(x64):
        frame = np.asarray(ssim(pred, ref, WHOLE, **options))
        masked = np.asarray(ssim(pred, ref, mask, **options))
        inside = np.asarray(whole_windows(mask, window=window))
    gaussian = {"gaussian_weights": True, "use_sample_covariance": False}
    radius = {"gaussian": 5, "uniform": 3}[window]
    for i, c in np.ndindex(frame.shape):
        mean, full = structural_similarity(
            ref[i, ..., c], pred[i, ..., c], data_range=data_range, full=True,
            **(gaussian if window == "gaussian" else {}),
        )  # fmt: skip
        assert frame[i, c] == pytest.approx(mean, abs=tolerance)
        expected = full[radius:-radius, radius:-radius][inside[i]].mean()
        assert masked[i, c] == pytest.approx(expected, abs=tolerance)


def test_whole_windows_hold_no_voxel_outside():
    mask = np.ones((1, 15, 15), bool)
    mask[0, 0, 14] = False
    expected = np.ones((1, 5, 5), bool)
    expected[0, 0, 4] = False
    np.testing.assert_array_equal(whole_windows(mask), expected)


@pytest.mark.parametrize(("window", "size"), [("gaussian", 11), ("uniform", 7)])
def test_a_frame_smaller_than_the_window_is_refused(window, size):
    image = np.zeros((1, size - 1, 20, 1))
    with pytest.raises(ValueError, match=f"at least {size} x {size}"):
        ssim(image, image, np.ones((1, size - 1, 20), bool), data_range=1.0, window=window)


def test_an_unknown_window_is_refused(scene):
    with pytest.raises(ValueError, match="SSIM window 'hann' is not one of gaussian, uniform"):
        ssim(*scene, data_range=1.0, window="hann")


@pytest.mark.parametrize(("name", "stored_rmse", "db"), [("t1", 5240, 21.94), ("pd", 82, 58.05)])
def test_the_papers_convention_gives_the_papers_decibels(name, stored_rmse, db):
    """Table 4 of the paper: L = 65 535 on stored values, whole frame; 5240 stored is 524 ms."""
    spec = spec_of(name)
    ref = np.zeros((1, 16, 16, 1), np.float32)
    pred = ref + stored_rmse * spec.slope
    value = psnr(pred, ref, np.ones((1, 16, 16), bool), data_range=PAPER.data_range(spec))
    assert float(value[0, 0]) == pytest.approx(db, abs=0.01)


def test_conventions_say_their_range():
    assert BRAIN.text(spec_of("t2")) == "brain, L = 2000 ms"
    assert PAPER.text(spec_of("pd")) == "frame, L = 6553.5 %"
