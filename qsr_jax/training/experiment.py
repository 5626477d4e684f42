"""An experiment: everything that decides what is trained, as plain frozen values."""

import dataclasses
import numbers
from collections.abc import Mapping
from typing import Any, get_args

from qsr_jax.maps import MAPS
from qsr_jax.objectives import TermOptions
from qsr_jax.training import options
from qsr_jax.training.options import OptionError
from qsr_jax.training.task_options import TaskOptions, WeightedOptions

JOINED = "+"
"""Between the maps of one network: ``t1+t2+pd``."""


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """The table of losses.

    Attributes:
        terms: name in :data:`qsr_jax.losses.LOSSES` to how it counts.
    """

    terms: Mapping[str, TermOptions]


PAPER_TERMS = {
    "mae": TermOptions(weight=1.0),
    "gan": TermOptions(weight=1e-3, reduction="sum"),
    "vgg": TermOptions(weight=2e-6),
}
"""Equation 4."""

PAPER_MODEL = {"name": "srgan", "features": 64, "blocks": 5, "norm_momentum": 0.9}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What one training is; the defaults are the paper's SRGAN.

    Attributes:
        map: t1, t2 or pd; several joined by + for one network of all.
        seed: of every random number.
        model: a network's name and its own fields, see :mod:`qsr_jax.models.build`.
        discriminator: None where nobody judges.
        vgg: None where no loss of features counts.
        weighted: None where no weighted images go in.

    Raises:
        OptionError: an unknown map, or a section that lacks or surplus to the objective.

    Example:
        >>> Experiment(map="t1+t2").names
        ('t1', 't2')
    """

    map: str = "t1"
    seed: int = 0
    task: TaskOptions = TaskOptions()
    data: options.DataOptions = options.DataOptions()
    start: options.StartOptions = options.StartOptions()
    model: Mapping[str, Any] = dataclasses.field(default_factory=lambda: dict(PAPER_MODEL))
    objective: options.ObjectiveOptions = options.ObjectiveOptions()
    discriminator: options.DiscriminatorOptions | None = options.DiscriminatorOptions()
    vgg: options.VggOptions | None = options.VggOptions()
    loss: LossOptions = dataclasses.field(default_factory=lambda: LossOptions(PAPER_TERMS))
    optimizer: options.OptimizerOptions = options.OptimizerOptions(
        decay_every=1000, decay_factor=0.95
    )
    average: options.AverageOptions = options.AverageOptions()
    schedule: options.ScheduleOptions = options.ScheduleOptions()
    cadence: options.CadenceOptions = options.CadenceOptions()
    best: options.BestOptions = options.BestOptions()
    alarms: options.AlarmOptions = options.AlarmOptions()
    precision: options.PrecisionOptions = options.PrecisionOptions()
    memory: options.MemoryOptions = options.MemoryOptions()
    devices: options.DevicesOptions = options.DevicesOptions()
    compile: options.CompileOptions = options.CompileOptions()
    weighted: WeightedOptions | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        if not isinstance(self.map, str) or not set(self.names) <= set(MAPS):
            raise OptionError(
                f"map is {self.map!r}; expected {', '.join(MAPS)}, or several joined by + such as "
                "t1+t2+pd"
            )
        whole = isinstance(self.seed, numbers.Integral) and not isinstance(self.seed, bool)
        if not whole or not 0 <= self.seed < 2**31:
            raise OptionError(
                f"seed is {self.seed!r}; expected a whole number from 0 to 2147483647"
            )
        self._check_sections()

    def _check_sections(self) -> None:
        """Refuses a section of another kind: a dictionary, a name, or nothing."""
        for field in dataclasses.fields(self):
            kinds = get_args(field.type) or (field.type,)
            value, classes = getattr(self, field.name), [k for k in kinds if isinstance(k, type)]
            if field.name in ("map", "seed", "model") or isinstance(value, tuple(classes)):
                continue
            expected = " or ".join(kind.__name__ for kind in classes)
            raise OptionError(f"{field.name} is {value!r}; expected {expected}")
        if not isinstance(self.model, Mapping) or "name" not in self.model:
            raise OptionError(f"model is {self.model!r}; expected a name and the network's fields")
        wrong = [k for k, v in self.loss.terms.items() if not isinstance(v, TermOptions)]
        if wrong:
            raise OptionError(f"loss.terms.{wrong[0]} is no TermOptions")

    @property
    def names(self) -> tuple[str, ...]:
        """The maps, in the order of the channels."""
        return tuple(self.map.split(JOINED))

    def leaves(self) -> dict[str, Any]:
        """Every setting by its dotted key, as JSON has it: what a run is compared and kept by."""
        return dict(_leaves(self, ""))


def _leaves(value: Any, key: str) -> list[tuple[str, Any]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, Mapping):
        return [(key, list(value) if isinstance(value, tuple) else value)]
    found = []
    for name, inner in value.items():
        if inner is not None:
            found += _leaves(inner, f"{key}.{name}" if key else name)
    return found
