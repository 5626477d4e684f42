"""Every door can print where the terminal has ASCII only."""

import contextlib
import importlib
import io
import os
import subprocess
import sys

import pytest
from agreement_table import made_values, write_table

from qsr_jax import cli

MODULES = {door: f"{name}.door" if name in ("launch.bench", "launch.study") else name
           for door, name in cli.DOORS.items()}  # fmt: skip


@pytest.fixture
def printed():
    """Opens a door on an ASCII terminal that is as strict as Python makes it; what it printed."""

    def run(module, *words):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
        with contextlib.redirect_stdout(terminal), pytest.raises(SystemExit) as caught:
            importlib.import_module(module).main([*words])
        assert caught.value.code == 0
        terminal.flush()
        return terminal.buffer.getvalue().decode("ascii")

    return run


@pytest.mark.parametrize("door", cli.DOORS)
def test_help_of_every_door(door, printed):
    assert "usage: " in printed(MODULES[door], "--help")


def test_the_command_itself():
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with contextlib.redirect_stdout(terminal):
        cli.main(["--help"])


ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_real_table_as_its_own_process(tmp_path):
    """Its lines hold letters that ASCII lacks."""
    table = write_table(tmp_path / "values.csv", made_values())
    flags = ["--reference", "routine", "--test", "poor", "--margin-percent", "5",
             "--resamples", "200", "--out", str(tmp_path / "out")]  # fmt: skip
    command = [sys.executable, "-m", "qsr_jax", "agreement", str(table), *flags]
    done = subprocess.run(command, env=os.environ | ASCII, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert "GM" in done.stdout.decode("ascii")
    assert "Traceback" not in done.stderr.decode("ascii")


@pytest.mark.parametrize(("text", "spelt"), [
    ("−3.2 ± 0.1 °", "-3.2 +- 0.1  deg"), ("a → b … ≤ 5 × 2", "a -> b ... <= 5 x 2"),
    ("Müller²", "Muller2"), ("\N{SNOWMAN}", r"\u2603"), ("broken \udcff", r"broken \udcff"),
])  # fmt: skip
def test_letters_the_terminal_lacks_are_spelt(text, spelt):
    assert text.encode("ascii", cli.SPELLING).decode() == spelt


def test_what_cannot_be_read_is_still_an_error():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", cli.SPELLING)
