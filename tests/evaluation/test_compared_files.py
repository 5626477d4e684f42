"""What a NIfTI file may hold: handled right, or refused with one sentence."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsr_jax.evaluation.compare_volumes import compare

AFFINE = np.array([[-2.0, 0, 0, 20], [0, -2.0, 0, 30], [0, 0, 5.0, 5], [0, 0, 0, 1]])
SHAPE = (20, 24, 3)


@pytest.fixture
def values(rng):
    """A T1 map (x, y, z) in ms."""
    return rng.uniform(500, 1500, SHAPE).astype(np.float32)


@pytest.fixture
def save(tmp_path):
    """Writes an array as it is, in mm unless said otherwise."""

    def write(name, array, affine=AFFINE, unit="mm"):
        image = nibabel.Nifti1Image(array, affine)
        image.set_qform(affine, code=1)
        image.set_sform(affine, code=1)
        image.header.set_xyzt_units(unit)
        path = tmp_path / f"{name}.nii.gz"
        nibabel.save(image, path)
        return path

    return write


def measured(test, reference, **options):
    """Every number of a comparison by name."""
    found = compare(test, reference, **{"map_name": "t1", "units": "ms", **options})
    return {row.name: row.per_slice for row in found.rows}


def rgb(values):
    kind = [("R", "u1"), ("G", "u1"), ("B", "u1")]
    return np.zeros(values.shape, kind)


REFUSED = {
    "complex": (lambda v: (v + 1j).astype(np.complex64), {}, "values are complex64, expected real"),
    "RGB": (rgb, {}, "expected real numbers"),
    "four axes": (lambda v: v[..., None, None].repeat(2, 3)[..., 0], {}, "4 axes, expected 3"),
    "seconds": (lambda v: v / 1000, {}, "can only be seconds that were read as milliseconds"),
    "micrometre": (lambda v: v, {"unit": "micron"}, "xyzt_units: micron, expected mm"),
    "not finite": (lambda v: np.where(v > 600, v, np.nan), {}, "inside the mask are not finite"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_map_must_not_be_is_refused_in_a_sentence(save, values, case):
    change, options, sentence = REFUSED[case]
    other = save("other", change(values), **options)
    with pytest.raises(ValueError, match=sentence) as refused:
        measured(other, save("reference", values))
    assert str(other) in str(refused.value) and "\n" not in str(refused.value)


def test_milliseconds_that_are_called_seconds_are_refused(save, values):
    path = save("ms", values)
    with pytest.raises(ValueError, match="can only be milliseconds that were read as seconds"):
        measured(path, path, units="s")
    Path(str(path).replace(".nii.gz", ".json")).write_text(json.dumps({"Units": "s"}))
    with pytest.raises(ValueError, match="Units in ms.json"):
        measured(path, path)


def test_seconds_that_are_called_seconds_are_read(save, values):
    found = measured(save("s", values / 1000), save("reference", values / 1000), units="s")
    assert max(found["mae"]) == 0.0


def test_an_empty_map_has_no_unit_to_doubt(save, values):
    found = measured(save("none", np.zeros_like(values)), save("reference", values))
    np.testing.assert_allclose(found["bias"], -values.mean((0, 1)), rtol=1e-5)


def stored(values, order, flips):
    """The same voxels at the same places, stored with other axes."""
    affine, shape = AFFINE.copy(), np.array(values.shape)
    array = values
    for axis in flips:
        array = np.flip(array, axis)
        turn = np.eye(4)
        turn[axis, axis], turn[axis, 3] = -1.0, shape[axis] - 1
        affine = affine @ turn
    return array.transpose(order), affine[:, [*order, 3]]


@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (0,)), ((0, 1, 2), (1, 2)), ((1, 0, 2), ()), ((2, 0, 1), (0, 1)),
     ((2, 1, 0), (0, 1, 2))],
)  # fmt: skip
def test_other_storage_of_the_same_grid_gives_the_same_numbers(save, values, rng, order, flips):
    test = (values + rng.normal(0, 20, SHAPE)).astype(np.float32)
    mask = (rng.uniform(size=SHAPE) < 0.7).astype(np.uint8)
    plain = measured(save("t", test), save("r", values), mask=save("m", mask))
    turned = measured(
        save("t2", *stored(test, order, flips)), save("r", values),
        mask=save("m2", *stored(mask, order, flips)),
    )  # fmt: skip
    assert turned.keys() == plain.keys()
    np.testing.assert_equal(list(turned.values()), list(plain.values()))  # NaN equals NaN


def test_a_mirrored_patient_is_another_place(save, values):
    mirrored = AFFINE.copy()
    mirrored[0] *= -1
    with pytest.raises(ValueError, match="mm apart"):
        measured(save("t", values, mirrored), save("r", values))


def test_grids_at_an_angle_are_refused(save, values):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.9), -np.sin(0.9)], [np.sin(0.9), np.cos(0.9)]]
    with pytest.raises(ValueError, match="voxels .z, y, x.|mm apart"):
        measured(save("t", values, turn @ AFFINE), save("r", values))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (lambda m: np.where(m, np.nan, 0).astype(np.float32), "not finite .NaN."),
        (lambda m: (m + 0j).astype(np.complex64), "values are complex64"),
        (rgb, "expected real numbers"),
        (np.zeros_like, "the mask is empty"),
    ],
)
def test_a_mask_that_is_none_is_refused(save, values, bad, sentence):
    mask = save("mask", bad(np.ones(SHAPE, np.uint8)))
    with pytest.raises(ValueError, match=sentence):
        measured(save("t", values), save("r", values), mask=mask)
