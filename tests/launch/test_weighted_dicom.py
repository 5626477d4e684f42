"""A DICOM study of T1w, T2w and FLAIR goes in at the door, and DICOM maps come out."""

import numpy as np
import pytest
from dicom_edits import as_spin_echo
from dicom_factory import SLICES, set_stored, write_series
from pydicom import dcmread
from weighted_fixtures import NAMES, TYPICAL, disc

from launch import predict
from qsr_jax.acquisition import CONTRASTS
from qsr_jax.data.dicom import read_series, read_spread
from qsr_jax.data.studies.weighted_study import read_dicom_study
from qsr_jax.ops.mask import brain_in_images
from qsr_jax.predictors.weighted_network import load_weighted

pytestmark = pytest.mark.usefixtures("compiled_quickly")
TR_MS, TE_MS = TYPICAL[[0, 2, 4]], TYPICAL[[1, 3, 5]]
GAIN = (900.0, 400.0, 70.0)
MM = 5.0


def write_contrast(folder, index, images, changes):
    """One series of a study: spin echoes without a rescale, each contrast of its own gain."""

    def edit(slices):
        for number, ds in enumerate(slices):
            as_spin_echo(ds, folder, number)
            ds.PixelSpacing, ds.SeriesNumber = [MM, MM], 3 + index
            ds.RepetitionTime, ds.EchoTime = float(TR_MS[index]), float(TE_MS[index])
            del ds.RescaleSlope, ds.RescaleIntercept
            for keyword, value in changes.items():
                setattr(ds, keyword, value)
            set_stored(ds, np.round(images[number, ..., index] * GAIN[index]))

    return write_series(folder, edit)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The T1w's TR lies beyond what trained."""
    folder = tmp_path_factory.mktemp("dicom")
    images = disc(SLICES)[2]
    told = ({"RepetitionTime": 1200.0}, {}, {"InversionTime": float(TYPICAL[6])})
    for index, name in enumerate(CONTRASTS):
        write_contrast(folder / name, index, images, told[index])
    return folder


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "out"
    predict.main(["--model", "weighted", "--input", str(study), "--output", str(folder)])
    return folder


def test_maps_and_their_spreads_come_back_as_they_were_predicted(study, out):
    series = [name + end for name in NAMES for end in ("", "_std")]
    assert {path.name for path in out.iterdir()} == set(series)
    read = read_dicom_study(study)
    brain = brain_in_images(read.images, MM)
    made = load_weighted("weighted")(read.images, read.acquisition_ms, read.geometry, brain=brain)
    for channel, name in enumerate(NAMES):
        mean, spread = read_series(out / name), read_spread(out / f"{name}_std")
        assert mean.map_name == spread.map_name == name
        np.testing.assert_allclose(mean.volume.maps[..., 0], made.mean[..., channel], atol=0.06)
        np.testing.assert_allclose(spread.volume.maps[..., 0], made.std[..., channel], atol=0.06)
        assert (mean.volume.maps[brain] > 0).all() and (spread.volume.maps[brain] > 0).all()
        for one in (mean, spread):
            assert one.volume.geometry == read.geometry
            assert one.volume.geometry.origin_mm == (-40.0, -50.0, -20.0)
            assert one.volume.geometry.spacing_mm == (5.0, MM, MM)


@pytest.mark.parametrize("name", ["t1", "t1_std"])
def test_headers_say_whose_they_are_what_they_are_for_and_what_is_out_of_range(study, out, name):
    made = [dcmread(path, stop_before_pixels=True) for path in sorted((out / name).glob("*"))]
    source = dcmread(next((study / "t2w").glob("*")), stop_before_pixels=True)
    assert len(made) == SLICES and len({ds.SOPInstanceUID for ds in made}) == SLICES
    for ds in made:
        assert ds.StudyInstanceUID == source.StudyInstanceUID and ds.PatientID == source.PatientID
        assert ds.SeriesInstanceUID != source.SeriesInstanceUID
        assert ds.ImageType[0] == "DERIVED" and "research" in ds.SeriesDescription
        for words in (
            "Estimated from T1w, T2w and FLAIR by unet",
            "weights sha256",
            "t1w_tr_ms 1200, trained on 300 to 1000",
            "research use, not for diagnostic use",
        ):
            assert words in ds.DerivationDescription
