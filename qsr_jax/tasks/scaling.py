"""From physical units to network scale and back, map by map."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from qsr_jax.maps import MapSpec, from_network, spec_of, to_network

LOG_OFFSET = 0.01
"""Of the logarithmic scale, in parts of ``network_max``: 22 ms of T2. Below it the scale is nearly
linear, so that the noise of air is not blown up; tissue lies above it. Ours."""


@dataclasses.dataclass(frozen=True)
class MapScale:
    """Network scale of one map: 0 is -1 and ``network_max`` is +1.

    The paper's scale is linear. The logarithmic one gives a tissue of 80 ms T2 as much room as
    water's 2000 ms: ``2 ln(1 + x / o) / ln(1 + m / o) - 1`` with m the ``network_max`` and o
    :data:`LOG_OFFSET` of it.

    Attributes:
        spec: the map.
        logarithmic: whether the scale is.

    Example:
        >>> scale = MapScale(spec_of("t2"), logarithmic=True)
        >>> round(float(scale.to_network(jnp.float32(0.0))), 3)
        -1.0
        >>> round(float(scale.from_network(scale.to_network(jnp.float32(80.0)))), 3)
        80.0
    """

    spec: MapSpec
    logarithmic: bool = False

    @property
    def _offset(self) -> float:
        return LOG_OFFSET * self.spec.network_max

    @property
    def _decades(self) -> float:
        return math.log1p(1.0 / LOG_OFFSET)

    def to_network(self, physical: jax.Array) -> jax.Array:
        """Physical values, >= 0, to network scale."""
        if not self.logarithmic:
            return to_network(physical, self.spec)
        return jnp.log1p(physical / self._offset) * (2.0 / self._decades) - 1.0

    def from_network(self, network: jax.Array) -> jax.Array:
        """Network scale to physical values; the inverse of :meth:`to_network`."""
        if not self.logarithmic:
            return from_network(network, self.spec)
        return jnp.expm1((network + 1.0) * (0.5 * self._decades)) * self._offset

    def slope(self, network: jax.Array) -> jax.Array:
        """Physical units per unit of network scale, at values in network scale."""
        if not self.logarithmic:
            return jnp.full_like(network, 0.5 * self.spec.network_max)
        rate = 0.5 * self._decades
        return rate * self._offset * jnp.exp((network + 1.0) * rate)

    def from_stored(self, stored: jax.Array) -> jax.Array:
        """Stored values to network scale, float32."""
        return self.to_network(stored.astype(jnp.float32) * jnp.float32(self.spec.slope))


def scales_of(names: tuple[str, ...], logarithmic: tuple[str, ...] = ()) -> tuple[MapScale, ...]:
    """The scales of maps, in their order.

    Raises:
        ValueError: an unknown map, or a logarithmic one that is not among them.
    """
    foreign = [name for name in logarithmic if name not in names]
    if foreign:
        raise ValueError(f"task.log_maps names {foreign[0]!r}; the maps are {', '.join(names)}")
    return tuple(MapScale(spec_of(name), name in logarithmic) for name in names)


@dataclasses.dataclass(frozen=True)
class CentredScale:
    """Network scale of one map around a usual value: ``ln(x / centre)``, or ``x / centre - 1``.

    Nothing bounds it. Below the map's ``measured_min`` the logarithm stays where it is there.

    Attributes:
        spec: the map.
        centre: physical value that is 0.
        logarithmic: whether the scale is.

    Example:
        >>> scale = CENTRED["t1"]
        >>> round(float(scale.to_network(jnp.float32(1100.0))), 3)
        0.0
        >>> round(float(scale.from_network(jnp.float32(-0.2))), 1)
        900.6
    """

    spec: MapSpec
    centre: float
    logarithmic: bool

    def to_network(self, physical: jax.Array) -> jax.Array:
        """Physical values, >= 0, to network scale."""
        ratio = physical / self.centre
        if not self.logarithmic:
            return ratio - 1.0
        return jnp.log(jnp.maximum(ratio, self.spec.measured_min / self.centre))

    def from_network(self, network: jax.Array) -> jax.Array:
        """Network scale to physical values; the inverse of :meth:`to_network`."""
        ratio = jnp.exp(network) if self.logarithmic else 1.0 + network
        return ratio * self.centre

    def slope(self, network: jax.Array) -> jax.Array:
        """Physical units per unit of network scale, at values in network scale."""
        return self.centre * (jnp.exp(network) if self.logarithmic else jnp.ones_like(network))

    def from_stored(self, stored: jax.Array) -> jax.Array:
        """Stored values to network scale, float32."""
        return self.to_network(stored.astype(jnp.float32) * jnp.float32(self.spec.slope))


@dataclasses.dataclass(frozen=True)
class PartScale:
    """Network scale in parts of a whole: 0 is 0 and ``whole`` is 1.

    Attributes:
        spec: the map.
        whole: physical value that is 1.

    Example:
        >>> scale = PartScale(spec_of("pd"), 100.0)
        >>> round(float(scale.to_network(jnp.float32(80.0))), 3)
        0.8
        >>> round(float(scale.from_network(jnp.float32(0.8))), 3)
        80.0
    """

    spec: MapSpec
    whole: float

    def to_network(self, physical: jax.Array) -> jax.Array:
        """Physical values to network scale."""
        return physical / self.whole

    def from_network(self, network: jax.Array) -> jax.Array:
        """Network scale to physical values; the inverse of :meth:`to_network`."""
        return network * self.whole

    def slope(self, network: jax.Array) -> jax.Array:
        """Physical units per unit of network scale, at values in network scale."""
        return jnp.full_like(network, self.whole)

    def from_stored(self, stored: jax.Array) -> jax.Array:
        """Stored values to network scale, float32."""
        return self.to_network(stored.astype(jnp.float32) * jnp.float32(self.spec.slope))


CENTRED: dict[str, CentredScale] = {
    name: CentredScale(spec_of(name), centre, logarithmic)
    for name, centre, logarithmic in (
        ("t1", 1100.0, True),
        ("t2", 80.0, True),
        ("pd", 75.0, False),
    )
}
"""Scales around white and grey matter, for maps that are made from something else."""
