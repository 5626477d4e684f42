"""What a decoder says is believed only when all of it has come."""

import io
from types import SimpleNamespace

import pytest

from qsr_jax.data.dicom import decoder_process
from qsr_jax.data.dicom.decoder_process import DecodeError, DecodeWorker

REQUEST = {
    "syntax": "1.2.840.10008.1.2.5", "plugin": "pydicom", "frames": 1, "rows": 2, "columns": 2,
    "bits_stored": 16, "pixel_representation": 0,
}  # fmt: skip


class Child(SimpleNamespace):
    """A process that answers with these bytes."""

    def __init__(self, answer):
        super().__init__(stdin=io.BytesIO(), stdout=io.BytesIO(answer), returncode=1)

    def kill(self):
        """Nothing runs."""

    def communicate(self):
        """Nothing is left."""


@pytest.mark.parametrize(
    "answer",
    [b'{"why": "", "bytes": 8}\n1234567', b'{"why": "", "bytes": 8}\n', b"", b"no json\n"],
    ids=["cut", "no words", "nothing", "another language"],
)
def test_an_answer_that_breaks_off_is_a_dead_decoder(answer, monkeypatch):
    children = []
    monkeypatch.setattr(
        DecodeWorker, "_started", lambda self: children.append(Child(answer)) or children[-1]
    )
    with DecodeWorker() as worker, pytest.raises(DecodeError, match="decoder died"):
        worker.decode(REQUEST, b"")
    assert len(children) == 2  # another one stands ready


def test_a_whole_answer_is_handed_over():
    child = Child(b'{"why": "", "bytes": 8}\n12345678')
    assert decoder_process._exchanged(child, {}, b"pixels") == ("", b"12345678")
    assert child.stdin.getvalue() == b"{}\npixels"
