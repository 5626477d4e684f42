"""Single weighted images as they are: what a denoiser of ordinary scans learns from."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from qsr_jax.data.records.weighted_images import CHANNEL
from qsr_jax.maps import spec_of
from qsr_jax.tasks.crops import sample_keys
from qsr_jax.tasks.example import Example
from qsr_jax.tasks.joint_maps import JointMaps
from qsr_jax.tasks.remap import Remapping
from qsr_jax.tasks.scaling import PartScale
from qsr_jax.types import ROUTINE, Batch

BRIGHTNESS = (0.6, 1.1)
"""Range of the random factor on a training image: no loop scales its images exactly alike."""

TURN, BRIGHT = 7, 8
"""Set these draws apart from those of crops, flips, values, scans, hidden times and gains."""


@dataclasses.dataclass(frozen=True)
class WeightedImages(JointMaps):
    """One image in, the same out: 0 is air and 1 the bright part of its slice.

    In training an image is turned by quarters and made brighter or darker at random.

    Raises:
        ValueError: other maps or another grid than those of single images.
    """

    scale: int = 1

    KIND: ClassVar[str] = "weighted_images"
    SEES_MAPS: ClassVar[bool] = False
    ONLY_SCALE: ClassVar[int | None] = 1

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        super().__post_init__()
        if self.names != (CHANNEL,):
            raise ValueError(f"{self.KIND} of {self.names}; expected map={CHANNEL}: one channel")
        fixed = (self.scale, self.context, self.margin, self.log_maps, self.target, self.remapping)
        if fixed != (1, 1, 0, (), ROUTINE, Remapping()):
            raise ValueError(
                f"{self.KIND} with scale, context, margin, log_maps, target, remap {fixed}; "
                f"expected 1, 1, 0, (), {ROUTINE!r} and no remapping: an image is its own target"
            )

    @property
    def scales(self) -> tuple[PartScale, ...]:
        """Network scale: the bright part is 1."""
        return (PartScale(spec_of(CHANNEL), 100.0),)

    def example(self, batch: Batch, *, step: jax.Array) -> Example:
        """See :class:`qsr_jax.tasks.example.Task`; turned and of a random brightness."""
        shown = super().example(batch, step=step)
        keys = sample_keys(self.seed, step, batch["sample_id"])
        target = jax.vmap(_turned)(keys, shown.target)
        return dataclasses.replace(shown, inputs={"lr": target}, target=target)


def _turned(key: jax.Array, image: jax.Array) -> jax.Array:
    """A square image (s, s, 1), turned by quarters and times a factor."""
    quarters = jax.random.randint(jax.random.fold_in(key, TURN), (), 0, 4)
    low, high = BRIGHTNESS
    factor = jax.random.uniform(jax.random.fold_in(key, BRIGHT), (), minval=low, maxval=high)
    upside = jnp.where(quarters >= 2, image[::-1, ::-1], image)
    return factor * jnp.where(quarters % 2 == 1, jnp.rot90(upside), upside)
