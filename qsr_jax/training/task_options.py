"""What a network sees and makes, as an option class."""

import dataclasses
from typing import ClassVar

from qsr_jax.maps import MAPS
from qsr_jax.tasks import TASKS
from qsr_jax.tasks.joint_maps import CONTEXTS
from qsr_jax.tasks.remap import LARGEST
from qsr_jax.tasks.weighted_to_maps import BOTH, INTENSITIES
from qsr_jax.training.options import OptionError, Options, choice, number
from qsr_jax.types import ROUTINE, TARGETS


@dataclasses.dataclass(frozen=True)
class TaskOptions(Options):
    """What the network sees and makes; see :class:`qsr_jax.tasks.JointMaps`.

    Attributes:
        name: a key of :data:`qsr_jax.tasks.TASKS`.
        context: slices seen at a time: 1, 3 or 5.
        margin: coarse pixels seen beyond a crop or slice, on which no loss is taken.
        log_maps: maps with a logarithmic network scale.
        target: what is learned: "routine", "truth" or "repeat", where the records carry it.
        remap_scale: amplitude of the logarithm of a random factor on every map's values, see
            :class:`qsr_jax.tasks.remap.Remapping`; 0: none.
        remap_power: of the logarithm of a random power, likewise.
        remap_field: of a smooth field on the density, likewise.
    """

    SECTION: ClassVar[str] = "task"
    name: str = "super_resolution"
    context: int = number(1, low=1, high=5)
    margin: int = number(0, low=0, high=64)
    log_maps: tuple[str, ...] = ()
    target: str = choice(ROUTINE, among=TARGETS)
    remap_scale: float = number(0.0, low=0.0, high=LARGEST)
    remap_power: float = number(0.0, low=0.0, high=LARGEST)
    remap_field: float = number(0.0, low=0.0, high=LARGEST)

    def __post_init__(self) -> None:
        """Refuses what no task takes."""
        super().__post_init__()
        if self.name not in TASKS:
            raise OptionError(f"task.name is {self.name!r}; known: {', '.join(TASKS)}")
        if self.context not in CONTEXTS:
            raise OptionError(f"task.context is {self.context}; expected one of {CONTEXTS}")
        if not isinstance(self.log_maps, tuple) or not set(self.log_maps) <= set(MAPS):
            raise OptionError(
                f"task.log_maps is {self.log_maps!r}; expected some of {', '.join(MAPS)} in (…)"
            )


@dataclasses.dataclass(frozen=True)
class WeightedOptions(Options):
    """What the task "weighted_to_maps" is told; see :class:`qsr_jax.tasks.WeightedToMaps`.

    Attributes:
        intensities: whether the contrasts share one gain: "common", "free", or "both" in turn.
        parameters: whether TR, TE and TI are told at all.
        constant_maps: whether they stand as constant channels behind the images.
        physics: whether the pixelwise solution stands behind the images.
        blended: whether it is the mean of all that explain a pixel, not the best of them.
        unknown: share of the training samples in which times are hidden.
        absent: share of the training samples that lack a contrast.
        held_out: bands of times whose studies do not train, "NAME LOW HIGH, ...", ms.
    """

    SECTION: ClassVar[str] = "weighted"
    intensities: str = choice(BOTH, among=INTENSITIES)
    parameters: bool = True
    constant_maps: bool = False
    physics: bool = True
    blended: bool = False
    unknown: float = number(0.1, low=0.0, high=1.0)
    absent: float = number(0.0, low=0.0, high=1.0)
    held_out: str = ""
