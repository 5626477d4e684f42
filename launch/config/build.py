"""From a config page to the pieces of an experiment: networks, steps, durations.

Config objects stop here; the rooms below take plain arguments.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import jax
from ml_collections import ConfigDict

from launch.config.compute import computing_of, remat_of
from launch.config.page import ConfigError
from qsr_jax.data.records.open import Records
from qsr_jax.maps import MapSpec
from qsr_jax.models import GENERATORS
from qsr_jax.models.discriminator import Discriminator
from qsr_jax.models.vgg19 import Vgg19Features, layer_names
from qsr_jax.models.weights import file_sha256, load_vgg19, random_vgg19
from qsr_jax.training.device_records import from_resident
from qsr_jax.training.dispatch import several
from qsr_jax.training.parallel import AXIS, compile_step
from qsr_jax.training.state import Networks, staircase_adam
from qsr_jax.training.steps import LossWeights, Step, make_step


def build_networks(config: ConfigDict, *, scale: int) -> Networks:
    """The modules and the optimiser that a config describes, sharing batch norm over devices."""
    if config.generator.name not in GENERATORS:
        known = ", ".join(GENERATORS)
        raise ConfigError(f"generator.name is {config.generator.name!r}; known: {known}")
    if config.vgg.layer not in layer_names():
        known = ", ".join(layer_names())
        raise ConfigError(f"vgg.layer: VGG-19 has no layer {config.vgg.layer!r}; known: {known}")
    return Networks(
        generator=GENERATORS[config.generator.name](
            features=config.generator.features,
            blocks=config.generator.blocks,
            scale=scale,
            norm_momentum=config.generator.norm_momentum,
            axis_name=AXIS,
            remat="generator" in remat_of(config),
        ),
        discriminator=Discriminator(
            features=tuple(config.discriminator.features),
            norm_momentum=config.discriminator.norm_momentum,
            axis_name=AXIS,
        ),
        features=Vgg19Features(config.vgg.layer, remat="vgg" in remat_of(config)),
        optimizer=staircase_adam(
            learning_rate=config.optimizer.learning_rate,
            decay_every=config.optimizer.decay_every,
            decay_factor=config.optimizer.decay_factor,
        ),
    )


def planned_steps(config: ConfigDict, n_records: int) -> int:
    """Steps in all; durations are given in epochs or steps, never both."""
    schedule, batch_size = config.schedule, config.data.batch_size
    if (schedule.epochs > 0) == (schedule.steps > 0):
        raise ConfigError(
            f"schedule.epochs is {schedule.epochs:g} and schedule.steps is {schedule.steps}; "
            "give exactly one of them and set the other to 0"
        )
    if batch_size > n_records:
        raise ConfigError(f"data.batch_size is {batch_size}, the data set has {n_records} records")
    total = schedule.steps or int(schedule.epochs * (n_records // batch_size))
    for key in ("warmup_steps", "frozen_norm_steps"):
        if not 0 <= schedule[key] <= total:
            raise ConfigError(f"schedule.{key} is {schedule[key]}; expected 0 to {total} (all)")
    return total


def check_sizes(config: ConfigDict, records: Records) -> None:
    """Refuses a batch that the devices cannot share and a crop that leaves the image."""
    batch_size, crop, devices = config.data.batch_size, config.data.crop, jax.device_count()
    if batch_size % devices:
        raise ConfigError(
            f"data.batch_size is {batch_size}, which does not divide by {devices} devices"
        )
    if not 0 <= crop <= min(records.lr_shape):
        raise ConfigError(
            f"data.crop is {crop}; expected 0 (whole slices) to {min(records.lr_shape)}"
        )


def steps_by_stage(
    config: ConfigDict,
    networks: Networks,
    spec: MapSpec,
    total_steps: int,
    *,
    resident: bool = False,
) -> Callable[[int], Step]:
    """The compiled step of each step number, ``compile.steps_per_dispatch`` of them at a time.

    Equation 1 alone, then equation 4; batch norm learns its statistics, then they are frozen.
    ``resident`` steps find their records on the devices, see :mod:`qsr_jax.training.device_records`.
    """
    schedule, computing = config.schedule, computing_of(config)

    @functools.cache
    def stage(adversarial: bool, frozen_norm: bool) -> Step:
        step = make_step(
            networks,
            spec=spec,
            weights=LossWeights(
                mae=config.loss.mae,
                gan=config.loss.gan,
                vgg=config.loss.vgg,
                gan_reduction=config.loss.gan_reduction,
            ),
            batch_size=config.data.batch_size,
            crop=config.data.crop,
            seed=config.seed,
            adversarial=adversarial,
            frozen_norm=frozen_norm,
            average_decay=config.average.decay,
            axis_name=AXIS,
            flip=config.data.flip,
            computing=computing,
        )
        step = from_resident(step) if resident else step
        count = config.compile.steps_per_dispatch
        return compile_step(several(step, count=count, unroll=computing.unroll))

    return lambda number: stage(
        number >= schedule.warmup_steps, number >= total_steps - schedule.frozen_norm_steps
    )


def features_parameters(config: ConfigDict) -> dict:
    """Parameters of the frozen VGG-19 that a config asks for: from its file, or random."""
    if config.vgg.weights == "file":
        return load_vgg19(Path(config.vgg.path), sha256=config.vgg.sha256)
    if config.vgg.weights == "random":
        return random_vgg19(config.seed)
    raise ConfigError(f"vgg.weights is {config.vgg.weights!r}; expected 'file' or 'random'")


def describe_features(config: ConfigDict) -> str:
    """One line that says which VGG-19 weights a config uses, for reports and logs."""
    if config.vgg.weights == "random":
        return "VGG-19 weights: random (the content loss is not the paper's)"
    return f"VGG-19 weights: file with sha256 {file_sha256(Path(config.vgg.path))}"
