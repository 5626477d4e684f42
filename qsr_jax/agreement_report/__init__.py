"""Agreement of the methods in anybody's table, as numbers and as a folder; plans of studies."""

from qsr_jax.agreement_report.run import agreement
from qsr_jax.agreement_report.study import Expected, expected_of_pilot, plan_study
from qsr_jax.agreement_report.terminal import Agreement

__all__ = ["Agreement", "Expected", "agreement", "expected_of_pilot", "plan_study"]
