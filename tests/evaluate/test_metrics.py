"""Laws that every metric obeys, and numbers that scikit-image also gets."""

import jax
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from qsr_jax.evaluate.metrics import BRAIN, METRICS, PAPER, psnr, ssim, whole_windows
from qsr_jax.maps import spec_of

AT_EQUALITY = {"mae": 0.0, "rmse": 0.0, "bias": 0.0, "psnr": np.inf, "ssim": 1.0}
WHOLE = np.ones((3, 40, 36), bool)


@pytest.fixture
def scene(rng):
    """(pred, ref, mask): three samples of two maps, a ragged mask."""
    ref = rng.uniform(0, 4000, (3, 40, 36, 2)).astype(np.float32)
    pred = ref + rng.normal(20, 200, ref.shape).astype(np.float32)
    mask = np.zeros(WHOLE.shape, bool)
    mask[:, 3:33, 5:30] = True
    mask[:, 20, 8] = False
    return pred, ref, mask


def compute(name, pred, ref, mask, data_range=4300.0):
    metric = METRICS[name]
    options = {"data_range": data_range} if metric.ranged else {}
    return np.asarray(metric.compute(pred, ref, mask, **options))


@pytest.mark.parametrize("name", METRICS)
class TestEveryMetric:
    def test_one_value_per_sample_and_map(self, name, scene):
        assert compute(name, *scene).shape == (3, 2)

    def test_at_equality(self, name, scene):
        _, ref, mask = scene
        np.testing.assert_allclose(compute(name, ref, ref, mask), AT_EQUALITY[name], atol=1e-6)

    def test_blind_outside_the_mask(self, name, scene):
        pred, ref, mask = scene
        expected = compute(name, pred, ref, mask)
        outside = ~mask[..., None]
        dirty = np.where(outside, np.nan, pred), np.where(outside, 1e9, ref).astype(np.float32)
        np.testing.assert_array_equal(compute(name, *dirty, mask), expected)

    def test_sees_inside_the_mask(self, name, scene):
        pred, ref, mask = scene
        moved = pred + 100 * mask[..., None]
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
        small, large = (compute(name, ref + e, ref, mask) for e in (30.0, 300.0))
        worse = {"low": large > small, "zero": abs(large) > abs(small), "high": large < small}
        assert worse[METRICS[name].better].all()


def test_psnr_agrees_with_scikit_image(scene):
    pred, ref, _ = scene
    ours = np.asarray(psnr(pred, ref, WHOLE, data_range=4300.0))
    for i, c in np.ndindex(ours.shape):
        theirs = peak_signal_noise_ratio(
            ref[i, ..., c].astype(float), pred[i, ..., c].astype(float), data_range=4300.0
        )
        assert ours[i, c] == pytest.approx(theirs, abs=2e-5)  # dB, float32


@pytest.mark.parametrize(("x64", "tolerance"), [(True, 1e-12), (False, 1e-6)])
@pytest.mark.parametrize("data_range", [4300.0, 65535.0])
def test_ssim_agrees_with_scikit_image(scene, x64, tolerance, data_range):
    """scikit-image 0.26, whole frame, and its map averaged over the windows inside a mask."""
    pred, ref, mask = (part.astype(float) if part.dtype != bool else part for part in scene)
    with jax.enable_x64(x64):
        frame = np.asarray(ssim(pred, ref, WHOLE, data_range=data_range))
        masked = np.asarray(ssim(pred, ref, mask, data_range=data_range))
        inside = np.asarray(whole_windows(mask))
    for i, c in np.ndindex(frame.shape):
        mean, full = structural_similarity(
            ref[i, ..., c], pred[i, ..., c], data_range=data_range, full=True,
            gaussian_weights=True, use_sample_covariance=False,
        )  # fmt: skip
        assert frame[i, c] == pytest.approx(mean, abs=tolerance)
        expected = full[5:-5, 5:-5][inside[i]].mean()
        assert masked[i, c] == pytest.approx(expected, abs=tolerance)


def test_whole_windows_hold_no_voxel_outside():
    mask = np.ones((1, 15, 15), bool)
    mask[0, 0, 14] = False
    expected = np.ones((1, 5, 5), bool)
    expected[0, 0, 4] = False
    np.testing.assert_array_equal(whole_windows(mask), expected)


def test_a_frame_smaller_than_the_window_is_refused():
    image = np.zeros((1, 10, 20, 1))
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(image, image, np.ones((1, 10, 20), bool), data_range=1.0)


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
