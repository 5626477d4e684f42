"""Every case of the catalogue of bad and good input has a test that carries its name.

00 to 49 are single series, P1 to P12 pairs and splits, M1 to M10 further files. A test carries a
case's name at the start of its row (``"P5 turned"``) or of its function (``test_p8_…``).
"""

import ast
import functools
import re
from pathlib import Path

import pytest
import test_dicom_accepted
import test_dicom_bombs
import test_dicom_multiframe
import test_dicom_read
import test_pairing

TABLES = {
    "series refused": test_dicom_read.REFUSED,
    "series read": test_dicom_accepted.ACCEPTED,
    "frames refused": test_dicom_multiframe.BAD,
    "frames read": test_dicom_multiframe.GOOD,
    "pairs refused": test_pairing.REFUSED,
}
CASES = [
    *(f"{number:02d}" for number in range(50)),
    *(f"P{number}" for number in range(1, 13)),
    *(f"M{number}" for number in range(1, 11)),
]


@functools.cache
def walked() -> dict[str, list[str]]:
    """Case to the rows and functions that carry it."""
    found: dict[str, list[str]] = {case: [] for case in CASES}
    for table, rows in TABLES.items():
        for row in rows:
            found.setdefault(row[0].split()[0], []).append(f"{table}: {row[0]}")
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                case = re.match(r"test_(\d\d|[pm]\d+)_", node.name)
                if case:
                    found.setdefault(case[1].upper(), []).append(f"{path.name}: {node.name}")
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_case_is_walked(case):
    assert walked()[case], f"no row or function carries {case}"


def test_the_whole_catalogue_is_walked():
    """Cases 00 to 49, of which 43 has a test of its own, and M1 to M10; M2 lies with the frames."""
    accepted = {row[0].split()[0] for row in test_dicom_accepted.ACCEPTED}
    walked = {row[0].split()[0] for row in test_dicom_read.REFUSED} | accepted
    numbered = {f"{number:02d}" for number in range(50)} - {"43"}
    further = {f"M{number}" for number in range(1, 11)} - {"M2"}
    assert numbered | further <= walked
    must_be_accepted = {"00", "01", "02", "03", "09", "15", "16", "18", "22", "23", "24"}
    assert must_be_accepted <= accepted


def test_bombs_are_what_m10_says():
    """Sides of 65535 with a small codestream, 2^31-1 frames, a deflate bomb, deep sequences."""
    said = " ".join(row[0] for row in test_dicom_bombs.BOMBS)
    for bomb in ("65535", "2^31-1", "deflate bomb", "1000 open sequences"):
        assert bomb in said
