"""Programs planned for a GPU that is not here: what they may cost, and what is noted of Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.bench import door, plan_programs
from launch.bench.plan import planned
from launch.bench.plan_calls import noted
from launch.bench.plan_target import TARGETS, NoCompilerError, compiler_installed, devices_of
from qsr_jax.metrics import errors

CEILINGS = {
    "paper's step, float32": (505, 91.0, 7450, 0, 61.5),
    "paper's step, bfloat16": (505, 46.1, 3810, 0, 27.5),
    "paper's step, bfloat16, resident, cached": (490, 43.4, 3810, 0, 24.4),
    "paper's step, the same on 8 devices": (725, 6.5, 560, 52, 3.5),
    "paper's step, 8 devices, each its own norms": (595, 6.5, 560, 2, 3.5),
    "default model's step": (280, 0.57, 85, 0, 0.25),
    "paper's network, 72 slices by 24": (156, 64.0, 1600, 0, 97.0),
    "paper's network, 72 slices by 4": (936, 64.0, 270, 0, 97.0),
    "paper's network, 72 slices by 1": (2880, 64.0, 70, 0, 97.0),
    "paper's network, 72 slices by 24 in TF32": (156, 64.0, 1600, 0, 31.0),
    "default network, 24 slices by 24": (46, 9.6, 850, 0, 13.8),
    "default network, 24 slices by 4": (270, 9.7, 190, 0, 13.8),
    "default network, 24 slices by 1": (1080, 9.9, 65, 0, 13.9),
    "default network, 24 slices by 24 in TF32": (46, 9.6, 850, 0, 4.7),
    "subject simulated, both scans": (48_000, 280.0, 100, 0, 105.0),
    "metrics of 38 subjects": (65_500, 360.0, 200, 0, 135.0),
    "fingerprints of 150 slices reconstructed": (4_000_000, 15_000.0, 140, 0, 5_700.0),
}
"""Kernels, GB, MiB of temporary memory, all-reduces and milliseconds by roofline on an H100: what
docs/speed.md tells, and a little more, so that another edition of XLA may plan a little otherwise.
72 slices in 31 ms are what was to be reached."""


def test_compiled_functions_are_noted_with_their_shapes(rng):
    x = rng.uniform(size=(2, 8, 8, 1)).astype(np.float32)
    plain = errors.mae
    with noted() as calls:
        for side in (8, 8, 4):
            errors.mae(x[:, :side], x[:, :side], x[:, :side, :, 0] > 0)
        # Part of another program:
        jax.jit(lambda x: errors.mae(x, x, x[..., 0] > 0))(jnp.asarray(x))
    seen = sorted((args[0].shape, count) for _, args, _, count in calls)
    assert seen == [((2, 4, 8, 1), 1), ((2, 8, 8, 1), 2)]
    assert errors.mae is plain
    (function, args, kwargs, _), *_ = calls
    assert function.lower(*args, **kwargs).out_info.shape == (2, 1)


def test_programs_and_targets_that_are_not_there_are_refused(capsys):
    for words, said in (
        (["--only=cake"], "--only 'cake' is part of no program's name; known: paper's step"),
        (["--target=h300"], "invalid choice"),
    ):
        with pytest.raises(SystemExit) as stopped:
            door.main(["--what=plan", *words])
        assert said in f"{stopped.value} {capsys.readouterr().err}"


def test_the_missing_compiler_is_said(monkeypatch):
    monkeypatch.setitem(devices_of.__globals__, "PLUGINS", ())
    with pytest.raises(NoCompilerError, match=r"it needs no GPU: pip install \"qsr_jax\[cuda12\]"):
        devices_of(TARGETS["h100"], 1)


@pytest.mark.parametrize("program", plan_programs.programs(), ids=lambda program: program.name)
def test_no_program_costs_more_than_stated(program):
    if not compiler_installed():
        pytest.skip("XLA's compiler for GPUs is not installed: pip install 'qsr_jax[cuda12]'")
    kernels, gb, mib, reductions, ms = CEILINGS[program.name]
    row = planned(program, TARGETS["h100"])
    assert row["kernels"] <= kernels
    assert row["gb"] <= gb
    assert row["temporary_mib"] <= mib
    assert row["all_reduces"] <= reductions
    assert row["roofline_ms"] <= ms
