"""Records on the device: the same sequence and the same bits as the stream; features kept."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from small_networks import optimizers, small_srgan, small_task

from launch.config.build import experiment_of
from launch.config.page import load_config
from qsr_jax.data.records.batches import batches, load_batch
from qsr_jax.data.records.joint import open_joint
from qsr_jax.data.records.on_device import (
    NEIGHBOURS,
    index_batches,
    load_resident,
    resident_bytes,
)
from qsr_jax.objectives import FEATURES_HR
from qsr_jax.tasks import JointMaps
from qsr_jax.training import checks, feed
from qsr_jax.training.device_records import FEATURES, RECORDS, from_resident, pick, routine_features
from qsr_jax.training.options import OptionError
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.step import make_step

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ORDER = {"batch_size": 8, "seed": 3}


@pytest.fixture(scope="module")
def records(tiny_data):
    return open_joint(tiny_data, ("t1",), "train")


@pytest.fixture(scope="module")
def kept(records):
    return load_resident(records)


def step_of(axis_name, *, crop, flip=False, **stage):
    task = small_task(crop=crop, flip=flip)
    return make_step(
        task,
        small_srgan(axis_name, task=task, **stage),
        optimizers(),
        batch_size=8,
        average_decay=0.5,
        axis_name=axis_name,
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
        small_srgan(None).features,
        vgg_parameters,
        kept,
        task=small_task(crop=0),
        matmul="default",
        batch_size=5,  # does not divide the records
    )
    assert len(features) == len(records)
    step = from_resident(step_of(None, crop=0))
    batch = {"sample_id": np.array([5, 0, 3, 1, 2, 4, 7, 6], np.int32)}
    without = {FEATURES: vgg_parameters, RECORDS: kept}
    cached = {FEATURES: vgg_parameters, RECORDS: kept | {FEATURES_HR: features}}
    # programs that run once, compiled in half the time
    quick = jax.jit(step, compiler_options={"xla_backend_optimization_level": 0})
    (_, expected), (_, got) = (quick(small_state, f, batch) for f in (without, cached))
    for name, value in expected.items():
        assert float(got[name]) == pytest.approx(float(value), rel=1e-4), name
    wrong = {**cached[RECORDS], FEATURES_HR: np.zeros_like(features)}
    _, other = quick(small_state, {FEATURES: vgg_parameters, RECORDS: wrong}, batch)
    assert float(other["vgg"]) != pytest.approx(float(expected["vgg"]), rel=1e-2)  # they are used


# --- several maps, and the slices beside ----------------------------------------------------------


@pytest.mark.parametrize("context", [1, 3, 5])
def test_neighbours_are_picked_on_the_device_as_the_stream_brings_them(context, tiny_data):
    """Of the same subject alone: the first and last slices repeat."""
    joint = open_joint(tiny_data, ("t1", "pd"), "train", context=context)
    ids = np.arange(len(joint))
    streamed, picked = load_batch(joint, ids), pick(load_resident(joint), ids)
    assert streamed["lr"].shape[-1] == 2 * context
    assert (NEIGHBOURS in load_resident(joint)) == (context > 1)
    for name in ("lr", "hr", "mask"):
        np.testing.assert_array_equal(picked[name], streamed[name])
    plain = [joint.maps[0][int(i)] for i in ids]
    for row, own in zip(joint.neighbours, plain, strict=True):
        for offset, index in enumerate(row, start=-(context // 2)):
            other = plain[index]
            assert other["subject"] == own["subject"]
            wanted = own["slice_index"] + offset
            assert other["slice_index"] == min(max(wanted, 0), 5)


@pytest.mark.parametrize("cached", [False, True])
def test_the_door_feeds_indices_where_the_records_are_kept(cached, records, kept, vgg_parameters):
    words = ["data.resident=yes", "data.crop=0", "data.batch_size=8", f"vgg.cached={cached}"]
    words.append("vgg.layer=conv1_2")
    experiment = experiment_with(*words)
    checks.check_runs_here(experiment, records)
    task = small_task(crop=0)
    frozen, stream = feed.feed(experiment, task, records, vgg_parameters, first_step=3)
    assert set(next(stream)) == {"sample_id"}
    expected = set(kept) | ({FEATURES_HR} if cached else set())
    assert set(frozen[RECORDS]) == expected
    assert len({len(stack) for stack in frozen[RECORDS].values()}) == 1


# --- what a config may ask for --------------------------------------------------------------------

REFUSED = {
    "memory.remat is 'all'; known: none": ["memory.remat=all"],
    "memory.accumulate is 2; expected a divisor of the 3": ["memory.accumulate=2"],
    "data.resident is 'maybe'": ["data.resident=maybe"],
    "data.crop is 900; expected 0 (whole slices) to": ["data.crop=900"],
    "data.batch_size is 5, which does not divide by 4 devices": ["data.batch_size=5"],
    "vgg.cached holds features of whole slices": ["vgg.cached=True", "data.crop=8"],
    "vgg.cached holds features of targets that never change": [
        "vgg.cached=True",
        "data.crop=0",
        "task.remap_scale=0.2",
    ],
    "vgg.cached needs the records on the devices": [
        "vgg.cached=True",
        "data.crop=0",
        "data.resident=no",
    ],
    "precision.compute is 'half'": ["precision.compute=half"],
}


def experiment_with(*words):
    return experiment_of(
        load_config("configs/quickstart_srgan.py", [f"--config.{w}" for w in words])
    )


@pytest.mark.parametrize("message", REFUSED)
def test_combinations_that_mean_something_else_are_refused(message, records):
    with pytest.raises(OptionError) as caught:
        checks.check_runs_here(experiment_with(*REFUSED[message]), records)
    assert message in str(caught.value)


def test_mirroring_is_refused_where_the_grids_share_a_pixel(records):
    experiment = experiment_with("data.flip=True")
    checks.check_runs_here(experiment, records)
    maps = tuple(dataclasses.replace(one, grid_alignment="sample") for one in records.maps)
    shifted = dataclasses.replace(records, maps=maps)
    with pytest.raises(OptionError, match="data.flip needs grids aligned by 'corner'"):
        checks.check_runs_here(experiment, shifted)


@pytest.mark.parametrize(
    ("bytes_limit", "wanted", "cached", "expected"),
    [
        (None, "no", False, False),
        (None, "yes", False, True),
        (10, "auto", False, False),
        (10**12, "auto", False, True),
        (10**12, "no", False, False),
        ("records", "auto", False, True),
        ("records", "auto", True, False),  # their features would not fit beside them
    ],
)
def test_auto_keeps_records_where_the_device_has_room(
    bytes_limit, wanted, cached, expected, records, monkeypatch
):
    if bytes_limit == "records":
        bytes_limit = 1.1 * resident_bytes(records) / feed.RESIDENT_SHARE
    stats = None if bytes_limit is None else {"bytes_limit": bytes_limit}
    experiment = experiment_with(f"data.resident={wanted}", f"vgg.cached={cached}")
    device = SimpleNamespace(memory_stats=lambda: stats)
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    assert feed.is_resident(experiment, records) is expected


@pytest.mark.parametrize(("devices", "expected"), [(1, True), (2, True), (4, False)])
def test_auto_keeps_what_is_little_on_a_cpu(devices, expected, records, monkeypatch):
    """Whose devices have the machine's memory, and do not tell it: all copies count together."""
    device = SimpleNamespace(memory_stats=lambda: None)
    monkeypatch.setattr(jax, "local_devices", lambda: [device] * devices)
    monkeypatch.setattr(feed, "RESIDENT_BYTES", 3 * resident_bytes(records))
    assert feed.is_resident(experiment_with(), records) is expected


def test_a_task_says_which_channels_it_expects(tiny_data):
    """A joint batch into a one-map task would train one channel at another's scale."""
    joint = open_joint(tiny_data, ("t1", "t2", "pd"), "train")
    batch = load_batch(joint, np.arange(2))
    with pytest.raises(ValueError, match="lr of a batch has 3 channels; expected 1: t1"):
        small_task(crop=0).example(batch, step=0)
    three = JointMaps(("t1", "t2", "pd"), 2, context=3)
    with pytest.raises(ValueError, match="has 3 channels; expected 9: t1, t2, pd of 3 slices"):
        three.example(batch, step=0)
