"""The measurement reads what it says it reads."""

import numpy as np
import pytest
from dicom_factory import write_series, write_subject

from launch.bench.dicom_reading import ingest_rate, read_plain
from qsr_jax.data.dicom import DicomInputError, read_series


@pytest.mark.parametrize("workers", [1, 2])
def test_studies_are_counted_and_timed(tmp_path, workers):
    for seed in range(2):
        write_subject(tmp_path / f"sub-{seed}", seed=seed)
    rate = ingest_rate(tmp_path, workers=workers, repeats=1)
    assert (rate.studies, rate.series) == (2, 12)
    assert rate.strict_per_minute > 0
    assert rate.ratio == rate.strict_per_minute / rate.plain_per_minute


def test_both_ways_give_the_same_values_where_nothing_is_wrong(tmp_path):
    folder = write_series(tmp_path / "s")
    np.testing.assert_array_equal(read_plain(folder), read_series(folder).volume.maps[..., 0])


def test_an_empty_tree_is_refused(tmp_path):
    with pytest.raises(DicomInputError, match="no DICOM files in this tree"):
        ingest_rate(tmp_path, workers=1, repeats=1)
