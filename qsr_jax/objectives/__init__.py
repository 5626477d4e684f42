"""Who learns and what each minimises. To add one: a file in this room, a line in OBJECTIVES."""

from qsr_jax.objectives.denoising import Denoising
from qsr_jax.objectives.objective import Objective, Term, Variables
from qsr_jax.objectives.regression import Regression
from qsr_jax.objectives.srgan import Srgan
from qsr_jax.objectives.weighted_terms import FEATURES_HR, REGIONS, TermOptions

OBJECTIVES: dict[str, type] = {"srgan": Srgan, "regression": Regression, "denoising": Denoising}
"""Every objective that can be asked for by name."""

__all__ = [
    "FEATURES_HR",
    "OBJECTIVES",
    "REGIONS",
    "Denoising",
    "Objective",
    "Regression",
    "Srgan",
    "Term",
    "TermOptions",
    "Variables",
]
