"""Networks by name, each with its own fields: the one place that makes one.

A network is a Flax module ``network(x, ..., train=...)`` that maps (n, h, w, c) to (n, scale*h,
scale*w, channels) in network scale. Its *own* fields (``features``, ``depth``, …) come from a
config page or a checkpoint's document; the network's ``RANGES`` say which numbers may be. What the
surroundings decide (``scale``, ``channels``, and where the network declares them ``alignment``,
``axis_name``, ``dtype``, ``remat``) is passed in. ``reach`` says how many coarse pixels beyond a
pixel it sees: the ``task.margin`` with which a crop gives what the whole slice gives. A network
with a field ``spread`` can say how sure it is. To add a network: one file in this room and one line
in :data:`NETWORKS`.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from qsr_jax.models.residual import Residual
from qsr_jax.models.rrdb import Rrdb
from qsr_jax.models.srgan import Generator
from qsr_jax.models.swinir import SwinIR
from qsr_jax.models.unet import UNet
from qsr_jax.types import CORNER

NETWORKS: dict[str, type[nn.Module]] = {
    "srgan": Generator,
    "residual": Residual,
    "unet": UNet,
    "rrdb": Rrdb,
    "swinir": SwinIR,
}
"""Every network that can be asked for by name."""

SURROUNDINGS = ("scale", "channels", "alignment", "axis_name", "dtype", "remat")
"""Fields that a page never sets."""


class ModelError(ValueError):
    """No such network, or a field that it does not have or cannot take."""


def own_fields(network: type[nn.Module]) -> dict[str, Any]:
    """Names and types of the fields that a page may set."""
    foreign = {*SURROUNDINGS, "name", "parent"}
    return {f.name: f.type for f in dataclasses.fields(network) if f.name not in foreign}


def build_model(
    name: str,
    *,
    scale: int,
    channels: int,
    alignment: str = CORNER,
    axis_name: str | None = None,
    precision: str = "float32",
    remat: bool = False,
    **fields: Any,
) -> nn.Module:
    """Makes a network.

    Args:
        name: a key of :data:`NETWORKS`.
        scale: factor between its grids.
        channels: maps that come out.
        alignment: how the fine grid lies on the coarse one.
        axis_name: device axis over which batch statistics are shared, or None.
        precision: of its convolutions, "float32" or "bfloat16".
        remat: whether the backward pass computes blocks again instead of keeping them.
        **fields: the network's own fields, all that have no default.

    Raises:
        ModelError: an unknown name or field, a missing one, or a value out of its range.

    Example:
        >>> build_model("residual", scale=2, channels=3, features=8, blocks=1).channels
        3
    """
    if name not in NETWORKS:
        raise ModelError(f"model.name is {name!r}; known: {', '.join(NETWORKS)}")
    network = NETWORKS[name]
    check_fields(name, fields)
    around = {
        "alignment": alignment,
        "axis_name": axis_name,
        "dtype": None if precision == "float32" else jnp.dtype(precision),
        "remat": remat,
    }
    declared = {field.name for field in dataclasses.fields(network)}
    around = {key: value for key, value in around.items() if key in declared}
    try:
        return network(scale=scale, channels=channels, **around, **fields)
    except ValueError as error:  # fields that do not fit together
        raise ModelError(str(error)) from error


def check_fields(name: str, fields: Mapping[str, Any]) -> None:
    """Refuses fields that the network ``name`` does not have, lacks, or cannot take.

    Raises:
        ModelError: naming the field, what was expected and what was given.
    """
    network = NETWORKS[name]
    own = own_fields(network)
    for key in fields.keys() - own.keys():
        raise ModelError(f"model.{key}: {name} has no such field; it has {', '.join(own)}")
    defaults = {f.name for f in dataclasses.fields(network) if f.default is not dataclasses.MISSING}
    for key in own.keys() - fields.keys() - defaults:
        raise ModelError(f"model.{key} is missing; {name} needs {', '.join(own)}")
    for key, value in fields.items():
        if own[key] not in (int, float, bool, str):
            continue  # the network knows what its other kinds may be
        kinds = (int, float) if own[key] is float else (own[key],)
        if not isinstance(value, kinds) or (own[key] is not bool and isinstance(value, bool)):
            raise ModelError(f"model.{key} is {value!r}; expected {own[key].__name__}")
        if own[key] in (int, float):
            low, high = getattr(network, "RANGES", {}).get(key, (-math.inf, math.inf))
            if not low <= value <= high:
                raise ModelError(f"model.{key} is {value!r}; expected {low:g} to {high:g}")
