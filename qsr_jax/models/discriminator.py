"""The SRGAN discriminator (paper, Figure 1B; Ledig 2017, arXiv:1609.04802).

Eight 3x3 convolutions with leaky ReLU, batch norm on all but the first, and one fully connected
output. It returns the *logit*; the paper's probability is its sigmoid, which the losses contain.

Where the paper is silent: widths 64, 64, 128, 128, 256, 256, 512, 512 with stride 2 at every second
convolution and slope 0.2 are SRGAN's. The features are averaged over space before the fully
connected output, so that one network judges crops and whole slices of any size (SRGAN's
Dense(1024) on a 512 x 512 image alone would hold 537 million weights).
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax

from qsr_jax.models.precision import restored


class Discriminator(nn.Module):
    """Maps images (n, h, w, 1) in network scale to logits (n,); positive means "real".

    Attributes:
        features: widths of the convolutions; every second one halves the image.
        norm_momentum: share of the old value kept by the running statistics of batch norm.
        axis_name: device axis over which batch statistics are shared, or None.
        dtype: in which convolutions compute, None: as their inputs; parameters, statistics and
            logits stay float32.
    """

    features: Sequence[int]
    norm_momentum: float
    axis_name: str | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Runs the network; ``train`` chooses batch or running statistics."""
        for index, width in enumerate(self.features):
            stride = 1 + index % 2
            x = nn.Conv(
                width,
                (3, 3),
                strides=(stride, stride),
                use_bias=index == 0,
                dtype=self.dtype,
            )(x)
            if index > 0:
                x = nn.BatchNorm(
                    use_running_average=not train,
                    momentum=self.norm_momentum,
                    axis_name=self.axis_name if train else None,
                    dtype=self.dtype,
                )(x)
            x = nn.leaky_relu(x, 0.2)
        return nn.Dense(1)(restored(x).mean(axis=(1, 2)))[:, 0]
