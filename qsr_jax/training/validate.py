"""How far a generator is from the routine scan on validation subjects, in physical units."""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.maps import MapSpec, from_network, to_network
from qsr_jax.training.processes import in_turn
from qsr_jax.training.state import Variables
from qsr_jax.types import Batch

Upsampler = Callable[[Variables, jax.Array], jax.Array]
"""(variables, lr in network scale) to hr in network scale."""


SUMS = 5
"""How many sums a scorer makes of a batch."""


def make_scorer(upsampler: Upsampler, spec: MapSpec) -> Callable[[Variables, Batch], jax.Array]:
    """Compiles (variables, batch) -> masked sums, in map units.

    They are: voxels, |error|, error, error^2, reference.
    """

    @jax.jit
    def score(variables: Variables, batch: Batch) -> jax.Array:
        lr = to_network(batch["lr"].astype(jnp.float32) * spec.slope, spec)
        sr = from_network(upsampler(variables, lr), spec)
        inside = (batch["mask"] > 0).astype(jnp.float32)
        hr = batch["hr"].astype(jnp.float32) * spec.slope
        error = (sr - hr) * inside
        parts = (inside, jnp.abs(error), error, jnp.square(error), hr * inside)
        return jnp.stack([part.sum() for part in parts])

    return score


def validation_scores(
    score: Callable[[Variables, Batch], jax.Array],
    variables: Variables,
    batches: Iterable[Batch],
    spec: MapSpec,
) -> dict[str, float]:
    """Masked error over all validation voxels, from sums and one count.

    Args:
        score: of :func:`make_scorer`.
        variables: of the generator.
        batches: this process' share of the batches, dealt in turn; the scores are those of all.
        spec: the map.

    Returns:
        ``mae`` and ``bias`` in the unit of the map (named so: ``mae_ms``, ``mae_percent``),
        ``relative_bias_percent`` of the reference's mean, and ``psnr_db`` inside the mask with
        ``spec.scanner_max`` as data range.
    """
    rows = [np.asarray(score(variables, batch)) for batch in batches]
    everyone = in_turn(np.asarray(rows, np.float32).reshape(-1, SUMS))
    totals = sum(row.astype(np.float64) for row in everyone)
    voxels, absolute, signed, squared, reference = totals
    unit = {"ms": "ms", "%": "percent"}[spec.unit]
    return {
        f"mae_{unit}": absolute / voxels,
        f"bias_{unit}": signed / voxels,
        "relative_bias_percent": 100.0 * signed / reference,
        "psnr_db": 10.0 * np.log10(spec.scanner_max**2 / (squared / voxels)),
    }
