"""Where the scale of a classic MR image may stand: Rescale, RealWorldValueMapping, or a row."""

import numpy as np
import pytest
from dicom_edits import real_world
from dicom_factory import SLOPE, stored_slice, write_series
from multiframe_factory import T2_CODE
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from qsr_jax.data.dicom import DicomInputError, read_series
from qsr_jax.data.dicom.series_rules import PROTOCOLS, ProtocolError, load_rows
from qsr_jax.maps import MAPS

T1_CODE = MAPS["t1"].quantity[0]
ROW = """
[[protocol]]
name = "Our scanner"
image_type = ["DERIVED", "PRIMARY", "RELAX", "<map>"]
maps = {{ T1_MS = "t1", T2_MS = "t2" }}
{extra}
"""


def mapping(quantity, unit="ms"):
    """Only a RealWorldValueMapping, as GE's MR images have it."""

    def edit(slices):
        real_world(unit=unit)(slices)
        for ds in slices:
            del ds.RescaleSlope, ds.RescaleIntercept
            if quantity:
                ds.RealWorldValueMappingSequence[0].QuantityDefinitionSequence = defined(quantity)

    return edit


def defined(quantity):
    name, value, part = Dataset(), Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "246205007", "SCT", "Quantity"
    value.CodeValue, value.CodingSchemeDesignator, value.CodeMeaning = quantity, "DCM", "T1"
    part.ValueType = "CODE"
    part.ConceptNameCodeSequence, part.ConceptCodeSequence = Sequence([name]), Sequence([value])
    return Sequence([part])


def relaxometry(slices):
    for ds in slices:
        ds.ImageType = ["DERIVED", "PRIMARY", "RELAX", "T1_MS"]
        del ds.RescaleSlope, ds.RescaleIntercept


def rows(tmp_path, extra):
    path = tmp_path / "rows.toml"
    path.write_text(ROW.format(extra=extra))
    return load_rows(path)


def check_values(series):
    lowest = series.volume.maps[0, 0, 0, 0]
    assert lowest == pytest.approx(SLOPE * stored_slice(0)[0, 0])
    assert np.ptp(series.volume.maps) > 0


def test_a_mapping_alone_with_unit_and_quantity_is_read(tmp_path):
    check_values(read_series(write_series(tmp_path / "s", edit=mapping(T1_CODE))))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (mapping(""), "RescaleSlope.*does not say what is measured"),
        (mapping(T2_CODE), "quantity .*, expected"),
        (mapping(T1_CODE, unit="s"), "unit s, expected ms"),
    ],
    ids=["no quantity", "another quantity", "seconds"],
)
def test_a_mapping_that_says_less_or_something_else_is_refused(tmp_path, edit, reason):
    with pytest.raises(DicomInputError, match=reason):
        read_series(write_series(tmp_path / "s", edit=edit))


def test_a_row_may_say_slope_and_unit_for_files_that_say_nothing(tmp_path):
    folder = write_series(tmp_path / "s", edit=relaxometry)
    check_values(read_series(folder, protocols=rows(tmp_path, 'slope = 0.1\nunit = "ms"')))
    with pytest.raises(DicomInputError, match="a row of --protocols may say it"):
        read_series(folder, protocols=rows(tmp_path, ""))
    assert rows(tmp_path, 'slope = 1\nunit = "ms"')[len(PROTOCOLS)].slope == 1.0


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("slope = 0.1", "slope and unit: expected both or neither"),
        ('unit = "ms"', "slope and unit: expected both or neither"),
        ('slope = -1.0\nunit = "ms"', "slope: got -1, expected > 0"),
        ('slope = 0.1\nunit = "s"', "unit: got s, expected ms for t1"),
        ('slope = "a"\nunit = "ms"', "slope is str, expected float"),
    ],
)
def test_rows_with_half_a_scale_are_refused(tmp_path, extra, reason):
    with pytest.raises(ProtocolError, match=reason):
        rows(tmp_path, extra)
