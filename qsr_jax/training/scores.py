"""How far a network is from the routine scan on validation subjects, in physical units."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.maps import spec_of
from qsr_jax.tasks import Example, JointMaps
from qsr_jax.training.processes import in_turn
from qsr_jax.types import Batch

SUMS = ("voxels", "absolute", "signed", "squared", "reference")
"""Masked sums of one map that a scorer makes of a batch, in the unit of the map."""

Scorer = Callable[..., jax.Array]
"""(variables, batch) to masked sums, (c, :data:`SUMS`)."""


def make_scorer(probe: Callable[..., jax.Array], task: JointMaps) -> Scorer:
    """Compiles (variables, batch) -> masked sums of every map.

    Args:
        probe: (variables, example) to the output in network scale.
        task: makes examples, and physical units of outputs.
    """

    @jax.jit
    def score(variables: Mapping, batch: Batch) -> jax.Array:
        example: Example = task.whole(batch)
        with jax.default_matmul_precision("highest"):
            made = task.physical(probe(variables, example))
        hr = _reference(task.judged(batch["hr"]), task)
        inside = (batch["mask"] > 0).astype(jnp.float32) * jnp.ones_like(hr)
        error = (made - hr) * inside
        parts = (inside, jnp.abs(error), error, jnp.square(error), hr * inside)
        return jnp.stack([part.sum((0, 1, 2)) for part in parts], -1)

    return score


def _reference(stored: jax.Array, task: JointMaps) -> jax.Array:
    slopes = jnp.array([spec_of(name).slope for name in task.names], jnp.float32)
    return stored.astype(jnp.float32) * slopes


def validation_scores(
    score: Scorer, variables: Mapping, batches: Iterable[Batch], names: tuple[str, ...]
) -> dict[str, float]:
    """Masked error over all validation voxels, from sums and one count.

    Args:
        score: of :func:`make_scorer`.
        variables: of the served network.
        batches: this process' share of the batches, dealt in turn; the scores are those of all.
        names: of the maps.

    Returns:
        Of one map ``mae`` and ``bias`` in its unit (named so: ``mae_ms``, ``mae_percent``),
        ``relative_bias_percent`` of the reference's mean, and ``pooled_psnr_db``: of the mean
        squared error of *all* voxels in the mask together, with ``scanner_max`` as data range (the
        report's PSNR is a mean over slices and subjects). Of several maps each of these under
        ``<map>_``, and ``relative_bias_percent`` of the map that is worst, ``pooled_psnr_db`` as
        their mean.
    """
    rows = [np.asarray(score(variables, batch)) for batch in batches]
    everyone = in_turn(np.asarray(rows, np.float32).reshape(-1, len(names) * len(SUMS)))
    totals = sum(row.astype(np.float64) for row in everyone).reshape(len(names), len(SUMS))
    of = {name: _scores(name, row) for name, row in zip(names, totals, strict=True)}
    if len(names) == 1:
        return of[names[0]]
    flat = {f"{name}_{key}": v for name, scores in of.items() for key, v in scores.items()}
    worst = max((s["relative_bias_percent"] for s in of.values()), key=abs)
    mean = float(np.mean([s["pooled_psnr_db"] for s in of.values()]))
    return flat | {"relative_bias_percent": worst, "pooled_psnr_db": mean}


def _scores(name: str, totals: np.ndarray) -> dict[str, float]:
    voxels, absolute, signed, squared, reference = (float(v) for v in totals)
    spec = spec_of(name)
    unit = {"ms": "ms", "%": "percent"}[spec.unit]
    return {
        f"mae_{unit}": absolute / voxels,
        f"bias_{unit}": signed / voxels,
        "relative_bias_percent": 100.0 * signed / reference,
        "pooled_psnr_db": 10.0 * math.log10(spec.scanner_max**2 / (squared / voxels)),
    }


@dataclasses.dataclass(frozen=True, order=False)
class SelectionScore:
    """What chooses the best checkpoint: what its numbers are worth, not a loss.

    Attributes:
        relative_bias_percent: masked mean error over the masked mean of the routine map.
        pooled_psnr_db: masked.
    """

    relative_bias_percent: float
    pooled_psnr_db: float

    @classmethod
    def of(cls, scores: Mapping[str, float]) -> "SelectionScore":
        """The score in a line of validation scores."""
        return cls(scores["relative_bias_percent"], scores["pooled_psnr_db"])

    @property
    def is_finite(self) -> bool:
        """Whether it says anything: a network of NaN never is the best."""
        return math.isfinite(self.relative_bias_percent) and math.isfinite(self.pooled_psnr_db)

    def beats(self, other: "SelectionScore | None", *, bias_percent: float) -> bool:
        """A bias within ``bias_percent`` comes before any PSNR; between two within, PSNR decides.

        Between two outside, the smaller bias wins: a sharp map with wrong numbers is no map. What
        is not finite beats nothing and is beaten by everything.
        """
        if not self.is_finite:
            return False
        if other is None or not other.is_finite:
            return True
        mine, theirs = (max(abs(one.relative_bias_percent), bias_percent) for one in (self, other))
        return (mine, -self.pooled_psnr_db) < (theirs, -other.pooled_psnr_db)
