"""From one value per sample to one number of the global batch, as sums of devices' shares."""

import dataclasses
from typing import Any, Literal

import jax


@dataclasses.dataclass(frozen=True)
class Reduction:
    """Local shares of global sums and means; :meth:`total` adds the shares up.

    Attributes:
        batch_size: samples in the global batch, all devices together.
        axis_name: device axis, or None for one device.
    """

    batch_size: int
    axis_name: str | None

    def mean(self, per_sample: jax.Array) -> jax.Array:
        """This device's share of the mean over the global batch."""
        return per_sample.sum() / self.batch_size

    def share(self, per_sample: jax.Array, reduction: Literal["mean", "sum"]) -> jax.Array:
        """This device's share of the mean or the sum over the global batch."""
        return per_sample.sum() if reduction == "sum" else self.mean(per_sample)

    def mean_of_devices(self, tree: Any) -> Any:
        """This device's share of the mean over devices."""
        if self.axis_name is None:
            return tree
        count = jax.lax.axis_size(self.axis_name)
        return jax.tree.map(lambda x: x / count, tree)

    def total(self, tree: Any) -> Any:
        """The shares of all devices together."""
        return tree if self.axis_name is None else jax.lax.psum(tree, self.axis_name)
