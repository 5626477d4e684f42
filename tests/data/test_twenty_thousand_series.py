"""No step grows faster than its series: work is counted, on headers without files."""

import sys
from pathlib import Path

import pytest

from qsr_jax.data.dicom import SeriesFiles
from qsr_jax.data.dicom.subject_copy import _Numbers
from qsr_jax.data.studies import pair_tree
from qsr_jax.data.studies.pair_visits import Tree
from qsr_jax.data.studies.sessions import SessionChoice
from qsr_jax.files.journal import Job, Journal, Schedule

MORE = 10
"""Times as many series; work may grow by this and a table that doubles, never by its square."""


class Uid(str):
    """A text that counts how often it is looked at."""

    looks = 0
    __slots__ = ()

    def __hash__(self):
        Uid.looks += 1
        return super().__hash__()

    def __eq__(self, other):
        Uid.looks += 1
        return super().__eq__(other)


def looks(work) -> int:
    """How often UIDs and names were hashed or compared."""
    Uid.looks = 0
    work()
    return Uid.looks


def called(work) -> int:
    """How many Python functions were called: a count, not a time."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def series_of(count: int) -> list[SeriesFiles]:
    """Six series for each subject, in a tree of folders without files."""
    return [
        SeriesFiles(Path(f"/tree/p{i // 6}/s{i}"), (), (Uid(f"p{i // 6}"), Uid(f"study{i // 6}")))
        for i in range(count)
    ]


def number_folders(count: int) -> None:
    numbers = _Numbers()
    for one in range(count):
        for _ in range(2):
            numbers.of(Uid(f"study{one // 6}"), Uid(f"series{one}"), Path(f"s{one}"))


def plan_pairing(count: int) -> None:
    tree = Tree(Path("/tree"), "dicom", 2, None, (), any_study=False)
    refused: list[dict[str, str]] = []
    by_patient = pair_tree._series_by_patient(tree, SessionChoice(), series_of(count), refused)
    assert len(by_patient) == count // 6 and not refused
    refused += [{"what": Uid(f"s{i}"), "reason": Uid("no map")} for i in range(count)] * 2
    assert len(pair_tree._once(refused)) == count


@pytest.mark.parametrize("work", (number_folders, plan_pairing))
def test_names_are_looked_at_in_proportion(work):
    """`_place` compared each series with all others before: 27.7 s at 20,000."""
    few, many = (looks(lambda count=count: work(count)) for count in (600, 600 * MORE))
    assert few > 600
    assert many < 1.2 * MORE * few


def test_a_journal_is_worked_through_in_proportion(tmp_path):
    def work(count: int, folder: Path) -> None:
        jobs = [Job(f"s{i}", f"{i:08x}", ({"n": i},)) for i in range(count)]
        journal = Journal(folder)
        assert journal.work(dict, jobs, Schedule(), label="x")
        assert all(journal.result(job)["n"] == i for i, job in enumerate(jobs))

    few, many = (called(lambda n=n: work(n, tmp_path / str(n))) for n in (20, 20 * MORE))
    assert many < 1.2 * MORE * few
