"""Calibration and weighted images: what was put in comes out, per bin and per contrast."""

import numpy as np
import pytest
from evaluation_subjects import NAMES, make_case, make_predictions

from qsr_jax.evaluation.measure.calibration import MIN_VOXELS, bin_name, calibration_fields
from qsr_jax.evaluation.measure.image_quality import brain_box
from qsr_jax.evaluation.measure.synthetic_contrast import (
    DATA_RANGE_PERCENT,
    SHOWN,
    contrast_fields,
    weighted_images,
)
from qsr_jax.metrics.image import METRICS


def test_an_injected_slope_is_the_calibration_curve(rng):
    """test = 0.8 reference + 200 ms: the difference at T1 is 200 - 0.2 T1 in every bin."""
    reference = rng.uniform(300.0, 4300.0, (4, 64, 64, 1)).astype(np.float32)
    sources = {"routine": reference, "test": 0.8 * reference + 200.0}
    mask = np.ones(reference.shape[:3], bool)
    rows = list(calibration_fields(sources, ("t1",), mask, reference="routine"))
    assert {row["method"] for row in rows} == {"test"}
    assert len(rows) >= 10
    for row in rows:
        low, high = map(float, row["place"].split(" to "))
        inside = reference[(reference >= low) & (reference < high)]
        assert row["count"] == inside.size >= MIN_VOXELS
        assert row["value"] == pytest.approx(200.0 - 0.2 * inside.mean(), abs=0.01)


def test_bins_are_blind_outside_the_mask_and_silent_when_nearly_empty(rng):
    reference = np.full((1, 20, 20, 1), 85.0, np.float32)
    reference[0, 0, :5] = 55.0  # too few
    test = reference + 2.0
    mask = np.ones(reference.shape[:3], bool)
    mask[0, 19] = False
    test[0, 19] = np.nan
    sources = {"routine": reference, "x": test}
    (row,) = calibration_fields(sources, ("t2",), mask, reference="routine")
    assert (row["place"], row["value"], row["count"]) == (bin_name(80, 90), 2.0, 375)


def test_weighted_images_are_compared_inside_the_brain(rng):
    case = make_case(rng, subject="a")
    maps = make_predictions(rng, case)["trained"].mean
    mask = case.routine.mask
    rows = list(
        contrast_fields(
            {"routine": case.routine.maps, "trained": maps}, NAMES, mask,
            reference="routine", box=brain_box(mask),
        )
    )  # fmt: skip
    assert {row["map"] for row in rows} == set(SHOWN)
    psnr = {row["map"]: row["value"] for row in rows if row["quantity"] == "psnr"}
    images, expected = weighted_images(maps), weighted_images(case.routine.maps)
    whole = METRICS["psnr"].compute(images, expected, mask, data_range=DATA_RANGE_PERCENT)
    for name, value in zip(SHOWN, np.asarray(whole).mean(0), strict=True):
        assert psnr[name] == pytest.approx(float(value), rel=1e-5)  # the box leaves nothing out


def test_two_maps_make_no_weighted_images(rng):
    case = make_case(rng, subject="a")
    maps = {"routine": case.routine.maps[..., :2]}
    mask = case.routine.mask
    box = brain_box(mask)
    assert not list(contrast_fields(maps, ("t1", "t2"), mask, reference="routine", box=box))


def test_the_box_holds_the_brain_and_has_few_shapes(rng):
    mask = np.zeros((3, 512, 512), bool)
    mask[1, 130:391, 90:400] = True
    box = brain_box(mask)
    assert mask[box].shape == (3, 320, 320)
    assert mask[box].sum() == mask.sum()
    small = make_case(rng, subject="a").routine.mask
    assert small[brain_box(small)].shape == small.shape
