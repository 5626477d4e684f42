"""Several studies of one subject: follow-up, restarted console, repeated map; one split for all."""

import dataclasses
import json
import shutil
from pathlib import PurePosixPath

import pytest
from dicom_factory import write_subject
from exports import write_session

from data_tools import build_dataset, pair_studies
from qsr_jax.data import dicom
from qsr_jax.data.records.open import open_records
from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.entry import check_leakage
from qsr_jax.data.studies.manifest import Manifest, ManifestError
from qsr_jax.data.studies.sessions import SessionChoice


def write_visit(folder, *, seed, who, date, skip=(), **header):
    """Both scans of one visit, a study of its own."""
    header = {"study_uid": dicom.make_uid(f"study {folder.name}"), "study_date": date} | header

    def visit(side, name, volume, acquisition):
        return volume, dataclasses.replace(acquisition, **header)

    return write_subject(folder, seed=seed, subject=who, change=visit, skip=skip)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A subject with a first visit and a follow-up (written in this order), and two more."""
    root = tmp_path_factory.mktemp("sessions") / "tree"
    write_visit(root / "ann" / "late", seed=1, who="ann", date="20260301")
    write_visit(root / "ann" / "early", seed=2, who="ann", date="20260101")
    for seed, name in enumerate(("bob", "cid"), 3):
        write_visit(root / name / f"visit-{name}", seed=seed, who=name, date="20260101")
    return root


def paired(tree, out, *flags):
    pair_studies.main(["--dicom", str(tree), "--out", str(out), "--test-fraction", "0", *flags])
    return Manifest.load(out)


def visits(manifest):
    return {(s.maps["t1"].folders["fast"].rpartition("/")[0], s.session) for s in manifest.subjects}


LATE = {("ann/late", "2")}
OTHERS = {("bob/visit-bob", "1"), ("cid/visit-cid", "1")}


def test_a_session_is_chosen_by_the_door(tree, tmp_path):
    assert visits(paired(tree, tmp_path / "m.json", "--session", "last")) == OTHERS | LATE
    with pytest.raises(SystemExit, match="frist: nobody has it; expected one of .*last, 1, 2"):
        paired(tree, tmp_path / "n.json", "--session", "frist")


@pytest.mark.parametrize(("choice", "of_ann"), [
    (SessionChoice(), ["early", "late"]),
    (SessionChoice("first"), ["early"]),
    (SessionChoice("last"), ["late"]),
    (SessionChoice("2"), ["late"]),
    (SessionChoice("3"), []),
])  # fmt: skip
def test_sessions_are_sorted_by_date_and_chosen(tree, choice, of_ann):
    found = dicom.find_series(tree / "ann").series
    sessions = choice.sort([(one.owner[1], one) for one in found])
    assert [len(held) for held in sessions.values()] == [6, 6]
    chosen = [sessions[label][0].place.parent.name for label in choice.chosen(sessions)]
    assert chosen == of_ann


def test_whole_folders_are_left_out():
    choice = SessionChoice(excluded=("ann/early", "bob/x/fast_t1"))
    places = [PurePosixPath(text) for text in ("ann/early/t1", "ann/earlyer/t1", "bob/x/fast_t1")]
    assert [choice.leaves_out(place) for place in places] == [True, False, True]


def test_the_sessions_of_a_subject_share_split_and_folds_and_count_once(tree, tmp_path, capsys):
    manifest = paired(tree, tmp_path / "m.json", "--seed", "6", "--folds", "3")
    assert (len(manifest.subjects), manifest.count()) == (4, 3)
    same = {(s.split, s.folds) for s in manifest.subjects if s.subject == ann(manifest)}
    assert len(same) == 1
    assert "3 subjects (" in (said := capsys.readouterr().out)
    assert "1 further sessions of theirs" in said
    assert len({s.case for s in manifest.subjects}) == 4


def ann(manifest):
    return next(s.subject for s in manifest.subjects if s.session == "2")


def test_a_manifest_with_a_subject_in_two_splits_is_refused(tree, tmp_path):
    manifest = paired(tree, tmp_path / "m.json")
    first, second = [s for s in manifest.subjects if s.subject == ann(manifest)]
    other = "train" if second.split == "test" else "test"
    with pytest.raises(ManifestError, match="is in subjects.* and in .* two splits or groups"):
        check_leakage([first, dataclasses.replace(second, split=other)], where=tmp_path)
    with pytest.raises(ManifestError, match="subject .* is in subjects"):
        check_leakage([first, first], where=tmp_path)


def test_sessions_become_records_side_by_side(tree, tmp_path):
    manifest = paired(tree, tmp_path / "m.json", "--seed", "0")
    arguments = ["--manifest", str(tmp_path / "m.json"), "--data_dir", str(tmp_path / "r")]
    build_dataset.main(arguments)
    held = {}
    for split in {s.split for s in manifest.subjects}:
        records = open_records(tmp_path / "r", "t1", split)
        for index in range(len(records)):
            held.setdefault(records[index]["subject"], []).append(records[index]["slice_index"])
    assert set(held) == {s.case for s in manifest.subjects}
    assert all(sorted(map(int, places)) == [0, 1, 2] for places in held.values())


def test_a_session_that_is_not_whole_leaves_the_other(tmp_path):
    write_visit(tmp_path / "t" / "a", seed=1, who="ann", date="20260101", skip=("fast_t2",))
    write_visit(tmp_path / "t" / "b", seed=2, who="ann", date="20260301")
    manifest = paired(tmp_path / "t", tmp_path / "m.json")
    assert visits(manifest) == {("b", "2")}
    (refusal,) = manifest.refused
    assert refusal["what"] == "., session 1" or refusal["what"] == "a, session 1"
    assert "T2: 1 readable series" in refusal["reason"]


def test_a_restarted_console_is_one_session_when_told(tmp_path):
    """Fast in one study, routine in the next one; without the word both are refused."""
    tree, fast = tmp_path / "t", tuple(f"fast_{n}" for n in ("t1", "t2", "pd"))
    routine = tuple(name.replace("fast", "routine") for name in fast)
    write_visit(tree / "before", seed=1, who="ann", date="20260101", skip=routine)
    write_visit(tree / "after", seed=1, who="ann", date="20260101", skip=fast)
    with pytest.raises(SystemExit, match="no subject has three whole pairs"):
        paired(tree, tmp_path / "m.json")
    manifest = paired(tree, tmp_path / "m.json", "--join-studies")
    (subject,) = manifest.subjects
    folders = subject.maps["t1"].folders
    assert (folders["fast"], folders["routine"]) == ("before/fast_t1", "after/routine_t1")
    assert load_case(manifest, subject).fast.maps.shape == (3, 32, 32, 3)


def test_a_repeated_map_is_left_out_by_name(tmp_path):
    tree = tmp_path / "t"
    write_visit(tree / "ann", seed=1, who="ann", date="20260101")
    shutil.copytree(tree / "ann" / "fast_t1", tree / "ann" / "fast_t1_again")
    with pytest.raises(SystemExit, match="T1: 3 readable series.*leave repeated ones out with"):
        paired(tree, tmp_path / "m.json")
    manifest = paired(tree, tmp_path / "m.json", "--exclude", "ann/fast_t1_again")
    assert {"what": "ann/fast_t1_again", "reason": "left out by --exclude"} in manifest.refused
    with pytest.raises(SystemExit, match="--exclude ann/nothing: leaves nothing out"):
        paired(tree, tmp_path / "m2.json", "--exclude", "ann/nothing")


def test_sessions_of_two_groups_are_refused(tmp_path):
    """The table names folders; a subject cannot be healthy in one and a patient in another."""
    for seed, name in enumerate(("a", "b"), 1):
        write_visit(tmp_path / "t" / name, seed=seed, who="ann", date=f"2026010{seed}")
    table = tmp_path / "p.tsv"
    table.write_text("participant_id\tgroup\na\thealthy\nb\tpatient\n")
    manifest = paired(tmp_path / "t", tmp_path / "m.json", "--participants", str(table))
    assert visits(manifest) == {("a", "1")}
    assert "another group" in manifest.refused[0]["reason"]


def test_bids_sessions_keep_their_names(tmp_path):
    for seed, session in enumerate(("ses-base", "ses-year")):
        write_session(tmp_path / "raw", "sub-01", seed, session)
    out = tmp_path / "m.json"
    pair_studies.main(["--bids", str(tmp_path / "raw"), "--out", str(out)])
    assert [s.session for s in Manifest.load(out).subjects] == ["base", "year"]
    assert json.loads(out.read_text())["subjects"][1]["session"] == "year"
