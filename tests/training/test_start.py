"""A training that begins from a trained model is the model at step 0, and goes on from there."""

import dataclasses
import functools
import re
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from launch import finetune
from qsr_jax.checkpoint import CheckpointError, load_document, load_network, write_model_file
from qsr_jax.data.records.joint import JointRecords, open_joint
from qsr_jax.data.studies.learned import BEFORE, LEARNED
from qsr_jax.objectives import TermOptions
from qsr_jax.predictors import load_predictor
from qsr_jax.training import plan
from qsr_jax.training.changes import check_document
from qsr_jax.training.experiment import Experiment, LossOptions
from qsr_jax.training.metric_log import read_metrics
from qsr_jax.training.optimizers import make_optimizers
from qsr_jax.training.options import (
    AverageOptions,
    CadenceOptions,
    DataOptions,
    ObjectiveOptions,
    OptimizerOptions,
    OptionError,
    ScheduleOptions,
    StartOptions,
)
from qsr_jax.training.run import train
from qsr_jax.training.start import check_same_meaning, read_start
from qsr_jax.training.state import init_state

STEPS, SHIFT = 40, 1.25
"""Of the finetuning, and what another protocol makes of the routine scan's values."""

PARENT = Experiment(
    map="t1",
    data=DataOptions(batch_size=4, crop=16),
    model={"name": "residual", "features": 4, "blocks": 1},
    objective=ObjectiveOptions(name="regression"),
    discriminator=None,
    vgg=None,
    loss=LossOptions({"mae": TermOptions(region="brain")}),
    optimizer=OptimizerOptions(learning_rate=3e-3, schedule="cosine"),
    average=AverageOptions(0.9),
    schedule=ScheduleOptions(epochs=0.0, steps=STEPS),
    cadence=CadenceOptions(log_every=20, validate_every=STEPS // 2, save_every=STEPS // 2),
)


@pytest.fixture(scope="module")
def parent(tiny_data, tmp_path_factory):
    """A workdir whose network has learned the tiny cohort."""
    workdir = tmp_path_factory.mktemp("start") / "parent"
    train(PARENT, data_dir=tiny_data, workdir=workdir)
    return workdir


def begun(parent, **changes):
    """The experiment that begins from it."""
    start = StartOptions(model=str(parent), hold=changes.pop("hold", 0.0))
    return dataclasses.replace(PARENT, **({"start": start} | changes))


def scores_of(workdir):
    """Bias in percent by step, and PSNR."""
    lines = read_metrics(workdir, "validation")
    return {x["step"]: (x["relative_bias_percent"], x["pooled_psnr_db"]) for x in lines}


def weights_of(workdir, which="latest"):
    return jax.device_get(load_predictor(workdir, which=which).variables)


nearly_equal = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-9)


class Shifted(JointRecords):
    """The same records whose routine scans have another protocol."""

    def __getitem__(self, index):
        record = super().__getitem__(index)
        return {**record, "hr": np.round(record["hr"] * SHIFT).astype(np.uint16)}


@pytest.fixture
def another_protocol(monkeypatch):
    monkeypatch.setattr(plan, "open_joint", lambda *a, **k: Shifted(**vars(open_joint(*a, **k))))


def test_it_begins_as_the_model_and_learns_another_protocol(
    parent, tiny_data, tmp_path, another_protocol
):
    """25 % more in every routine value; killed after half, it ends in the same bits."""
    workdir, again = tmp_path / "tuned", tmp_path / "again"
    experiment = begun(parent)
    train(experiment, data_dir=tiny_data, workdir=workdir)
    scores = scores_of(workdir)
    assert list(scores) == [0, STEPS // 2, STEPS]
    assert scores[0][0] < -15.0
    assert abs(scores[STEPS][0]) < 0.5 * abs(scores[0][0])
    assert scores[STEPS][1] > scores[0][1] + 0.5

    shutil.copytree(workdir, again)
    for which in ("latest", "best"):
        shutil.rmtree(again / which / str(STEPS), ignore_errors=True)
    train(experiment, data_dir=tiny_data, workdir=again)
    jax.tree.map(np.testing.assert_array_equal, weights_of(again), weights_of(workdir))
    assert scores_of(again) == scores


def test_the_door_begins_with_the_model_and_without_a_rate_it_stays(
    parent, tiny_data, tmp_path, capsys
):
    places = ["--model", str(parent), "--data_dir", str(tiny_data), "--workdir"]
    still = ["--steps", "2", "--learning-rate", "1e-12", "--config.data.batch_size=4"]
    workdir = tmp_path / "still"
    finetune.main([*places, str(workdir), *still])
    first = scores_of(workdir)[0]
    assert first == scores_of(parent)[STEPS]
    for which in ("latest", "best"):  # a rounding of the average may be better than the model
        jax.tree.map(nearly_equal, weights_of(workdir, which), weights_of(parent))
    said = capsys.readouterr().out
    assert f"began from parent: {STEPS} steps, weights" in said
    assert re.search(rf"the model, step 0 +PSNR {first[1]:.2f} dB, bias", said)
    with pytest.raises(SystemExit, match="had begun|start.hold"):
        finetune.main([*places, str(workdir), *still, "--config.start.hold=3"])
    with pytest.raises(SystemExit, match="error: nobody: no such model"):
        finetune.main(["--model", "nobody", *places[2:], str(tmp_path / "none")])


def test_without_validation_subjects_nothing_is_said_to_be_better(tmp_path):
    (told,) = finetune.comparison(tmp_path)
    assert "no validation subjects" in told


def test_the_document_says_where_it_began(parent, tiny_data):
    planned = plan.make_plan(begun(parent), tiny_data)
    step, theirs = load_document(parent)
    assert planned.document["start"] == {
        "model": "parent",
        "step": step,
        "sha256": load_predictor(parent).weights_sha256,
        "target": "routine",
    }
    assert planned.document[BEFORE] == [theirs[LEARNED]]
    assert f"began from parent: {STEPS} steps" in planned.document["notes"][-1]
    for target, words in (("truth", "systematically wrong with 'routine'"), ("routine", "no")):
        document = {**theirs, "task": {**theirs["task"], "target": target}, "lr_shape": [1, 2]}
        notes = dataclasses.replace(planned.start, document=document).notes(theirs)
        assert any(words in note for note in notes) == (target == "truth")
        assert "trained at lr_shape [1, 2], these records have" in notes[-1]


def test_a_model_file_begins_it_as_its_workdir_does(parent, tiny_data, tmp_path):
    planned = plan.make_plan(begun(parent), tiny_data)
    step, document = load_document(parent)
    shapes = plan.served_shapes(planned.last, planned.task)
    path = tmp_path / "mine.safetensors"
    variables = load_network(parent, step, shapes)
    held = {"step": step, "document": document, "variables": variables}
    write_model_file(path, **held, extras={}, arrays={})
    start = read_start(StartOptions(str(path)), document, lambda: shapes)
    assert (start.name, start.sha256) == ("mine", planned.start.sha256)

    del document[LEARNED]
    older = tmp_path / "older.safetensors"
    write_model_file(older, **held, extras={}, arrays={})
    with pytest.raises(CheckpointError, match="does not say whom it learned from"):
        read_start(StartOptions(str(older)), document, lambda: shapes)


OTHER = {
    "map": ("maps", ["t2"]),
    "network_max": ("network_max", [1.0]),
    "scale": ("scale", 3),
    "objective 'denoising'": ("objective", "denoising"),
    "model.features": ("model", {"name": "residual", "features": 8, "blocks": 1}),
    "model.spread": ("model", {"name": "residual", "features": 4, "blocks": 1, "spread": True}),
    "model.name": ("model", {"name": "unet", "features": 4, "depth": 1, "blocks": 1}),
    "task.context": ("task", {"context": 3, "log_maps": []}),
    "task.log_maps": ("task", {"context": 1, "log_maps": ["t1"]}),
}
"""What a model must not differ in, and a document that does."""


@pytest.mark.parametrize("key", OTHER)
def test_numbers_that_mean_something_else_are_refused(key, parent):
    _, mine = load_document(parent)
    name, value = OTHER[key]
    check_same_meaning(parent, {**mine, "lr_shape": [9, 9], "lr_spacing_mm": [9.0]}, mine)
    with pytest.raises(OptionError, match=f"whose {key} is .*; this training has"):
        check_same_meaning(parent, {**mine, name: value}, mine)


def test_a_run_that_began_elsewhere_is_not_gone_on_with(parent):
    _, document = load_document(parent)
    begun_here = {**document, "start": {"sha256": "a" * 64}}
    assert check_document(begun_here, begun_here, ()) == {}
    with pytest.raises(CheckpointError, match="began from weights aaaaaaaaaaaa…, .* holds none"):
        check_document(begun_here, document, ())


def test_of_two_networks_only_the_one_that_predicts_begins_trained():
    fresh = {name: {"params": {"kernel": jnp.ones(2)}} for name in ("generator", "discriminator")}
    objective = SimpleNamespace(served="generator", init=lambda key, example: fresh)
    chosen, trained = dict.fromkeys(fresh, optax.adam(1e-3)), {"params": {"kernel": jnp.zeros(2)}}
    state = init_state(None, objective, None, chosen, averaged=True, served=trained)
    assert state.served["params"]["kernel"].tolist() == [0.0, 0.0]
    kernels = {k: p.variables["params"]["kernel"].tolist() for k, p in state.players.items()}
    assert kernels == {"generator": [0.0, 0.0], "discriminator": [1.0, 1.0]}


def test_what_is_held_comes_back():
    """By Adam alone the weight walks on; held, it stays within about one over the strength."""
    ended = {}
    for strength in (0.0, 20.0):
        options = OptimizerOptions(learning_rate=1e-2, schedule="cosine")
        hold = {"network": strength}
        adam = make_optimizers(("network",), options, total_steps=100, warmup_steps=0, hold=hold)
        weight = jnp.ones(1)
        opt = adam["network"].init(weight)
        for _ in range(100):
            updates, opt = adam["network"].update(jnp.ones(1), opt, weight)
            weight = optax.apply_updates(weight, updates)
        ended[strength] = 1.0 - float(weight[0])
    assert ended[0.0] > 0.4
    assert ended[20.0] == pytest.approx(1 / 20, rel=0.05)
