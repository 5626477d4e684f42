"""Types hold: mypy, as pyproject.toml sets it up, finds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def mypy(*words: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mypy", reason="checks types: pip install .[test]")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_every_package_is_clean():
    done = mypy()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_a_user_s_code_is_checked_against_the_front_door(tmp_path):
    """What py.typed promises: a wrong argument of ``qsr_jax.train`` is found in a user's file."""
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import qsr_jax\n"
        "done = qsr_jax.train('srgan', data_dir='records', workdir='t1')\n"
        "print(done.step + 1)\n"
        "qsr_jax.train('srgan', data_dir=3, workdir='t1')\n"
    )
    done = mypy("--config-file", "", "--follow-imports", "silent", str(mine))
    lines = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(lines) == 1, done.stdout
    assert 'mine.py:4: error: Argument "data_dir" to "train"' in lines[0]
