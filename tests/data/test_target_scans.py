"""What a network may learn beside the routine scan: the truth as the fast scan met it, a repeat."""

import shutil

import numpy as np
import pytest
from dicom_factory import fast_geometry, write_subject
from test_case import write_truth

from data_tools import pair_studies
from qsr_jax.data import dicom
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.records.joint import open_joint
from qsr_jax.data.records.open import DatasetError
from qsr_jax.data.records.subject_slices import subject_slices
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.target_scans import read_repeated, read_simulated
from qsr_jax.data.studies.truth import MAP_FILES, TruthError
from qsr_jax.maps import spec_of

ROUTINE_GRID = fast_geometry().refined(2, "corner")


@pytest.fixture
def one(tmp_path):
    """One simulated subject, paired, and its folder."""
    home = write_subject(tmp_path / "tree" / "sub-001", seed=0)
    write_truth(home / "truth", geometry=ROUTINE_GRID, study=dicom.make_uid("study sub-001"))
    path = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(tmp_path / "tree"), "--out", str(path),
                       "--test-fraction", "0"])  # fmt: skip
    manifest = Manifest.load(path)
    return manifest, manifest.subjects[0], home


def records(manifest, subject, name="t1"):
    (slices,) = subject_slices(manifest, subject, (name,), "none")
    return slices.records


def test_a_record_carries_the_truth_and_no_repeat_where_there_is_none(one):
    manifest, subject, _ = one
    made = records(manifest, subject)
    for record in made:
        assert record["repeat"].shape == (0, 0, 1)
        # the factory's truth is the routine scan to half a stored unit
        assert np.abs(record["truth"].astype(int) - record["hr"]).max() <= 1
        assert record["truth"].dtype == np.uint16


def test_where_the_fast_scan_has_a_view_of_its_own_that_is_the_truth(one):
    manifest, subject, home = one
    (home / "truth" / "fast").mkdir()
    moved = np.full(ROUTINE_GRID.shape, 777.0, np.float32)
    write_nifti(moved, ROUTINE_GRID, home / "truth" / "fast" / MAP_FILES["t1"])
    assert all((record["truth"] == 7770).all() for record in records(manifest, subject))
    (home / "truth" / "truth.json").write_text('{"study_uid": "2.25.1"}')
    with pytest.raises(TruthError, match="study_uid is another study's"):
        records(manifest, subject)


def repeat(home, name, source):
    return shutil.copytree(home / f"routine_{source}", home / f"routine2_{name}")


def test_the_repeated_scan_lies_beside_and_is_of_the_same_map(one):
    manifest, subject, home = one
    routine = dicom.read_series(home / "routine_t1").volume
    assert read_repeated(manifest, subject, "t1", routine) is None
    repeat(home, "t1", "t1")
    for record in records(manifest, subject):
        np.testing.assert_array_equal(record["repeat"], record["hr"])
    repeat(home, "t2", "t1")
    with pytest.raises(ValueError, match="holds t1 .*, expected t2 on the grid of the routine"):
        records(manifest, subject, "t2")


def test_a_scanned_subject_has_no_truth(tmp_path):
    write_subject(tmp_path / "tree" / "sub-001", seed=0)
    pair_studies.main(["--dicom", str(tmp_path / "tree"), "--out", str(tmp_path / "m.json"),
                       "--test-fraction", "0"])  # fmt: skip
    manifest = Manifest.load(tmp_path / "m.json")
    assert read_simulated(manifest, manifest.subjects[0], "t1", None) is None


@pytest.mark.parametrize("target", ["truth", "repeat"])
def test_built_records_without_the_target_are_refused_when_they_are_opened(target, data_dir):
    with pytest.raises(DatasetError, match=f"task.target is '{target}', and subject .* has none"):
        open_joint(data_dir, ("t1", "t2"), "train", target=target)
    whole = open_joint(data_dir, ("t1", "t2"), "train")
    assert whole[0]["hr"].shape[-1] == 2
    assert spec_of("t1").slope == pytest.approx(whole.maps[0][0]["slope"])
