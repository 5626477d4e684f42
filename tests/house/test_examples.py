"""The examples run as they stand, at a small size."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from walk_fixtures import QUICKLY

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(name: str, folder: Path, **sizes: str) -> str:
    """What an example prints in a folder of its own."""
    own = {f"QSR_EXAMPLE_{key.upper()}": value for key, value in sizes.items()}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(ROOT / "examples" / name)],
        cwd=folder,
        env=os.environ | own | QUICKLY | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_from_a_cohort_to_a_report(tiny_cohort, tmp_path):
    said = run("from_cohort_to_report.py", tmp_path, data=str(tiny_cohort), steps="4")
    assert "step 4 of 4" in said
    folder = tmp_path / "from_cohort_to_report"
    assert list((folder / "predicted").glob("sub-*/t1/*.dcm"))
    assert (folder / "report" / "index.html").is_file()
    assert said.rstrip().endswith("report/index.html")
    assert "T1" in said.split("step 4 of 4")[1]


def test_agreement_of_my_values(tmp_path):
    said = run("agreement_of_my_values.py", tmp_path)
    folder = tmp_path / "agreement_of_my_values" / "agreement"
    assert {"index.html", "verdicts_fast.svg"} <= {path.name for path in folder.iterdir()}
    assert '"verdicts_fast.svg"' in (ROOT / "docs" / "make_gallery.py").read_text("utf-8")
    assert "t2 grey matter, fast vs routine - 1 subject with one method and not the" in said
    (line,) = [x for x in said.splitlines() if x.startswith("t1 white matter: bias")]
    low, high = line.split("(")[1].split(")")[0].split(" to ")
    assert float(low) < 12.0 < float(high), "what was put in comes out"


def test_maps_from_weighted_images(tmp_path):
    """With one gain the tissues of discs come out within 10 %."""
    said = run("maps_from_weighted_images.py", tmp_path)
    maps = tmp_path / "maps_from_weighted_images" / "maps"
    assert len(list(maps.glob("sub-01/anat/*.nii.gz"))) == 6
    (line,) = [x for x in said.splitlines() if x.startswith("gains one, white matter")]
    made = float(line.split("T1 ")[1].split(" ")[0])
    assert made == pytest.approx(850, rel=0.1)


def test_maps_from_fingerprints(tmp_path):
    """A prior is nearer to the truth than matching alone."""
    said = run("maps_from_fingerprints.py", tmp_path)
    t2 = {
        line.split(":")[0]: float(line.split("t2 ")[1].split(" ")[0])
        for line in said.splitlines()
        if "white matter t1" in line
    }
    assert t2["lrtv"] < t2["svd"]
    assert (tmp_path / "maps_from_fingerprints" / "lrtv.html").is_file()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_is_a_notebook_in_percent_format(path):
    cells = path.read_text("utf-8").split("# %%")[1:]
    assert cells[0].startswith(" [markdown]\n# # ")
    assert all(cell.startswith((" [markdown]\n# ", "\n")) for cell in cells)
    assert path.name in Path(__file__).read_text("utf-8"), "an example that no test runs"
