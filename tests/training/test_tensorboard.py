"""TensorBoard events: what was recorded stands in the file, and a full disk is told at once."""

import errno
import importlib
import io
import struct
import sys

import numpy as np
import pytest
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from qsr_jax.training.metric_log import Recorder
from qsr_jax.training.tensorboard import Board, unavailable


def events(folder):
    """TFRecord: length (8 bytes), its checksum (4), data, its checksum (4)."""
    (path,) = folder.iterdir()
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += length + 16


def test_what_is_recorded_stands_in_the_file(tmp_path):
    board = Board(tmp_path / "new", first_step=4)
    board.scalar(5, "train/mae", 0.25)
    board.text(5, "alarm", "look here")
    board.image(6, "panels", np.linspace(-1, 2, 12).reshape(3, 4))
    board.close()
    version, start, scalar, text, image = events(tmp_path / "new")
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (5, SessionLog.START)
    assert (scalar.step, scalar.summary.value[0].tag) == (5, "train/mae")
    assert scalar.summary.value[0].simple_value == 0.25
    assert b"look here" in text.summary.value[0].tensor.string_val[0]
    assert (image.step, image.summary.value[0].image.height) == (6, 3)


def no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def closes_and_fails(events_writer, close=EventsWriter.close):
    close(events_writer)
    no_room()


@pytest.mark.parametrize("does", ["write_event", "flush"])
def test_a_full_disk_stops_the_run_and_names_the_folder(does, tmp_path, monkeypatch):
    """A writer in a thread of its own would die there, and the run wait for it for ever."""
    with Recorder(tmp_path, first_step=0, total_steps=99, title="full") as recorder:
        recorder.scalars(1, "validation", {"mae": 1.0})
        monkeypatch.setattr(EventsWriter, does, no_room)
        with pytest.raises(OSError, match="No space left on device, while recording.*tensorboard"):
            for step in range(2, 40):
                recorder.scalars(step, "validation", {"mae": 1.0})
        monkeypatch.undo()


class FullFile(io.StringIO):
    """A file on a full disk."""

    name = "metrics.jsonl"
    write = no_room


def test_a_full_disk_under_the_metrics_names_the_file(tmp_path):
    with Recorder(tmp_path, first_step=0, total_steps=99, title="full") as recorder:
        recorder._lines.close()
        recorder._lines = FullFile()
        with pytest.raises(OSError, match=r"while recording: 'metrics.jsonl'"):
            recorder.scalars(1, "validation", {"mae": 1.0})


def test_the_first_failure_is_the_one_that_is_told(tmp_path, monkeypatch):
    def run():
        with Recorder(tmp_path, first_step=0, total_steps=9, title="full"):
            monkeypatch.setattr(EventsWriter, "close", closes_and_fails)
            raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause"):
        run()


def test_a_library_that_is_not_needed_is_not_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with unavailable("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    there = importlib.import_module("colorsys")
    with unavailable("colorsys"):  # who has it keeps it
        assert importlib.import_module("colorsys") is there
