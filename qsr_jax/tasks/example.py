"""What the compiled step learns from: an example in network scale, and what makes one."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Protocol

import jax

from qsr_jax.types import Batch


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Example:
    """A batch in network scale.

    Attributes:
        inputs: name to what a network sees, (n, ...).
        target: what it should make, (n, h, w, c).
        mask: (n, h, w, 1), 1 in the brain.
        keys: one PRNG key per (seed, step, sample), (n,).
        extras: what a batch carries beside its images, such as features made before, (n, ...).
        margin: width of the border of ``target`` that no loss is taken on, fine pixels.
    """

    inputs: Mapping[str, jax.Array]
    target: jax.Array
    mask: jax.Array
    keys: jax.Array
    extras: Mapping[str, jax.Array]
    margin: int = dataclasses.field(default=0, metadata={"static": True})


class Task(Protocol):
    """What goes in, what comes out, in which units."""

    KIND: ClassVar[str]
    TOLD: ClassVar[tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The maps, in the order of the channels."""
        ...

    @property
    def scale(self) -> int:
        """Factor between the grids of what goes in and what comes out."""
        ...

    def example(self, batch: Batch, *, step: jax.Array) -> Example:
        """Records as an example of training, cropped and mirrored as (seed, step, sample) say."""
        ...

    def whole(self, batch: Batch) -> Example:
        """The same records as whole slices: what validation sees."""
        ...

    def inputs(self, physical: jax.Array) -> dict[str, jax.Array]:
        """A stack of slices (z, h, w, c) in physical units as what the network sees, (z, ...)."""
        ...

    @property
    def alignment(self) -> str:
        """How the fine grid lies on the coarse one."""
        ...

    def physical(self, network: jax.Array) -> jax.Array:
        """The network's output for :meth:`inputs` in physical units, (z, scale*h, scale*w, c)."""
        ...

    def in_units(self, network: jax.Array) -> jax.Array:
        """Maps (n, h, w, c) of either grid, margins and all, in physical units."""
        ...

    def middle(self, lr: jax.Array) -> jax.Array:
        """The channels of the slice itself among those that a network sees, (n, h, w, c)."""
        ...

    def baseline(self, inputs: Mapping[str, jax.Array]) -> jax.Array:
        """What interpolation makes of the inputs, in network scale."""
        ...

    def describe(self) -> dict[str, object]:
        """Name and fields, from which :func:`qsr_jax.tasks.build_task` makes the same task."""
        ...
