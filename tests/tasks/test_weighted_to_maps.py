"""The task of weighted images: gains are taken out, times are told or hidden, units come back."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weighted_fixtures import NAMES, TYPICAL, disc

from qsr_jax.maps import MAPS
from qsr_jax.tasks import WeightedToMaps, build_task, described_task
from qsr_jax.tasks.scaling import CENTRED

pytestmark = pytest.mark.usefixtures("compiled_quickly")
TASK = WeightedToMaps(NAMES)
SLOPES = np.array([MAPS[name].slope for name in NAMES])


def batch_of(n=3, side=32):
    """Stored slices of a disc of white matter in a ring of water."""
    truth, brain, images = disc(n, side)
    return {
        "lr": np.round(images * 200).astype(np.uint16),
        "hr": np.round(truth / SLOPES).astype(np.uint16),
        "mask": brain[..., None].astype(np.uint8),
        "acquisition_ms": np.repeat(TYPICAL[None], n, 0),
        "sample_id": np.arange(n, dtype=np.int32),
    }


def seen(task=TASK, *, factors=(1.0, 1.0, 1.0), common=True, times=TYPICAL):
    _, brain, images = disc(1)
    return task.seen(
        jnp.asarray(images * np.array(factors, np.float32)),
        jnp.asarray(brain[..., None]),
        jnp.asarray(times)[None],
        common=common,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_scale_is_0_at_usual_tissue_and_comes_back(name, rng):
    scale = CENTRED[name]
    values = jnp.asarray(rng.uniform(0.1, 2.0, 50) * scale.centre, jnp.float32)
    assert float(scale.to_network(jnp.float32(scale.centre))) == 0.0
    np.testing.assert_allclose(scale.from_network(scale.to_network(values)), values, rtol=1e-5)
    rate = jax.vmap(jax.grad(scale.from_network))(scale.to_network(values))
    np.testing.assert_allclose(scale.slope(scale.to_network(values)), rate, rtol=1e-5)


def test_the_target_is_the_truth_and_its_units_come_back():
    batch = batch_of()
    example = TASK.whole(batch)
    inside = batch["mask"][..., 0] > 0
    stored = (batch["hr"] * SLOPES)[inside]
    np.testing.assert_allclose(TASK.physical(example.target)[inside], stored, rtol=1e-4)
    assert example.inputs["lr"].shape == (3, 32, 32, 6)


def test_the_pixelwise_solution_stands_behind_the_images():
    """White matter in a ring of water: T1 and T2 to 1 %, PD to what water was taken for."""
    truth, brain, _ = disc(1)
    white = brain[0] & (truth[0, ..., 0] < 1000)
    solved = TASK.physical(TASK.middle(seen()["lr"]))[0][white]
    np.testing.assert_allclose(np.median(solved, 0), [850, 70, 70], rtol=0.03)
    np.testing.assert_allclose(TASK.baseline(seen()), TASK.middle(seen()["lr"]))


def test_a_task_may_ask_for_the_mean_of_all_solutions():
    """Nothing but the maps behind the images is another; the document says so."""
    blended = dataclasses.replace(TASK, blended=True)
    best, mean = seen()["lr"], seen(blended)["lr"]
    np.testing.assert_array_equal(best[..., :3], mean[..., :3])
    truth, brain, _ = disc(1)
    off = np.abs(best - mean)[brain & (truth[..., 0] < 1000)][:, 3:]
    assert 1e-3 < off.max() < 0.2
    assert described_task(blended.describe()) == blended != TASK


def test_gains_are_taken_out():
    """One gain: all three brighter. Free: each by its own; then nothing can be solved."""
    for common, factors in ((True, (7.0,) * 3), (False, (7.0, 0.2, 3.0))):
        one, bright = seen(common=common), seen(factors=factors, common=common)
        for name in one:
            np.testing.assert_allclose(one[name], bright[name], rtol=1e-3, atol=2e-4)
    assert not seen(common=False)["lr"][..., 3:].any()
    off = seen(factors=(7.0, 0.2, 3.0))["lr"] - seen()["lr"]
    assert float(jnp.abs(off).max()) > 0.1, "and of one gain, three factors are another scan"


def test_unknown_times_are_told_as_unknown_and_nothing_is_solved():
    hidden = TYPICAL.copy()
    hidden[6] = np.nan
    known, unknown = seen(), seen(times=hidden)
    assert known["numbers"][0, 7:].tolist() == [1.0] * 8
    assert unknown["numbers"][0, 7:].tolist() == [1.0] * 6 + [0.0, 1.0]
    assert known["lr"][..., 3:].any() and not unknown["lr"][..., 3:].any()
    assert unknown["times"][0, 2, 4:6].tolist() == [0.0, 0.0]
    blind = dataclasses.replace(TASK, parameters=False, physics=False)
    one, other = seen(blind), seen(blind, times=1.3 * TYPICAL)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize(("gone", "common"), [(0, True), (1, False), (2, True)])
def test_a_contrast_that_is_absent_has_no_times_and_nothing_is_solved(gone, common):
    """Of the two that are left one gain is told where T2w, which judges it, is among them."""
    here = np.arange(3) != gone
    one = seen(factors=here.astype(np.float32))
    known = one["numbers"][0, 7:14].astype(bool)
    assert known.tolist() == [bool(here[i]) for i in (0, 0, 1, 1, 2, 2, 2)]
    assert bool(one["numbers"][0, 14]) == common and not one["lr"][..., 3:].any()
    assert [bool(x) for x in one["thumbnail"].any((0, 1, 2))] == here.tolist()


def test_training_drops_a_contrast_at_the_odds_it_is_told():
    task = dataclasses.replace(TASK, absent=0.5, unknown=0.0)
    shown = task.example(batch_of(64, 16), step=jnp.int32(0)).inputs["lr"][..., :3]
    there = np.asarray(shown.any((1, 2)))
    gone = (~there).sum(1)
    assert gone.max() == 1 and 20 <= gone.sum() <= 44, "32 expected; 3 standard deviations"
    assert (~there).sum(0).min() >= 3, "each of them"


def test_records_that_only_fill_a_batch_up_are_finite():
    """Validation fills its last batch with zeros, which count nothing unless they are NaN."""
    nothing = {name: np.zeros_like(array) for name, array in batch_of(1).items()}
    example = TASK.whole(nothing)
    for array in (*example.inputs.values(), example.target):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("common", [True, False])
def test_a_slice_without_brain_is_dark_however_bright_it_is(common):
    _, brain, images = disc(1)
    shown = TASK.seen(
        jnp.asarray(1e4 * images), jnp.zeros_like(brain[..., None]), TYPICAL[None], common=common
    )
    assert not shown["lr"][..., :3].any() and not shown["thumbnail"].any()
    assert np.isfinite(shown["lr"]).all()


def test_training_draws_gains_and_hidden_times_and_the_same_at_every_repetition():
    task = dataclasses.replace(TASK, crop=16, flip=True, unknown=0.5, seed=3)
    draw = jax.jit(lambda b, s: task.example(b, step=s))
    steps = [draw(batch_of(8), jnp.int32(step)) for step in (0, 1, 2, 0)]
    numbers = np.concatenate([np.asarray(s.inputs["numbers"]) for s in steps[:3]])
    for share in (numbers[:, 7:14].mean(), numbers[:, 14].mean()):
        assert 0.25 < share < 0.95, "some times are hidden, some gains are free"
    for name in steps[0].inputs:
        np.testing.assert_array_equal(steps[0].inputs[name], steps[3].inputs[name])
    assert steps[0].target.shape == (8, 16, 16, 3)


def test_a_crop_is_what_the_whole_slice_shows():
    """Brightness and thumbnail are the slice's, not the crop's."""
    task = dataclasses.replace(TASK, crop=16, intensities="common", unknown=0.0)
    cut, whole = task.example(batch_of(), step=jnp.int32(0)), task.whole(batch_of())
    np.testing.assert_array_equal(cut.inputs["thumbnail"], whole.inputs["thumbnail"])
    parts = [whole.inputs["lr"][0, r : r + 16, c : c + 16] for r in range(17) for c in range(17)]
    off = min(float(jnp.abs(part - cut.inputs["lr"][0])[..., :3].max()) for part in parts)
    assert off < 1e-5


@pytest.mark.parametrize(
    "variant",
    [{"physics": False}, {"constant_maps": True}, {"physics": False, "constant_maps": True}],
)
def test_variants_have_the_channels_they_say(variant):
    task = dataclasses.replace(TASK, **variant)
    channels = 3 + 3 * task.physics + 15 * task.constant_maps
    shown = seen(task)["lr"]
    assert shown.shape[-1] == channels
    assert task.middle(shown).shape[-1] == 3
    again = described_task(task.describe())
    assert again.describe() == task.describe()


REFUSED = [
    ("other maps", {"names": ("t1", "pd")}, "expected map=t1"),
    ("finer", {"scale": 2}, "it is one slice to its truth"),
    ("context", {"context": 3}, "it is one slice to its truth"),
    ("target", {"target": "routine"}, "it is one slice to its truth"),
    ("gains", {"intensities": "some"}, "weighted.intensities is 'some'"),
    ("share", {"unknown": 1.5}, "weighted.unknown 1.5"),
    ("absent", {"absent": -0.1}, "weighted.absent -0.1"),
    ("bands", {"held_out": "t2w_te_ms 105 95"}, "expected NAME LOW HIGH"),
    ("band of nothing", {"held_out": "t2_te 95 105"}, "band 't2_te 95 105'"),
    ("no times", {"parameters": False}, "weighted.physics needs the times"),
]


@pytest.mark.parametrize(("what", "fields", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_is_refused(what, fields, message):
    with pytest.raises(ValueError, match=message):
        build_task("weighted_to_maps", **({"names": NAMES} | fields))


def test_maps_and_other_channels_are_refused():
    with pytest.raises(ValueError, match="takes weighted images with their times, got maps"):
        TASK.inputs(jnp.ones((1, 8, 8, 3)))
    for key, message in (("lr", "expected t1w, t2w, flair"), ("hr", "expected 3: t1, t2, pd")):
        batch = batch_of(1)
        with pytest.raises(ValueError, match=message):
            TASK.whole(batch | {key: batch[key][..., :2]})
