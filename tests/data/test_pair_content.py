"""Structure tells a map that lies beside its header, is flipped, or is another subject's."""

import dataclasses

import numpy as np
import pytest
from dicom_factory import head_maps
from scipy import ndimage

from qsr_jax.data.studies import pair_quality
from qsr_jax.data.studies.pair_content import FLIPS, content_of, to_coarse
from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import tissue_mask
from qsr_jax.types import CORNER, SAMPLE

SIDE, SLICES = 64, 5


def smooth(maps, sigma_px):
    """Without detail finer than a fast pixel, so that sampling adds nothing of its own."""
    return {k: ndimage.gaussian_filter(v, (0, sigma_px, sigma_px)) for k, v in maps.items()}


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.1, 0.0), (0.0, -0.25), (0.15, 0.1)])
@pytest.mark.parametrize("alignment", [CORNER, SAMPLE])
def test_shifts_are_found_to_a_few_hundredths(shift, alignment):
    """Air full of noise, as in a map; the fast image is drawn at its shifted place."""
    centre = 0.5 if alignment == CORNER else 1.0
    shape, rng = (3, 128, 128), np.random.default_rng(1)
    routine = smooth(head_maps((3, 256, 256), 3, centre), 2)
    mask = tissue_mask(*routine.values())
    fast = smooth(head_maps(shape, 4), 1)
    fast = {k: ndimage.shift(v, (0, *shift), order=3, mode="nearest") for k, v in fast.items()}
    air = ndimage.binary_dilation(mask[:, ::2, ::2], iterations=3)
    fast = {k: np.where(air, v, rng.uniform(0, v.max(), shape)) for k, v in fast.items()}
    found = content_of(fast, routine, mask, alignment=alignment)
    np.testing.assert_allclose(found.common_shift, shift, atol=0.03)


def test_the_other_grid_is_noticed():
    """Images on the sample grid under a corner header lie 0.25 fast pixels off in both axes."""
    fast = smooth(head_maps((3, 128, 128), 0), 1)
    routine = smooth(head_maps((3, 256, 256), 1, 1.0), 2)
    mask = tissue_mask(*routine.values())
    found = content_of(fast, routine, mask, alignment=CORNER)
    np.testing.assert_allclose(np.abs(found.common_shift), 0.25, atol=0.03)


def test_reduction_keeps_a_ramp_in_its_place():
    """Corner: a block's mean; sample: about every other pixel."""
    ramp = np.arange(64.0)[None, :, None] * np.ones((2, 1, 64))
    coarse = to_coarse(ramp, (2, 32, 32), CORNER)
    np.testing.assert_allclose(coarse[0, :, 0], np.arange(32) * 2 + 0.5)
    coarse = to_coarse(ramp, (2, 32, 32), SAMPLE)
    np.testing.assert_allclose(coarse[0, 1:, 0], np.arange(1, 32) * 2)


def test_slices_without_tissue_say_nothing():
    fast, routine = head_maps((3, 32, 32), 0), head_maps((3, 64, 64), 1)
    nothing = np.zeros((3, 64, 64), bool)
    assert content_of(fast, routine, nothing, alignment=CORNER) is None


def folded_head(seed):
    """(fast, routine, mask): heads of one outline, each with folds of its own; noise in each map.

    The folds are a smooth random field, some 3 fast pixels wide, cut into grey and white matter.
    """
    rng = np.random.default_rng(seed)
    shape = (SLICES, 2 * SIDE, 2 * SIDE)
    y, x = (np.mgrid[: 2 * SIDE, : 2 * SIDE] + 0.5) / SIDE - 1
    radius = np.hypot(y, x / 0.8) / 0.85
    folds = ndimage.gaussian_filter(rng.standard_normal(shape), (0.7, 5, 5)) > 0
    scans = []
    for _ in range(2):
        scan = {}
        for name, (csf, grey, white) in {
            "t1": (4000, 1350, 850), "t2": (1500, 95, 75), "pd": (100, 82, 70)
        }.items():  # fmt: skip
            value = np.where(radius < 0.9, np.where(folds, grey, white), csf) * (radius < 1)
            scan[name] = value * (1 + 0.03 * rng.standard_normal(shape))
        scans.append(scan)
    fast = {name: to_coarse(v, (SLICES, SIDE, SIDE), CORNER) for name, v in scans[0].items()}
    return fast, scans[1], np.broadcast_to(radius < 1, shape)


@pytest.fixture(scope="module")
def heads():
    return folded_head(0), folded_head(1)


def verdicts(fast, routine, mask):
    """Map to {rule: verdict} of what is not good."""
    content = content_of(fast, routine, mask, alignment=CORNER)
    return {
        name: {f.rule: f.verdict for f in pair_quality.judge_content(name, content)}
        for name in MAPS
    }


GOOD = dict.fromkeys(MAPS, {})


def test_two_scans_of_one_subject_are_good(heads):
    assert verdicts(*heads[0]) == GOOD


def test_one_map_of_another_subject_is_refused(heads):
    (fast, routine, mask), (_, theirs, _) = heads
    found = verdicts(fast, routine | {"t2": theirs["t2"]}, mask)
    assert found["t2"]["likeness"] == found["t2"]["kinship"] == "refused"
    assert found["t1"] == {"kinship": "refused"}  # T1 and T2 do not fit, whichever is foreign
    assert found["pd"] == {}


def test_a_whole_scan_of_another_subject_is_refused(heads):
    (fast, _, mask), (_, theirs, _) = heads
    found = verdicts(fast, theirs, mask)
    assert all(found[name]["likeness"] == "refused" for name in MAPS)


@pytest.mark.parametrize("name", MAPS)
def test_a_map_foreign_in_both_scans_is_told_by_the_other_maps(heads, name):
    (fast, routine, mask), (their_fast, theirs, _) = heads
    found = verdicts(fast | {name: their_fast[name]}, routine | {name: theirs[name]}, mask)
    assert found[name] == {"kinship": "refused"}


@pytest.mark.parametrize(("shift_px", "verdict"), [
    (0.1, None), (0.44, "flagged"), (0.93, "refused"), (2.87, "refused"),
])  # fmt: skip
def test_one_map_alone_that_was_moved(heads, shift_px, verdict):
    """The head takes all maps along: 0.44, 0.93 and 2.87 pixels of T2 alone passed as good."""
    fast, routine, mask = heads[0]
    step = (0, 2 * 0.6 * shift_px, 2 * 0.8 * shift_px)
    moved = routine | {"t2": ndimage.shift(routine["t2"], step, order=3, mode="nearest")}
    content = content_of(fast, moved, mask, alignment=CORNER)
    assert content.apart("t2") == pytest.approx(shift_px, abs=0.08)
    assert verdicts(fast, moved, mask)["t2"].get("apart") == verdict
    assert "apart" not in verdicts(fast, moved, mask)["t1"]


def test_a_head_that_moved_takes_all_maps_along(heads):
    fast, routine, mask = heads[0]
    moved = {
        name: ndimage.shift(v, (0, 1.2, -1.2), order=3, mode="nearest")
        for name, v in routine.items()
    }
    assert verdicts(fast, moved, mask) == GOOD
    content = content_of(fast, moved, mask, alignment=CORNER)
    np.testing.assert_allclose(content.common_shift, (-0.6, 0.6), atol=0.03)


@pytest.mark.parametrize("flip", FLIPS)
def test_flipped_maps_are_refused_and_told(heads, flip):
    fast, routine, mask = heads[0]
    flipped = routine | {"t1": np.flip(routine["t1"], FLIPS[flip])}
    content = content_of(fast, flipped, mask, alignment=CORNER)
    found = {f.rule: f for f in pair_quality.judge_content("t1", content)}
    assert found["flipped"].verdict == "refused"
    assert f"when it is {flip}" in found["flipped"].text
    assert "flipped" not in verdicts(fast, flipped, mask)["t2"]


def test_a_whole_scan_in_reversed_order_is_told(heads):
    """All maps are: the shift that is found of them means nothing and must not hide it."""
    fast, routine, mask = heads[0]
    found = content_of(fast, {n: v[::-1] for n, v in routine.items()}, mask, alignment=CORNER)
    for name in MAPS:
        texts = {f.rule: f.text for f in pair_quality.judge_content(name, found)}
        assert "when it is in reversed order of slices" in texts["flipped"]


def test_empty_slices_have_no_likeness():
    content = content_of(*[{n: np.ones((3, s, s)) for n in MAPS} for s in (16, 32)],
                         np.ones((3, 32, 32), bool), alignment=CORNER)  # fmt: skip
    assert set(content.likeness.values()) == {0.0}
    assert dataclasses.astuple(content)[1] == content.likeness
