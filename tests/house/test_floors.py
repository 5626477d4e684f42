"""The house keeps its shape: imports go down, packages have rooms, every page opens."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("qsr_jax", "configs", "launch", "data_tools")
    for path in (ROOT / folder).rglob("*.py")
)

FLOORS = {
    "qsr_jax": 0,
    "qsr_jax.maps": 0,
    "qsr_jax.types": 0,
    "qsr_jax.ops": 1,
    "qsr_jax.physics": 1,
    "qsr_jax.models": 2,
    "qsr_jax.losses.paper": 2,
    "qsr_jax.data": 2,
    "qsr_jax.checkpoint": 2,
    "qsr_jax.evaluation": 3,
    "qsr_jax.training": 3,
    "configs": 4,
    "launch": 4,
    "data_tools": 4,
}
"""Floor of every wing. A wing may import lower floors and itself; F3 may import all of F2."""

NEIGHBOURS = {("qsr_jax.physics", "qsr_jax.ops")}
"""(who, whom) on one floor: physics is written with the array operations beside it."""

ROOMS = {
    "pydicom": ("qsr_jax.data.dicom",),
    "tensorflow_datasets": ("qsr_jax.data.records.open", "data_tools.qmri_pairs"),
    "grain": ("qsr_jax.data.records.batches",),
    "nibabel": ("qsr_jax.data.nifti.files",),
    "nilearn": ("data_tools",),
    "orbax": ("qsr_jax.checkpoint",),
    "flax": ("qsr_jax.models", "qsr_jax.training"),
    "optax": ("qsr_jax.training",),
    "safetensors": ("qsr_jax.models", "data_tools.convert_vgg19"),
    "matplotlib": (
        "qsr_jax.evaluation.report.figures",
        "qsr_jax.evaluation.agreement_report.figures",
        "data_tools.cohort_report.figures",
    ),
    "jinja2": ("qsr_jax.evaluation.report.page", "data_tools.cohort_report.page"),
    "markupsafe": ("qsr_jax.evaluation", "data_tools.cohort_report.page"),
    "PIL": ("qsr_jax.evaluation.report.figures",),
    "dicomanonymizer": ("qsr_jax.data.dicom",),
    "highdicom": ("qsr_jax.data.dicom",),
    "skimage": ("qsr_jax.data.studies.pair_quality",),
    "SimpleITK": (),
    "dipy": ("qsr_jax.anatomy.registration",),
    "sklearn": ("qsr_jax.anatomy.segmentation",),
    "gdcm": (),
    "libjpeg": (),
    "tensorboardX": ("qsr_jax.training.tensorboard",),
    "ml_collections": ("configs", "launch"),
    "absl": ("launch.config.page",),
    "tensorflow": (),
    "pickle": (),
    "torch": ("data_tools.convert_vgg19",),
    "h5py": ("data_tools.convert_vgg19",),
}
"""Third-party packages that have a room of their own, and the rooms."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            found.append((node.lineno, node.module))
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def wing_of(module: str) -> str | None:
    parts = module.split(".")
    for n in (2, 1):
        wing = ".".join(parts[:n])
        if wing in FLOORS and (n == 2 or parts[0] != "qsr_jax" or len(parts) == 1):
            return wing
    return None


def inside(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_go_down(path):
    mine = wing_of(module_of(path))
    for line, target in imports_of(path):
        wing = wing_of(target)
        if wing is None or wing == mine:
            continue
        doors = FLOORS[mine] == 4 and FLOORS[wing] == 4
        allowed = (
            FLOORS[wing] < FLOORS[mine]
            or (mine, wing) in NEIGHBOURS
            or (doors and mine != "configs")
        )
        assert allowed, (
            f"{path}:{line}: {mine} (F{FLOORS[mine]}) imports {wing} (F{FLOORS[wing]}). Move what "
            f"both need to a floor below F{min(FLOORS[mine], FLOORS[wing])}, or pass it in from "
            "the door."
        )


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


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_files_and_functions_stay_readable(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300, f"{path} is longer than 300 lines: split it by subject"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= 60, f"{path}:{node.lineno}: {node.name} has {length} lines"


def test_pmap_is_said_in_one_place():
    saying = [module_of(path) for path in SOURCES if "jax.pmap(" in path.read_text("utf-8")]
    assert saying == ["qsr_jax.training.parallel"]


def test_the_walk_through_data_and_training_does_not_import_tensorflow():
    import data_tools.build_dataset
    import launch.predict
    import launch.train

    assert launch.train.main and launch.predict.main and data_tools.build_dataset.main
    assert "tensorflow" not in sys.modules
