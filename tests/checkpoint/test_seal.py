"""Damage to a checkpoint is found before anything is read, and the step before it is used."""

import json
import shutil

import jax
import numpy as np
import pytest

from qsr_jax.checkpoint import (
    FORMAT_VERSION,
    LATEST,
    REQUIRED,
    Checkpoints,
    load_document,
)
from qsr_jax.checkpoint.errors import DamageError
from qsr_jax.checkpoint.seal import SEAL, check_seal, sealed_steps, write_seal
from qsr_jax.training.parallel import replicate

DOCUMENT = dict.fromkeys(REQUIRED, "x") | {"version": FORMAT_VERSION}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, small_state):
    """Two finished steps, the second with other weights."""
    workdir = tmp_path_factory.mktemp("pristine")
    checkpoints = Checkpoints(workdir, keep=2)
    for step in (1, 2):
        state = jax.tree.map(lambda x, by=step: x * np.asarray(by, x.dtype), small_state)
        checkpoints.save(step, replicate(state), state.served, DOCUMENT | {"at": step})
    checkpoints.close()
    return workdir


@pytest.fixture
def workdir(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "run")


def files_of(workdir, step):
    return sorted(p for p in (workdir / LATEST / str(step)).rglob("*") if p.is_file())


def flip(path, rng):
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def cut(path, rng):
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def zero(path, rng):
    path.write_bytes(bytes(path.stat().st_size))


def delete(path, rng):
    path.unlink()


def add(path, rng):
    (path.parent / "stray").write_bytes(b"x")


DAMAGES = (flip, cut, zero, delete, add)


def test_every_step_is_sealed_when_the_run_ends(pristine):
    assert sealed_steps(pristine / LATEST) == [2, 1]
    for step in (1, 2):
        check_seal(pristine / LATEST / str(step))


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_damage_to_any_file_is_found_and_named(damage, workdir, rng):
    for path in files_of(workdir, 2):
        if path.name == SEAL or not path.stat().st_size:
            continue
        before = path.read_bytes()
        damage(path, rng)
        with pytest.raises(DamageError, match="stray" if damage is add else path.name):
            check_seal(workdir / LATEST / "2")
        path.write_bytes(before)
        (path.parent / "stray").unlink(missing_ok=True)
    check_seal(workdir / LATEST / "2")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', "{}"])
def test_a_damaged_seal_is_damage(text, workdir):
    (workdir / LATEST / "2" / SEAL).write_text(text)
    with pytest.raises(DamageError, match=SEAL):
        check_seal(workdir / LATEST / "2")


def test_damage_sets_the_step_aside_and_the_one_before_is_used(workdir, small_state, rng):
    victim = max(files_of(workdir, 2), key=lambda p: p.stat().st_size)
    flip(victim, rng)
    checkpoints = Checkpoints(workdir, keep=2)
    aside = checkpoints.set_damaged_aside(strict=False)
    step, state, document = checkpoints.restore(replicate(small_state))
    assert (step, document["at"]) == (1, 1)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(state), small_state)
    assert len(aside) == 1
    assert victim.name in aside[0]
    assert "step 2 set aside" in aside[0]
    assert len(list((workdir / "damaged").iterdir())) == 1, "nothing is deleted"
    checkpoints.save(2, state, state.served, DOCUMENT)
    checkpoints.close()
    assert sealed_steps(workdir / LATEST) == [2, 1]


def test_strict_refuses_and_touches_nothing(workdir, rng):
    flip(max(files_of(workdir, 2), key=lambda p: p.stat().st_size), rng)
    with pytest.raises(DamageError, match=r"sha256.*refused \(strict\)"):
        Checkpoints(workdir, keep=2).set_damaged_aside(strict=True)
    assert not (workdir / "damaged").exists()


def test_a_step_killed_before_its_seal_does_not_count(workdir):
    (workdir / LATEST / "2" / SEAL).unlink()
    assert load_document(workdir)[1]["at"] == 1
    checkpoints = Checkpoints(workdir, keep=2)
    assert "was not finished" in checkpoints.set_damaged_aside(strict=False)[0]
    assert checkpoints.newest_step == 1
    (workdir / LATEST / "1" / SEAL).unlink()
    assert "was not finished" in checkpoints.set_damaged_aside(strict=False)[0]
    assert checkpoints.newest_step is None, "a run killed in its first save starts over"


def test_nothing_whole_left_is_told_with_every_reason(workdir, rng):
    for step in (1, 2):
        flip(max(files_of(workdir, step), key=lambda p: p.stat().st_size), rng)
    with pytest.raises(DamageError, match=r"/2/.*; .*/1/.* No whole checkpoint is left"):
        Checkpoints(workdir, keep=2).set_damaged_aside(strict=False)


def test_prediction_refuses_a_damaged_model(workdir, rng):
    flip(max(files_of(workdir, 2), key=lambda p: p.stat().st_size), rng)
    with pytest.raises(DamageError, match="sha256"):
        load_document(workdir)


def test_a_seal_lists_every_file_with_size_and_sha256(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"abc")
    write_seal(tmp_path)
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"
    assert json.loads((tmp_path / SEAL).read_text()) == {"files": {"deep/a": [3, sha]}}
