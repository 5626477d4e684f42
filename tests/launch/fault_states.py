"""Checkpoints that are damaged, states that are not finite, runs that changed: R4, R7, R15."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tiny_training import SAVE_EVERY, STEPS, Runner, leaves_of, logged


def _flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def _cut(path: Path, rng: np.random.Generator) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content))])


def _zero(path: Path, rng: np.random.Generator) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))


def _delete(path: Path, rng: np.random.Generator) -> None:
    path.unlink()


DAMAGES: tuple[Callable[..., None], ...] = (_flip, _cut, _zero, _delete)


def damaged_checkpoints(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R4: damage to any file of the newest checkpoint is found, told by name, and stepped over."""
    from qsr_jax.checkpoint import CheckpointError, Checkpoints, DamageError, load_document

    for trial in range(count):
        workdir = Path(shutil.copytree(runner.home / "whole", runner.home / f"r4-{trial}"))
        newest = workdir / "latest" / str(STEPS)
        files = sorted(p for p in newest.rglob("*") if p.is_file() and p.stat().st_size)
        damage, victim = DAMAGES[trial % len(DAMAGES)], files[rng.integers(len(files))]
        before = victim.read_bytes()
        damage(victim, rng)
        if victim.exists() and victim.read_bytes() == before:
            victim.unlink()  # it was all zeros
        unsealed = victim.name == "SEAL.json" and damage is _delete
        try:
            step, _ = load_document(workdir)
            assert unsealed, "prediction used a damaged model"
            assert step == STEPS - SAVE_EVERY
        except DamageError as error:
            assert victim.name in str(error)
        checkpoints = Checkpoints(workdir, keep=2)
        try:
            checkpoints.set_damaged_aside(strict=True)
            raise AssertionError("strict did not refuse")
        except CheckpointError as error:
            assert "refused (strict)" in str(error)
        (told,) = checkpoints.set_damaged_aside(strict=False)
        assert unsealed or victim.name in told, told
        assert checkpoints.newest_step == STEPS - SAVE_EVERY
        checkpoints.close()
        shutil.rmtree(workdir)
        yield f"{damage.__name__.strip('_')}: {victim.relative_to(newest)}"


PLACES = (
    "generator",
    "discriminator",
    "generator's gradients",
    "discriminator's gradients",
    "running average",
    "loss",
)
"""What is spoilt before a step: variables or optimiser of a role, the average, the features."""


def poison(where: str, at: int, value: float, pick: int) -> None:
    """Makes training's step ``at`` (from 0) start with one number that is not finite."""
    import jax

    from qsr_jax.training import run

    whole = run.steps_by_stage

    def spoilt_leaf(tree: Any) -> Any:
        leaves, shape = jax.tree.flatten(tree)
        floats = [i for i, leaf in enumerate(leaves) if np.issubdtype(leaf.dtype, np.floating)]
        place = floats[pick % len(floats)]
        array = np.array(leaves[place])
        array.flat[pick % array.size] = value
        leaves[place] = jax.device_put(array, leaves[place].sharding)
        return jax.tree.unflatten(shape, leaves)

    def spoilt(state: Any) -> Any:
        if where == "running average":
            return state.replace(average=spoilt_leaf(state.average))
        role, _, gradients = where.partition("'s ")
        player, field = state.players[role], "opt" if gradients else "variables"
        new = player.replace(**{field: spoilt_leaf(getattr(player, field))})
        return state.replace(players=dict(state.players) | {role: new})

    def steps_by_stage(*arguments: Any, **more: Any) -> Callable:
        step_of = whole(*arguments, **more)

        def chosen(number: int) -> Callable:
            step = step_of(number)
            if number != at:
                return step
            if where == "loss":
                return lambda state, frozen, batch: step(
                    state, frozen | {"conv1_1": spoilt_leaf(frozen["conv1_1"])}, batch
                )
            return lambda state, frozen, batch: step(spoilt(state), frozen, batch)

        return chosen

    run.steps_by_stage = steps_by_stage


def not_finite(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R7: stops at the same step with term and records named; no checkpoint holds it."""
    from qsr_jax.checkpoint import sealed_steps

    for trial in range(len(PLACES) * count):
        where = PLACES[trial % len(PLACES)]
        value = (np.nan, np.inf, -np.inf)[int(rng.integers(3))]
        if where == "loss":
            value = np.nan  # the features' ReLU may turn an infinity into 0, which is no fault
        # The discriminator and the features take part from the adversarial stage on.
        first = 8 if where in ("discriminator", "discriminator's gradients", "loss") else 0
        at, workdir = int(rng.integers(first, STEPS)), runner.home / f"r7-{trial}"
        spoil = (poison, where, at, value, int(rng.integers(1000)))
        status, said = runner.run(workdir, spoil=spoil)
        assert status == 1, f"{where} at {at}: status {status}: {said[-2000:]}"
        told = runner.told(said)
        assert told.startswith(f"error: step {at + 1}: "), told
        assert "records of the batch: " in told
        whole = sealed_steps(workdir / "latest")
        assert max(whole, default=0) <= at
        for step in whole:
            for name, leaf in leaves_of(workdir, step).items():
                assert np.isfinite(np.asarray(leaf, np.float64)).all(), f"step {step}: {name}"
        assert max(whole, default=0) == at // SAVE_EVERY * SAVE_EVERY, "the last good one is lost"
        assert logged(workdir) <= at
        runner.check_ends_like_an_undisturbed_run(workdir)
        yield f"{where}: {value} at step {at + 1}, kept {whole}, told: {told[:120]}"


CHANGED = {
    "seed": 5,
    "data.batch_size": 4,
    "data.crop": 16,
    "data.threads": 3,
    "model.features": 8,
    "model.blocks": 2,
    "discriminator.features": "(4,8)",
    "loss.terms.gan.weight": 0.01,
    "loss.terms.gan.reduction": "mean",
    "optimizer.learning_rate": 0.001,
    "optimizer.decay_every": 50,
    "average.decay": 0.5,
    "schedule.steps": 30,
    "schedule.warmup_steps": 10,
    "cadence.save_every": 6,
    "cadence.keep": 3,
    "vgg.layer": "conv1_2",
    "map": "t2",
}


def changed_runs(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R15: another config, data or version is refused with the key and both values."""
    before = json.loads((runner.home / "whole" / "config.json").read_text())
    for key, value in CHANGED.items():
        status, said = runner.run(runner.home / "whole", **{key: value})
        assert status == 1, said[-2000:]
        told = runner.told(said)
        assert key in told, told
        assert _shown(before[key]) in told, told
        assert str(value).strip("()").split(",")[0] in told, told
        yield f"config {key}: {told[-170:]}"
    yield from _allowed_runs(runner)


def _other_version() -> None:
    from qsr_jax.training import workdir as run_papers

    run_papers.__version__ = "99.0"


def _allowed_runs(runner: Runner) -> Iterator[str]:
    """Data, version and what is explicitly allowed."""
    manifest, records = runner.home / "m2.json", runner.home / "records2"
    split = ["--test-fraction", "0", "--test", "p2", "--validation", "p3"]
    tree = ["--dicom", str(runner.home / "tree"), "--out", str(manifest)]
    for door, words in (
        ("data_tools.pair_studies", [*tree, *split]),
        ("data_tools.build_dataset", ["--manifest", str(manifest), "--data_dir", str(records)]),
    ):
        status, said = runner.run(records, door=door, arguments=words)
        assert status == 0, said
    cases = (
        ("data", {"more": ["--data_dir", str(records)]}, {}, "trained on data"),
        ("version", {"spoil": (_other_version,)}, {}, "this is 99.0"),
        ("schedule.steps", {}, {"schedule.steps": STEPS + 3}, f"= {STEPS}, this config says"),
    )
    for key, how, changes, text in cases:
        workdir = Path(shutil.copytree(runner.home / "whole", runner.home / f"r15-{key}"))
        status, said = runner.run(workdir, **how, **changes)
        told = runner.told(said)
        assert (status, text in told) == (1, True), said[-2000:]
        assert f"--allow-changed {key}" in told
        how = how | {"more": [*how.get("more", []), "--allow-changed", key]}
        status, said = runner.run(workdir, **how, **changes)
        assert status == 0, said[-2000:]
        assert f"changed and allowed: {key}" in said
        (line,) = (workdir / "changes.jsonl").read_text().splitlines()
        assert json.loads(line)["key"] == key
        shutil.rmtree(workdir)
        yield f"allowed {key}: {told[-120:]}"
    for key in ("map", "loss.gam"):
        status, said = runner.run(runner.home / "whole", more=["--allow-changed", key])
        assert status == 1, said[-2000:]
        yield f"not to be allowed: {runner.told(said)}"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value).strip("[]()").split(",")[0]
