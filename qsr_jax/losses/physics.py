"""Distance of two sets of maps in what a scanner would show of them."""

import jax
import jax.numpy as jnp

from qsr_jax.losses.pixel import weighted_mean
from qsr_jax.physics.synthetic_contrast import SEQUENCES, weighted


def contrast_consistency(
    sr: jax.Array,
    hr: jax.Array,
    weights: jax.Array | None = None,
    *,
    names: tuple[str, ...],
    sequence: str = "t2w",
) -> jax.Array:
    """Mean absolute difference of synthetic images, in parts of the signal of water at TE 0, (n,).

    Args:
        sr: (n, h, w, c) maps in physical units, clamped to 0 from below here.
        hr: the same of the reference.
        weights: (n, h, w, 1), or None.
        names: of the channels; t1, t2 and pd must be among them.
        sequence: a key of :data:`qsr_jax.physics.synthetic_contrast.SEQUENCES`.

    Raises:
        ValueError: a map is missing, or no such sequence.

    Example:
        >>> import jax.numpy as jnp
        >>> tissue = jnp.broadcast_to(jnp.array([800.0, 75.0, 70.0]), (1, 4, 4, 3))
        >>> contrast_consistency(tissue, tissue, names=("t1", "t2", "pd")).tolist()
        [0.0]
    """
    if not {"t1", "t2", "pd"} <= set(names):
        raise ValueError(
            f"a synthetic image needs t1, t2 and pd; the maps are {', '.join(names)}: set its "
            "loss weight to 0, or map to t1+t2+pd"
        )
    if sequence not in SEQUENCES:
        raise ValueError(f"sequence {sequence!r} is not one of {', '.join(SEQUENCES)}")

    def image(maps: jax.Array) -> jax.Array:
        t1_ms, t2_ms, pd_percent = (
            jnp.maximum(maps[..., names.index(name)], 0.0) for name in ("t1", "t2", "pd")
        )
        return weighted(t1_ms, t2_ms, pd_percent, SEQUENCES[sequence])[..., None] / 100.0

    return weighted_mean(jnp.abs(image(sr) - image(hr)), weights)
