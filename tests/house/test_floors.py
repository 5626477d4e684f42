"""The house keeps its shape: imports go down, packages have rooms, every page opens."""

import ast
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("qsr_jax", "configs", "launch", "data_tools")
    for path in (ROOT / folder).rglob("*.py")
)

DOORS = 6
FLOORS = {
    "qsr_jax.acquisition": 0,
    "qsr_jax.maps": 0,
    "qsr_jax.mean_law": 0,
    "qsr_jax.types": 0,
    "qsr_jax.provenance": 0,
    "qsr_jax.files": 0,
    "qsr_jax.ops": 1,
    "qsr_jax.statistics": 1,
    "qsr_jax.metrics": 1,
    "qsr_jax.formats": 1,
    "qsr_jax.physics": 2,
    "qsr_jax.models": 2,
    "qsr_jax.losses": 2,
    "qsr_jax.anatomy": 2,
    "qsr_jax.data": 2,
    "qsr_jax.checkpoint": 2,
    "qsr_jax.agreement_report": 2,
    "qsr_jax.familiarity": 2,
    "qsr_jax.phantom": 3,
    "qsr_jax.simulate": 3,
    "qsr_jax.reconstruct": 3,
    "qsr_jax.tasks": 3,
    "qsr_jax.objectives": 3,
    "qsr_jax.pretrained": 3,
    "qsr_jax.training": 4,
    "qsr_jax.predictors": 4,
    "qsr_jax.evaluation": 5,
    "qsr_jax": DOORS,
    "qsr_jax.__main__": DOORS,
    "qsr_jax.cli": DOORS,
    "qsr_jax.front": DOORS,
    "configs": DOORS,
    "launch": DOORS,
    "data_tools": DOORS,
}
"""Floor of every room; a room may import every lower floor and itself. ``qsr_jax`` itself is the
front door: it knows by name what a notebook needs, and imports it when it is asked for."""

NEIGHBOURS = {
    ("qsr_jax.types", "qsr_jax.mean_law"),
    ("qsr_jax.metrics", "qsr_jax.ops"),
    ("qsr_jax.losses", "qsr_jax.physics"),
    ("qsr_jax.data", "qsr_jax.anatomy"),
    ("qsr_jax.simulate", "qsr_jax.phantom"),
    ("qsr_jax.objectives", "qsr_jax.tasks"),
    ("qsr_jax", "qsr_jax.front"),
    ("qsr_jax.__main__", "qsr_jax.cli"),
    ("qsr_jax.front", "qsr_jax.cli"),
    ("qsr_jax.front", "launch"),
    ("launch", "qsr_jax.cli"),
    ("data_tools", "qsr_jax.cli"),
}
"""(who, whom) on one floor. A door never imports another folder of doors: what two doors need is
a library function."""

VERSION = ("qsr_jax", "qsr_jax.__version__")
"""What everybody may import of the front door."""

ROOMS = {
    "pydicom": ("qsr_jax.data.dicom", "launch.bench.dicom_reading"),
    "dicomanonymizer": ("qsr_jax.data.dicom",),
    "highdicom": ("qsr_jax.data.dicom",),
    "nibabel": ("qsr_jax.data.nifti.files",),
    "nilearn": ("qsr_jax.phantom.mni_tissues",),
    "tensorflow_datasets": ("qsr_jax.data.records", "data_tools.qmri_pairs"),
    "jax_finufft": ("qsr_jax.ops.nufft",),
    "apache_beam": ("qsr_jax.data.records.on_beam",),
    "array_record": ("qsr_jax.data.records.shard_writer",),
    "grain": ("qsr_jax.data.records.batches",),
    "orbax": ("qsr_jax.checkpoint",),
    "skimage": ("qsr_jax.data.studies.pair_content",),
    "dipy": ("qsr_jax.anatomy.registration",),
    "sklearn": ("qsr_jax.anatomy.segmentation",),
    "flax": ("qsr_jax.models", "qsr_jax.objectives", "qsr_jax.training", "qsr_jax.predictors"),
    "optax": ("qsr_jax.training",),
    "safetensors": (
        "qsr_jax.models",
        "qsr_jax.checkpoint",
        "qsr_jax.familiarity",
        "data_tools.convert_vgg19",
    ),
    "tensorboardX": ("qsr_jax.training.tensorboard",),
    "matplotlib": (
        "qsr_jax.formats.plots",
        "qsr_jax.evaluation",
        "qsr_jax.agreement_report.figures",
        "data_tools.cohort_report.figures",
        "launch.study.figures",
    ),
    "jinja2": ("qsr_jax.formats.pages", "qsr_jax.evaluation.report.page"),
    "markupsafe": (
        "qsr_jax.formats",
        "qsr_jax.evaluation",
        "qsr_jax.agreement_report",
        "data_tools.cohort_report.page",
    ),
    "PIL": ("qsr_jax.evaluation.report.figures",),
    "ml_collections": ("configs", "launch.config"),
    "absl": ("launch.config.page",),
    "torch": ("data_tools.convert_vgg19",),
    "h5py": ("data_tools.convert_vgg19",),
    "statsmodels": (),
    "pandas": (),
    "SimpleITK": ("qsr_jax.data.studies.registration",),
    "gdcm": (),
    "libjpeg": (),
    "tensorflow": (),
    "pickle": (),
}
"""Third-party packages that have a room of their own, and the rooms; no room where none is named.
numpy, scipy, jax and tqdm are at home everywhere."""

LONGEST_FILE, LONGEST_FUNCTION = 300, 40
"""Lines of a file; lines of a function without its docstring. A config page is one function that
says everything, and may be longer."""
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LARGEST_ROOM = 0.26
"""Of the lines of ``qsr_jax``."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Line and full name of everything a file imports, wherever in the file."""
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            if node.module != "qsr_jax":
                found.append((node.lineno, node.module))
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def room_of(module: str) -> str | None:
    """The room of a module: ``qsr_jax.x``, or a folder of doors; None for other packages."""
    parts = module.split(".")
    if parts[0] == "qsr_jax":
        return ".".join(parts[:2])
    return parts[0] if parts[0] in FLOORS else None


def inside(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def is_test(path: Path) -> bool:
    """tfds's own test of its builder lies where tfds looks for it, among the doors."""
    return path.name.endswith("_test.py")


def test_every_room_has_a_floor():
    missing = {room_of(module_of(path)) for path in SOURCES} - set(FLOORS)
    assert not missing, f"{missing}: give the new room a floor"


def refusal(mine: str, theirs: str) -> str | None:
    """Why one room must not import the other, or None where it may."""
    low, high = FLOORS[theirs], FLOORS[mine]
    if mine == theirs or low < high or (mine, theirs) in NEIGHBOURS:
        return None
    return (
        f"{mine} (F{high}) imports {theirs} (F{low}). Move what both need to a floor below "
        f"F{min(low, high)}, or pass it in from the door."
    )


@pytest.mark.parametrize("path", [p for p in SOURCES if not is_test(p)], ids=module_of)
def test_imports_go_down(path):
    mine = room_of(module_of(path))
    for line, target in imports_of(path):
        theirs = room_of(target)
        if theirs is None or target in VERSION:
            continue
        why = refusal(mine, theirs)
        assert why is None, f"{path}:{line}: {why}"


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("launch", "data_tools"), ("data_tools", "launch"), ("qsr_jax.evaluation", "launch"),
     ("qsr_jax.statistics", "qsr_jax.data"), ("qsr_jax.physics", "qsr_jax.losses"),
     ("qsr_jax.phantom", "qsr_jax.simulate"), ("configs", "launch")],
)  # fmt: skip
def test_what_the_house_refuses(mine, theirs):
    assert refusal(mine, theirs) is not None


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_packages_stay_in_their_rooms(path):
    module = module_of(path)
    for line, target in imports_of(path):
        package = target.split(".")[0]
        if package in ROOMS:
            assert any(inside(module, room) for room in ROOMS[package]), (
                f"{path}:{line}: {package} belongs in {ROOMS[package] or 'no room'}; ask that "
                "room for what you need"
            )


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring left out."""
    whole, first = function.end_lineno - function.lineno + 1, function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return whole
    return whole - (first.end_lineno - first.lineno + 1)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_files_and_functions_stay_readable(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_FILE, f"{path} has {lines} lines: split it by subject"
    if path.is_relative_to(ROOT / "configs"):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = code_lines(node)
            assert length <= LONGEST_FUNCTION, (
                f"{path}:{node.lineno}: {node.name} has {length} lines without its docstring; "
                f"at most {LONGEST_FUNCTION}: name its parts"
            )


@pytest.mark.parametrize("path", TESTS, ids=module_of)
def test_test_files_stay_readable(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_FILE, (
        f"{path} has {lines} lines, at most {LONGEST_FILE}: split it by subject, and move what "
        "both halves need to tests/fixtures"
    )


def test_no_room_fills_the_house():
    sizes = Counter()
    for path in (ROOT / "qsr_jax").rglob("*.py"):
        sizes[room_of(module_of(path))] += path.read_text(encoding="utf-8").count("\n")
    fractions = {room: lines / sizes.total() for room, lines in sizes.items()}
    room = max(fractions, key=fractions.get)
    assert fractions[room] <= LARGEST_ROOM, f"{room} has {fractions[room]:.1%} of all lines"


def test_pmap_is_said_in_one_place():
    saying = [module_of(path) for path in SOURCES if "jax.pmap(" in path.read_text("utf-8")]
    assert saying == ["qsr_jax.training.parallel"]


def test_the_walk_through_data_and_training_does_not_import_tensorflow():
    import data_tools.build_dataset
    import launch.predict
    import launch.train

    assert launch.train.main and launch.predict.main and data_tools.build_dataset.main
    assert "tensorflow" not in sys.modules
