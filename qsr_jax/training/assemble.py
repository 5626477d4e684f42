"""From an experiment and its records to what trains: task, stages, optimisers, features."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import jax

from qsr_jax.models import NETWORKS, ModelError, build_model
from qsr_jax.models.srgan import Discriminator
from qsr_jax.models.vgg19 import (
    Vgg19Features,
    layer_names,
    load_vgg19,
    random_vgg19,
)
from qsr_jax.objectives import OBJECTIVES, Objective, Srgan
from qsr_jax.tasks import TASKS, JointMaps, WeightedToMaps, build_task
from qsr_jax.tasks.remap import Remapping
from qsr_jax.training.compute_options import ComputeOptions
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.options import OptionError
from qsr_jax.training.parallel import AXIS
from qsr_jax.training.sections import check_sections, kinds_of
from qsr_jax.types import CORNER


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is trained from a step on.

    Attributes:
        first_step: number of steps finished when the stage begins.
        objective: who learns what in it.
    """

    first_step: int
    objective: Objective


def task_of(
    experiment: Experiment,
    *,
    scale: int,
    alignment: str = CORNER,
    names: tuple[str, ...] | None = None,
) -> JointMaps:
    """The task of an experiment.

    Args:
        experiment: its maps, and its task and data sections.
        scale: factor between the grids of the records.
        alignment: how the fine grid lies on the coarse one.
        names: other maps than the experiment's.

    Raises:
        OptionError: the maps, slices or margins do not fit the task.
    """
    options, weighted = experiment.task, experiment.weighted
    if (options.name == WeightedToMaps.KIND) != (weighted is not None):
        why = "does not use" if weighted else "needs"
        raise OptionError(f"task {options.name!r} {why} weighted in its page")
    try:
        return build_task(
            options.name,
            names=names or experiment.names,
            scale=scale,
            alignment=alignment,
            context=options.context,
            margin=options.margin,
            log_maps=options.log_maps,
            target=options.target,
            remapping=Remapping(options.remap_scale, options.remap_power, options.remap_field),
            crop=experiment.data.crop,
            flip=experiment.data.flip,
            seed=experiment.seed,
            **({} if weighted is None else dataclasses.asdict(weighted)),
        )
    except ValueError as error:
        raise OptionError(str(error)) from error


def stages_of(experiment: Experiment, task: JointMaps, total_steps: int) -> tuple[Stage, ...]:
    """The stages in the order of their first steps.

    With "srgan" the losses of pixels alone, then all of them; with any objective the last steps
    with batch norm as in prediction.

    Raises:
        OptionError: a section that the objective needs is missing or has none for it.
    """
    schedule = experiment.schedule
    whole = objective_of(experiment, task)
    frozen_from = total_steps - schedule.frozen_norm_steps
    starts = sorted({0, schedule.warmup_steps, frozen_from} - {total_steps} | {0})

    def at(step: int) -> Objective:
        changes: dict[str, bool] = {"frozen_norm": step >= frozen_from}
        if isinstance(whole, Srgan):
            changes["adversarial"] = step >= schedule.warmup_steps
        return dataclasses.replace(whole, **changes)

    return tuple(Stage(step, at(step)) for step in starts)


def objective_of(experiment: Experiment, task: JointMaps) -> Any:
    """The objective of an experiment, as it is in its last stage.

    Raises:
        OptionError: an unknown objective, network or loss, or a section that does not belong.
    """
    name = experiment.objective.name
    if name not in OBJECTIVES:
        raise OptionError(f"objective.name is {name!r}; known: {', '.join(OBJECTIVES)}")
    check_sections(experiment)
    network = model_of(experiment, task)
    table = experiment.loss.terms
    try:
        if name == "srgan":
            judge, features = discriminator_of(experiment), features_of(experiment)
            relativistic = experiment.objective.relativistic
            return Srgan(task, network, judge, features, table, relativistic=relativistic)
        if name == "denoising":
            options = experiment.objective
            sigma = {"sigma_max": options.sigma_max, "sigma_min": options.sigma_min}
            return OBJECTIVES[name](task, network, table, **sigma)
        return OBJECTIVES[name](task, network, table, features=features_of(experiment))
    except OptionError:
        raise
    except ValueError as error:
        raise OptionError(str(error)) from error


def model_of(experiment: Experiment, task: JointMaps) -> Any:
    """The network that learns the task; a denoiser stays on its grid."""
    denoising = experiment.objective.name == "denoising"
    scale = 1 if denoising else task.scale
    fields = dict(experiment.model)
    if not isinstance(fields.get("name"), str):
        raise OptionError(f"model.name is missing; known: {', '.join(NETWORKS)}")
    name = fields.pop("name")
    if denoising and name in NETWORKS and not takes_noise(NETWORKS[name]):
        able = ", ".join(key for key, network in NETWORKS.items() if takes_noise(network))
        raise OptionError(
            f"model.name is {name!r}, which cannot be told the noise; objective 'denoising' needs "
            f"a network that takes (x, sigma): {able}"
        )
    try:
        return build_model(
            name,
            scale=scale,
            channels=len(task.names),
            alignment=task.alignment,
            axis_name=axis_of(experiment),
            precision=experiment.precision.compute,
            remat=experiment.memory.remat in ("model", "both"),
            **fields,
        )
    except ModelError as error:
        raise OptionError(str(error)) from error


def takes_noise(network: type) -> bool:
    """Whether a network can be told the noise level of its input."""
    return "sigma" in inspect.signature(network.__call__).parameters


def check_experiment(experiment: Experiment) -> None:
    """Refuses what cannot be trained on any records, before there are any.

    Raises:
        OptionError: an unknown task, network, loss or objective, or a section, field or value that
            one of them refuses.
    """
    task = task_of(experiment, scale=TASKS[experiment.task.name].ONLY_SCALE or 2)
    stages_of(experiment, task, max(1, experiment.schedule.steps))


def discriminator_of(experiment: Experiment) -> Discriminator:
    """The network that judges."""
    assert experiment.discriminator is not None
    return Discriminator(
        features=experiment.discriminator.features,
        axis_name=axis_of(experiment),
        dtype=dtype_of(experiment),
    )


def axis_of(experiment: Experiment) -> str | None:
    """Device axis over which batch norms share their statistics."""
    return AXIS if experiment.devices.batch_norm == "all" else None


def features_of(experiment: Experiment) -> Vgg19Features | None:
    """The frozen network of the content loss, or None where the page has none.

    Raises:
        OptionError: no such layer.
    """
    if experiment.vgg is None:
        return None
    if experiment.vgg.layer not in layer_names():
        known = ", ".join(layer_names())
        raise OptionError(
            f"vgg.layer: VGG-19 has no layer {experiment.vgg.layer!r}; known: {known}"
        )
    remat = experiment.memory.remat in ("vgg", "both")
    return Vgg19Features(experiment.vgg.layer, dtype=dtype_of(experiment), remat=remat)


def dtype_of(experiment: Experiment) -> Any:
    """Of convolutions in training; None: as their inputs."""
    name = experiment.precision.compute
    return None if name == "float32" else jax.numpy.dtype(name)


def frozen_parameters(experiment: Experiment) -> dict[str, Any]:
    """Parameters of the frozen VGG-19; none, and no file, where no loss of features counts.

    Convolutions have theirs in the precision they compute in: rounded once, not in every step.

    Raises:
        WeightsError: the file is missing or is not what ``vgg.sha256`` says.
    """
    vgg = experiment.vgg
    if vgg is None or "features" not in kinds_of(experiment):
        return {}
    if vgg.weights == "file":
        parameters = load_vgg19(Path(vgg.path), sha256=vgg.sha256)
    else:
        parameters = random_vgg19(experiment.seed)
    low = dtype_of(experiment)
    convolutions = {name: own for name, own in parameters.items() if isinstance(own, dict)}
    return parameters | jax.tree.map(lambda x: x if low is None else x.astype(low), convolutions)


def describe_features(experiment: Experiment) -> str:
    """One line that says which VGG-19 weights an experiment uses, for reports and logs."""
    vgg = experiment.vgg
    if vgg is None or "features" not in kinds_of(experiment):
        return "VGG-19 weights: none (no content loss)"
    if vgg.weights == "random":
        return "VGG-19 weights: random (the content loss is not the paper's)"
    return f"VGG-19 weights: file with sha256 {vgg.sha256}"  # load_vgg19 accepts no other


def compute_options_of(experiment: Experiment) -> ComputeOptions:
    """How the numbers are computed; loops are written out on CPUs."""
    return ComputeOptions(
        precision=experiment.precision.compute,
        matmul=experiment.precision.matmul,
        parts=experiment.memory.accumulate,
        batch_norm=experiment.devices.batch_norm,
        unroll=jax.default_backend() == "cpu",
    )
