"""Maps of a fingerprinting scan as DICOM."""

import numpy as np
import pytest
import small_fingerprints as small
import small_heads

from qsr_jax.data.dicom import read_series
from qsr_jax.maps import MAPS
from qsr_jax.predictors.fingerprints import write_dicom
from qsr_jax.reconstruct.raw_folder import SEAL, RawFolder


def raw_of(folder, geometry):
    (folder / SEAL).write_text("{}")
    return RawFolder(folder, small.scan(), geometry, (), {})


def test_three_series_of_one_study_with_pd_in_percent(tmp_path):
    """PD in the coils' unit, three times percent, comes out as the head's percent."""
    head = small_heads.head(0)
    maps = head.maps * np.float32([1.0, 1.0, 3.0])
    write_dicom(maps, raw_of(tmp_path, head.geometry), tmp_path, derivation="test")
    series = [read_series(tmp_path / name) for name in MAPS]
    assert len({one.study_uid for one in series}) == 1
    for channel, (one, name) in enumerate(zip(series, MAPS, strict=True)):
        assert one.map_name == name
        assert one.volume.geometry.spacing_mm == pytest.approx(head.geometry.spacing_mm)
        white = np.abs(maps[..., 0] - 850.0) < 40
        found = np.median(one.volume.maps[white])
        tolerance = 0.05 if name == "pd" else 1e-3  # the receive field is fitted and divided out
        assert found == pytest.approx(np.median(head.maps[white][:, channel]), rel=tolerance)


def test_pd_that_cannot_be_percent_is_refused(tmp_path):
    head = small_heads.head(0)
    dry = np.minimum(head.maps, np.float32([1400.0, 2000.0, 100.0]))
    with pytest.raises(ValueError, match="DICOM holds PD in percent"):
        write_dicom(dry, raw_of(tmp_path, head.geometry), tmp_path, derivation="test")
