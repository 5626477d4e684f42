"""The page that goes on with a model takes over what the model is; its course is its own."""

import pytest

from launch.config.build import experiment_of
from launch.config.finetune import after_model
from launch.config.page import ConfigError, load_config
from qsr_jax.tasks import build_task

STEPS = 30


def document_of(page, *overrides):
    """What a training of a page writes down."""
    experiment = experiment_of(load_config(page, [f"--config.{word}" for word in overrides]))
    options = experiment.task
    task = build_task(
        options.name,
        names=experiment.names,
        scale=2,
        context=options.context,
        margin=options.margin,
        log_maps=options.log_maps,
        target=options.target,
    )
    return {
        "maps": list(task.names),
        "model": dict(experiment.model),
        "task": task.describe(),
        "objective": experiment.objective.name,
        "config": experiment.leaves(),
    }


def tuned(document):
    return experiment_of(after_model(load_config("finetune"), document, steps=STEPS))


def test_what_the_model_is_comes_from_its_document():
    changed = ("map=t1+t2", "task.target=truth", "task.remap_scale=0.2", "model.features=8")
    document = document_of("joint_maps", *changed, "loss.terms.charbonnier.weight=2.0")
    experiment = tuned(document)
    assert experiment.names == ("t1", "t2")
    assert dict(experiment.model) == document["model"]
    assert experiment.task.log_maps == ("t2",)
    assert (experiment.task.context, experiment.task.margin) == (3, 16)
    assert experiment.loss.terms["charbonnier"].weight == 2.0
    assert (experiment.task.target, experiment.task.remap_scale) == ("routine", 0.0)
    assert (experiment.schedule.steps, experiment.schedule.frozen_norm_steps) == (STEPS, 0)


@pytest.mark.parametrize("page", ["srgan", "quickstart_srgan"])
def test_a_generator_goes_on_alone_with_its_statistics_as_they_are(page):
    experiment = tuned(document_of(page, "vgg.weights=random"))
    assert experiment.objective.name == "regression"
    assert (experiment.discriminator, experiment.vgg) == (None, None)
    assert list(experiment.loss.terms) == ["mae"]
    assert experiment.schedule.frozen_norm_steps == STEPS
    assert experiment.task.name == "super_resolution"


def test_a_denoiser_and_a_content_loss_keep_what_they_need():
    assert tuned(document_of("denoiser")).objective.sigma_max == 0.2
    document = document_of("srgan", "vgg.weights=random")
    leaves = {k: v for k, v in document["config"].items() if not k.startswith("loss.terms.gan")}
    leaves |= {"objective.name": "regression", "objective.relativistic": False}
    experiment = tuned({**document, "config": leaves, "objective": "regression"})
    assert experiment.vgg.layer == "pool4"
    assert sorted(experiment.loss.terms) == ["mae", "vgg"]


def test_a_document_that_does_not_say_how_it_was_trained_is_refused():
    document = document_of("joint_maps")
    del document["config"]
    with pytest.raises(ConfigError, match="has no config"):
        after_model(load_config("finetune"), document, steps=STEPS)
