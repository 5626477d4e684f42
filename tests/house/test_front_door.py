"""The package from outside: a wheel with one top-level name, the command qsr, a quick import."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from walk_fixtures import QUICKLY

import qsr_jax
from qsr_jax import cli, front
from qsr_jax.training.experiment import Experiment

ROOT = Path(__file__).parents[2]
TINY = {
    "schedule.steps": 2,
    "schedule.warmup_steps": 2,
    "schedule.frozen_norm_steps": 0,
    "data.batch_size": 4,
    "data.crop": 16,
    "model.features": 8,
    "model.blocks": 1,
    "discriminator.features": "(4,4,8,8)",
    "vgg.layer": "conv1_2",
}
"""One stage, the one that the walk compiles."""


BORROWED = "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


class Installed:
    """A fresh environment with the wheel in it; what it needs is borrowed from this one's."""

    def __init__(self, home: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        wheel = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(home)]
        subprocess.run([*pip, *wheel, str(ROOT)], check=True, capture_output=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
        self.python = home / "venv" / "bin" / "python"
        self.place = next((home / "venv" / "lib").glob("python*/site-packages"))
        (built,) = home.glob("*.whl")
        install = ["--python", str(self.python), "install", "--no-deps", "--no-index", str(built)]
        subprocess.run([*pip, *install], check=True, capture_output=True)
        self.names = {path.name for path in self.place.iterdir()}
        (self.place / "borrowed.pth").write_text(BORROWED)
        self.elsewhere = home / "elsewhere"
        self.elsewhere.mkdir()

    def run(self, *words: str) -> str:
        """What a command of the environment prints, outside the clone."""
        gone = ("PYTHONPATH", "VIRTUAL_ENV", "XLA_FLAGS")
        kept = {k: v for k, v in os.environ.items() if k not in gone}
        command = [str(self.python.parent / words[0]), *words[1:]]
        done = subprocess.run(
            command, cwd=self.elsewhere, env=kept, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    pytest.importorskip("hatchling", reason="builds the wheel: pip install hatchling")
    return Installed(tmp_path_factory.mktemp("installed"))


def test_the_wheel_installs_one_name(installed):
    name = f"qsr_jax-{qsr_jax.__version__}.dist-info"
    assert installed.names == {"qsr_jax", name}
    for package in front.DOOR_PACKAGES:
        missing = f"import importlib.util; print(importlib.util.find_spec({package!r}))"
        assert installed.run("python", "-c", missing) == "None\n"


def test_an_editable_installation_is_the_clone(tmp_path):
    pytest.importorskip("hatchling", reason="builds the package: pip install hatchling")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    (place,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (place / "borrowed.pth").write_text(BORROWED)  # what builds it, too
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--python", python]
    install = ["install", "--no-deps", "--no-index", "--no-build-isolation", "-e", str(ROOT)]
    done = subprocess.run([*pip, *install], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (place / "qsr_jax").exists()
    ask = [python, "-c", "import launch, data_tools, configs; print(launch.__file__)"]
    found = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == ROOT / "launch" / "__init__.py"


def test_everything_that_is_tracked_of_the_doors_is_in_the_wheel(installed):
    tracked = subprocess.run(
        ["git", "ls-files", *front.DOOR_PACKAGES, "qsr_jax"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in tracked:
        inside = name if name.startswith("qsr_jax/") else f"qsr_jax/_doors/{name}"
        if (ROOT / name).exists():
            assert (installed.place / inside).is_file(), f"{inside} is not in the wheel"


def test_the_installed_command_opens_doors(installed):
    assert "simulate " in installed.run("qsr", "--help")
    assert installed.run("qsr", "--version") == f"qsr_jax {qsr_jax.__version__}\n"
    assert "usage: qsr simulate" in installed.run("qsr", "simulate", "--help")
    assert "usage: qsr train" in installed.run("qsr", "train", "--config", "srgan", "--help")
    assert (
        installed.run("python", "-m", "qsr_jax", "--version") == f"qsr_jax {qsr_jax.__version__}\n"
    )


def test_spawned_workers_and_page_templates_work_when_installed(installed):
    subjects = ["--subjects", "1", "--patients", "0", "--protocol", "tiny", "--workers", "2"]
    installed.run("qsr", "simulate", "--out", "cohort", *subjects, "--no-noiseless")
    assert (installed.elsewhere / "cohort" / "cohort.json").is_file()
    assert len(list((installed.elsewhere / "cohort").glob("sub-*"))) == 1


def test_a_sweep_and_a_notebook_train_by_a_page_s_name_when_installed(
    installed, tiny_data, monkeypatch
):
    monkeypatch.setenv(*next(iter(QUICKLY.items())))
    flags = [f"--config.{key}={value}" for key, value in TINY.items()]
    grid = ["--config", "quickstart_srgan", "--data_dir", str(tiny_data), "--over", "seed=5"]
    installed.run("qsr", "sweep", *grid, "--out", "runs", *flags)
    assert "runs/seed=5  (t1)" in installed.run("qsr", "status", "runs/seed=5")
    program = (
        "import sys, json, qsr_jax\n"
        f"again = qsr_jax.train('quickstart_srgan', data_dir={str(tiny_data)!r},\n"
        f"    workdir='runs/seed=5', overrides={TINY | {'seed': 5}!r})\n"
        "print(json.dumps([again.step, again.is_finished, 'launch' in sys.modules]))\n"
    )
    assert json.loads(installed.run("python", "-c", program).splitlines()[-1]) == [2, True, False]


def test_import_is_quick_because_it_imports_nothing():
    program = (
        "import sys, qsr_jax, qsr_jax.cli\n"
        "assert set(qsr_jax.__all__) <= set(dir(qsr_jax))\n"
        "qsr_jax.cli.main(['--help'])\n"
        "heavy = {'jax', 'numpy', 'flax', 'matplotlib', 'ml_collections'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_every_name_of_the_front_door_is_there_and_typed():
    for name in qsr_jax.__all__:
        assert getattr(qsr_jax, name) is not None
        if name not in ("__version__", "Experiment"):
            given = getattr(qsr_jax, name).__annotations__
            assert "return" in given
            assert getattr(qsr_jax, name).__doc__
    with pytest.raises(AttributeError, match="module 'qsr_jax' has no attribute 'trian'"):
        _ = qsr_jax.trian
    assert (ROOT / "qsr_jax" / "py.typed").is_file()


def test_a_type_checker_reads_what_python_imports():
    """The imports under TYPE_CHECKING and the table of lazy ones name the same homes."""
    text = (ROOT / "qsr_jax" / "__init__.py").read_text("utf-8")
    for name, home in qsr_jax._HOMES.items():
        (line,) = [x for x in text.splitlines() if x.strip().startswith(f"from {home} import")]
        assert name in line.split(" import ")[1].split(", ")


@pytest.fixture
def in_this_process(monkeypatch):
    """Opens doors as the command does, and leaves no trace in this process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(cli, "_door", None)


@pytest.mark.parametrize("door", cli.DOORS)
def test_every_door_says_how_it_was_opened(door, in_this_process, monkeypatch, capsys):
    for module in (cli.DOORS[door], f"{cli.DOORS[door]}.__main__"):  # runpy warns of them
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main([door, "--help"])
    assert ended.value.code in (0, None)
    assert f"usage: qsr {door} " in capsys.readouterr().out
    assert cli.program(cli.DOORS[door]) == f"qsr {door}"
    assert cli.program("launch.nowhere") == "python -m launch.nowhere"


def test_help_tells_every_door_by_the_first_line_of_its_docstring(capsys):
    cli.main([])
    said = capsys.readouterr().out
    for door in cli.DOORS:
        (line,) = [x for x in said.splitlines() if x.startswith(f"  {door} ")]
        assert len(line.split(maxsplit=1)[1]) > 20


@pytest.mark.parametrize(
    ("word", "says"), [("tarin", "did you mean `qsr train`?"), ("xyz", "expected one of simulate,")]
)
def test_a_mistyped_door(word, says, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([word])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_copy_without_doors_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "qsr_jax" / "cli.py"))
    monkeypatch.setattr(cli, "INSTALLED", tmp_path / "qsr_jax" / "_doors")
    with pytest.raises(FileNotFoundError, match="lacks its doors; install it with pip"):
        cli.doors_folder()


def test_a_page_by_its_name_by_its_path_and_with_overrides():
    by_name = qsr_jax.load_experiment("quickstart_srgan", {"map": "t2", "schedule.steps": 7})
    by_path = qsr_jax.load_experiment(ROOT / "configs" / "quickstart_srgan.py", {"map": "t2"})
    assert (by_name.map, by_name.schedule.steps) == ("t2", 7)
    assert (by_path.map, by_path.schedule.steps) == ("t2", 800)
    with pytest.raises(ValueError, match="config srgam: no such file; did you mean srgan"):
        qsr_jax.load_experiment("srgam")
    with pytest.raises(ValueError, match="no key 'mpa'"):
        qsr_jax.load_experiment("srgan", {"mpa": "t2"})


def test_overrides_of_option_classes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="overrides map of an Experiment.*dataclasses.replace"):
        qsr_jax.train(Experiment(), data_dir=tmp_path, workdir=tmp_path, overrides={"map": "t2"})


def test_a_module_of_the_user_s_that_is_called_launch_stays_his(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if front._is_of_doors(name)]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "launch.py").write_text("MINE = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    import launch

    assert qsr_jax.load_experiment("srgan").map == "t1"
    assert launch.MINE and sys.modules["launch"] is launch
    assert "configs" not in sys.modules
