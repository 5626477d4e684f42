"""The commands of the longer pages run as they stand; the README keeps its length and its files."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
MARKDOWN = [*sorted(ROOT.glob("*.md")), *PAGES]


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def shrunk(command: str) -> list[str]:
    """A command at a size for tests; its own flags stay, but few subjects fill no small splits."""
    words = shlex.split(command)
    if words[2] == "data_tools.pair_studies":
        words += ["--test-fraction", "0", "--validation-fraction", "0"]
    if words[2] == "launch.train":
        words = [w for w in words if not w.startswith("--config.vgg.")]
        words += ["--config.vgg.weights=random", "--config.vgg.layer=conv1_1"]
        words += ["--config.schedule.epochs=0.0", "--config.schedule.steps=2"]
        words += ["--config.data.batch_size=4", "--config.model.features=8"]
        words += ["--config.model.blocks=1", "--config.discriminator.features=(4,4)"]
    if words[2] == "launch.evaluate":
        words += ["--baselines", "bicubic"]
    return words


LONG = pytest.mark.skipif(
    "QSR_TEST_LONG" not in os.environ, reason="trains in folds for a minute: set QSR_TEST_LONG=1"
)
RUN = [
    pytest.param(page, id=page.stem, marks=[LONG] if page.stem == "evaluation" else [])
    for page in PAGES
    if commands(page)
]


def door_of(module: str) -> ModuleType:
    """What ``python -m module`` runs."""
    folder = (ROOT / module.replace(".", "/")).is_dir()
    return importlib.import_module(f"{module}.__main__" if folder else module)


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_run_in_order(page, tiny_cohort, tmp_path, monkeypatch):
    """In this process: that the doors open from a shell is shown below."""
    few = "sub-*" if page.stem == "evaluation" else "sub-00[1237]"  # the last is a patient
    for subject in (tiny_cohort / "cohort").glob(few):
        shutil.copytree(subject, tmp_path / "my_scans" / subject.name)
    shutil.copy(tiny_cohort / "cohort" / "participants.tsv", tmp_path / "my_scans")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        python, flag, module, *words = shrunk(command)
        assert (python, flag) == ("python", "-m")
        door_of(module).main(words)
    assert (tmp_path / "report" / "index.html").is_file()


SHORT = "|".join(
    sorted(p.name for p in (ROOT / "qsr_jax").iterdir() if (p / "__init__.py").exists())
)
"""Rooms of the package, that pages name without it: `physics/coils.py`."""


PLACES = ("", "qsr_jax/**/", "launch/**/", "data_tools/**/", "configs/**/", "tests/**/", "docs/**/")
FILES = {path.name for place in PLACES for path in ROOT.glob(f"{place}*.py")}
"""Names of all modules; a page may name one without its folder."""


def missing_paths(text: str, folder: Path) -> set[str]:
    """Links from ``folder``, paths from the root or a room, and bare modules that do not exist."""
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    named = re.findall(r"`((?:qsr_jax|configs|launch|data_tools|tests|docs)/[\w./]+)`", text)
    short = re.findall(rf"`((?:{SHORT})/[\w./]+)`", text)
    bare = re.findall(r"`(\w+\.py)`", text)
    return {
        *(target for target in linked if not (folder / target).exists()),
        *(target for target in named if not (ROOT / target).exists()),
        *(target for target in short if not (ROOT / "qsr_jax" / target).exists()),
        *(name for name in bare if name not in FILES),
    }


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda p: p.name)
def test_links_and_paths_exist(page):
    missing = missing_paths(page.read_text("utf-8"), page.parent)
    assert not missing, f"{page.name} names {', '.join(sorted(missing))}, which do not exist"


def test_a_path_that_went_is_found():
    gone = ("qsr_jax/gone.py", "physics/gone.py", "phantom/gone.py", "gone.py")
    text = "".join(f"`{path}` " for path in (*gone, "physics/coils.py", "launch/train.py"))
    assert missing_paths(text + "[x](gone.md)", ROOT / "docs") == {*gone, "gone.md"}


def test_the_readme_fits_on_150_lines():
    assert (ROOT / "README.md").read_text("utf-8").count("\n") <= 150


DOORS = [
    *(f"launch.{name}" for name in ("train", "finetune", "predict", "evaluate", "bench")),
    *(f"launch.{name}" for name in ("status", "sweep", "study", "compare", "agreement")),
    *(f"launch.{name}" for name in ("models", "export", "gpu_day")),
    *(f"data_tools.{name}" for name in ("simulate_cohort", "repeat_scan", "calibrate_simulator")),
    *(
        "data_tools.transfer_check",
        "data_tools.misuse_check",
        "data_tools.lesion_twin",
        "launch.reader_study",
    ),
    *(f"data_tools.{name}" for name in ("describe_cohort", "convert_qmaps", "inspect_dicom")),
    *(f"data_tools.{name}" for name in ("convert", "deidentify", "pair_studies")),
    *(f"data_tools.{name}" for name in ("build_dataset", "convert_vgg19")),
    *(f"data_tools.{name}" for name in ("synthesise_weighted", "weighted_check", "simulate_mrf")),
    *(f"data_tools.{name}" for name in ("weighted_study", "mrf_study")),
    "launch.reconstruct",
    "launch.weighted_flair",
]


@pytest.mark.parametrize("module", DOORS)
def test_doors_explain_themselves(module, capsys):
    door = door_of(module)
    assert 'if __name__ == "__main__":' in Path(door.__file__).read_text("utf-8")
    with pytest.raises(SystemExit, match="0"):
        door.main(["--help"])
    assert f"python -m {module}" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        door.main(["--nonsense"])
    assert "error:" in capsys.readouterr().err


def test_every_door_is_known():
    files = [p for room in ("launch", "data_tools") for p in (ROOT / room).rglob("*.py")]
    doors = [p for p in files if 'if __name__ == "__main__":' in p.read_text("utf-8")]
    doors = [p for p in doors if not p.name.endswith("_test.py")]  # tfds runs its own
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts) for p in doors}
    assert {name.removesuffix(".__main__") for name in modules} == set(DOORS)


@pytest.mark.parametrize(
    ("module", "word", "status"),
    [("launch.status", "--help", 0), ("data_tools.convert", "--nonsense", 2)],
)
def test_doors_open_from_the_shell(module, word, status):
    command = [sys.executable, "-m", module, word]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == status
    assert (done.stderr == "") == (status == 0)
    assert "Traceback" not in done.stderr
