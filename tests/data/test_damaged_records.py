"""Records that are not what was sealed are refused, by file."""

import dataclasses
import json
import shutil

import pytest
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from qsr_jax.data.records.build import build_records
from qsr_jax.data.records.builder import PairsBuilder
from qsr_jax.data.records.open import DatasetError, dataset_folder, open_records
from qsr_jax.files.digest import json_sha256


def edit_json(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


SHARD, NEXT = (f"qmri_pairs-train.array_record-{i:05d}" for i in (0, 1))
TEST = "qmri_pairs-test.array_record-00000"


def swap(a, b):
    x, y = a.read_bytes(), b.read_bytes()
    a.write_bytes(y)
    b.write_bytes(x)


def cut_between_records(path):
    """Keeps the first two of three records, as a whole and well-formed shard."""
    records = ArrayRecordReader(str(path)).read([0, 1])
    writer = ArrayRecordWriter(str(path), "group_size:1,uncompressed")
    for record in records:
        writer.write(record)
    writer.close()


DAMAGE = [
    ("another map", lambda f: shutil.move(f, f.with_name("x")) and shutil.copytree(
        f.parents[1] / "t2" / f.name, f), "holds t2, expected t1"),
    ("no metadata", lambda f: (f / "metadata.json").unlink(), "metadata.json: "),
    ("other metadata", lambda f: edit_json(f / "metadata.json", lambda m: m.update(scale=3)),
     "metadata.json: does not say what was sealed"),
    ("other lengths", lambda f: edit_json(f / "dataset_info.json", lambda m: m["splits"][0].update(
        shardLengths=["9", "9", "9"])), "dataset_info.json: does not say what was sealed"),
    ("other features", lambda f: edit_json(f / "features.json", lambda m: m["featuresDict"][
        "features"]["slope"]["tensor"].update(dtype="float64")), "features.json: does not say"),
    ("no info", lambda f: (f / "dataset_info.json").unlink(), "damaged .*remove it and build"),
    ("info cut", lambda f: truncate(f / "dataset_info.json"), "damaged"),
    ("no features", lambda f: (f / "features.json").unlink(), "damaged"),
    ("no seal", lambda f: (f / "seal.json").unlink(), "seal.json cannot be read"),
    ("seal cut", lambda f: truncate(f / "seal.json"), "seal.json cannot be read"),
    ("seal of nothing", lambda f: (f / "seal.json").write_text("{}"), "seal.json: expected"),
    ("seal changed", lambda f: edit_json(f / "seal.json", lambda m: m["shards"].pop(SHARD)),
     "seal.json: was changed"),
    ("shard lost", lambda f: (f / SHARD).unlink(), f"{SHARD}: missing"),
    ("shard cut", lambda f: truncate(f / SHARD), f"{SHARD}: .* bytes, expected"),
    ("shard cut between records", lambda f: cut_between_records(f / SHARD), f"{SHARD}: was"),
    ("shard of another split", lambda f: shutil.copy(f / TEST, f / SHARD),
     f"{SHARD}: is {TEST}'s content"),
    ("shards swapped", lambda f: swap(f / SHARD, f / NEXT), f"{SHARD}: is {NEXT}'s content"),
    ("shard twice", lambda f: shutil.copy(f / SHARD, f / NEXT), f"{NEXT}: is {SHARD}'s content"),
    ("shard too many", lambda f: shutil.copy(f / SHARD, f / SHARD.replace("00000", "00009")),
     "00009: does not belong here"),
    ("bit flipped", lambda f: flip(f / SHARD), f"{SHARD}: was changed"),
    ("card lost", lambda f: (f / "card.json").unlink(), "card.json: missing"),
    ("old version", lambda f: f.rename(f.with_name("1.0.0")), "version 4.0.0, found 1.0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "damage", "reason"), DAMAGE, ids=[row[0] for row in DAMAGE])
def test_damaged_datasets_are_refused(copied_records, case, damage, reason):
    damage(dataset_folder(copied_records, "t1"))
    with pytest.raises(DatasetError, match=reason):
        open_records(copied_records, "t1", "train")


def test_a_seal_of_another_version_is_refused(copied_records):
    path = dataset_folder(copied_records, "t1") / "seal.json"
    content = json.loads(path.read_text()) | {"version": 99}
    del content["sha256"]
    path.write_text(json.dumps(content | {"sha256": json_sha256(content)}))
    with pytest.raises(DatasetError, match=r"seal\.json: qsr_jax-seal 99; expected qsr_jax-seal 1"):
        open_records(copied_records, "t1", "train")


def test_a_record_that_cannot_be_read_names_its_folder(copied_records):
    class Broken:
        def __getitem__(self, index):
            raise RuntimeError("CRC mismatch")

    records = open_records(copied_records, "t1", "train")
    broken = dataclasses.replace(records, source=Broken())
    with pytest.raises(DatasetError, match=r"t1.*damaged \(record 3: CRC mismatch\)"):
        broken[3]


def test_a_build_that_runs_out_of_disk_leaves_nothing(manifest_path, tmp_path, monkeypatch):
    def full(self, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PairsBuilder, "download_and_prepare", full)
    with pytest.raises(DatasetError, match="could not be written .*No space left.*free disk space"):
        build_records(manifest_path, tmp_path / "records")
    assert not dataset_folder(tmp_path / "records", "t1").exists()
