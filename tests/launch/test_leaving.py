"""How the training door ends its process."""

import os

import pytest

from launch import train
from qsr_jax.training.stopping import STOPPED


class Gone(BaseException):
    """In the place of the end of the process."""


def test_after_an_error_the_process_ends_at_once(monkeypatch, capsys):
    """Threads of a failed save would keep it for minutes."""

    def gone(status):
        raise Gone(status)

    monkeypatch.setattr(os, "_exit", gone)
    with pytest.raises(Gone) as ended:
        train.leave(SystemExit("error: the disk is full"))
    assert ended.value.args == (1,)
    assert capsys.readouterr().err == "error: the disk is full\n"


@pytest.mark.parametrize("status", [0, 2, STOPPED, None])
def test_other_ends_are_as_usual(status):
    with pytest.raises(SystemExit) as ended:
        train.leave(SystemExit(status))
    assert ended.value.code == status
