"""VGG-19 features in Flax (Simonyan 2014, arXiv:1409.1556), frozen, for the content loss.

The weights come from a file (see :mod:`qsr_jax.models.weights`). A file says which input its
weights were trained for: ``mean`` and ``scale`` turn grey values in 0..255 into that input, so
Caffe-style (0-255, mean subtracted) and torchvision-style (unit range, standardised) weights are
both fed what they know.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.models.weights import VGG_BLOCKS


def layer_names() -> list[str]:
    """Every layer whose features can be asked for, in the order of the network."""
    names = []
    for block, (_, depth) in enumerate(VGG_BLOCKS, start=1):
        names += [f"conv{block}_{index}" for index in range(1, depth + 1)] + [f"pool{block}"]
    return names


class Vgg19Features(nn.Module):
    """Maps network-scale images (n, h, w, 1) to the features after one layer.

    Attributes:
        layer: "conv3_4" (after its ReLU) or "pool4": any convolution or pool of the network.
    """

    layer: str

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Replicates the one channel to three and runs the network up to ``layer``."""
        mean = self.param("mean", nn.initializers.constant(127.5), (3,))
        scale = self.param("scale", nn.initializers.constant(1.0), (3,))
        grey = (images + 1.0) * 127.5  # network scale [-1, 1] to 0..255
        x = (jnp.repeat(grey, 3, axis=-1) - mean) * scale
        for block, (width, depth) in enumerate(VGG_BLOCKS, start=1):
            for index in range(1, depth + 1):
                name = f"conv{block}_{index}"
                x = nn.relu(nn.Conv(width, (3, 3), name=name)(x))
                if name == self.layer:
                    return x
            x = nn.max_pool(x, (2, 2), (2, 2))
            if f"pool{block}" == self.layer:
                return x
        raise ValueError(f"VGG-19 has no layer {self.layer!r}; try 'conv3_4' or 'pool4'")
