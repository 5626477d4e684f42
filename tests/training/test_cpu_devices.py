"""A CPU's devices are those that divide the batch, unless told; a run may go on with others."""

import jax
import pytest

from launch.config.build import experiment_of
from launch.config.page import load_config
from qsr_jax.training import parallel, run
from qsr_jax.training.metric_log import read_metrics

SMALL = {
    "schedule.steps": 2,
    "data.batch_size": 6,
    "data.crop": 12,
    "task.margin": 4,
    "model.features": 4,
    "model.blocks": 1,
    "cadence.log_every": 1,
}


class Asked(run.StopRequest):
    """As after a signal before the first step."""

    def __enter__(self):
        self.name = "SIGTERM"
        return super().__enter__()


@pytest.mark.usefixtures("compiled_quickly")
def test_three_of_four_take_a_batch_of_six_and_go_on_with_what_one_began(
    tiny_data, tmp_path, monkeypatch, capsys
):
    words = [f"--config.{key}={value}" for key, value in SMALL.items()]
    experiment = experiment_of(load_config("joint_maps", words))
    monkeypatch.setattr(parallel, "is_count_told", lambda _: False)
    assert len(parallel.step_devices(6)) == 3
    assert len(parallel.step_devices(8)) == 4
    whole, begun = tmp_path / "whole", tmp_path / "begun"
    assert run.train(experiment, data_dir=tiny_data, workdir=whole).is_finished
    with monkeypatch.context() as alone:
        alone.setattr(parallel, "even_devices", lambda _: jax.local_devices()[:1])
        alone.setattr(run, "StopRequest", Asked)
        assert run.train(experiment, data_dir=tiny_data, workdir=begun).step == 1
    assert run.train(experiment, data_dir=tiny_data, workdir=begun).is_finished
    assert "goes on after step 1" in capsys.readouterr().out
    losses = [[line["total"] for line in read_metrics(w, "train")] for w in (whole, begun)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)  # a step of another order of sums
