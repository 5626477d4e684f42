"""A cohort by its subjects: killed and resumed, in shards, in several processes; in linear time."""

import os

import pytest

from qsr_jax.files.journal import IncompleteError, Job, Journal, Schedule, files_sha256, parse_shard
from qsr_jax.files.processes import LostProcessError, in_processes


def noted(folder, name, at):
    """Leaves a mark each time it is called, and stops where it is told."""
    if name == at:
        raise KeyboardInterrupt
    with (folder / "calls").open("a") as file:
        file.write(f"{name}\n")
    return {"name": name, "half": 0.5}


def jobs_of(folder, count=6, at=None):
    return [Job(f"s{i}", f"{i:04x}", (folder, f"s{i}", at)) for i in range(count)]


def calls(folder):
    return (folder / "calls").read_text().split()


def test_what_is_done_is_not_done_again(tmp_path):
    journal, jobs = Journal(tmp_path / "j"), jobs_of(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        journal.work(noted, jobs_of(tmp_path, at="s3"), Schedule(), label="x")
    assert calls(tmp_path) == ["s0", "s1", "s2"]
    assert journal.work(noted, jobs, Schedule(), label="x")
    assert calls(tmp_path) == ["s0", "s1", "s2", "s3", "s4", "s5"]
    assert [journal.result(job) for job in jobs] == [
        {"name": f"s{i}", "half": 0.5} for i in range(6)
    ]
    changed = [Job("s0", "ffff", (tmp_path, "s0", None)), *jobs[1:]]
    assert journal.work(noted, changed, Schedule(), label="x")
    assert calls(tmp_path)[6:] == ["s0"]


def test_shards_make_a_whole_and_a_merge_lacks_nobody(tmp_path):
    journal, jobs = Journal(tmp_path / "j"), jobs_of(tmp_path)
    for number in (1, 3):
        assert not journal.work(noted, jobs, Schedule(shard=(number, 3)), label="x")
    assert sorted(calls(tmp_path)) == ["s0", "s2", "s3", "s5"]
    with pytest.raises(IncompleteError, match=r"2 of 6 subjects are missing \(s1, s4\); run"):
        journal.work(noted, jobs, Schedule(merge=True), label="x")
    assert len(calls(tmp_path)) == 4, "a merge does nothing itself"
    assert not journal.work(noted, jobs, Schedule(shard=(2, 3)), label="x")
    assert journal.work(noted, jobs, Schedule(merge=True), label="x")
    assert sorted(calls(tmp_path)) == [job.name for job in jobs]


def test_a_failure_before_the_first_subject_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Journal(tmp_path / "j").work(noted, jobs_of(tmp_path, at="s0"), Schedule(), label="x")
    assert not list(tmp_path.iterdir())


def test_schedules_that_cannot_be_are_refused(tmp_path):
    for text in ("3", "0/3", "4/3", "a/b", "1/0"):
        with pytest.raises(ValueError, match="expected I/N"):
            parse_shard(text)
    journal = Journal(tmp_path / "j")
    with pytest.raises(ValueError, match="--workers must be at least 1; got 0"):
        journal.work(noted, jobs_of(tmp_path), Schedule(workers=0), label="x")
    with pytest.raises(ValueError, match="--merge takes all shards"):
        journal.work(noted, jobs_of(tmp_path), Schedule(shard=(1, 2), merge=True), label="x")


def test_processes_answer_everything_and_a_lost_one_is_told():
    for workers in (1, 2, 8):
        found = in_processes(divmod, [(i, 3) for i in range(20)], workers=workers)
        assert sorted(found) == sorted(divmod(i, 3) for i in range(20))
    with pytest.raises(ZeroDivisionError):
        list(in_processes(divmod, [(1, 1), (1, 0)], workers=2))
    with pytest.raises(LostProcessError, match="ended without an answer; out of memory"):
        list(in_processes(os._exit, [(3,)], workers=2))


def test_a_touched_file_has_another_digest(tmp_path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text("x")
        os.utime(path, ns=(0, 1))
    first = files_sha256(paths, tmp_path)
    assert files_sha256(reversed(paths), tmp_path) == first
    os.utime(paths[0], ns=(0, 2))
    assert files_sha256(paths, tmp_path) != first


def test_a_link_that_leads_nowhere_has_a_digest_and_another_one_once_it_leads_somewhere(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "not fetched")
    first = files_sha256([tmp_path / "a"], tmp_path)
    (tmp_path / "not fetched").write_text("x")
    assert files_sha256([tmp_path / "a"], tmp_path) != first
