"""What the thresholds of the report decide, each held from both sides."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.anatomy.regions import WHITE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import label_agreement, lesion_contrast
from qsr_jax.evaluation.measure.labels import Labels
from qsr_jax.evaluation.sections.label_agreement import label_rows
from qsr_jax.evaluation.sections.lesion_contrast import is_present
from qsr_jax.evaluation.values import Value


@pytest.mark.parametrize(
    ("ratio", "present"),
    [(2.99, False), (3.0, True), (-3.0, True), (-2.99, False), (0.0, False)],
)
def test_a_lesion_reads_as_present_from_three_standard_deviations_on(ratio, present):
    """Rose's lower end, doi:10.1364/JOSA.38.000196."""
    assert is_present(ratio) is present


@pytest.mark.parametrize(
    ("distance", "inside"), [(1, False), (2, False), (3, True), (6, True), (7, False)]
)
def test_the_ring_lies_two_to_six_millimetres_from_a_lesion(distance, inside):
    tissue = np.full((1, 41, 41), WHITE, np.uint8)
    lesions = np.zeros_like(tissue)
    lesions[0, 20, 20] = 1
    blank = {f.name: None for f in dataclasses.fields(Labels)}
    known = blank | {"tissue": tissue, "lesions": lesions, "lesion_kinds": {1: "WMH"}}
    site = lesion_contrast.lesion_sites(Labels(**known), (5.0, 1.0, 1.0))[1]
    assert ((site.ring[1] == 20) & (site.ring[2] == 20 + distance)).any() == inside


def value(subject, quantity, number, **changes):
    row = Value(subject, "healthy", "test", "1", label_agreement.KIND, "putamen", "", quantity,
                "mm", "routine", number, 1, "")  # fmt: skip
    return dataclasses.replace(row, **changes)


def test_the_largest_distance_is_the_worst_subjects():
    values = []
    for subject, apart in (("a", 1.5), ("b", 4.0), ("c", 2.5)):
        values.append(value(subject, label_agreement.DICE, 0.9))
        values.append(value(subject, label_agreement.CENTROID, apart))
        for method in ("bicubic", "trained"):
            image = {"kind": "image", "place": "brain", "map": "t1", "method": method}
            values.append(value(subject, "psnr", 30.0, **image))
    (row,) = label_rows(Cohort(values))
    assert (row.largest_mm, row.n) == (4.0, 3)
    assert row.centroid_mm.mean == pytest.approx(8.0 / 3)
