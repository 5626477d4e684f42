"""How methods are called on a page."""

from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.predictors.baselines import CALIBRATED

LABELS = {CALIBRATED: "bicubic, calibrated", REPEAT: "routine, retest"}
"""How methods are called where their own name will not do."""


def name_of(method: str) -> str:
    """How a method is called."""
    return LABELS.get(method, method)
