"""One call from the series of a subject to maps on disk: all, with their spread, or none."""

import dataclasses
import shutil

import numpy as np
import pydicom
import pytest
from dicom_factory import acquisition, fast_geometry, head_maps
from small_predictors import Doubler, small_predictor

from qsr_jax.data.dicom import (
    DicomInputError,
    make_uid,
    read_series,
    read_spread,
    write_acquired,
)
from qsr_jax.data.dicom.series_rules import MAP, SeriesRule
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.data.studies.geometry_match import PairError
from qsr_jax.maps import MAPS
from qsr_jax.predictors import MismatchError, predict
from qsr_jax.predictors.ensemble import Ensemble
from qsr_jax.types import Volume

ALL = ("t1", "t2", "pd")


def write(folder, name, *, who="someone", geometry=None, **changes):
    geometry = geometry or fast_geometry()
    volume = Volume(head_maps(geometry.shape, 3)[name][..., None], (name,), geometry)
    write_acquired(volume, folder, acquisition=acquisition(who, **changes), uid_seed=f"{who}{name}")


@pytest.fixture
def study(tmp_path):
    """The fast series of one subject."""
    for name in ALL:
        write(tmp_path / "study" / f"fast_{name}", name)
    return tmp_path / "study"


def joint(seed=0, names=ALL, **changes):
    geometry = fast_geometry()
    grid = {"lr_shape": geometry.shape[1:], "lr_spacing_mm": geometry.spacing_mm}
    made = small_predictor("residual", names, seed=seed, context=3)
    return dataclasses.replace(made, **grid, **changes)


def scan_of(study, names=ALL):
    parts = [read_series(study / f"fast_{name}").volume for name in names]
    return Volume(np.concatenate([v.maps for v in parts], -1), names, parts[0].geometry)


def silent(line):
    raise AssertionError(f"nothing was clamped, yet it says {line}")


def test_a_joint_model_writes_every_map(study, tmp_path):
    names = ("pd", "t1", "t2")  # not the order of the folders
    model = joint(names=names)
    written = predict(model, study, tmp_path / "out", tell=lambda line: None)
    assert written == [tmp_path / "out" / name for name in names]
    expected = model(scan_of(study, names))
    for channel, name in enumerate(names):
        found = read_series(tmp_path / "out" / name)
        np.testing.assert_allclose(
            found.volume.maps[..., 0], expected.mean[..., channel], atol=0.051
        )


def test_one_map_of_one_series_becomes_the_folder_itself(study, tmp_path):
    out = tmp_path / "deep" / "out"
    assert predict(Doubler(), str(study / "fast_t1"), str(out), tell=silent) == [out]
    assert read_series(out).map_name == "t1"
    assert predict([Doubler()], study, tmp_path / "from_study") == [tmp_path / "from_study"]


def test_several_models_share_a_study(study, tmp_path):
    models = [joint(names=("t1", "t2")), Doubler(names=("pd",))]
    predict(models, study, tmp_path / "out", tell=lambda line: None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(ALL)


@pytest.fixture
def pair():
    return Ensemble((joint(seed=0), joint(seed=1)))


@pytest.mark.parametrize("format", ["dicom", "parametric_map"])
def test_the_spread_of_an_ensemble_comes_back(format, pair, study, tmp_path):
    if format == "parametric_map":
        pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    out = tmp_path / "out"
    written = predict(pair, study, out, format=format, tell=lambda line: None)
    assert [path.name for path in written] == [n + s for n in ALL for s in ("", "_std")]
    expected = pair(scan_of(study))
    for channel, name in enumerate(ALL):
        spread, std = read_spread(out / f"{name}_std"), expected.std[..., channel]
        assert spread.map_name == name and std.max() > 1
        step = 0.05 if std.max() > 655 else 0.005
        exact = format == "parametric_map"
        np.testing.assert_allclose(
            spread.volume.maps[..., 0], std, atol=0 if exact else step + 1e-3
        )
        mean = read_series(out / name).volume
        np.testing.assert_allclose(mean.maps[..., 0], expected.mean[..., channel], atol=0.051)
        assert spread.volume.geometry == mean.geometry


def test_the_spread_stands_in_the_bids_data_set(pair, study, tmp_path):
    words = {"format": "nifti", "subject": "01", "tell": lambda line: None}
    written = predict(pair, study, tmp_path / "out", **words)
    expected = pair(scan_of(study))
    for channel, name in enumerate(ALL):
        factor = 1 / MAPS[name].bids_units[0][1]
        for path, values in zip(
            written[2 * channel :], (expected.mean, expected.std), strict=False
        ):
            np.testing.assert_allclose(
                read_nifti(path)[0], values[..., channel] * factor, rtol=1e-6
            )
    assert [path.name.split("desc-")[1] for path in written[:2]] == [
        "residual_T1map.nii.gz",
        "residualstd_T1map.nii.gz",
    ]


def test_a_spread_is_left_out_where_nobody_wants_it_or_the_model_tells_none(pair, study, tmp_path):
    """Map by map: what one model tells is not lost because another tells nothing."""
    words = {"tell": lambda line: None}
    predict(pair, study, tmp_path / "without", std=False, **words)
    assert {path.name for path in (tmp_path / "without").iterdir()} == set(ALL)
    two = Ensemble((joint(seed=0, names=("t1",)), joint(seed=1, names=("t1",))))
    written = predict([two, Doubler(names=("pd",))], study, tmp_path / "one", **words)
    assert [path.name for path in written] == ["t1", "t1_std", "pd"]


def test_a_model_without_a_spread_says_so_and_nothing_is_written(study, tmp_path):
    with pytest.raises(ValueError, match="knows no standard deviation; give two or more trainings"):
        predict(Doubler(), study, tmp_path / "out", std=True)
    assert not (tmp_path / "out").exists()


def test_what_was_clamped_is_told_and_stands_in_the_files(study, tmp_path):
    told = []
    models = [Doubler(clamped=(3,)), Doubler(names=("pd",), clamped=(0,))]
    predict(models, study, tmp_path / "out", tell=told.append)
    voxels = np.prod(fast_geometry().refined(2, "corner").shape)
    wanted = f"3 voxels ({100 * 3 / voxels:.2g} %) lay outside 0 to 4500 ms and were set"
    assert len(told) == 1 and told[0].startswith(f"T1: {wanted}") and "(air" in told[0]
    said = [pydicom.dcmread(tmp_path / "out" / n / "001.dcm").DerivationDescription
            for n in ("t1", "pd")]  # fmt: skip
    assert wanted in said[0] and "outside" not in said[1]
    assert all("not for diagnostic use" in line for line in said)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"format": "png"}, "format is 'png'; expected one of dicom, parametric_map, nifti"),
        ({"format": "nifti"}, "expected a label for the subject"),
        ({"subject": "01"}, "expected no subject"),
    ],
)
def test_a_format_that_cannot_be_is_refused_before_reading(words, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        predict(Doubler(), tmp_path / "nowhere", tmp_path / "out", **words)


@pytest.mark.parametrize("models", [[], [Doubler(), joint()]])
def test_each_map_once(models, study, tmp_path):
    with pytest.raises(MismatchError, match="expected each map once"):
        predict(models, study, tmp_path / "out")


def test_a_map_without_series_is_told(study, tmp_path):
    shutil.rmtree(study / "fast_t2")
    write(study / "large", "t2", geometry=dataclasses.replace(fast_geometry(), shape=(3, 64, 64)))
    (study / "broken").mkdir()
    shutil.copy(study / "fast_t1" / "001.dcm", study / "broken")
    (study / "broken" / "002.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 64)
    with pytest.raises(MismatchError) as caught:
        predict(joint(), study, tmp_path / "out")
    said = str(caught.value)
    assert "no series fits T2 of the model" in said
    assert "large: the model was trained on 32 x 32 images" in said
    assert "broken: " in said


def test_no_series_at_all_is_told(study, tmp_path):
    with pytest.raises(MismatchError, match="no series fits T2 of the model. there is none"):
        predict(joint(names=("t1", "t2")), study / "fast_t1", tmp_path / "out")
    with pytest.raises(MismatchError, match="no such folder"):
        predict(Doubler(), study / "nothing", tmp_path / "out")
    (study / "empty").mkdir()
    with pytest.raises(MismatchError, match="holds no DICOM files"):
        predict(Doubler(), study / "empty", tmp_path / "out")


def test_an_only_series_is_refused_in_its_own_words(study, tmp_path):
    with pytest.raises(MismatchError, match="made for"):
        predict(Doubler(), study / "fast_t2", tmp_path / "out")
    (study / "fast_t2" / "002.dcm").unlink()
    with pytest.raises(DicomInputError, match="slices missing"):
        predict(Doubler(), study / "fast_t2", tmp_path / "out")


def test_two_series_that_fit_are_refused(study, tmp_path):
    shutil.copytree(study / "fast_t1", study / "again")
    with pytest.raises(MismatchError, match="again, fast_t1 all fit the model"):
        predict(joint(), study, tmp_path / "out")


def relabelled(study, out, image_type, series=None):
    """The series of a study under another ImageType, each in its folder, or all as one series."""
    for number, path in enumerate(sorted(study.rglob("*.dcm"))):
        ds = pydicom.dcmread(path)
        ds.ImageType = [ds.ImageType[-1] if part == "<map>" else part for part in image_type]
        ds.SeriesInstanceUID = series or ds.SeriesInstanceUID
        target = out / ("" if series else path.parent.name) / f"{number:03d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(target)
    return out


def test_a_bundle_is_one_series_and_the_model_takes_its_maps(study, tmp_path):
    image_type = ["DERIVED", "PRIMARY", "MULTI_QMAP", "<map>"]
    bundle = relabelled(study, tmp_path / "bundle", image_type, make_uid("bundle"))
    for scan, out in ((study, "plain"), (bundle, "bundled")):
        predict(joint(), scan, tmp_path / out, tell=lambda line: None)
    for name in ALL:
        made = [read_series(tmp_path / out / name).volume.maps for out in ("plain", "bundled")]
        np.testing.assert_array_equal(*made)


def test_rows_of_a_file_make_series_known(study, tmp_path):
    mine = relabelled(study, tmp_path / "mine", ["DERIVED", "PRIMARY", "RELAX", "<map>"])
    row = SeriesRule("relax", ("DERIVED", "PRIMARY", "RELAX", MAP), {s.label: n for n, s in
                     MAPS.items()})  # fmt: skip
    with pytest.raises(MismatchError, match="no known map layout"):
        predict(Doubler(), mine, tmp_path / "out")
    assert predict(Doubler(), mine, tmp_path / "out", protocols=(row,)) == [tmp_path / "out"]


def test_maps_of_two_studies_are_no_scan(study, tmp_path):
    shutil.rmtree(study / "fast_t2")
    write(study / "other", "t2", who="another")
    with pytest.raises(MismatchError, match="belong to different studies"):
        predict(joint(), study, tmp_path / "out")


def test_maps_on_two_grids_are_no_scan(study, tmp_path):
    shutil.rmtree(study / "fast_t2")
    moved = dataclasses.replace(fast_geometry(), origin_mm=(0.0, 0.0, 0.0))
    write(study / "moved", "t2", geometry=moved)
    with pytest.raises(PairError, match="maps of one scan lie on different grids"):
        predict(joint(), study, tmp_path / "out")
