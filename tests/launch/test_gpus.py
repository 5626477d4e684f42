"""Runs side by side get a GPU each, counted without taking any."""

import stat

import pytest

from launch.gpus import gpu_shares, listed_gpus, visible_gpus

TWO = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aa-1)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bb-2)
"""
CUT = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aa-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-c-3)
  MIG 3g.20gb     Device  1: (UUID: MIG-d-4)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bb-2)
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine whose ``nvidia-smi -L`` says something (or is absent, or fails)."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def answers(listing, code=0):
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] || exit 9\necho '{listing}'\nexit {code}\n")
        script.chmod(script.stat().st_mode | stat.S_IEXEC)

    return answers


def test_an_unset_variable_asks_the_machine(machine):
    machine(TWO)
    assert gpu_shares({}, 2) == [
        {"CUDA_VISIBLE_DEVICES": "GPU-aa-1"},
        {"CUDA_VISIBLE_DEVICES": "GPU-bb-2"},
    ]


def test_one_run_keeps_all(machine):
    machine(TWO)
    assert gpu_shares({}, 1) == [{}]
    assert gpu_shares({"CUDA_VISIBLE_DEVICES": "2,5"}, 1) == [{}]


def test_named_gpus_are_shared_out():
    shares = gpu_shares({"CUDA_VISIBLE_DEVICES": "2, 5"}, 2)
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["2", "5"]


def test_more_runs_than_gpus_are_refused(machine):
    machine(TWO)
    with pytest.raises(ValueError, match="--parallel 3: expected 1 to 2, .*GPU-aa-1, GPU-bb-2"):
        gpu_shares({}, 3)
    with pytest.raises(ValueError, match=r"expected 1 to 1, .*\(7\)"):
        gpu_shares({"CUDA_VISIBLE_DEVICES": "7"}, 2)


@pytest.mark.parametrize(
    "environment",
    [{"JAX_PLATFORMS": "cpu"}, {"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "-1"}],
    ids=str,
)
def test_runs_without_gpus_are_as_many_as_wanted(environment, machine):
    """Each is one device of its CPU, unless somebody has told another number."""
    machine(TWO)
    assert gpu_shares(environment, 1) == [{}]
    assert gpu_shares(environment, 3) == [{"JAX_NUM_CPU_DEVICES": "1"}] * 3
    assert gpu_shares(environment | {"JAX_NUM_CPU_DEVICES": "2"}, 3) == [{}] * 3


def test_a_machine_without_gpus_or_with_a_broken_driver_lends_none(machine):
    assert visible_gpus({}) == []
    machine("NVIDIA-SMI has failed", code=9)
    assert visible_gpus({}) == []
    machine("No devices were found")
    assert visible_gpus({}) == []


def test_instances_of_a_cut_gpu_take_its_place():
    assert listed_gpus(CUT) == ["MIG-c-3", "MIG-d-4", "GPU-bb-2"]


def test_counting_takes_no_gpu(machine, monkeypatch):
    import jax

    machine(TWO)
    monkeypatch.setattr(jax, "devices", lambda *_: pytest.fail("a backend was started"))
    assert len(visible_gpus({})) == 2
