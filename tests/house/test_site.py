"""The site builds without a warning; its gallery is small and drawn by the package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import qsr_jax
from qsr_jax import cli

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason="builds the site: pip install .[docs]")
    out = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", str(ROOT / "docs"), str(out)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, f"warnings are errors:\n{done.stderr[-3000:]}"
    return out


def test_every_guide_is_reached_from_the_front_page(site):
    front = (site / "index.html").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f'href="{page.stem}.html"' in front or page.stem == "index"


def test_the_reference_holds_the_front_door_and_every_room(site):
    front = (site / "generated" / "reference" / "front.html").read_text("utf-8")
    for name in set(qsr_jax.__all__) - {"__version__"}:
        assert f'id="qsr_jax.{name}"' in front
    for room in (ROOT / "qsr_jax").glob("*/__init__.py"):
        page = site / "generated" / "reference" / f"{room.parent.name}.html"
        assert f"module-qsr_jax.{room.parent.name}" in page.read_text("utf-8")


def test_every_command_and_example_has_its_page(site):
    commands = (site / "generated" / "commands.html").read_text("utf-8")
    for door in cli.DOORS:
        assert f"usage: qsr {door} " in commands
    for example in (ROOT / "examples").glob("*.py"):
        assert (site / "generated" / "examples" / f"{example.stem}.html").is_file()


def test_the_gallery_shows_every_picture_and_is_small():
    shown = re.findall(r"\]\(gallery/([^)]+)\)", (ROOT / "docs" / "gallery.md").read_text("utf-8"))
    assert sorted(shown) == sorted(path.name for path in GALLERY.iterdir())
    assert sum(path.stat().st_size for path in GALLERY.iterdir()) < 600_000
