"""NIfTI maps of a BIDS tree: read with their units, placed, paired and built like DICOM series."""

import shutil

import nibabel
import numpy as np
import pytest
from dicom_factory import fast_geometry, head_maps
from exports import write_map, write_session

from data_tools import build_dataset, pair_studies
from qsr_jax.data.nifti.bids import BidsError, find_maps, owner_of_map, read_map
from qsr_jax.data.nifti.files import read_placed
from qsr_jax.data.records.open import open_records
from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.files.tree import LEAVES
from qsr_jax.maps import MAPS


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    root = tmp_path_factory.mktemp("bids") / "raw"
    for seed in range(4):
        write_session(root, f"sub-{seed:02d}", seed)
    (root / "participants.tsv").write_text(
        "participant_id\tgroup\nsub-00\thealthy\nsub-01\thealthy\nsub-02\thealthy\nsub-03\tpatient\n"
    )
    (root / "dataset_description.json").write_text("{}")
    (root / "derivatives" / "x").mkdir(parents=True)
    shutil.copytree(root / "sub-00", root / "derivatives" / "x" / "sub-00")
    return root


@pytest.fixture
def one(tmp_path):
    return write_map(tmp_path / "sub-01" / "anat", "sub-01", "fast", "t1", fast_geometry(), 0)


def test_maps_are_read_in_the_house_units_at_their_places(one):
    series = read_map(one)
    values = head_maps(fast_geometry().shape, 0)["t1"]
    np.testing.assert_allclose(series.volume.maps[..., 0], values, rtol=1e-6)
    np.testing.assert_allclose(
        series.volume.geometry.affine_lps(), fast_geometry().affine_lps(), atol=1e-4
    )
    assert (series.map_name, series.patient_id, series.description) == ("t1", "sub-01", "fast")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_stored_axes_may_run_either_way(one, axis):
    """The same voxels stored with one axis reversed come out the same."""
    before = read_map(one)
    image = nibabel.load(one)
    flip = np.diag([-1.0 if i == axis else 1.0 for i in range(3)] + [1.0])
    flip[axis, 3] = image.shape[axis] - 1
    affine = image.affine @ flip
    turned = nibabel.Nifti1Image(np.flip(np.asarray(image.dataobj), axis), affine)
    turned.set_qform(affine, 1)
    turned.set_sform(affine, 1)
    nibabel.save(turned, one)
    after = read_map(one)
    np.testing.assert_array_equal(after.volume.maps, before.volume.maps)
    np.testing.assert_allclose(
        after.volume.geometry.affine_lps(), before.volume.geometry.affine_lps(), atol=1e-4
    )


def test_the_walk_from_bids_to_records_and_cases(bids, tmp_path):
    out, data_dir = tmp_path / "m.json", tmp_path / "d"
    pair_studies.main(["--bids", str(bids), "--out", str(out), "--test-fraction", "0"])
    build_dataset.main(["--manifest", str(out), "--data_dir", str(data_dir)])
    manifest = Manifest.load(out)
    assert manifest.kind == "bids"
    assert [p.split for p in manifest.subjects_of(group="patient")] == ["test"]
    assert len(open_records(data_dir, "t2", "train")) == 3 * len(
        manifest.subjects_of(split="train")
    )
    case = load_case(manifest, manifest.subjects[0])
    assert case.routine.names == tuple(MAPS)
    assert case.truth is None
    assert 500 < np.median(case.fast.maps[..., 0][case.fast.maps[..., 0] > 0]) < 4300
    assert "sub-00/anat/sub-00_acq-fast_T1map.nii.gz" in out.read_text()
    assert not [p for p in manifest.ignored if "acq-" in p]


def edit_header(path, edit):
    image = nibabel.load(path)
    image = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
    edit(image)
    nibabel.save(image, path)


def car(content):
    return lambda p: p.with_name(p.name.replace(".nii.gz", ".json")).write_text(content)


def resave(values, affine=None):
    def edit(path):
        image = nibabel.load(path)
        where = image.affine if affine is None else affine @ image.affine
        new = nibabel.Nifti1Image(values(np.asarray(image.dataobj)), where)
        new.set_sform(where, 1)
        new.set_qform(None, 0)
        nibabel.save(new, path)

    return edit


def both_forms(image, qform):
    image.set_sform(image.affine, 1)
    image.set_qform(qform, 1)


SHEAR = np.eye(4) + 0.1 * np.eye(4, k=1) * [1, 1, 1, 0]
BAD = [
    (lambda p: p.with_name(p.name.replace(".nii.gz", ".json")).unlink(), r"\.json: missing; Units"),
    (car("{"), r"not readable \(JSONDecodeError\); Units must be one of s, ms"),
    (car("[]"), "Units: missing"),
    (car("{}"), "Units: missing"),
    (car('{"Units": "minutes"}'), "Units must be one of s, ms; it is none of them"),
    (car('{"Units": "ms"}'), "largest value 4.* ms; empty, or another unit"),
    (lambda p: p.write_bytes(b"no image"), "not a readable NIfTI"),
    (resave(lambda v: v * np.nan), "not finite"),
    (resave(lambda v: v - 1), "lie outside"),
    (resave(lambda v: v * 1000), "lie outside"),
    (resave(lambda v: v[..., None].repeat(2, 3)), "4 axes, expected 3"),
    (resave(lambda v: v.astype(np.complex64)), "complex64, expected real"),
    (resave(lambda v: v[..., :1]), "one slice alone"),
    (resave(lambda v: v, SHEAR), "not orthogonal"),
    (resave(lambda v: v, np.diag([1.0, 1.1, 1, 1])), "square pixels"),
    (lambda p: edit_header(p, lambda i: (i.set_sform(None, 0), i.set_qform(None, 0))),
     "nothing says where it lies"),
    (lambda p: edit_header(p, lambda i: both_forms(i, i.affine + 0.1 * np.eye(4, k=3))),
     "sform and qform differ"),
    (lambda p: edit_header(p, lambda i: i.header.set_xyzt_units("micron")), "expected mm"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "reason"), BAD, ids=[str(row[1])[:24] for row in BAD])
def test_bad_maps_are_refused_by_name(one, spoil, reason):
    spoil(one)
    with pytest.raises(BidsError, match=reason) as caught:
        read_map(one)
    assert "sub-01_acq-fast_T1map" in str(caught.value)


def test_huge_headers_are_refused_before_their_voxels(one, monkeypatch):
    from qsr_jax.data.nifti import files

    monkeypatch.setattr(files, "MAX_VOXELS", 100)
    with pytest.raises(ValueError, match="more than 100"):
        read_placed(one)


def test_other_formats_are_refused(one, tmp_path):
    image = nibabel.load(one)
    other = tmp_path / "x.mgz"
    nibabel.save(nibabel.MGHImage(np.asarray(image.dataobj), image.affine), other)
    with pytest.raises(ValueError, match="MGHImage, expected NIfTI"):
        read_placed(other)


@pytest.mark.parametrize("name", ["T1map.nii.gz", "sub-01_T1map.nii.gz", "sub-01_acq-fast_T1w.nii"])
def test_other_names_are_no_maps(tmp_path, name):
    with pytest.raises(BidsError, match="expected a name like sub-01_acq-fast_T1map"):
        owner_of_map(tmp_path / "sub-01" / "anat" / name)


def test_a_map_lies_with_its_subject(tmp_path):
    with pytest.raises(BidsError, match="expected in sub-01/ses-2/anat"):
        owner_of_map(tmp_path / "sub-02" / "anat" / "sub-01_ses-2_acq-fast_T1map.nii.gz")
    path = tmp_path / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_acq-fast_T1map.nii.gz"
    assert owner_of_map(path) == ("sub-01", "sub-01/ses-2")


def test_trees_are_listed(bids):
    found = find_maps(bids)
    assert len(found.series) == 24
    assert [p.name for p in found.ignored] == ["dataset_description.json", "participants.tsv"]


def test_wrong_units_and_swapped_sides_are_refused_while_pairing(bids, tmp_path, capsys):
    root = tmp_path / "raw"
    shutil.copytree(bids, root)
    for path in (root / "sub-01" / "anat").glob("*T1map.json"):
        path.write_text('{"Units": "ms"}')
    for path in sorted((root / "sub-02" / "anat").iterdir()):
        new = path.name.replace("acq-fast", "acq-x").replace("acq-routine", "acq-fast")
        path.rename(path.with_name(new.replace("acq-x", "acq-slow")))
    for path in sorted((root / "sub-02" / "anat").glob("*acq-slow*")):
        path.rename(path.with_name(path.name.replace("acq-slow", "acq-routine")))
    out = tmp_path / "m.json"
    pair_studies.main(["--bids", str(root), "--out", str(out)])
    reasons = {item["what"]: item["reason"] for item in Manifest.load(out).refused}
    one = "sub-01/anat/sub-01_acq-fast_T1map.nii.gz"
    assert "largest value 4" in reasons[one] and "another unit?" in reasons[one]
    assert "T1: 0 readable series" in reasons["sub-01/anat"]
    assert "acq-fast has the larger matrix" in reasons["sub-02/anat"]


def test_one_tree_is_asked_for(capsys):
    for flags in ([], ["--dicom", "a", "--bids", "b"]):
        with pytest.raises(SystemExit) as caught:
            pair_studies.main([*flags, "--out", "m.json"])
        assert caught.value.code == 2


def test_a_lost_side_car_and_links_out_of_the_tree_are_told_and_abort_nobody(bids, tmp_path):
    root = tmp_path / "raw"
    shutil.copytree(bids, root)
    lost = "sub-01/anat/sub-01_acq-fast_T1map"
    (root / f"{lost}.json").unlink()
    linked = "sub-02/anat/sub-02_acq-fast_T2map.json"
    (root / linked).rename(tmp_path / "strange.json")
    (root / linked).symlink_to(tmp_path / "strange.json")
    (root / "sub-09").symlink_to(bids / "sub-00", target_is_directory=True)
    out = tmp_path / "m.json"
    pair_studies.main(["--bids", str(root), "--out", str(out), "--test-fraction", "0"])
    manifest = Manifest.load(out)
    reasons = {item["what"]: item["reason"] for item in manifest.refused}
    assert reasons[f"{lost}.nii.gz"].endswith("missing; Units must be one of s, ms")
    assert reasons[linked] == reasons["sub-09"] == LEAVES
    assert len(manifest.subjects) == 2
