"""Several maps of one scan at once, coarse to fine, with neighbouring slices if wanted."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.losses.likelihood import LEAST_LOG_SPREAD
from qsr_jax.ops.resample import upsample
from qsr_jax.tasks.crops import crop_and_flip, sample_keys, with_margin
from qsr_jax.tasks.example import Example
from qsr_jax.tasks.remap import Remapping, remapped
from qsr_jax.tasks.scaling import CentredScale, MapScale, PartScale, scales_of
from qsr_jax.tasks.spread import COVERED
from qsr_jax.types import ALIGNMENTS, CORNER, REPEAT, ROUTINE, TARGETS, Batch

CONTEXTS = (1, 3, 5)
"""Slices that a network may see at a time."""

DRAWS = 0x5EED
"""Sets an objective's own draws apart from those of crops and flips."""

SCAN = 3
"""Sets the draw of one of several target scans apart from those of crops, flips and values."""


@dataclasses.dataclass(frozen=True)
class JointMaps:
    """One network for all maps: input channels are slices from below to above, maps within each.

    Attributes:
        names: the maps, in the order of the channels.
        scale: factor between the grids.
        alignment: how the fine grid lies on the coarse one.
        context: slices seen, of which the middle one is made; beyond the stack its end is repeated.
        margin: coarse pixels of air around a slice, and of neighbourhood around a crop, that the
            network sees and no loss is taken on.
        log_maps: maps whose network scale is logarithmic.
        target: one of :data:`qsr_jax.types.TARGETS`; for "repeat" the channels of ``hr`` are those
            of all scans, the one that validation judges by first.
        remapping: how far values of training are moved at random.
        crop: side of the coarse crop in training; 0: whole slices.
        flip: whether half of the samples are mirrored in training.
        seed: of the crops, flips and values.

    Raises:
        ValueError: a value that cannot be, or a batch of other channels.
    """

    names: tuple[str, ...]
    scale: int
    alignment: str = CORNER
    context: int = 1
    margin: int = 0
    log_maps: tuple[str, ...] = ()
    target: str = ROUTINE
    remapping: Remapping = Remapping()
    crop: int = 0
    flip: bool = False
    seed: int = 0

    KIND: ClassVar[str] = "joint_maps"
    SEES_MAPS: ClassVar[bool] = True
    """Whether what goes in are the maps that come out, of another scan."""
    ONLY_SCALE: ClassVar[int | None] = None
    """The one factor between the grids that it knows, if there is only one."""
    TOLD: ClassVar[tuple[str, ...]] = ()
    """What it tells beside the image, by the names in an example's inputs."""
    COVERS: ClassVar[float] = COVERED
    """Share of voxels that calibrated standard deviations cover, of spread.WIDTHS."""

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(f"task of the maps {self.names}; expected each once, at least one")
        if self.context not in CONTEXTS:
            raise ValueError(f"task.context is {self.context}; expected one of {CONTEXTS}")
        if self.target not in TARGETS:
            raise ValueError(f"task.target is {self.target!r}; expected one of {TARGETS}")
        if not 0 <= self.margin <= 64:
            raise ValueError(f"task.margin is {self.margin}; expected 0 to 64 coarse pixels")
        if self.scale < 1 or self.alignment not in ALIGNMENTS or self.crop < 0:
            raise ValueError(
                f"task of scale {self.scale}, alignment {self.alignment!r}, crop {self.crop}; "
                f"expected a scale of 1 or more, one of {ALIGNMENTS}, a crop of 0 or more"
            )
        scales_of(self.names, self.log_maps)

    @property
    def scales(self) -> tuple[MapScale | CentredScale | PartScale, ...]:
        """The network scale of every map."""
        return scales_of(self.names, self.log_maps)

    def describe(self) -> dict[str, Any]:
        """Name and the fields that prediction needs."""
        kept = ("scale", "alignment", "context", "margin", "target")
        fields = {name: getattr(self, name) for name in kept}
        lists = {"names": list(self.names), "log_maps": list(self.log_maps)}
        return {"name": self.KIND, **fields, **lists}

    def blank(self, side: int = 32) -> Batch:
        """A made-up batch of one slice, small: no parameter's shape depends on its size."""
        channels, fine = len(self.names), (1, side * self.scale, side * self.scale)
        return {
            "lr": np.zeros((1, side, side, channels * self.context), np.uint16),
            "hr": np.zeros((*fine, channels), np.uint16),
            "mask": np.zeros((*fine, 1), np.uint8),
            "sample_id": np.zeros(1, np.int32),
        }

    def example(self, batch: Batch, *, step: jax.Array) -> Example:
        """See :class:`qsr_jax.tasks.example.Task`; ``lr`` may hold the slices beside each."""
        images = crop_and_flip(
            batch,
            scale=self.scale,
            crop=self.crop,
            margin=self.margin,
            seed=self.seed,
            step=step,
            flip=self.flip,
        )
        samples = sample_keys(self.seed, step, batch["sample_id"])
        if self.target == REPEAT:
            images["hr"] = self._one_scan(images["hr"], samples)
        keys = jax.vmap(jax.random.fold_in, (0, None))(samples, DRAWS)
        return self._example(images, keys, batch, moved_by=samples)

    def whole(self, batch: Batch) -> Example:
        """See :class:`qsr_jax.tasks.example.Task`."""
        images = {name: batch[name] for name in ("lr", "hr", "mask")}
        if self.target == REPEAT:
            images["hr"] = self.judged(images["hr"])
        images = with_margin(images, scale=self.scale, margin=self.margin)
        keys = sample_keys(self.seed, jnp.int32(0), batch["sample_id"])
        return self._example(images, keys, batch)

    def inputs(self, physical: jax.Array) -> dict[str, jax.Array]:
        """See :class:`qsr_jax.tasks.example.Task`."""
        self._check(physical.shape[-1], len(self.names), "a volume")
        channels = [s.to_network(physical[..., i : i + 1]) for i, s in enumerate(self.scales)]
        network = jnp.concatenate(channels, -1)
        margins = ((0, 0), (self.margin,) * 2, (self.margin,) * 2, (0, 0))
        network = jnp.pad(network, margins, constant_values=-1.0)
        places = neighbours(jnp.arange(len(network)), len(network) - 1, self.context)
        return {"lr": jnp.concatenate([network[place] for place in places], -1)}

    def physical(self, network: jax.Array) -> jax.Array:
        """See :class:`qsr_jax.tasks.example.Task`."""
        self._check(network.shape[-1], len(self.names), "an output")
        return self.in_units(inner_part(network, self.margin * self.scale))

    def in_units(self, network: jax.Array) -> jax.Array:
        """See :class:`qsr_jax.tasks.example.Task`."""
        return jnp.stack([s.from_network(network[..., i]) for i, s in enumerate(self.scales)], -1)

    def physical_spread(self, network: jax.Array, log_spread: jax.Array) -> jax.Array:
        """Standard deviations in physical units of an output and the logarithm of its spread.

        To first order (delta method): the spread in network scale times the slope of the scale
        there. Exact where the scale is linear; where it is logarithmic a spread of 10 % of the
        value comes out 0.7 % too small, one of 30 % 7 %.

        Args:
            network: (n, h, w, c), margins and all.
            log_spread: the same shape.
        """
        least = jnp.maximum(log_spread, LEAST_LOG_SPREAD)
        inner, spread = (
            inner_part(images, self.margin * self.scale) for images in (network, jnp.exp(least))
        )
        slopes = [s.slope(inner[..., i]) for i, s in enumerate(self.scales)]
        return jnp.stack(slopes, -1) * spread

    def judged(self, stored: jax.Array) -> jax.Array:
        """Of the target scans in the channels of ``hr`` the one that validation judges by."""
        return stored[..., : len(self.names)]

    def baseline(self, inputs: Mapping[str, jax.Array]) -> jax.Array:
        """Cubic interpolation of the slice itself."""
        own = self.middle(inputs["lr"])
        return upsample(own, scale=self.scale, alignment=self.alignment, method="cubic")

    def middle(self, lr: jax.Array) -> jax.Array:
        """The channels of the slice itself, (n, h, w, c), without those of its neighbours."""
        first = self.context // 2 * len(self.names)
        return lr[..., first : first + len(self.names)]

    def _one_scan(self, stored: jax.Array, keys: jax.Array) -> jax.Array:
        """One of the scans (n, h, w, scans * c) of every sample, at random, (n, h, w, c)."""
        scans = stored.shape[-1] // len(self.names)
        each = stored.reshape(*stored.shape[:3], scans, len(self.names))
        drawn = jax.vmap(
            lambda key: jax.random.randint(jax.random.fold_in(key, SCAN), (), 0, scans)
        )
        return jnp.take_along_axis(each, drawn(keys)[:, None, None, None, None], 3)[..., 0, :]

    def _example(
        self,
        images: Mapping[str, jax.Array],
        keys: jax.Array,
        batch: Batch,
        *,
        moved_by: jax.Array | None = None,
    ) -> Example:
        count = len(self.names)
        self._check(images["lr"].shape[-1], count * self.context, "lr of a batch")
        self._check(images["hr"].shape[-1], count, "hr of a batch")
        known = {"lr", "hr", "mask", "sample_id"}
        return Example(
            inputs={"lr": self._scaled(images["lr"], moved_by, 1, batch)},
            target=self._scaled(images["hr"], moved_by, self.scale, batch),
            mask=(images["mask"] > 0).astype(jnp.float32),
            keys=keys,
            extras={name: array for name, array in batch.items() if name not in known},
            margin=self.margin * self.scale,
        )

    def _scaled(
        self, stored: jax.Array, moved_by: jax.Array | None, finer: int, batch: Batch
    ) -> jax.Array:
        """Stored values, maps repeating along the channels, in network scale; moved if wanted."""
        scales = self.scales * (stored.shape[-1] // len(self.names))
        if moved_by is None or not self.remapping.acts:
            channels = [s.from_stored(stored[..., i : i + 1]) for i, s in enumerate(scales)]
            return jnp.concatenate(channels, -1)
        slopes = jnp.array([s.spec.slope for s in scales], jnp.float32)
        physical = remapped(
            stored.astype(jnp.float32) * slopes,
            moved_by,
            tuple(s.spec for s in self.scales),
            self.remapping,
            finer=finer,
            alignment=self.alignment,
            side=batch["lr"].shape[1],
        )
        return jnp.concatenate(
            [s.to_network(physical[..., i : i + 1]) for i, s in enumerate(scales)], -1
        )

    def _check(self, channels: int, expected: int, what: str) -> None:
        """Refuses other channels: each map has a scale of its own."""
        if channels != expected:
            raise ValueError(
                f"{what} has {channels} channels; expected {expected}: {', '.join(self.names)}"
                + (f" of {self.context} slices" if expected > len(self.names) else "")
            )


def neighbours(index: Any, last: Any, context: int) -> list[Any]:
    """Indices of the slices beside ``index``, from below to above, within 0..``last``.

    Example:
        >>> import numpy as np
        >>> [i.tolist() for i in neighbours(np.arange(3), 2, 3)]
        [[0, 0, 1], [0, 1, 2], [1, 2, 2]]
    """
    reach = context // 2
    return [jnp.clip(index + offset, 0, last) for offset in range(-reach, reach + 1)]


def inner_part(images: jax.Array, margin: int) -> jax.Array:
    """(n, h, w, c) without ``margin`` pixels on every side."""
    height, width = images.shape[1:3]
    return images[:, margin : height - margin, margin : width - margin]
