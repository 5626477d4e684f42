"""Measuring one subject: on which voxels, in which slices, and what is refused."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import make_case, make_predictions

from qsr_jax.evaluation.measure.example_slices import example_slice
from qsr_jax.evaluation.measure.subject import covered_maps, measure
from qsr_jax.metrics.image import psnr, whole_windows
from qsr_jax.types import SAMPLE


def test_fast_is_measured_on_its_own_voxels(rng):
    case = make_case(rng, subject="a")
    (value,) = (
        v.value
        for v in measure(case, make_predictions(rng, case), split="test")
        if (v.kind, v.place, v.map, v.method) == ("tissue", "WM", "t1", "fast")
    )
    repeated = case.fast.maps[..., 0].repeat(2, 1).repeat(2, 2)
    assert value == pytest.approx(repeated[case.truth.tissue == 3].mean(), rel=1e-6)


def test_slices_without_brain_are_left_out(rng):
    case = make_case(rng, subject="a")
    mask = case.routine.mask.copy()
    mask[0] = False
    mask[1, 10:] = False  # a sliver, no whole window
    case = dataclasses.replace(case, routine=dataclasses.replace(case.routine, mask=mask))
    made = make_predictions(rng, case)
    (value,) = (
        v for v in measure(case, made, split="test")
        if (v.place, v.map, v.quantity, v.method) == ("brain", "t2", "psnr", "bicubic")
    )  # fmt: skip
    per_slice = psnr(
        made["bicubic"].mean[2:], case.routine.maps[2:], mask[2:], data_range=2000.0
    )  # fmt: skip
    assert whole_windows(mask).any((1, 2)).tolist() == [False, False, True, True]
    assert value.count == 2
    assert value.value == pytest.approx(float(per_slice[:, 1].mean()), rel=1e-6)


def test_example_is_the_slice_with_most_lesion(rng):
    case = make_case(rng, subject="a", group="patient", lesions=2)
    lesions = np.zeros_like(case.truth.lesions)
    lesions[3, 30:34, 30:34] = 1
    case = dataclasses.replace(case, truth=dataclasses.replace(case.truth, lesions=lesions))
    example = example_slice(case, make_predictions(rng, case))
    assert example.slice_index == 3
    assert example.lesion.sum() == 16
    np.testing.assert_array_equal(example.images["pd"]["routine"], case.routine.maps[3, ..., 2])
    assert example.images["pd"]["fast"].shape == (32, 32)


def test_predictions_off_the_routine_grid_are_refused(rng):
    case = make_case(rng, subject="a")
    made = make_predictions(rng, case)
    shifted = case.fast.geometry.refined(2, SAMPLE)
    made["trained"] = dataclasses.replace(made["trained"], geometry=shifted)
    with pytest.raises(ValueError, match="trained maps do not lie on the routine grid"):
        measure(case, made, split="test")


def test_methods_without_a_common_map_are_refused(rng):
    case = make_case(rng, subject="a")
    made = make_predictions(rng, case, names=("t1",))
    other = dataclasses.replace(
        made["bicubic"], names=("pd",), mean=made["bicubic"].mean[..., 2:]
    )  # fmt: skip
    with pytest.raises(ValueError, match="no map in common"):
        covered_maps(made | {"other": other})


@pytest.mark.parametrize("mask", [None, np.zeros((4, 64, 64), bool)], ids=["none", "empty"])
def test_a_mask_is_needed(rng, mask):
    case = make_case(rng, subject="a")
    case = dataclasses.replace(case, routine=dataclasses.replace(case.routine, mask=mask))
    with pytest.raises(ValueError, match="no mask|holds no 11 x 11 window"):
        measure(case, make_predictions(rng, case), split="test")
