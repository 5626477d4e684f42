"""Freed memory is handed out again: no page of it is cleared twice."""

import subprocess
import sys

import pytest

SAYS = """
import resource
from data_tools.freed_memory import keep_freed_memory
{call}
found = []
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    large = b"x" * (64 << 20)
    del large
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*found)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a switch of GNU's C library")
@pytest.mark.parametrize(("call", "kept"), [("", False), ("keep_freed_memory()", True)])
def test_pages_are_cleared_once(call, kept):
    """The pages of 64 MiB are the first time's again, or new ones every time."""
    script = SAYS.format(call=call)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, *later = (int(word) for word in ran.stdout.split())
    assert all((faults < first / 4) == kept for faults in later)
