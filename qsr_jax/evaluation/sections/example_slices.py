"""What the maps look like: the pictures have no numbers, and no table."""

from pathlib import Path

from qsr_jax.evaluation.sections.common import Section

SECTION = Section(Path(__file__), "Pictures", {}, folded=False)
