"""Types hold: mypy, as pyproject.toml sets it up, finds nothing."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MINE = """import qsr_jax
done = qsr_jax.train('srgan', data_dir='records', workdir='t1')
print(done.step + 1)
qsr_jax.train('srgan', data_dir=3, workdir='t1')
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory) -> list[str]:
    """What mypy finds in all packages and, checked with them, in a user's module ``mine``."""
    pytest.importorskip("mypy", reason="checks types: pip install .[test]")
    folder = tmp_path_factory.mktemp("user")
    (folder / "mine.py").write_text(MINE)
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    words = [word for name in table["packages"] for word in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", *words, "-m", "mine"],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout[-1000:] + done.stderr[-1000:]
    return [line for line in done.stdout.splitlines() if "error:" in line]


def test_every_package_is_clean(errors):
    ours = [line for line in errors if "mine.py:" not in line]
    assert not ours, "\n".join(ours[-40:])


def test_a_user_s_code_is_checked_against_the_front_door(errors):
    """What py.typed promises: a wrong argument of ``qsr_jax.train`` is found in a user's file."""
    (line,) = [line for line in errors if "mine.py:" in line]
    assert 'mine.py:4: error: Argument "data_dir" to "train"' in line
