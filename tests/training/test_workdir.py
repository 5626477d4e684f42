"""What may change between two starts of a run, and how the rest is refused."""

import json
from types import SimpleNamespace

import jax
import pytest

from qsr_jax.checkpoint import CheckpointError
from qsr_jax.training import workdir
from qsr_jax.training.changes import (
    CHANGES,
    check_config,
    check_document,
    check_keys,
    differences,
)
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.options import OptionError
from qsr_jax.training.resume import newest_state
from qsr_jax.training.workdir import (
    adopt,
    claim_workdir,
    environment,
    how_exactly,
    tell_status,
)


def document_of(data="a" * 64, version="0.1.0"):
    return {"data_fingerprint": data, "environment": {"qsr_jax": version}}


def test_differences_are_keys_with_both_values():
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {
        "a": (1, None), "b": (2, 3), "c": (None, 4),
    }  # fmt: skip


def test_a_run_that_is_older_than_a_key_had_its_default():
    now = Experiment().leaves()
    old = {k: v for k, v in now.items() if not k.startswith(("task.remap", "task.target"))}
    assert differences(old, now) == {}
    assert differences({}, {"discriminator.features": [64] * 8})  # not the default, so a change
    changed = differences(old, now | {"task.target": "truth"})
    assert changed == {"task.target": ("routine", "truth")}
    assert differences(now, old)["task.target"] == ("routine", None)


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


# --- what a resumed run may promise ---------------------------------------------------------------


def test_a_gpu_promises_bits_only_with_deterministic_operations(monkeypatch):
    """XLA's GPU reductions round as they come unless they are told not to."""
    here = environment()
    assert how_exactly(here, here) == "bit for bit"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert "within rounding only: bit for bit on a GPU needs" in how_exactly(here, here)
    told = here | {"xla_flags": "--xla_gpu_deterministic_ops=true"}
    assert how_exactly(told, told) == "bit for bit"


def test_the_environment_names_what_may_change_a_last_bit(monkeypatch, tmp_path):
    assert environment()["gpu_driver"] == ""
    version = tmp_path / "version"
    version.write_text("NVRM version: 580.1\nGCC\n")
    monkeypatch.setattr(workdir, "NVIDIA_DRIVER", version)
    found = SimpleNamespace(metadata={"Name": "nvidia-cudnn-cu13"}, version="9.1")
    monkeypatch.setattr(workdir.importlib.metadata, "distributions", lambda: [found])
    now = environment()
    assert now["gpu_driver"] == "NVRM version: 580.1"
    assert now["gpu_packages"] == {"nvidia-cudnn-cu13": "9.1"}
    before = environment() | {"gpu_packages": {"nvidia-cudnn-cu13": "9.0"}}
    assert how_exactly(before, now).startswith("within rounding only: gpu_packages differ")


def test_what_a_run_says_of_itself_is_whole_or_not_there(tmp_path, monkeypatch):
    """A full disk while config.json is written leaves the older one."""
    claim_workdir(tmp_path, Experiment(), begun=False, allowed=())
    before = (tmp_path / "config.json").read_text()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qsr_jax.files.atomic.os.fsync", full)
    for write in (
        lambda: claim_workdir(tmp_path, Experiment(seed=3), begun=False, allowed=()),
        lambda: tell_status(
            tmp_path, Experiment(), 5, {"data_fingerprint": "x", "environment": {}}
        ),
    ):
        with pytest.raises(OSError, match="No space left"):
            write()
    assert (tmp_path / "config.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("aside", [[], ["step 6 was not finished; set aside"]])
def test_a_run_without_a_whole_checkpoint_says_that_it_begins_anew(aside, capsys):
    checkpoints = SimpleNamespace(newest_step=None, set_damaged_aside=lambda *, strict: aside)
    assert newest_state(checkpoints, {}, None, "fresh", strict=False) == ("fresh", 0)
    said = capsys.readouterr().out
    assert ("begins anew at step 0" in said) == bool(aside)
    assert all(told in said for told in aside)
