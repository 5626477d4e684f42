"""Which sections of a page an objective and its networks have a use for."""

from qsr_jax.losses import LOSSES
from qsr_jax.models import NETWORKS
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.options import OptionError


def check_sections(experiment: Experiment) -> None:
    """Refuses a section or value that would not be read, and a section that is missing.

    Raises:
        OptionError: naming it.
    """
    name = experiment.objective.name
    wanted = {
        "discriminator": name == "srgan",
        "objective.sigma_max": name == "denoising",
        "vgg": name == "srgan" or "features" in kinds_of(experiment),
    }
    found = {
        "discriminator": experiment.discriminator is not None,
        "objective.sigma_max": experiment.objective.sigma_max is not None,
        "vgg": experiment.vgg is not None,
    }
    for key, needed in wanted.items():
        if needed != found[key]:
            why = "needs" if needed else "does not use"
            raise OptionError(f"objective {name!r} {why} {key} in its page")
    if name != "denoising" and experiment.objective.sigma_min is not None:
        raise OptionError(f"objective {name!r} does not use objective.sigma_min in its page")
    if name != "srgan" and experiment.objective.relativistic:
        raise OptionError(
            f"objective.relativistic is True; objective {name!r} has no discriminator: set it to "
            "False"
        )
    if experiment.devices.batch_norm == "device":
        _check_own_batch_norms(experiment)
    if name != "srgan" and experiment.schedule.warmup_steps:
        raise OptionError(
            f"schedule.warmup_steps is {experiment.schedule.warmup_steps}; objective {name!r} has "
            "no warm-up: set it to 0"
        )


def _check_own_batch_norms(experiment: Experiment) -> None:
    """Refuses statistics of each device where there are none, or where a loss is of all devices."""
    said, name = "devices.batch_norm is 'device'; ", str(experiment.model["name"])
    if experiment.objective.relativistic:
        raise OptionError(
            f"{said}objective.relativistic compares with the batch of all devices: set it to False"
        )
    fields = getattr(NETWORKS.get(name), "__dataclass_fields__", {})
    if experiment.discriminator is None and "axis_name" not in fields:
        raise OptionError(f"{said}model {name!r} has no batch norm: set it to 'all'")


def kinds_of(experiment: Experiment) -> set[str]:
    """Kinds of the losses that count."""
    terms = experiment.loss.terms.items()
    return {LOSSES[name].kind for name, term in terms if term.weight and name in LOSSES}
