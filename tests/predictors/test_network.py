"""A trained network as a predictor: compiled once, in batches, exact, clamped and counted."""

import dataclasses

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest
from small_predictors import SHAPE, scan, small_predictor

from qsr_jax.checkpoint import variables_sha256
from qsr_jax.maps import MAPS, from_network, spec_of, to_network
from qsr_jax.ops.devices import even_devices
from qsr_jax.predictors import MismatchError, batched
from qsr_jax.predictors.batched import clamp, super_resolve

ALL = ("t1", "t2", "pd")
JOINT = {"names": ALL, "context": 3, "margin": 2, "log_maps": ("t2",)}


@pytest.fixture
def compilations():
    """Names of the programs that are made ready while a test runs, from the disk or anew."""
    counted, counting = [], [True]

    def count(event, *_, **words):
        if event == "/jax/core/compile/backend_compile_duration" and counting[0]:
            counted.append(words.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(count)
    yield counted
    counting[0] = False  # listeners cannot be taken back one by one


def by_slices(predictor, volume):
    """The formula of a one-map network, slice by slice and outside of every class."""
    spec = spec_of(predictor.names[0])

    @jax.jit
    def one(variables, physical):
        made = predictor.network.apply(variables, to_network(physical, spec), train=False)
        return from_network(made, spec)

    slices = (jnp.asarray(image[None]) for image in volume.maps)
    return np.concatenate([np.asarray(one(predictor.variables, image)) for image in slices])


def whole_stack(predictor, volume):
    """All slices in one batch, not clamped."""

    @jax.jit
    def stack(variables, physical):
        seen = predictor.task.inputs(physical)["lr"]
        return predictor.task.physical(predictor.network.apply(variables, seen, train=False))

    return np.asarray(stack(predictor.variables, jnp.asarray(volume.maps)))


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("slices", [1, 4, 5])
def test_batches_are_slices_bit_by_bit(name, slices, rng):
    predictor, volume = small_predictor(names=(name,)), scan(rng, (name,), slices)
    made = predictor(volume)
    np.testing.assert_array_equal(made.mean, by_slices(predictor, volume))
    assert made.geometry == volume.geometry.refined(2, "corner")
    assert (made.std, made.clamped, made.mean.dtype) == (None, (0,), np.float32)


@pytest.mark.parametrize("options", [{}, JOINT], ids=["one map", "joint, 3 slices"])
def test_two_volumes_compile_one_program(options, rng, compilations):
    predictor = small_predictor("residual", **options)
    volumes = [scan(rng, predictor.names, slices) for slices in (5, 9)]
    jax.clear_caches()
    compilations.clear()
    for volume in volumes:
        predictor(volume)
    assert len(compilations) == 1, compilations


def test_another_training_of_the_same_network_compiles_nothing(rng, compilations):
    volume = scan(rng)
    first, second = (small_predictor(seed=seed) for seed in (0, 1))
    made = first(volume)
    compilations.clear()
    assert np.abs(second(volume).mean - made.mean).max() > 1
    assert compilations == []


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("context", [1, 3, 5])
def test_neighbours_are_those_of_the_whole_stack(context, batch, rng):
    """Batches see beyond their own ends, and the end of the stack is repeated."""
    predictor = small_predictor("residual", ALL, context=context, margin=2, batch=batch)
    volume = scan(rng, ALL)
    expected, _ = clamp(whole_stack(predictor, volume), ALL)
    np.testing.assert_allclose(predictor(volume).mean, expected, atol=2e-3)


@pytest.mark.parametrize(("name", "context"), [("residual", 3), ("srgan", 1)])
def test_four_devices_make_the_bits_of_one(name, context, rng, monkeypatch):
    """Each takes a slice of a batch; the last batch is filled up."""
    predictor = small_predictor(name, ALL, context=context, margin=2, batch=4)
    volume = scan(rng, ALL)
    assert len(even_devices(4)) == 4 and len(volume.maps) % 4
    made = predictor(volume).mean
    monkeypatch.setattr(batched, "even_devices", lambda _: jax.local_devices()[:1])
    np.testing.assert_array_equal(predictor(volume).mean, made)


def test_a_joint_network_tells_its_maps_apart(rng):
    """Each map has a scale of its own: T1 as PD would reach 180, not 4500."""
    predictor = small_predictor("srgan", **JOINT)
    made = predictor(scan(rng, ALL))
    assert made.names == ALL and made.mean.shape[-1] == 3
    for channel, name in enumerate(ALL):
        assert 0 <= made.mean[..., channel].min() <= made.mean[..., channel].max()
        assert made.mean[..., channel].max() <= MAPS[name].network_max
    highest = made.mean.max(axis=(0, 1, 2))
    assert highest[0] > highest[1] > highest[2]


def test_what_no_map_can_be_is_clamped_and_counted(rng):
    predictor, volume = small_predictor("residual", ALL, gain=30.0), scan(rng, ALL)
    made = predictor(volume)
    raw = whole_stack(predictor, volume)
    high = np.array([MAPS[name].network_max for name in ALL], np.float32)
    outside = ((raw < 0) | (raw > high)).sum(axis=(0, 1, 2))
    assert outside.sum() > 100
    np.testing.assert_allclose(made.clamped, outside, atol=2)  # a value at the end may round
    assert made.mean.min() >= 0 and (made.mean <= high).all()


def test_values_in_range_are_not_touched():
    ends = np.array([[0.0, 180.0], [4500.0, 0.0]], np.float32)
    kept, counts = clamp(ends, ("t1", "pd"))
    assert kept is ends and counts == (0, 0)
    spoilt, counts = clamp(np.array([[np.nan], [np.inf]]), ("t2",))
    assert np.isnan(spoilt[0, 0]) and spoilt[1, 0] == 2200 and counts == (1,)


@pytest.mark.parametrize(
    ("volume", "match"),
    [
        ({"names": ("t2",)}, "trained on t1, the scan is t2"),
        ({"names": ALL}, "trained on t1, the scan is t1, t2, pd"),
        ({"shape": (16, 18)}, "trained on 16 x 16 images, the scan has 16 x 18"),
        ({"spacing_mm": (5.0, 2.0, 2.1)}, r"voxels of \(5.0, 2.0, 2.0\) mm, not"),
    ],
)
def test_another_scan_is_refused(volume, match, rng):
    with pytest.raises(MismatchError, match=match):
        small_predictor()(scan(rng, **volume))


def test_a_joint_network_wants_all_its_maps(rng):
    predictor = small_predictor("residual", ALL)
    one = scan(rng, ("t2",))
    predictor.check(one)
    with pytest.raises(MismatchError, match="trained on t1, t2, pd, the scan is t2"):
        predictor(one)
    with pytest.raises(MismatchError, match="the scan is t2, t1, pd"):
        predictor(scan(rng, ("t2", "t1", "pd")))


def test_three_channels_cannot_enter_a_one_map_program(rng):
    """Where the names are not asked, the task's scale of one map is."""
    predictor = small_predictor()
    with pytest.raises(ValueError, match="has 3 channels; expected 1"):
        super_resolve(
            predictor.variables,
            jnp.zeros((4, *SHAPE, 3)),
            network=predictor.network,
            task=predictor.task,
        )


def test_a_batch_holds_a_slice():
    with pytest.raises(ValueError, match="batch is 0; expected 1 slice or more"):
        dataclasses.replace(small_predictor(), batch=0)


def test_the_digest_sees_every_value_and_name():
    tree = {"a": np.zeros(3), "b": np.ones(2)}
    digests = {
        variables_sha256(tree),
        variables_sha256({"a": np.zeros(3), "c": np.ones(2)}),
        variables_sha256({"a": np.zeros(3, np.float32), "b": np.ones(2)}),
        variables_sha256({"a": np.zeros(3), "b": np.array([1.0, 2.0])}),
    }
    assert len(digests) == 4 and all(len(digest) == 64 for digest in digests)
