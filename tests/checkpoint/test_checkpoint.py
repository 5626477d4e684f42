"""Checkpoints: exact, complete documents, and every way they can be missing or wrong."""

import gc
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from qsr_jax.checkpoint import (
    FORMAT_VERSION,
    LATEST,
    REQUIRED,
    CheckpointError,
    Checkpoints,
    load_document,
    load_network,
)
from qsr_jax.checkpoint.document import check_document
from qsr_jax.training.parallel import replicate

DOCUMENT = dict.fromkeys(REQUIRED, "x") | {"version": FORMAT_VERSION, "maps": ["t1"]}


@pytest.fixture
def saved(tmp_path, small_state):
    checkpoints = Checkpoints(tmp_path, keep=2)
    state = replicate(small_state)
    for step in (1, 2, 3):
        checkpoints.save(step, state, state.served, DOCUMENT | {"at": step})
    checkpoints.wait()
    yield tmp_path
    checkpoints.close()


@pytest.fixture
def orbax_fails():
    """A failing Orbax restore leaves coroutines behind; collect them here, not in another test."""
    yield
    gc.collect()


def shapes(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(a), jax.device_get(b))


def test_restore_gives_back_every_bit_on_every_device(saved, small_state):
    target = replicate(small_state)
    step, state, document = Checkpoints(saved, keep=2).restore(target)
    assert (step, document["at"]) == (3, 3)
    assert_equal(state, small_state)
    leaf = jax.tree.leaves(state.served)[0]
    assert leaf.sharding == jax.tree.leaves(target.served)[0].sharding
    assert len(leaf.sharding.device_set) == 4


def test_the_newest_are_kept(saved):
    assert sorted(p.name for p in (saved / LATEST).iterdir()) == ["2", "3"]


def test_the_network_loads_alone_and_on_one_device(saved, small_state):
    step, document = load_document(saved)
    assert (step, document["maps"]) == (3, ["t1"])
    network = load_network(saved, step, shapes(small_state.served))
    assert_equal(network, small_state.served)
    assert len(jax.tree.leaves(network)[0].sharding.device_set) == 1


def test_half_written_steps_are_not_checkpoints(saved):
    (saved / LATEST / "9.orbax-checkpoint-tmp").mkdir()
    assert load_document(saved)[0] == 3


def test_an_empty_workdir_says_how_to_train(tmp_path):
    with pytest.raises(CheckpointError, match="holds no trained model.*`qsr train --workdir"):
        load_document(tmp_path)
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        Checkpoints(tmp_path, keep=1).restore({})


@pytest.mark.parametrize("key", [key for key in REQUIRED if key != "version"])
def test_a_checkpoint_without_its_meaning_is_refused(key, tmp_path, small_state, monkeypatch):
    incomplete = {k: v for k, v in DOCUMENT.items() if k != key}
    checkpoints = Checkpoints(tmp_path, keep=1)
    with pytest.raises(CheckpointError, match=f"step 1: the document lacks {key}"):
        checkpoints.save(1, small_state, small_state.served, incomplete)
    with monkeypatch.context() as other_version:
        other_version.setattr("qsr_jax.checkpoint.document.REQUIRED", {})
        checkpoints.save(1, small_state, small_state.served, incomplete)
    checkpoints.close()
    with pytest.raises(CheckpointError, match=f"lacks {key} .*Without it the numbers"):
        load_document(tmp_path)


@pytest.mark.parametrize(("version", "said"), [(None, "1"), (1, "1"), (3, "3")])
def test_a_checkpoint_of_another_format_is_refused_with_a_sentence(version, said):
    other = {k: v for k, v in DOCUMENT.items() if k != "version"}
    other |= {} if version is None else {"version": version}
    with pytest.raises(
        CheckpointError, match=rf"here: written in format {said}, .* reads format 2"
    ):
        check_document(other, where="here")


def test_a_step_is_not_saved_twice(saved, small_state):
    with pytest.raises(CheckpointError, match="step 3 was not saved; it exists already"):
        Checkpoints(saved, keep=2).save(3, small_state, small_state.served, DOCUMENT)


def test_too_little_space_is_told_before_anything_is_written(tmp_path, small_state, monkeypatch):
    checkpoints = Checkpoints(tmp_path, keep=1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(CheckpointError, match="step 1 was not saved: 0 MiB free, .* make room"):
        checkpoints.save(1, small_state, small_state.served, DOCUMENT)
    checkpoints.close()
    assert list((tmp_path / LATEST).iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("orbax_fails")
def test_weights_of_another_shape_are_refused(saved, small_state):
    target = shapes(small_state.served)
    target["params"]["Conv_0"]["kernel"] = jax.ShapeDtypeStruct((9, 9, 1, 99), np.float32)
    with pytest.raises(CheckpointError, match="do not fit their document"):
        load_network(saved, 3, target)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("orbax_fails")
@pytest.mark.parametrize("item", ["document", "state", "network"])
def test_a_missing_part_is_told(item, saved, small_state):
    for path in sorted((saved / LATEST / "3" / item).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(CheckpointError, match="3"):
        if item == "state":
            Checkpoints(saved, keep=2).restore(replicate(small_state))
        step, _ = load_document(saved)
        load_network(saved, step, shapes(small_state.served))
