"""From tidy values to the tables of a report: computed once, then saved, then shown.

A table is a list of frozen rows; what cannot be computed (fewer than three subjects) is None, and
every row carries its n. The unit of analysis is the subject; in the lesion table it is the lesion,
as in the paper. Tissue and region tables are over healthy subjects.
"""

from collections.abc import Mapping, Sequence

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.sections import (
    agreement,
    calibration,
    coverage,
    error_by_place,
    example_slices,
    familiarity,
    folds_and_seeds,
    image_quality,
    label_agreement,
    lesion_contrast,
    lesion_detection,
    lesion_twin,
    lesion_visibility,
    lesions,
    lesions_kept,
    movement,
    niqe,
    noise_and_resolution,
    regions,
    repeatability,
    summary,
    synthetic_contrast,
    tissue,
    worst_slices,
)
from qsr_jax.evaluation.sections.common import Section, TableRow

Tables = Mapping[str, Sequence[TableRow]]
"""Name in ``tables.csv`` to its rows."""

SECTIONS: tuple[Section, ...] = (
    summary.SECTION,
    example_slices.SECTION,
    tissue.SECTION,
    lesions_kept.SECTION,
    lesions.SECTION,
    lesion_contrast.SECTION,
    lesion_visibility.SECTION,
    lesion_twin.SECTION,
    lesion_detection.SECTION,
    error_by_place.SECTION,
    regions.SECTION,
    repeatability.SECTION,
    agreement.SECTION,
    calibration.SECTION,
    coverage.SECTION,
    synthetic_contrast.SECTION,
    image_quality.SECTION,
    noise_and_resolution.SECTION,
    niqe.SECTION,
    worst_slices.SECTION,
    label_agreement.SECTION,
    familiarity.SECTION,
    movement.SECTION,
    folds_and_seeds.SECTION,
)
"""The report from top to bottom; a new table is one line here."""


def compute_tables(cohort: Cohort, *, sections: Sequence[Section] = SECTIONS) -> Tables:
    """All tables of a cohort.

    Args:
        cohort: the values of all subjects.
        sections: whose tables.

    Raises:
        ValueError: degenerate values, saying which (see :mod:`qsr_jax.statistics`); two tables of
            one name.
    """
    tables: dict[str, Sequence[TableRow]] = {}
    for section in sections:
        for name, compute in section.tables.items():
            if name in tables:
                raise ValueError(f"section {section.name}: a table {name!r} is there already")
            tables[name] = cohort.rows(compute)
    return tables
