"""The standard deviation of a map on disk: the same numbers back, and never taken for the map."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from dicom_factory import fast_geometry, write_subject
from written_maps import WORDS, by_pydicom, prediction_of, source_of

from data_tools import inspect_dicom, pair_studies
from qsr_jax.data import dicom
from qsr_jax.data.dicom.series_rules import SPREADS, NotAMapError, recognise
from qsr_jax.data.dicom.spread import values_of
from qsr_jax.data.nifti.bids import BidsError, read_map
from qsr_jax.data.nifti.bids_derivative import Derived, write_bids_derivative
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.maps import MAPS

WRITERS = {"classic": dicom.write_derived, "parametric map": dicom.write_parametric_map}


def with_std(series, largest):
    """A spread that falls where the mean rises."""
    made = prediction_of(series)
    return dataclasses.replace(made, std=np.ascontiguousarray(made.mean.max() - made.mean)
                               * np.float32(largest / np.ptp(made.mean)))  # fmt: skip


@pytest.fixture(params=WRITERS)
def write(request):
    if request.param == "parametric map":
        pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    return WRITERS[request.param]


def write_spread(write, folder, name="t1", largest=40.0):
    source = source_of(folder / "s", name, fast_geometry())
    prediction = with_std(source, largest)
    write(prediction, source, folder / "d", std=True, **WORDS)
    return prediction


@pytest.mark.parametrize(
    ("name", "largest", "step"),
    [("t1", 2.0, 0.001), ("t1", 1500.0, 0.1), ("t2", 300.0, 0.01), ("pd", 5.0, 0.001)],
)
def test_comes_back_within_half_a_step(name, largest, step, write, tmp_path):
    """The finest step that holds the largest value: 2 ms are not lost in steps of 0.1 ms."""
    prediction = write_spread(write, tmp_path, name, largest)
    found = dicom.read_spread(tmp_path / "d")
    tolerance = step / 2 + 1e-3 * (step > 0.001) + 1e-5
    assert np.abs(found.volume.maps - prediction.std).max() <= tolerance
    assert found.map_name == name
    assert found.notes[-1] == "standard deviations of the map, not the map"
    geometry = prediction.geometry
    np.testing.assert_allclose(found.volume.geometry.affine_lps(), geometry.affine_lps(), atol=1e-4)


def test_others_read_the_numbers(tmp_path):
    prediction = write_spread(dicom.write_derived, tmp_path)
    values, _ = by_pydicom(tmp_path / "d")
    np.testing.assert_allclose(values, prediction.std[..., 0], atol=5.1e-4)


def test_says_what_it_is(write, tmp_path):
    write_spread(write, tmp_path)
    ds = pydicom.dcmread(next((tmp_path / "d").iterdir()))
    assert "T1 MAP" not in ds.ImageType and ds.ImageType[3] == "STD_DEVIATION"
    assert "T1 SD" in ds.SeriesDescription
    assert ds.SeriesNumber == 9501
    shared = ds.get("SharedFunctionalGroupsSequence", [ds])[0]
    (mapping,) = shared.RealWorldValueMappingSequence
    said = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item.ConceptCodeSequence[0].CodeValue
        for item in mapping.QuantityDefinitionSequence
    }
    assert said == {"Quantity": "113063", "Derivation": "386136009"}
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "ms"


def test_no_reader_of_maps_takes_it(write, tmp_path):
    write_spread(write, tmp_path)
    with pytest.raises(dicom.DicomInputError, match="is the standard deviation of a map, not"):
        dicom.read_series(tmp_path / "d")


def test_the_reader_of_spreads_takes_no_map(write, tmp_path):
    source = source_of(tmp_path / "s", "t1", fast_geometry())
    write(prediction_of(source), source, tmp_path / "d", **WORDS)
    for folder in ("s", "d"):
        with pytest.raises(dicom.DicomInputError, match="no known map layout"):
            dicom.read_spread(tmp_path / folder)


def edit(folder, change):
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        change(ds, ds.get("SharedFunctionalGroupsSequence", [ds])[0].RealWorldValueMappingSequence)
        ds.save_as(path)


def test_the_codes_are_believed_where_image_type_says_otherwise(write, tmp_path):
    """Some other program's spread, under the ImageType of a map; and the reverse."""

    def forget_the_deviation(_, mapping):
        del mapping[0].QuantityDefinitionSequence[1]

    def call_it_a_map(ds, _):
        ds.ImageType = [*ds.ImageType[:3], "QUANTITY"]
        if "NumberOfFrames" not in ds:
            ds.ImageType = ["DERIVED", "SECONDARY", "T1 MAP", "QSR"]

    write_spread(write, tmp_path)
    edit(tmp_path / "d", call_it_a_map)
    with pytest.raises(
        dicom.DicomInputError, match="standard deviations of T1, expected T1 itself"
    ):
        dicom.read_series(tmp_path / "d")

    def call_it_a_spread(ds, mapping):
        forget_the_deviation(ds, mapping)
        kind = 1 if "NumberOfFrames" in ds else 0
        ds.ImageType = list(SPREADS[kind].image_type)

    edit(tmp_path / "d", call_it_a_spread)
    with pytest.raises(dicom.DicomInputError, match="T1 itself, expected standard deviations"):
        dicom.read_spread(tmp_path / "d")


def test_no_rule_of_maps_knows_it():
    for rule in SPREADS:
        assert rule.spread
        with pytest.raises(NotAMapError, match="the standard deviation of a map"):
            recognise(rule.image_type)


def test_pairing_and_inspection_leave_it_out_and_say_why(tmp_path, capsys):
    """Predictions that lie beside the scans they were made from: the subject pairs all the same."""
    tree = tmp_path / "tree"
    folder = write_subject(tree / "a", seed=1)
    source = dicom.read_series(folder / "fast_t1")
    dicom.write_derived(with_std(source, 40.0), source, folder / "t1_std", std=True, **WORDS)
    out = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(tree), "--out", str(out), "--test-fraction", "0"])
    manifest = Manifest.load(out)
    assert len(manifest.subjects) == 1
    ((refused, reason),) = [(item["what"], item["reason"]) for item in manifest.refused]
    assert refused == "a/t1_std" and "is the standard deviation of a map, not a map" in reason
    capsys.readouterr()
    with pytest.raises(SystemExit):
        inspect_dicom.main([str(tree)])
    assert "6 accepted, 1 refused" in capsys.readouterr().out


def test_what_is_not_there_cannot_be_written(write, tmp_path):
    source = source_of(tmp_path / "s", "t1", fast_geometry())
    with pytest.raises(ValueError, match="this prediction of T1 knows no standard deviation"):
        write(prediction_of(source), source, tmp_path / "d", std=True, **WORDS)
    for bad in (-1.0, np.nan, 7000.0):
        prediction = with_std(source, 10.0)
        prediction.std[0, 0, 0] = bad
        with pytest.raises(ValueError, match=str(tmp_path / "d")):
            write(prediction, source, tmp_path / "d", std=True, **WORDS)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_spread_of_nothing_can_be_written(tmp_path):
    source = source_of(tmp_path / "s", "t1", fast_geometry())
    prediction = with_std(source, 0.0)
    assert values_of(prediction, MAPS["t1"], std=True)[1].slope == 0.001
    dicom.write_derived(prediction, source, tmp_path / "d", std=True, **WORDS)
    assert dicom.read_spread(tmp_path / "d").volume.maps.max() == 0


def test_stands_beside_the_map_in_a_bids_data_set(tmp_path):
    source = source_of(tmp_path / "s", "t2", fast_geometry())
    prediction = with_std(source, 30.0)
    item = Derived(prediction, source.volume.geometry, "srgan", "srgan, sha256 abc")
    words = {"subject": "01", "version": "0.1"}
    mean, spread = write_bids_derivative([item], tmp_path / "b", **words)
    assert spread.name == "sub-01_acq-fast_res-64_desc-srganstd_T2map.nii.gz"
    np.testing.assert_allclose(read_nifti(spread)[0] * 1000, prediction.std[..., 0], rtol=1e-6)
    cars = [json.loads(p.with_name(p.name.replace("nii.gz", "json")).read_text())
            for p in (mean, spread)]  # fmt: skip
    assert "Statistic" not in cars[0]
    assert (cars[1]["Statistic"], cars[1]["Units"]) == ("standard deviation", "s")
    read_map(mean)
    with pytest.raises(BidsError, match="Statistic: present; expected a map, not a statistic"):
        read_map(spread)
    bare = dataclasses.replace(item, prediction=prediction_of(source))
    assert len(write_bids_derivative([bare], tmp_path / "c", **words)) == 1


def test_dciodvfy_finds_no_error(write, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is absent; Debian package dicom3tools brings it")
    write_spread(write, tmp_path)
    path = str(tmp_path / "d" / "001.dcm")
    ran = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert "Error" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
    assert ran.returncode == 0


def test_bids_validator_finds_no_error(tmp_path):
    tool = shutil.which("bids-validator-deno", path=f"{sys.prefix}/bin")
    if tool is None:
        pytest.skip("bids-validator-deno is absent; pip install bids-validator-deno brings it")
    source = source_of(tmp_path / "s", "t1", fast_geometry())
    item = Derived(with_std(source, 30.0), source.volume.geometry, "srgan", "srgan, sha256 abc")
    write_bids_derivative([item], tmp_path / "b", subject="01", version="0.1")
    command = [tool, "--json", str(tmp_path / "b")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    issues = json.loads(ran.stdout)["issues"]["issues"]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    assert not errors, errors


@pytest.mark.parametrize("write_maps", [dicom.write_derived, dicom.write_parametric_map])
def test_three_maps_are_not_one_series(write_maps, tmp_path):
    """The first channel used to be written for all."""
    source = source_of(tmp_path / "s", "t1", fast_geometry())
    one = prediction_of(source)
    three = dataclasses.replace(one, mean=one.mean.repeat(3, -1), names=("t1", "t2", "pd"))
    with pytest.raises(ValueError, match="prediction of .*'t1', 't2', 'pd'.*source is t1"):
        write_maps(three, source, tmp_path / "d", **WORDS)
    item = Derived(three, source.volume.geometry, "srgan", "")
    with pytest.raises(ValueError, match="an image holds one map, got t1, t2, pd"):
        write_bids_derivative([item], tmp_path / "b", subject="01", version="0.1")
