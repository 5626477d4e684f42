"""T1, T2 and PD from the T1-weighted, T2-weighted and FLAIR image of a scan, and its times.

What the intensities are worth decides what can be learned. Of one receive chain ("common") three
signals give three unknowns pixel by pixel, and the network gets the pixelwise solution beside the
images (:mod:`qsr_jax.physics.weighted_fit`). Where every series has a gain of its own ("free") they
do not; the solution is then zeros, a flag says so, and anatomy has to tell. One network learns
both, and times that nobody knows ("?" at the door) are hidden at random in training. A contrast
that is absent is an image without signal whose times nobody knows; a network can do without one if
it was trained so.

Maps are in logarithmic scale around white and grey matter: T1 = 1100 e^a ms, T2 = 80 e^b ms, PD =
75 (1 + c) %.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import ACQUISITION, CONTRASTS, parse_bands
from qsr_jax.physics.weighted_fit import weighted_fit
from qsr_jax.tasks.crops import crop_and_flip, sample_keys
from qsr_jax.tasks.example import Example
from qsr_jax.tasks.joint_maps import DRAWS, JointMaps
from qsr_jax.tasks.remap import Remapping
from qsr_jax.tasks.scaling import CENTRED, CentredScale
from qsr_jax.tasks.spread import ONE_SIGMA
from qsr_jax.tasks.weighted_inputs import (
    Receive,
    constant_maps,
    drawn_receive,
    known_receive,
    numbers_of,
    thumbnail_of,
    times_of,
    told_of,
    without_one,
)
from qsr_jax.types import TRUTH, Batch

COMMON, FREE, BOTH = "common", "free", "both"
INTENSITIES = (COMMON, FREE, BOTH)
"""What the intensities of the three contrasts have in common: one gain, none, or now this, now
that."""


@dataclasses.dataclass(frozen=True)
class WeightedToMaps(JointMaps):
    """One network from three contrasts and seven times to three maps on the same grid.

    Attributes:
        intensities: one of :data:`INTENSITIES`; with "both" half of the training samples each.
        parameters: whether times are told at all; False hides all of them, always.
        constant_maps: whether the numbers stand as constant channels behind the images.
        physics: whether the pixelwise solution stands behind the images.
        blended: whether that is the mean of all that explain a pixel, and not the best of them.
        unknown: share of the training samples in which every time is hidden with even odds.
        absent: share of the training samples that lack one contrast.
        held_out: bands of times that it was not trained on, see
            :func:`qsr_jax.acquisition.parse_bands`.

    Raises:
        ValueError: a value that cannot be, or a batch of other channels.
    """

    scale: int = 1
    target: str = TRUTH
    intensities: str = BOTH
    parameters: bool = True
    constant_maps: bool = False
    physics: bool = True
    blended: bool = False
    unknown: float = 0.1
    absent: float = 0.0
    held_out: str = ""

    KIND: ClassVar[str] = "weighted_to_maps"
    SEES_MAPS: ClassVar[bool] = False
    ONLY_SCALE: ClassVar[int | None] = 1
    TOLD: ClassVar[tuple[str, ...]] = ("times", "numbers", "thumbnail")
    COVERS: ClassVar[float] = ONE_SIGMA

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        super().__post_init__()
        if self.names != tuple(CENTRED):
            raise ValueError(f"{self.KIND} of {self.names}; expected map=t1+t2+pd, all of them")
        fixed = (self.scale, self.context, self.margin, self.log_maps, self.target, self.remapping)
        if fixed != (1, 1, 0, (), TRUTH, Remapping()):
            raise ValueError(
                f"{self.KIND} with scale, context, margin, log_maps, target, remap {fixed}; "
                f"expected 1, 1, 0, (), {TRUTH!r} and no remapping: it is one slice to its truth"
            )
        shares = (self.unknown, self.absent)
        if self.intensities not in INTENSITIES or not all(0.0 <= x <= 1.0 for x in shares):
            raise ValueError(
                f"weighted.intensities is {self.intensities!r}, weighted.unknown {self.unknown}, "
                f"weighted.absent {self.absent}; expected one of {INTENSITIES} and 0 to 1"
            )
        parse_bands(self.held_out)
        if self.physics and not self.parameters:
            raise ValueError("weighted.physics needs the times; set weighted.parameters=True")

    @property
    def scales(self) -> tuple[CentredScale, ...]:
        """The network scale of every map."""
        return tuple(CENTRED.values())

    @property
    def fits_gains(self) -> bool:
        """Whether images brought to one gain tell the network more."""
        return self.physics and self.intensities != FREE

    def describe(self) -> dict[str, Any]:
        """Name and the fields that prediction needs."""
        kept = ("intensities", "parameters", "constant_maps", "physics", "unknown")
        kept_too = ("absent", "held_out", "blended")
        return super().describe() | {name: getattr(self, name) for name in kept + kept_too}

    def blank(self, side: int = 32) -> Batch:
        """A made-up batch of one slice, without signal."""
        image = np.zeros((1, side, side, len(CONTRASTS)), np.uint16)
        return {
            "lr": image,
            "hr": image,
            "mask": np.zeros((1, side, side, 1), np.uint8),
            "acquisition_ms": np.full((1, len(ACQUISITION)), np.nan, np.float32),
            "sample_id": np.zeros(1, np.int32),
        }

    def example(self, batch: Batch, *, step: jax.Array) -> Example:
        """See :class:`qsr_jax.tasks.example.Task`; gains and hidden times are drawn anew."""
        samples = sample_keys(self.seed, step, batch["sample_id"])
        free = {COMMON: 0.0, FREE: 1.0, BOTH: 0.5}[self.intensities]
        seen = without_one(_contrasts(batch), samples, absent=self.absent)
        batch = {**batch, "lr": seen}
        receive = drawn_receive(
            seen,
            batch["mask"],
            self._told(seen, batch["acquisition_ms"]),
            samples,
            free=free,
            unknown=self.unknown,
        )
        images = crop_and_flip(
            batch,
            scale=1,
            crop=self.crop,
            margin=0,
            seed=self.seed,
            step=step,
            flip=self.flip,
        )
        keys = jax.vmap(jax.random.fold_in, (0, None))(samples, DRAWS)
        return self._shown(images, receive, thumbnail_of(seen, receive), keys)

    def whole(self, batch: Batch) -> Example:
        """See :class:`qsr_jax.tasks.example.Task`; all times told, one gain unless "free"."""
        images, mask = _contrasts(batch), batch["mask"]
        common = self.intensities != FREE
        told = self._told(images, batch["acquisition_ms"])
        receive = known_receive(images, mask, told, common=common)
        keys = sample_keys(self.seed, jnp.int32(0), batch["sample_id"])
        return self._shown(batch, receive, thumbnail_of(images, receive), keys)

    def seen(
        self, images: jax.Array, mask: jax.Array, acquisition_ms: jax.Array, *, common: bool
    ) -> dict[str, jax.Array]:
        """What the network sees of a scan.

        Args:
            images: (z, h, w, 3) T1w, T2w, FLAIR, of any gain.
            mask: (z, h, w, 1), the brain: what brightness is judged by.
            acquisition_ms: (z, 7); NaN is unknown.
            common: whether the three share one gain.
        """
        told = self._told(images, acquisition_ms)
        receive = known_receive(images, mask, told, common=common)
        return self.inputs_of(images / receive.gain, receive, thumbnail_of(images, receive))

    def inputs(self, physical: jax.Array) -> dict[str, jax.Array]:
        """No maps go in.

        Raises:
            ValueError: always.
        """
        del physical
        raise ValueError(f"{self.KIND} takes weighted images with their times, got maps; use seen")

    def middle(self, lr: jax.Array) -> jax.Array:
        """The pixelwise solution, or typical tissue everywhere, in network scale."""
        count = len(CONTRASTS)
        return lr[..., count : 2 * count] if self.physics else jnp.zeros_like(lr[..., :count])

    def inputs_of(
        self, scaled: jax.Array, receive: Receive, thumbnail: jax.Array
    ) -> dict[str, jax.Array]:
        """Images in units of water (n, h, w, 3) as what the network sees."""
        channels = [scaled]
        if self.physics:
            channels.append(self._solved(scaled, receive))
        if self.constant_maps:
            channels.append(constant_maps(receive, *scaled.shape[1:3]))
        return {
            "lr": jnp.concatenate(channels, -1),
            "times": times_of(receive),
            "numbers": numbers_of(receive),
            "thumbnail": thumbnail,
        }

    def _solved(self, scaled: jax.Array, receive: Receive) -> jax.Array:
        """The pixelwise maps in network scale; zeros where nothing can be solved."""
        found = weighted_fit(scaled, receive.filled_ms, mean=self.blended)
        maps = jax.lax.stop_gradient(found)
        maps = maps * jnp.array([1.0, 1.0, 100.0])  # water is 1 in the images and 100 % in PD
        solved = jnp.stack([s.to_network(maps[..., i]) for i, s in enumerate(self.scales)], -1)
        return jnp.where(receive.solvable[:, None, None, None], jnp.clip(solved, -3.0, 3.5), 0.0)

    def _shown(
        self, images: Batch, receive: Receive, thumbnail: jax.Array, keys: jax.Array
    ) -> Example:
        self._check(images["hr"].shape[-1], len(self.names), "hr of a batch")
        scaled = _contrasts(images) / receive.gain
        target = [s.from_stored(images["hr"][..., i]) for i, s in enumerate(self.scales)]
        return Example(
            inputs=self.inputs_of(scaled, receive, thumbnail),
            target=jnp.stack(target, -1),
            mask=(images["mask"] > 0).astype(jnp.float32),
            keys=keys,
            extras={},
        )

    def _told(self, images: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
        """The times, or none of them; what fills a batch up has none either, but zeros."""
        return jnp.where(self.parameters, told_of(images, acquisition_ms), jnp.nan)


def _contrasts(batch: Batch) -> jax.Array:
    """The stored images of a batch, (n, h, w, 3); any unit will do, for gains are taken out."""
    if batch["lr"].shape[-1] != len(CONTRASTS):
        raise ValueError(
            f"lr of a batch has {batch['lr'].shape[-1]} channels; expected {', '.join(CONTRASTS)}"
        )
    return batch["lr"].astype(jnp.float32)
