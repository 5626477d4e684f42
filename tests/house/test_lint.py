"""The code is formatted and linted as pyproject.toml says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_finds_nothing(words):
    pytest.importorskip("ruff", reason="lints: pip install .[test]")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words, "--no-cache", "-q", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
