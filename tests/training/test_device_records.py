"""Records on the device: the same sequence and the same bits as the stream; features kept."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_networks

from launch.config import compute
from launch.config.page import ConfigError, load_config
from qsr_jax.data.records.batches import batches
from qsr_jax.data.records.on_device import index_batches, load_resident, resident_bytes
from qsr_jax.data.records.open import open_records
from qsr_jax.maps import MAPS
from qsr_jax.tasks.crops import prepare
from qsr_jax.training.compute_options import PLAIN
from qsr_jax.training.device_records import (
    FEATURES,
    RECORDS,
    from_resident,
    routine_features,
    with_features,
)
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.steps import make_step
from qsr_jax.training.terms import FEATURES_HR, LossWeights

WEIGHTS = LossWeights(mae=1.0, gan=1e-3, vgg=2e-6, gan_reduction="sum")
ORDER = {"batch_size": 8, "seed": 3}


@pytest.fixture(scope="module")
def records(tiny_data):
    return open_records(tiny_data, "t1", "train")


@pytest.fixture(scope="module")
def kept(records):
    return load_resident(records)


def step_of(axis_name, *, crop, adversarial, flip=False):
    return make_step(
        small_networks(axis_name),
        spec=MAPS["t1"],
        weights=WEIGHTS,
        batch_size=8,
        crop=crop,
        seed=0,
        adversarial=adversarial,
        frozen_norm=False,
        average_decay=0.5,
        axis_name=axis_name,
        flip=flip,
    )


def test_indices_name_the_batches_of_the_stream(records, kept):
    """Over an epoch's end, from the middle, and for each of two processes."""
    for part in (0, 1):
        place = {"start_step": 2, "part": part, "parts": 2}
        stream = batches(records, num_threads=1, **ORDER, **place)
        indices = index_batches(records, **ORDER, **place)
        for _ in range(2 * len(records) // 8):
            batch, ids = next(stream), next(indices)["sample_id"]
            np.testing.assert_array_equal(ids, batch["sample_id"])
            for name, stack in kept.items():
                np.testing.assert_array_equal(stack[ids], batch[name])
    assert resident_bytes(records) == sum(stack.nbytes for stack in kept.values())


def test_resident_steps_end_in_the_same_bits_as_the_stream(
    records, kept, small_state, vgg_parameters
):
    """Crops and flips, four devices, over an epoch's end."""
    step = step_of(AXIS, crop=16, adversarial=False, flip=True)
    frozen = replicate(vgg_parameters)
    resident = {FEATURES: frozen, RECORDS: replicate(kept)}
    order = ORDER | {"start_step": 0, "part": 0, "parts": 1}
    assert len(records) < 4 * 8
    ways = {
        "stream": (compile_step(step), frozen, batches(records, **order)),
        "resident": (compile_step(from_resident(step)), resident, index_batches(records, **order)),
    }
    ends = {}
    for name, (compiled, with_what, source) in ways.items():
        state = replicate(small_state)
        for _ in range(4):
            state, metrics = compiled(state, with_what, split_over_devices(next(source)))
        ends[name] = jax.device_get((state, metrics))
    jax.tree.map(np.testing.assert_array_equal, ends["resident"], ends["stream"])


def test_kept_features_are_those_of_the_step(records, kept, small_state, vgg_parameters):
    """Whole slices: with features from before, equation 3 and the gradient are the same."""
    features = routine_features(
        small_networks(None),
        vgg_parameters,
        jnp.asarray(kept["hr"]),
        spec=MAPS["t1"],
        computing=PLAIN,
        batch_size=5,  # does not divide the records
    )
    assert len(features) == len(records)
    step = from_resident(step_of(None, crop=0, adversarial=True))
    batch = {"sample_id": np.array([5, 0, 3, 1, 2, 4, 7, 6], np.int32)}
    without = {FEATURES: vgg_parameters, RECORDS: kept}
    cached = {FEATURES: vgg_parameters, RECORDS: with_features(kept, features)}
    # programs that run once, compiled in half the time
    quick = jax.jit(step, compiler_options={"xla_backend_optimization_level": 0})
    (_, expected), (_, got) = (quick(small_state, f, batch) for f in (without, cached))
    for name, value in expected.items():
        assert float(got[name]) == pytest.approx(float(value), rel=1e-4), name
    wrong = {**cached[RECORDS], FEATURES_HR: features[::-1]}
    _, other = quick(small_state, {FEATURES: vgg_parameters, RECORDS: wrong}, batch)
    assert float(other["vgg"]) != pytest.approx(float(expected["vgg"]), rel=1e-2)  # they are used


def test_flips_mirror_both_grids_and_are_keyed_by_sample():
    side = 6
    lr = np.arange(side * side, dtype=np.uint16).reshape(1, side, side, 1).repeat(16, 0)
    hr = lr.repeat(2, 1).repeat(2, 2)
    ids = np.arange(16, dtype=np.int32)
    batch = {"lr": lr, "hr": hr, "mask": np.ones_like(hr), "sample_id": ids}
    options = {"spec": MAPS["t1"], "scale": 2, "crop": 0, "seed": 0, "step": jnp.int32(4)}
    plain, plain_hr = prepare(batch, flip=False, **options)
    coarse, fine = prepare(batch, flip=True, **options)
    np.testing.assert_array_equal(fine[:, ::2, ::2], coarse)
    flipped = (np.asarray(coarse) != np.asarray(plain)).any((1, 2, 3))
    assert 2 < flipped.sum() < 14
    np.testing.assert_array_equal(coarse[flipped], plain[flipped][:, :, ::-1])
    np.testing.assert_array_equal(fine[~flipped], plain_hr[~flipped])
    turned = {name: array[::-1] for name, array in batch.items()}
    np.testing.assert_array_equal(prepare(turned, flip=True, **options)[0], coarse[::-1])


@pytest.mark.parametrize("cached", [False, True])
def test_the_door_feeds_indices_where_the_records_are_kept(cached, records, kept, vgg_parameters):
    words = ["data.resident=yes", "data.crop=0", "data.batch_size=8", f"vgg.cached={cached}"]
    words.append("vgg.layer=conv1_2")
    config = load_config("configs/quickstart.py", [f"--config.{word}" for word in words])
    compute.check_computing(config, records, 800)
    networks = small_networks(None)
    frozen, stream = compute.feed(
        config, networks, MAPS["t1"], records, vgg_parameters, first_step=3
    )
    assert set(next(stream)) == {"sample_id"}
    expected = set(kept) | ({FEATURES_HR} if cached else set())
    assert set(frozen[RECORDS]) == expected
    assert len({len(stack) for stack in frozen[RECORDS].values()}) == 1


# --- what a config may ask for --------------------------------------------------------------------

REFUSED = {
    "memory.remat is 'all'; known: none": ["memory.remat=all"],
    "memory.accumulate is 2; expected a divisor of the 3": ["memory.accumulate=2"],
    "data.resident is 'maybe'": ["data.resident=maybe"],
    "vgg.cached holds features of whole slices": ["vgg.cached=True", "data.crop=8"],
    "vgg.cached needs the records on the devices": ["vgg.cached=True", "data.crop=0"],
    "steps_per_dispatch is 7, which does not divide all steps (800)": [
        "compile.steps_per_dispatch=7"
    ],
    "precision or memory: precision of the computation is 'half'": ["precision.compute=half"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_combinations_that_mean_something_else_are_refused(message, records):
    words = [f"--config.{word}" for word in REFUSED[message]]
    config = load_config("configs/quickstart.py", words)
    with pytest.raises(ConfigError) as caught:
        compute.check_computing(config, records, 800)
        compute.is_resident(config, records)
        compute.computing_of(config)
    assert message in str(caught.value)


def test_mirroring_is_refused_where_the_grids_share_a_pixel(records):
    config = load_config("configs/quickstart.py", ["--config.data.flip=True"])
    compute.check_computing(config, records, 800)
    shifted = dataclasses.replace(records, grid_alignment="sample")
    with pytest.raises(ConfigError, match="data.flip needs grids aligned by 'corner'"):
        compute.check_computing(config, shifted, 800)


@pytest.mark.parametrize(
    ("bytes_limit", "wanted", "expected"),
    [(None, "auto", False), (None, "yes", True), (10, "auto", False), (10**12, "auto", True)]
    + [(10**12, "no", False)],
)
def test_auto_keeps_records_where_the_device_has_room(
    bytes_limit, wanted, expected, records, monkeypatch
):
    class Device:
        def memory_stats(self):
            return None if bytes_limit is None else {"bytes_limit": bytes_limit}

    monkeypatch.setattr(jax, "local_devices", lambda: [Device()])
    config = load_config("configs/quickstart.py", [f"--config.data.resident={wanted}"])
    assert compute.is_resident(config, records) is expected
