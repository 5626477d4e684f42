"""What may change between two starts of a run, and how the rest is refused."""

import json

import pytest

from qsr_jax.checkpoint import CheckpointError
from qsr_jax.training.changes import (
    CHANGES,
    check_config,
    check_document,
    check_keys,
    differences,
)
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.options import OptionError
from qsr_jax.training.workdir import adopt, claim_workdir


def document_of(data="a" * 64, version="0.1.0"):
    return {"data_fingerprint": data, "environment": {"qsr_jax": version}}


def test_differences_are_keys_with_both_values():
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {
        "a": (1, None), "b": (2, 3), "c": (None, 4),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "allowed", "text"),
    [
        ({"seed": (0, 5)}, (), r"run with seed = 0, this config says 5; .*--allow-changed seed$"),
        ({"seed": (0, 5), "x": (1, 2)}, ("seed",), "run with x = 1, this config says 2; "),
        ({"a": (0, 5), "x": (1, 2)}, (), r"a = 0, this config says 5 \(and x differ\); "),
        ({"map": ("t1", "t2")}, ("seed",), "map = 't1', .* 't2'; .*or the same config$"),
    ],
)
def test_another_config_is_refused_with_key_and_values(changes, allowed, text, tmp_path):
    with pytest.raises(OptionError, match=text):
        check_config(tmp_path, changes, allowed)
    check_config(tmp_path, changes, tuple(changes))


@pytest.mark.parametrize(
    ("key", "text"),
    [("map", "never, the weights of one map"), ("lossgan", "no such key; expected one of its")],
)
def test_some_names_cannot_be_allowed(key, text):
    with pytest.raises(OptionError, match=f"--allow-changed {key}: .*{text}"):
        check_keys([key], ["loss.gan"])
    check_keys(["loss.gan", "data", "version"], ["loss.gan"])


@pytest.mark.parametrize(
    ("mine", "key", "text"),
    [
        (document_of(data="b" * 64), "data", "data aaaaaaaaaaaa…, --data_dir holds bbbbbbbbbbbb…"),
        (document_of(version="0.2.0"), "version", "by qsr_jax 0.1.0, this is 0.2.0"),
    ],
)
def test_other_data_and_versions_are_refused_with_both_values(mine, key, text):
    with pytest.raises(CheckpointError, match=f"{text}.*--allow-changed {key}"):
        check_document(document_of(), mine, ())
    assert list(check_document(document_of(), mine, (key,))) == [key]
    assert check_document(document_of(), document_of(), (key,)) == {}


def test_what_was_allowed_is_written_down_with_the_step(tmp_path):
    claim_workdir(tmp_path, Experiment(), begun=False, allowed=())
    changed = Experiment(seed=7)
    with pytest.raises(OptionError, match="seed = 0"):
        claim_workdir(tmp_path, changed, begun=True, allowed=())
    claim = claim_workdir(tmp_path, changed, begun=True, allowed=("seed", "version"))
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0, "not before it is used"
    now = document_of(version="0.2.0")
    assert set(adopt(claim, document_of(), now, step=9)) == {"seed", "version"}
    lines = [json.loads(line) for line in (tmp_path / CHANGES).read_text().splitlines()]
    assert lines == [
        {"after_step": 9, "key": "seed", "then": 0, "now": 7},
        {"after_step": 9, "key": "version", "then": "0.1.0", "now": "0.2.0"},
    ]
    again = claim_workdir(tmp_path, changed, begun=True, allowed=("seed",))
    assert adopt(again, now, now, step=12) == {}, "the same command goes on"
    assert len((tmp_path / CHANGES).read_text().splitlines()) == 2
