"""Maps that are joined were built together, slice by slice; slices beside come from one subject."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from qsr_jax.data.records.joint import JointRecords
from qsr_jax.data.records.open import DatasetError, Records

SUBJECTS = (("a", 3), ("b", 2))
"""Subject and number of slices."""


def record(subject, index, offset):
    number = offset + 10 * (subject == "b") + index
    return {
        "lr": np.full((2, 2, 1), number, np.uint16),
        "hr": np.full((4, 4, 1), number, np.uint16),
        "mask": np.ones((4, 4, 1), np.uint8),
        "subject": subject,
        "slice_index": index,
        "map": "t1",
    }


@pytest.fixture
def maps():
    """Records of T1 (numbers from 0) and T2 (from 100) of five slices."""

    def one(offset):
        source = [record(who, i, offset) for who, count in SUBJECTS for i in range(count)]
        return Records(Path("data"), source, "print", "corner", (2, 2), (5.0, 1.0, 1.0), 2)

    return one(0), one(100)


def test_channels_are_the_maps(maps):
    joint = JointRecords(maps, ("t1", "t2"))
    assert len(joint) == 5
    assert joint[4]["lr"][0, 0].tolist() == joint[4]["hr"][0, 0].tolist() == [11, 111]
    assert (joint[4]["map"], joint[4]["mask"].shape) == ("t1+t2", (4, 4, 1))


def test_slices_beside_repeat_at_the_ends_of_a_subject(maps):
    joint = JointRecords(maps, ("t1", "t2"), context=3)
    assert joint.neighbours.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2], [3, 3, 4], [3, 4, 4]]
    assert joint[2]["lr"][0, 0].tolist() == [1, 101, 2, 102, 2, 102]
    assert joint[2]["hr"][0, 0].tolist() == [2, 102]


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"fingerprint": "other"}, "the maps differ in fingerprint: t1 print, t2 other"),
     ({"scale": 4}, "the maps differ in scale: t1 2, t2 4"),
     ({"lr_shape": (2, 3)}, "the maps differ in lr_shape"),
     ({"source": []}, "the maps differ in number of records: t1 5, t2 0")],
)  # fmt: skip
def test_maps_that_were_not_built_together_are_refused(changes, why, maps):
    with pytest.raises(DatasetError, match=why):
        JointRecords((maps[0], dataclasses.replace(maps[1], **changes)), ("t1", "t2"))


@pytest.mark.parametrize(
    "changes", [{"subject": "b"}, {"slice_index": 2}, {"mask": np.zeros((4, 4, 1), np.uint8)}]
)
def test_slices_that_are_not_the_same_are_refused(changes, maps):
    maps[1].source[1] |= changes
    joint = JointRecords(maps, ("t1", "t2"))
    assert joint[0]["lr"].shape == (2, 2, 2)
    with pytest.raises(DatasetError, match="record 1 of t1, t2 shows different slices or masks"):
        joint[1]


def test_the_target_may_be_the_truth_or_any_of_two_scans(maps):
    for offset, one in zip((0, 100), maps, strict=True):
        for row in one.source:
            row |= {"truth": row["hr"] + 1000 + offset, "repeat": row["hr"] + 2000 + offset}
    truth = JointRecords(maps, ("t1", "t2"), target="truth")
    assert truth[1]["hr"][0, 0].tolist() == [1001, 1201]
    twice = JointRecords(maps, ("t1", "t2"), target="repeat")
    assert twice[1]["hr"][0, 0].tolist() == [1, 101, 2001, 2201], "all maps of a scan together"


@pytest.mark.parametrize(("target", "way"), [("truth", "only simulated"), ("repeat", "qsr repeat")])
def test_records_that_lack_the_target_are_refused(target, way, maps):
    for one in maps:
        for row in one.source:
            row[target] = row["hr"]
    maps[1].source[3][target] = np.zeros((0, 0, 1), np.uint16)
    joint = JointRecords(maps, ("t1", "t2"), target=target)
    assert joint[2]["hr"].shape[-1] == (2 if target == "truth" else 4)
    with pytest.raises(
        DatasetError, match=rf"'{target}', and subject b \(record 3\) has none: .*{way}"
    ):
        joint[3]
