"""The whole walk: heads on disk, records, batches; twice, killed, damaged, refused."""

import dataclasses
import json
import shutil

import nibabel
import numpy as np
import pytest
from weighted_heads import geometry, write_cohort, write_measured

from data_tools import synthesise_weighted
from data_tools.weighted_subjects import deal, find_sources
from qsr_jax.acquisition import ACQUISITION, WIDE
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.records.batches import batches
from qsr_jax.data.records.on_device import load_resident, resident_bytes
from qsr_jax.data.records.open import DatasetError
from qsr_jax.data.records.weighted import open_weighted, weighted_folder
from qsr_jax.data.studies.split import Shares

SIZE = ["--matrix", "32", "32", "--draws", "2", "--measured-draws", "3", "--every", "1"]
SPLITS = ["--validation", "c/sub-002", "--test", "c/sub-003", "c/sub-004"]


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    return write_cohort(folder / "c"), write_measured(folder / "m")


def make(heads, data_dir, *more, splits=SPLITS):
    cohort, measured = heads
    where = ["--cohort", str(cohort), "--measured", str(measured), "--data_dir", str(data_dir)]
    synthesise_weighted.main([*where, *SIZE, *splits, *more])


@pytest.fixture(scope="module")
def data_dir(heads, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    make(heads, folder)
    return folder


@pytest.fixture(scope="module")
def opened(data_dir):
    return {split: open_weighted(data_dir, split, labels=True)
            for split in ("train", "validation", "test")}  # fmt: skip


def test_records_serve_the_trainer(opened):
    train = opened["train"]
    assert (len(train), len(opened["validation"]), len(opened["test"])) == (15, 6, 12)
    assert (train.scale, train.lr_shape, train.grid_alignment) == (1, (32, 32), "corner")
    assert train.names == ("t1", "t2", "pd") and train.registration["method"] == "none"
    assert train.settings["limits"]["acquisition"] == [list(ends) for ends in WIDE]
    batch = next(batches(train, batch_size=4, seed=0, start_step=2))
    shapes = {name: (array.shape, array.dtype.name) for name, array in batch.items()}
    assert shapes == {
        "lr": ((4, 32, 32, 3), "uint16"),
        "hr": ((4, 32, 32, 3), "uint16"),
        "mask": ((4, 32, 32, 1), "uint8"),
        "acquisition_ms": ((4, 7), "float32"),
        "sample_id": ((4,), "int32"),
    }
    kept = load_resident(train)
    np.testing.assert_array_equal(
        kept["acquisition_ms"][batch["sample_id"]], batch["acquisition_ms"]
    )
    assert resident_bytes(train) == sum(stack.nbytes for stack in kept.values())


def test_nobody_is_in_two_splits_and_lesions_only_test(opened):
    people = {split: {r["subject"] for r in map(records.__getitem__, range(len(records)))}
              for split, records in opened.items()}  # fmt: skip
    assert [len(people[split]) for split in ("train", "validation", "test")] == [2, 1, 2]
    assert len(set.union(*people.values())) == 5
    sick = {split: sum(records[i]["lesion"].any() for i in range(len(records)))
            for split, records in opened.items()}  # fmt: skip
    assert sick == {"train": 0, "validation": 0, "test": 2}
    assert set(opened["train"].learned["subjects"]) == people["train"] | people["validation"]


def test_times_differ_by_study_and_stay_in_range(opened):
    rows = [opened["train"][i] for i in range(15)]
    studies = {(r["subject"], r["draw"]): tuple(r["acquisition_ms"]) for r in rows}
    assert len(studies) == len(set(studies.values())) == 5
    for times in studies.values():
        for name, value, (low, high) in zip(ACQUISITION, times, WIDE, strict=True):
            assert low * (1 - 1e-6) <= value <= high * (1 + 1e-6), name


def test_what_is_learned_is_the_truth_at_the_coarser_grid(opened, heads):
    record = opened["validation"][1]
    white = record["tissue"][..., 0] == 3
    inner = white & np.roll(white, 1, 0) & np.roll(white, -1, 0)
    expected = np.array([830.0 * 1.05, 78.0 * 1.05, 68.0])
    if record["field_t"] == 3.0:
        np.testing.assert_allclose(record["hr"][inner].mean(0) * 0.1, expected, rtol=0.03)
    assert record["mask"].sum() == np.isin(record["tissue"], (1, 2, 3, 4)).sum()


def test_twice_is_once_and_other_settings_are_refused(heads, data_dir, capsys):
    before = (weighted_folder(data_dir) / "seal.json").read_text()
    make(heads, data_dir)
    assert "already made from these subjects" in capsys.readouterr().out
    assert (weighted_folder(data_dir) / "seal.json").read_text() == before
    with pytest.raises(SystemExit, match="other subjects or settings"):
        make(heads, data_dir, "--snr", "30", "40")


def test_killed_it_goes_on_and_workers_do_not_matter(heads, data_dir, tmp_path, monkeypatch):
    """The same bytes from two parts on two machines, the second of which died once."""
    make(heads, tmp_path, "--shard", "1/2")
    assert not weighted_folder(tmp_path).exists()
    with pytest.raises(SystemExit, match="2 of 5 subjects are missing"):
        make(heads, tmp_path, "--merge")
    whole, calls = synthesise_weighted.weighted_shard, []

    def dies(path, records):
        calls.append(path)
        if len(calls) == 2:
            raise OSError("disk full")
        return whole(path, records)

    monkeypatch.setattr(synthesise_weighted, "weighted_shard", dies)
    with pytest.raises(SystemExit, match="disk full"):
        make(heads, tmp_path)
    make(heads, tmp_path)
    assert len(calls) == 3
    mine, theirs = (json.loads((weighted_folder(d) / "seal.json").read_text())
                    for d in (tmp_path, data_dir))  # fmt: skip
    assert mine == theirs


def test_a_damaged_shard_is_found(data_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(data_dir, copy)
    (shard, *_) = sorted(weighted_folder(copy).glob("*train*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match="build again: qsr synthesise-weighted"):
        open_weighted(copy, "train")
    with pytest.raises(DatasetError, match="no dataset here; build it: qsr synthesise-weighted"):
        open_weighted(tmp_path, "train")


def test_who_is_who_stands_beside_the_records_and_not_in_them(data_dir):
    table = (data_dir / "weighted_subjects.tsv").read_text().splitlines()
    assert table[0] == "subject\tsplit\tsource\tname"
    assert [line.split("\t")[1:] for line in table[1:]] == [
        ["train", "simulated", "c/sub-001"],
        ["validation", "simulated", "c/sub-002"],
        ["test", "simulated", "c/sub-003"],
        ["test", "simulated", "c/sub-004"],
        ["train", "measured", "m"],
    ]
    for path in weighted_folder(data_dir).iterdir():
        assert b"sub-001" not in path.read_bytes(), path


def test_without_names_heads_are_dealt_and_patients_test(heads):
    sources = find_sources([heads[0]], [heads[1]])
    dealt = deal(sources, {}, shares=Shares(test=0.2, validation=0.0), seed=3)
    assert dealt[3] == "test" and sources[3].group == "patient"
    assert "train" in dealt


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--test", "c/sub-009"], "c/sub-009: nobody is called so; known are c, c/sub-001"),
        (["--test", "c", "m"], "nobody is in the train split"),
        (["--test", "c", "--validation", "c/sub-001"], "named for test and validation"),
        (["--snr", "40", "20"], "--snr is 40.0 20.0; expected 0 < LOW <= HIGH"),
        (["--still-share", "1.5"], "--still-share is 1.5; expected 0 to 1"),
        (["--matrix", "33", "32"], r"--matrix is \[33, 32\]; expected even numbers"),
        (["--workers", "0", "--test", "c"], "--workers must be at least 1"),
        (["--measured", "{m}", "{m}"], "m is given twice"),
        (["--cohort", "{m}"], "no participants.tsv"),
        (["--matrix", "512", "512", "--test", "c/sub-003"], "no slice of anybody is usable"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(heads, tmp_path, more, message):
    more = [str(heads[1]) if one == "{m}" else one for one in more]
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        make(heads, tmp_path, *more, splits=[])


def test_one_head_under_two_names_is_refused(heads, tmp_path):
    """It could train under one and test under the other."""
    shutil.copytree(heads[1], tmp_path / "again")
    with pytest.raises(SystemExit, match="subject head-.* is given twice"):
        make(heads, tmp_path / "d", "--measured", str(heads[1]), str(tmp_path / "again"))


def test_who_has_lesions_everywhere_is_left_out_of_training_and_told(heads, tmp_path, capsys):
    cohort = tmp_path / "c"
    shutil.copytree(heads[0], cohort)
    truth = cohort / "sub-004" / "truth"
    array = np.ones((3, 64, 64), np.uint8)
    write_nifti(array, geometry(), truth / "lesions.nii.gz")
    make((cohort, heads[1]), tmp_path / "d", splits=["--test", "c/sub-003"])
    assert "left out, no slice is usable: sim-" in capsys.readouterr().out
    assert len(open_weighted(tmp_path / "d", "train")) == 6 + 6 + 9  # two subjects, the head


def test_nobody_and_broken_truths_are_refused(heads, tmp_path):
    with pytest.raises(SystemExit, match="nobody to scan"):
        synthesise_weighted.main(["--data_dir", str(tmp_path / "d")])
    cohort = tmp_path / "c"
    shutil.copytree(heads[0], cohort)
    (cohort / "sub-001" / "truth" / "t1_ms.nii.gz").write_bytes(b"no")
    with pytest.raises(SystemExit, match=r"t1_ms.nii.gz: cannot be read .* simulate the subject"):
        make((cohort, heads[1]), tmp_path / "d")
    upside_down = dataclasses.replace(geometry(), row_dir=(-1.0, 0.0, 0.0))
    truth = cohort / "sub-001" / "truth"
    write_nifti(np.zeros((3, 64, 64), np.float32), upside_down, truth / "t1_ms.nii.gz")
    image = nibabel.load(truth / "t1_ms.nii.gz")
    flipped = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine @ np.diag([1, 1, -1, 1]))
    nibabel.save(flipped, truth / "t1_ms.nii.gz")
    with pytest.raises(SystemExit, match="slices run against rows and columns"):
        make((cohort, heads[1]), tmp_path / "d")
    (cohort / "sub-001" / "truth" / "truth.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"truth.json: cannot be read"):
        make((cohort, heads[1]), tmp_path / "d")
