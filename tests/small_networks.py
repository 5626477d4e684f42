"""The paper's networks at a width that compiles in a second."""

import optax

from qsr_jax.models.discriminator import Discriminator
from qsr_jax.models.generator import Generator
from qsr_jax.models.vgg19 import Vgg19Features
from qsr_jax.train.state import Networks


def small_networks(axis_name: str | None, optimizer=None) -> Networks:
    """Both networks at a width that compiles in a second."""
    return Networks(
        generator=Generator(features=8, blocks=1, scale=2, norm_momentum=0.9, axis_name=axis_name),
        discriminator=Discriminator(features=(4, 4, 8, 8), norm_momentum=0.9, axis_name=axis_name),
        features=Vgg19Features("conv1_2"),
        optimizer=optimizer or optax.adam(1e-3),
    )
