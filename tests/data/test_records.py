"""Records: what goes in comes out; builds are repeatable, whole, and of one manifest."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from dicom_factory import CANARY

from data_tools import build_dataset
from data_tools.qmri_pairs.qmri_pairs_dataset_builder import Builder
from qsr_jax.data.records.builder import dataset_metadata
from qsr_jax.data.records.open import DatasetError, dataset_folder, half_written, open_records
from qsr_jax.data.studies.case import read_listed, read_mask
from qsr_jax.data.studies.manifest import Manifest, ManifestError
from qsr_jax.maps import MAPS

ROOT = Path(__file__).parents[2]


def build(manifest_path, data_dir, *more):
    build_dataset.main(["--manifest", str(manifest_path), "--data_dir", str(data_dir), *more])


def digests(data_dir):
    files = sorted(p for p in data_dir.rglob("*") if p.is_file())
    return {p.relative_to(data_dir): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("name", MAPS)
def test_records_hold_the_series_exactly(data_dir, manifest_path, name):
    manifest = Manifest.load(manifest_path)
    for split in ("train", "test"):
        records = open_records(data_dir, name, split)
        subjects = manifest.subjects_of(split=split)
        assert len(records) == 3 * len(subjects)
        assert records.fingerprint == manifest.fingerprint
        assert (records.grid_alignment, records.lr_shape, records.scale) == ("corner", (32, 32), 2)
        assert records.lr_spacing_mm == (5.0, 6.875, 6.875)
        for place, subject in enumerate(subjects):
            fast, routine = (
                read_listed(manifest, subject, name, s).volume for s in ("fast", "routine")
            )
            mask = read_mask(manifest, subject, known={})
            for index in range(3):
                record = records[3 * place + index]
                slope = float(record["slope"])
                np.testing.assert_allclose(record["lr"] * slope, fast.maps[index], atol=1e-3)
                np.testing.assert_allclose(record["hr"] * slope, routine.maps[index], atol=1e-3)
                np.testing.assert_array_equal(record["mask"][..., 0], mask[index])
                assert record["hr"].dtype == record["lr"].dtype == np.uint16
                assert record["subject"] == subject.subject
                assert (record["slice_index"], record["slice_mm"]) == (index, -5 + 5 * index)
                assert (record["map"], record["grid_alignment"]) == (name, "corner")
                np.testing.assert_allclose(record["spacing_mm"], [5.0, 6.875, 6.875])


def test_a_split_without_subjects_is_empty(data_dir):
    assert len(open_records(data_dir, "t1", "validation")) == 0
    with pytest.raises(ValueError, match="split 'dev'"):
        open_records(data_dir, "t1", "dev")
    with pytest.raises(ValueError, match="map 'r2'"):
        open_records(data_dir, "r2", "train")


def test_rebuild_gives_the_same_bytes(data_dir, manifest_path, tmp_path):
    build(manifest_path, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(data_dir)


def test_a_shard_is_a_subject(data_dir, manifest_path):
    manifest = Manifest.load(manifest_path)
    folder = dataset_folder(data_dir, "t1")
    shards = json.loads((folder / "seal.json").read_text())["shards"]
    assert len(shards) == len(manifest.subjects) == len(list(folder.glob("*array_record*")))
    for name, row in shards.items():
        content = (folder / name).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert content.count(row["subject"].encode()) == row["records"] == 3


def test_second_run_says_so_and_changes_nothing(copied_records, manifest_path, capsys):
    before = digests(copied_records)
    build(manifest_path, copied_records)
    assert capsys.readouterr().out.count("already built from this manifest") == 3
    assert digests(copied_records) == before


def test_what_tfds_leaves_when_killed_is_cleared(manifest_path, copied_records, data_dir):
    """A kill between writing and renaming tfds's file of all configs leaves its first name."""
    left = copied_records / "qmri_pairs" / ".config" / "incomplete.1B2C.metadata.json"
    left.write_text("{")
    build(manifest_path, copied_records)
    assert digests(copied_records) == digests(data_dir)


def test_another_manifest_is_refused(copied_records, manifest_path, tree, tmp_path):
    from data_tools import pair_studies

    other = tmp_path / "other.json"
    pair_studies.main(["--dicom", str(tree), "--out", str(other), "--test-fraction", "0"])
    before = digests(copied_records)
    with pytest.raises(SystemExit, match=r"another manifest; remove it or choose .* --data_dir"):
        build(other, copied_records)
    assert digests(copied_records) == before


KILLED = """
import os, signal, sys
from data_tools import build_dataset
from qsr_jax.data.records import sealed_builder
whole, count = sealed_builder.link, iter(range(100))

def killed(source, target):
    if next(count) == 7:  # in the second map
        os.kill(os.getpid(), signal.SIGKILL)
    whole(source, target)

sealed_builder.link = killed
build_dataset.main(["--manifest", sys.argv[1], "--data_dir", sys.argv[2]])
"""


def test_a_killed_build_is_recognised_and_finished(data_dir, manifest_path, tmp_path, capsys):
    folder = tmp_path / "d"
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(manifest_path), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert len(open_records(folder, "t1", "train")) == 9
    assert half_written(dataset_folder(folder, "t2"))
    for name in ("t2", "pd"):
        with pytest.raises(
            DatasetError, match=r"half-written dataset; finish it: qsr build --manifest"
        ):
            open_records(folder, name, "train")
    build(manifest_path, folder)
    assert "half-written by a build that was cut off; removed" in capsys.readouterr().out
    assert digests(folder) == digests(data_dir)


FULL_DISK = """
import resource, sys
from data_tools import build_dataset
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
build_dataset.main(["--manifest", sys.argv[1], "--data_dir", sys.argv[2]])
"""


def test_full_disk_leaves_no_dataset_and_says_so(manifest_path, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(manifest_path), str(tmp_path / "d")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: {tmp_path / 'd'}") and "could not be written" in last
    assert "File too large" in last
    assert not [p for p in (tmp_path / "d").rglob("*") if "array_record" in p.name]


def test_p12_one_patient_under_two_subjects_fails_the_build(tree, tmp_path, manifest_path):
    """A hand-made manifest that calls one PatientID two subjects passes no build."""
    from dicom_factory import write_subject

    twin = Path(shutil.copytree(tree, tmp_path / "tree"))
    shutil.rmtree(twin / "sub-002")
    write_subject(twin / "sub-002", seed=77, subject="sub-001")
    manifest = Manifest.load(manifest_path)
    subjects = []
    for subject in manifest.subjects:
        maps = {}
        for name, pair in subject.maps.items():
            from qsr_jax.data.dicom import read_series

            fresh = {side: read_series(twin / f).sha256 for side, f in pair.folders.items()}
            maps[name] = dataclasses.replace(pair, sha256=fresh)
        subjects.append(type(subject)(**{**vars(subject), "maps": maps}))
    leaky = Manifest(**{**vars(manifest), "root": twin, "subjects": tuple(subjects)})
    path = tmp_path / "leaky.json"
    path.write_text(leaky.to_json(folder=tmp_path))
    with pytest.raises(SystemExit, match="have the same PatientID"):
        build(path, tmp_path / "d")
    assert not dataset_folder(tmp_path / "d", "t1").exists()


def test_changed_series_are_noticed(tree, tmp_path, manifest_path):
    changed = Path(shutil.copytree(tree, tmp_path / "tree"))
    manifest = Manifest.load(manifest_path)
    moved = Manifest(**{**vars(manifest), "root": changed})
    subject = manifest.subjects[0]
    path = next((changed / subject.maps["t1"].folders["fast"]).iterdir())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ManifestError, match="files changed since the studies were paired"):
        read_listed(moved, subject, "t1", "fast")


def test_one_dataset_has_one_grid_and_somebody_to_train_on(manifest_path):
    manifest = Manifest.load(manifest_path)
    first, *rest = manifest.subjects
    for change in (
        {"grid_alignment": "sample"},
        {"fast_shape": (3, 64, 64)},
        {"fast_spacing_mm": (5.0, 1.0, 1.0)},
    ):
        odd = type(first)(**{**vars(first), **change})
        with pytest.raises(ManifestError, match="differ in matrix, pixel size or grid"):
            dataset_metadata(Manifest(**{**vars(manifest), "subjects": (*rest, odd)}), "t1", None)
    tests = tuple(manifest.subjects_of(split="test"))
    with pytest.raises(ManifestError, match="nobody is in the train split"):
        dataset_metadata(Manifest(**{**vars(manifest), "subjects": tests}), "t1", None)


def test_nothing_personal_is_stored(data_dir, manifest_path, tree):
    """Names, PatientIDs and UIDs of the tree occur in no record and no file beside them."""
    import pydicom

    secrets = {CANARY}
    for path in tree.rglob("001.dcm"):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        secrets |= {str(e.value) for e in ds if e.VR == "UI" and e.keyword != "SOPClassUID"}
        secrets |= {ds.PatientID, str(ds.PatientName), ds.StudyDate}
    stored = [p.read_bytes() for p in data_dir.rglob("*") if p.is_file()]
    stored.append(manifest_path.read_bytes())
    for name in MAPS:
        for split in ("train", "test"):
            records = open_records(data_dir, name, split)
            stored += [records.source.data_source[i] for i in range(len(records))]
    assert sum(map(len, stored)) > 100_000
    for secret in secrets:
        assert not any(secret.encode() in content for content in stored), "a secret was stored"


def test_builder_follows_the_conventions_of_tfds(manifest_path, data_dir, tmp_path):
    """Description, citation and tags come from the folder; without our door, manual_dir serves."""
    builder = Builder(config="t2", data_dir=tmp_path / "d")
    assert builder.name == "qmri_pairs"
    assert "ml.task.image-super-resolution" in builder.get_metadata().tags
    assert "liu2026twominute" in builder.info.citation
    assert set(Builder.builder_configs) == {
        name + fold for name in MAPS for fold in ("", *(f"_fold{k}of5" for k in range(1, 6)))
    }
    config = tfds.download.DownloadConfig(manual_dir=manifest_path.parent)
    builder.download_and_prepare(download_config=config, download_dir=tmp_path)
    ours, theirs = (dataset_folder(d, "t2") for d in (data_dir, tmp_path / "d"))
    tells = Path("dataset_info.json")  # who built it and how it is described, beside the numbers
    mine, same = digests(ours), digests(theirs)
    assert mine.keys() == same.keys()
    assert {name for name in mine if mine[name] != same[name]} == {tells}
    info, other = (json.loads((folder / tells).read_text()) for folder in (ours, theirs))
    words = {"moduleName", "description", "citation"}
    assert {key for key in info if info[key] != other[key]} == words


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        build_dataset.main(["--help"])
    assert caught.value.code == 0
    assert "--fold" in capsys.readouterr().out
