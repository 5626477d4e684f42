"""What a model says of a scan reaches the terminal, DICOM, NIfTI and the summary of a cohort."""

import dataclasses
import json

import pydicom
import pytest
from small_predictors import Doubler
from test_dicom_series import study, write  # noqa: F401 (a fixture)

from qsr_jax.predictors import merge_maps, predict
from qsr_jax.predictors.cohort import predict_cohort
from qsr_jax.predictors.dicom_series import UnfamiliarError
from qsr_jax.predictors.scans import scans_below
from qsr_jax.types import Familiarity

STRANGE = Familiarity({"detail": 2.5, "places": 0.1}, ("finest detail: 3 times training's",), (), 9)
USUAL = Familiarity({"detail": 0.2, "places": 0.4}, (), (), 9)


@dataclasses.dataclass(frozen=True)
class Knowing(Doubler):
    """A doubler that says how like training a scan is."""

    says: Familiarity = STRANGE

    def __call__(self, volume):
        return dataclasses.replace(super().__call__(volume), familiarity=self.says)


def test_it_is_told_and_written_and_nothing_is_refused(study, tmp_path):  # noqa: F811
    lines = []
    predict(Knowing(), study, tmp_path / "out", tell=lines.append)
    assert lines == [f"scan {STRANGE.words}"]
    header = pydicom.dcmread(tmp_path / "out" / "001.dcm", stop_before_pixels=True)
    assert STRANGE.words in header.DerivationDescription
    predict(Knowing(says=USUAL), study, tmp_path / "usual", tell=lines.append)
    header = pydicom.dcmread(tmp_path / "usual" / "001.dcm", stop_before_pixels=True)
    assert "scan like the scans the model learned from (score 0.40" in header.DerivationDescription


def test_a_side_car_has_the_scores(study, tmp_path):  # noqa: F811
    (image,) = predict(Knowing(), study, tmp_path / "out", format="nifti", subject="1")
    car = json.loads(image.with_name(image.name.replace(".nii.gz", ".json")).read_text())
    found = car["Familiarity"]
    assert found["OutOfRange"] is True and found["Scores"] == {"detail": 2.5, "places": 0.1}
    assert found["Description"] == STRANGE.words


def test_it_can_be_refused(study, tmp_path):  # noqa: F811
    with pytest.raises(UnfamiliarError, match="finest detail.* leave --refuse-unfamiliar out"):
        predict(Knowing(), study, tmp_path / "out", refuse_unfamiliar=True)
    assert not (tmp_path / "out").exists()
    predict(Knowing(says=USUAL), study, tmp_path / "out", refuse_unfamiliar=True)


def strange():
    return [Knowing()]


def test_a_cohort_tells_who_is_unfamiliar(study, tmp_path):  # noqa: F811
    scans, _ = scans_below(study, kind="dicom", rows=())
    outcome = predict_cohort(strange, scans, tmp_path / "out", format="dicom")
    (said,) = outcome.unfamiliar
    assert said.endswith(STRANGE.words) and outcome.refused == () and len(outcome.written) == 1
    refused = predict_cohort(
        strange, scans, tmp_path / "none", format="dicom", refuse_unfamiliar=True
    )
    assert len(refused.refused) == 1 and refused.unfamiliar == ()


def test_models_of_several_maps_say_the_worst(study):  # noqa: F811
    from test_dicom_series import scan_of

    both = merge_maps([Knowing(says=USUAL), Knowing(names=("t2",))])(scan_of(study))
    assert both.familiarity == STRANGE
    assert Familiarity.worst_of([None, None]) is None
