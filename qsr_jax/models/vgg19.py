"""VGG-19 features in Flax (Simonyan 2014, arXiv:1409.1556), frozen, for the content loss.

The weights come from a file (see :mod:`qsr_jax.models.weights`). A file says which input its
weights were trained for: ``mean`` and ``scale`` turn grey values in 0..255 into that input, so
Caffe-style (0-255, mean subtracted) and torchvision-style (unit range, standardised) weights are
both fed what they know.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.models.precision import restored
from qsr_jax.models.weights import VGG_BLOCKS


def layer_names() -> list[str]:
    """Every layer whose features can be asked for, in the order of the network."""
    names = []
    for block, (_, depth) in enumerate(VGG_BLOCKS, start=1):
        names += [f"conv{block}_{index}" for index in range(1, depth + 1)] + [f"pool{block}"]
    return names


def halve(x: jax.Array) -> jax.Array:
    """Largest of every 2 x 2 pixels, (n, h, w, c) to (n, h // 2, w // 2, c).

    The values and, but for ties above zero, the gradient of a pooling window. As maxima of slices
    its gradient is a fused selection; XLA's scatter for windows cost a CPU 12 % of VGG's backward
    pass. A tie shares its gradient, where a window gives it all to the first.
    """
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


class Vgg19Features(nn.Module):
    """Maps network-scale images (n, h, w, 1) to the features after one layer.

    Attributes:
        layer: "conv3_4" (after its ReLU) or "pool4": any convolution or pool of the network.
        dtype: in which convolutions compute, None: as their inputs; features come out as float32.
        remat: whether the backward pass computes each block again instead of keeping it.
    """

    layer: str
    dtype: Any = None
    remat: bool = False

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Replicates the one channel to three and runs the network up to ``layer``."""
        if self.layer not in layer_names():
            raise ValueError(f"VGG-19 has no layer {self.layer!r}; try 'conv3_4' or 'pool4'")
        mean = self.param("mean", nn.initializers.constant(127.5), (3,))
        scale = self.param("scale", nn.initializers.constant(1.0), (3,))
        grey = (images + 1.0) * 127.5  # network scale [-1, 1] to 0..255
        x = (jnp.repeat(grey, 3, axis=-1) - mean) * scale
        section = nn.remat(_section, static_argnums=(2,)) if self.remat else _section
        for block in range(1, len(VGG_BLOCKS) + 1):
            x = section(self, x, block)
            if self.layer[4:].split("_")[0] == str(block):
                break
        return restored(x)


def _section(network: Vgg19Features, x: jax.Array, block: int) -> jax.Array:
    """One block and its pool, or up to the layer that is asked for."""
    width, depth = VGG_BLOCKS[block - 1]
    for index in range(1, depth + 1):
        name = f"conv{block}_{index}"
        x = nn.relu(nn.Conv(width, (3, 3), dtype=network.dtype, name=name)(x))
        if name == network.layer:
            return x
    return halve(x)
