"""Values moved at random: the same curve for both scans, rising, within limits, keyed by sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.maps import MAPS, spec_of
from qsr_jax.tasks import JointMaps
from qsr_jax.tasks.crops import sample_keys
from qsr_jax.tasks.remap import LARGEST, Remapping, remapped
from qsr_jax.types import ALIGNMENTS

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NAMES = ("t1", "t2", "pd")
SPECS = tuple(spec_of(name) for name in NAMES)
STRONG = Remapping(scale=0.25, power=0.35)


def keys(n, step=0):
    return sample_keys(7, jnp.int32(step), jnp.arange(n))


def moved(physical, remapping, *, at=None, finer=1, alignment="corner", side=16):
    given = {"finer": finer, "alignment": alignment, "side": side}
    at = keys(len(physical)) if at is None else at
    return np.asarray(remapped(jnp.asarray(physical), at, SPECS, remapping, **given))


def ramp(n=6, points=64):
    """Every map from 0 to what the scanner writes, (n, 1, points, 3)."""
    tops = np.float32([spec.scanner_max for spec in SPECS])
    line = np.linspace(0, 1, points, dtype=np.float32)[:, None] * tops
    return np.tile(line, (n, 1, 1, 1))


def test_amplitudes_of_0_move_nothing():
    """To rounding: a power of 1 and a factor of 1 in float32."""
    np.testing.assert_allclose(moved(ramp(), Remapping()), ramp(), rtol=2e-6)
    assert not Remapping().acts
    assert Remapping(field=0.1).acts


def test_curves_rise_keep_0_and_stay_within_the_scanner():
    before, after = ramp(), moved(ramp(), STRONG)
    assert (np.diff(after, axis=2) >= 0).all()
    below = after < [spec.scanner_max for spec in SPECS]
    assert (np.diff(after, axis=2)[below[:, :, 1:]] > 0).all(), "equal only at the scanner's end"
    assert (after[:, :, 0] == 0).all()
    assert (after <= [spec.scanner_max for spec in SPECS]).all()
    assert np.abs(after / np.maximum(before, 1e-6) - 1)[:, :, 8:].max() > 0.1


def test_a_value_moves_by_no_more_than_the_amplitudes_say():
    """At the pivot the factor alone acts: e^-0.25 to e^0.25, and 200 draws come near both."""
    pivot = np.float32([spec.remap_about for spec in SPECS])
    after = moved(np.broadcast_to(pivot, (200, 1, 1, 3)), STRONG)
    logs = np.log(after / pivot)
    assert np.abs(logs).max() <= 0.25 + 1e-5
    assert (logs.min(0) < -0.22).all() and (logs.max(0) > 0.22).all()
    assert np.abs(np.corrcoef(logs[:, 0, 0].T) - np.eye(3)).max() < 0.25, "each map its own draw"


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_both_grids_get_the_same_curve_and_the_same_field(alignment):
    """A flat image: the coarse field is the fine one where the pixels meet, between them midway."""
    remapping = Remapping(0.25, 0.35, 0.2)
    flat = np.float32([900.0, 90.0, 70.0])
    coarse = moved(np.broadcast_to(flat, (3, 8, 8, 3)), remapping, alignment=alignment)
    fine = moved(np.broadcast_to(flat, (3, 16, 16, 3)), remapping, finer=2, alignment=alignment)
    means = fine.reshape(3, 8, 2, 8, 2, 3).mean((2, 4))
    expected = fine[:, ::2, ::2] if alignment == "sample" else means
    np.testing.assert_allclose(coarse, expected, rtol=2e-3)
    assert coarse[..., 2].std() > 0.1, "density has a field"
    np.testing.assert_allclose(np.ptp(coarse[..., :2], axis=(1, 2)), 0, atol=1e-2)


def test_neighbouring_slices_move_alike_and_draws_are_keyed_by_step_and_sample():
    slices = np.tile(ramp(3), 3)
    remapping = Remapping(0.25, 0.35, 0.2)
    after = moved(slices, remapping)
    np.testing.assert_array_equal(after[..., :3], after[..., 6:])
    turned = moved(slices[::-1], remapping, at=keys(3)[::-1])
    np.testing.assert_array_equal(turned[::-1], after)
    assert np.abs(moved(slices, remapping, at=keys(3, step=1)) - after).max() > 1.0


def batch(rng, n=4, side=12, scans=1):
    fine = rng.uniform(0.5, 1.5, (n, 2 * side, 2 * side, 3)) * [9000, 900, 750]
    hr = np.concatenate([fine + 100 * i for i in range(scans)], -1).astype(np.uint16)
    lr = fine.reshape(n, side, 2, side, 2, 3).mean((2, 4)).astype(np.uint16)
    mask = np.ones((n, 2 * side, 2 * side, 1), np.uint8)
    return {"lr": lr, "hr": hr, "mask": mask, "sample_id": np.arange(n, dtype=np.int32)}


def test_training_sees_moved_values_and_validation_does_not(rng):
    plain = JointMaps(NAMES, 2, log_maps=("t2",), crop=8)
    task = JointMaps(NAMES, 2, log_maps=("t2",), crop=8, remapping=STRONG)
    records = batch(rng)
    step = jnp.int32(3)
    before, after = (jax.jit(t.example)(records, step=step) for t in (plain, task))
    given = {"finer": 2, "alignment": "corner", "side": 12}
    at = sample_keys(0, step, jnp.arange(4))
    expected = remapped(plain.physical(before.target), at, SPECS, STRONG, **given)
    np.testing.assert_allclose(task.physical(after.target), expected, rtol=2e-4)
    assert float(jnp.abs(after.inputs["lr"] - before.inputs["lr"]).max()) > 0.01
    for name in ("target", "mask"):
        np.testing.assert_array_equal(
            getattr(task.whole(records), name), getattr(plain.whole(records), name)
        )
    assert "remapping" not in task.describe(), "prediction does not move values"


def test_one_of_several_scans_is_drawn_for_each_sample_and_validation_takes_the_first(rng):
    task = JointMaps(NAMES, 2, target="repeat")
    records = batch(rng, n=16, scans=2)
    examples = [jax.jit(task.example)(records, step=jnp.int32(k)) for k in (0, 1)]
    first = task.whole(records).target
    chosen = [np.abs(np.asarray(e.target - first)).max((1, 2, 3)) > 1e-6 for e in examples]
    for drawn in chosen:
        assert 1 <= drawn.sum() <= 15
    assert (chosen[0] != chosen[1]).any()
    np.testing.assert_array_equal(task.judged(records["hr"]), records["hr"][..., :3])
    with pytest.raises(ValueError, match="hr of a batch has 6 channels; expected 3"):
        JointMaps(NAMES, 2).whole(records)


@pytest.mark.parametrize("key", ["scale", "power", "field"])
@pytest.mark.parametrize("value", [-0.1, LARGEST + 0.1, float("nan")])
def test_amplitudes_that_cannot_be_are_refused(key, value):
    with pytest.raises(ValueError, match=f"task.remap_{key} is .*; expected 0 to 2"):
        Remapping(**{key: value})


def test_a_target_that_is_none_is_refused():
    with pytest.raises(ValueError, match="task.target is 'best'; expected one of"):
        JointMaps(NAMES, 2, target="best")
    assert all(spec.remap_about < spec.scanner_max for spec in MAPS.values())
