"""Which software made a file: the version and, in a checkout, the commit."""

import subprocess
from pathlib import Path

from qsr_jax import __version__


def software_version() -> str:
    """Version and commit, such as "0.1.0 (1a2b3c4)"; the version alone outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__} ({done.stdout.strip()})"
