"""How a step computes, apart from what: numbers, memory, and loops inside the compiled program."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

PRECISIONS = ("float32", "bfloat16")
MATMULS = ("default", "high", "highest")
BATCH_NORMS = ("all", "device")


@dataclasses.dataclass(frozen=True)
class ComputeOptions:
    """Choices that change rounding, memory or speed, but not the equations.

    Attributes:
        precision: of convolutions; parameters, statistics, losses and optimiser stay float32.
        matmul: how a device may round the factors of float32 convolutions: "default" is what the
            platform finds fast (TensorFloat-32 on recent NVIDIA GPUs, exact on CPUs), "highest" is
            float32 everywhere.
        parts: pieces in which a device takes its share of a batch, one after another; the
            gradients add up before either network is updated. Batch norm in training mode sees one
            piece at a time ("ghost" statistics; Hoffer 2017, arXiv:1705.08741); the running
            statistics follow the mean over the pieces. Where statistics are frozen the result is
            that of the undivided batch.
        batch_norm: whose statistics a device normalises its samples by in training: those of "all"
            devices' samples, or of its own alone ("device"), which is another normalisation
            wherever there are several; running statistics then follow the mean over the devices.
        unroll: whether loops inside the program are written out. XLA's CPU backend makes the
            gradient of a convolution inside a loop over 20 times slower (jax issue 12868); a GPU
            compiles a loop in a fraction of the time.
    """

    precision: str
    matmul: str
    parts: int
    unroll: bool
    batch_norm: str = "all"

    def __post_init__(self) -> None:
        """Refuses values that do not exist."""
        for name, known in (
            ("precision", PRECISIONS),
            ("matmul", MATMULS),
            ("batch_norm", BATCH_NORMS),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} of the computation is {value!r}; known: {known}")
        if self.parts < 1:
            raise ValueError(f"a batch cannot be taken in {self.parts} parts; expected 1 or more")

    def summed(self, shares: Callable[[Any], Any], batch: Any) -> Any:
        """Sum of ``shares(piece)`` over the :attr:`parts` pieces of a batch.

        Raises:
            ValueError: the batch does not divide.
        """
        if self.parts == 1:
            return shares(batch)
        size = len(jax.tree.leaves(batch)[0])
        if size % self.parts:
            raise ValueError(
                f"memory.accumulate is {self.parts}, which does not divide the {size} samples "
                "of a device"
            )
        pieces = jax.tree.map(lambda x: x.reshape(self.parts, -1, *x.shape[1:]), batch)
        first = jax.tree.map(lambda x: x[0], pieces)
        nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(shares, first))

        def add(total: Any, piece: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, shares(piece)), None

        return jax.lax.scan(add, nothing, pieces, unroll=self.unroll)[0]


PLAIN = ComputeOptions(precision="float32", matmul="default", parts=1, unroll=True)
"""What configs/srgan.py asks for on a CPU."""
