"""One subject for evaluation: three maps per scan, mask, and truth on the routine grid."""

import json

import numpy as np
import pytest
from dicom_factory import fast_geometry, head_maps, write_subject

from data_tools import pair_studies
from qsr_jax.data import dicom
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.truth import MAP_FILES, TruthError
from qsr_jax.ops.mask import tissue_mask


def write_truth(folder, *, geometry, study):
    folder.mkdir()
    maps = head_maps(geometry.shape, 0)
    for name, file in MAP_FILES.items():
        write_nifti(maps[name], geometry, folder / file)
    labels = (maps["pd"] > 50).astype(np.uint8)
    for name in ("tissue", "regions", "lesions"):
        write_nifti(labels, geometry, folder / f"{name}.nii.gz")
    names = {"region_names": {"1": "head"}, "lesion_kinds": {"1": "WMH"}}
    (folder / "truth.json").write_text(json.dumps({"study_uid": study} | names))


@pytest.fixture
def simulated(tmp_path):
    """One subject with a truth folder, paired."""
    subject = write_subject(tmp_path / "tree" / "sub-001", seed=0)
    routine = fast_geometry().refined(2, "corner")
    write_truth(subject / "truth", geometry=routine, study=dicom.make_uid("study sub-001"))
    pair_studies.main(["--dicom", str(tmp_path / "tree"), "--out", str(tmp_path / "m.json")])
    return Manifest.load(tmp_path / "m.json"), subject / "truth"


def test_case_holds_both_scans_and_the_mask(manifest_path):
    manifest = Manifest.load(manifest_path)
    for subject in manifest.subjects:
        case = load_case(manifest, subject)
        assert case.fast.names == case.routine.names == ("t1", "t2", "pd")
        assert case.fast.maps.shape == (3, 32, 32, 3)
        assert case.routine.maps.shape == (3, 64, 64, 3)
        expected = tissue_mask(*np.moveaxis(case.routine.maps, -1, 0))
        np.testing.assert_array_equal(case.routine.mask, expected)
        assert (case.subject, case.group) == (subject.subject, subject.group)
        assert case.truth is None
        seed = int(subject.maps["t1"].folders["fast"][4:7]) - 1
        maps = head_maps((3, 64, 64), seed)
        for index, name in enumerate(("t1", "t2", "pd")):
            np.testing.assert_allclose(case.routine.maps[..., index], maps[name], atol=0.051)


def test_truth_lies_on_the_routine_grid(simulated):
    manifest, folder = simulated
    case = load_case(manifest, manifest.subjects[0])
    truth = case.truth
    np.testing.assert_allclose(truth.maps, case.routine.maps, atol=0.051)
    assert truth.tissue.dtype == np.uint8
    assert truth.region_names == {1: "head"}
    assert truth.lesion_kinds == {1: "WMH"}
    truth_files = {f"sub-001/truth/{path.name}" for path in folder.iterdir()}
    assert not truth_files & set(manifest.ignored)


def break_json(folder):
    (folder / "truth.json").write_text("{")


def other_study(folder):
    content = json.loads((folder / "truth.json").read_text()) | {"study_uid": "2.25.1"}
    (folder / "truth.json").write_text(json.dumps(content))


def bad_labels(folder):
    content = json.loads((folder / "truth.json").read_text()) | {"region_names": {"x": "head"}}
    (folder / "truth.json").write_text(json.dumps(content))


def other_grid(folder):
    geometry = fast_geometry()
    write_nifti(head_maps(geometry.shape, 0)["t1"], geometry, folder / "t1_ms.nii.gz")


@pytest.mark.parametrize(("damage", "reason"), [
    (lambda f: (f / "tissue.nii.gz").unlink(), "tissue.nii.gz: cannot be read"),
    (lambda f: (f / "t1_ms.nii.gz").write_bytes(b"x"), "t1_ms.nii.gz: cannot be read"),
    (break_json, "truth.json: study_uid cannot be read"),
    (other_study, "another study"),
    (bad_labels, "region_names is no table of labels"),
    (other_grid, "does not lie on the routine grid"),
])  # fmt: skip
def test_damaged_truth_is_refused(simulated, damage, reason):
    manifest, folder = simulated
    damage(folder)
    with pytest.raises(TruthError, match=reason):
        load_case(manifest, manifest.subjects[0])
