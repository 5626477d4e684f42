"""Text files are whole at any moment; lines of logs are whole."""

import os
import stat

import pytest

from qsr_jax.files import atomic
from qsr_jax.files.atomic import append_line, write_text_atomically
from qsr_jax.files.staged import WriteError


def test_a_text_takes_the_place_of_the_older_one(tmp_path):
    path = tmp_path / "run.json"
    write_text_atomically(path, "old")
    write_text_atomically(path, "µ new")
    assert path.read_text("utf-8") == "µ new"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_its_rights_are_those_of_any_new_file(tmp_path):
    (tmp_path / "usual").write_text("")
    write_text_atomically(tmp_path / "atomic", "")
    rights = [stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("usual", "atomic")]
    assert rights[0] == rights[1]


def test_a_full_disk_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_text_atomically(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(WriteError, match=r"run.json: could not be written \(No space left"):
        write_text_atomically(path, "new")
    assert path.read_text("utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_lines_are_added_and_a_cut_one_keeps_to_itself(tmp_path):
    path = tmp_path / "log"
    append_line(path, "one")
    append_line(path, "two µ")
    with path.open("a", encoding="utf-8") as file:
        file.write("cut sho")
    append_line(path, "three")
    assert path.read_text("utf-8") == "one\ntwo µ\ncut sho\nthree\n"


def test_a_line_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="expected one line, got 2"):
        append_line(tmp_path / "log", "one\ntwo")
    assert not (tmp_path / "log").exists()


def test_a_line_that_is_taken_in_part_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "log"
    append_line(path, "one")
    write = os.write
    monkeypatch.setattr(atomic.os, "write", lambda file, content: write(file, content[:2]))
    with pytest.raises(WriteError, match="2 of 4 bytes were taken"):
        append_line(path, "two")
    assert path.read_bytes() == b"one\n"


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(WriteError, match=r"the line could not be added \(No such file"):
        append_line(tmp_path / "nowhere" / "log", "one")
    with pytest.raises(WriteError, match=r"could not be written \(No such file"):
        write_text_atomically(tmp_path / "nowhere" / "text", "one")
