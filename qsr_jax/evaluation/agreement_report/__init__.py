"""Agreement statistics of anybody's table of values, as numbers and as a folder."""

from qsr_jax.evaluation.agreement_report.run import agreement
from qsr_jax.evaluation.agreement_report.terminal import Agreement

__all__ = ["Agreement", "agreement"]
