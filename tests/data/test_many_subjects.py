"""Every door of the data path by its subjects: killed, in shards, in processes, appended."""

import contextlib
import io
import os
import shutil
import signal
from pathlib import Path

import pytest
from dicom_factory import write_subject
from kill_data import CONTEXT, differences, digests

from data_tools import build_dataset, convert, deidentify, inspect_dicom, pair_studies
from qsr_jax.data.records.open import dataset_folder
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.files import journal

DOORS = ("inspect", "deidentify", "pair", "build", "convert")
SUBJECTS = 4


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """Four subjects, their manifest and a salt."""
    folder = tmp_path_factory.mktemp("cohort")
    for seed in range(SUBJECTS):
        write_subject(folder / "tree" / f"p{seed}", seed=seed)
    (folder / "salt").write_text("ab" * 32)
    command(folder, "pair", folder / "m")
    return folder


def command(cohort: Path, name: str, out: Path, *more: str) -> tuple[str, int]:
    """What a door prints, and its exit status; it writes below ``out``."""
    tree, salt, manifest = (str(cohort / part) for part in ("tree", "salt", "m/m.json"))
    out.mkdir(exist_ok=True)
    door, flags = {
        "inspect": (inspect_dicom, [tree, "--journal", str(out / "journal")]),
        "deidentify": (deidentify, ["--input", tree, "--output", f"{out}/clean"]),
        "pair": (
            pair_studies,
            ["--dicom", tree, "--out", f"{out}/m.json", "--test-fraction", "0"],
        ),
        "build": (build_dataset, ["--manifest", manifest, "--data_dir", str(out)]),
        "convert": (convert, ["--tree", "--input", tree, "--output", f"{out}/nifti"]),
    }[name]
    if name in ("deidentify", "pair"):
        flags += ["--salt-file", salt]
    said = io.StringIO()
    status = 0
    with contextlib.redirect_stdout(said):
        try:
            door.main([*flags, *more])
        except SystemExit as ended:
            status = ended.code
    return said.getvalue().replace(str(out), "OUT"), status


def killed_after(cohort: Path, name: str, out: Path, subjects: int) -> None:
    """Ends a door with SIGKILL when so many subjects are done."""
    whole, done = journal.keep, iter(range(subjects + 1))

    def keep(*arguments):
        if next(done) == subjects:
            os.kill(os.getpid(), signal.SIGKILL)
        whole(*arguments)

    journal.keep = keep
    command(cohort, name, out)


def result(out: Path) -> dict[str, str]:
    """Everything that lies there for good; what keeps the subjects must be gone."""
    assert not list(out.rglob("*.unfinished*"))
    shutil.rmtree(out / "journal", ignore_errors=True)  # where a user wanted it
    return digests(out)


@pytest.fixture(scope="module")
def whole(cohort, tmp_path_factory):
    """Door to what an undisturbed run prints and writes."""
    made = {}
    for name in DOORS:
        out = tmp_path_factory.mktemp(name)
        said, status = command(cohort, name, out)
        assert status == 0, said
        made[name] = said, result(out)
    return made


@pytest.mark.parametrize("name", DOORS)
def test_a_killed_door_goes_on_with_the_next_subject(cohort, whole, name, tmp_path, monkeypatch):
    process = CONTEXT.Process(target=killed_after, args=(cohort, name, tmp_path / "o", 2))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    done, real = [], journal.keep
    monkeypatch.setattr(journal, "keep", lambda *a: (done.append(a[0]), real(*a)))
    assert command(cohort, name, tmp_path / "o")[0] == whole[name][0]
    assert len(done) == SUBJECTS - 2
    assert not differences(result(tmp_path / "o"), whole[name][1])


@pytest.mark.parametrize("name", DOORS)
def test_shards_and_a_merge_are_one_run(cohort, whole, name, tmp_path):
    out = tmp_path / "o"
    assert "a shard is done" in command(cohort, name, out, "--shard", "2/2")[0]
    refusal = command(cohort, name, out, "--merge")[1]
    assert "2 of 4 subjects are missing" in refusal
    assert "a shard is done" in command(cohort, name, out, "--shard", "1/2")[0]
    said, status = command(cohort, name, out, "--merge")
    assert (said, status) == (whole[name][0], 0)
    assert not differences(result(out), whole[name][1])


@pytest.mark.parametrize("name", ("deidentify", "pair", "build"))
def test_the_number_of_processes_changes_no_byte(cohort, whole, name, tmp_path):
    """The pool itself is tried with eight in tests/files; what it costs is each one's start."""
    assert command(cohort, name, tmp_path, "--workers", "2") == (whole[name][0], 0)
    assert not differences(result(tmp_path), whole[name][1])


def test_one_unlisted_participant_aborts_nobody(cohort, tmp_path):
    table = tmp_path / "p.tsv"
    rows = "".join(f"p{i}\thealthy\n" for i in range(SUBJECTS) if i != 1)
    table.write_text("participant_id\tgroup\n" + rows)
    for name, words in {
        "deidentify": "left out  p1/fast_pd/001.dcm: p1: participants table gives 0 groups",
        "pair": "refused  p1: p1: participants table gives 0 groups",
    }.items():
        said, status = command(cohort, name, tmp_path / name, "--participants", str(table))
        assert (words in said, status) == (True, 3 if name == "deidentify" else 0)
        assert f"{SUBJECTS - 1} subjects" in said


def test_further_subjects_add_shards_and_change_none(cohort, tmp_path):
    """Manifest and records grow; the records are those of one build of the grown manifest."""
    tree = shutil.copytree(cohort / "tree", tmp_path / "tree")
    shutil.copy(cohort / "salt", tmp_path / "salt")
    late = shutil.move(tree / "p1", tmp_path / "late")
    (tmp_path / "m").mkdir()
    pair = ["--test-fraction", "0", "--journal", str(tmp_path / "kept")]
    assert command(tmp_path, "pair", tmp_path / "m", *pair)[1] == 0
    assert command(tmp_path, "build", tmp_path / "d")[1] == 0
    folder = dataset_folder(tmp_path / "d", "t2")
    before = digests(folder)
    listed = Manifest.load(tmp_path / "m" / "m.json").subjects
    shutil.move(late, tree / "p1")
    assert "or give --append" in command(tmp_path, "pair", tmp_path / "m", *pair)[1]
    assert command(tmp_path, "pair", tmp_path / "m", *pair, "--append")[1] == 0
    grown = Manifest.load(tmp_path / "m" / "m.json").subjects
    assert grown[:-1] == listed
    assert "or give --append" in command(tmp_path, "build", tmp_path / "d")[1]
    assert command(tmp_path, "build", tmp_path / "d", "--append")[1] == 0
    after = digests(folder)
    shards = [name for name in before if "array_record" in name]
    assert len(shards) == SUBJECTS - 1 == len([n for n in after if "array_record" in n]) - 1
    assert all(after[name] == before[name] for name in shards)
    assert command(tmp_path, "build", tmp_path / "once")[1] == 0
    assert not differences(result(tmp_path / "d"), result(tmp_path / "once"))
    (tree / "p0" / "fast_t1" / "001.dcm").touch()  # read again, and the same
    assert "is the same" in command(tmp_path, "pair", tmp_path / "m", *pair, "--append")[0]
    shutil.rmtree(tree / "p0")
    refusal = command(tmp_path, "pair", tmp_path / "m", *pair, "--append")[1]
    assert "is gone; --append adds subjects and changes none" in refusal


def test_a_repeated_scan_that_came_since_is_read(cohort, tmp_path):
    """What a killed build had done is not taken when the subject has more to give."""
    tree = shutil.copytree(cohort / "tree", tmp_path / "tree")
    shutil.copy(cohort / "salt", tmp_path / "salt")
    assert command(tmp_path, "pair", tmp_path / "m")[1] == 0
    command(tmp_path, "build", tmp_path / "d", "--shard", "1/1")
    kept = {path.name for path in (tmp_path / "d").rglob("*.json")}
    shutil.copytree(tree / "p0" / "routine_t1", tree / "p0" / "repeat_t1")
    command(tmp_path, "build", tmp_path / "d", "--shard", "1/1")
    assert len({path.name for path in (tmp_path / "d").rglob("*.json")} - kept) == 1
