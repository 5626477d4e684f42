"""The climate of the suite: four virtual CPU devices, one seed, small networks."""

import atexit
import gc
import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

pytest_plugins = [
    "data_fixtures",
    "evaluate_fixtures",
    "phantom_fixtures",
    "walk_fixtures",
    "weighted_fixtures",
]

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "4")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if importlib.metadata.version("jaxlib").startswith("0.10."):
    # The older of XLA's two code generators compiles in two thirds of the time; 0.11 does not know
    # the flag. What is installed afresh (house/test_front_door.py) runs the other, as users do, and
    # so does everything under an empty XLA_FLAGS.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # Every run of the suite compiles a program once for all its processes, and forgets it after.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="qsr_jax-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

import jax
import numpy as np
import pytest
from once_per_run import once_per_run
from small_networks import optimizers, small_srgan, small_task

from qsr_jax.models.vgg19 import random_vgg19
from qsr_jax.training.plan import sample_example
from qsr_jax.training.state import init_state

LONG_FIRST = (
    "launch/test_walk.py",
    "house/test_site.py",
    "house/test_types.py",
    "launch/test_joint_walk.py",
    "house/test_front_door.py",
    "house/test_docs.py",
    "training/test_options.py",
    "data_tools/test_simulate_cohort.py",
    "data_tools/test_transfer_check.py",
    "launch/test_sweep.py",
    "launch/test_predict_walk.py",
    "training/test_device_records.py",
    "training/test_peers.py",
    "house/test_examples.py",
    "launch/test_evaluate.py",
)
"""Files that take half a minute and more; those after the first need nothing that it makes."""


def pytest_collection_modifyitems(items):
    """Puts the long files first, so that several processes end together."""
    ranks = {name: rank for rank, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: ranks.get("/".join(item.path.parts[-2:]), len(ranks)))


def pytest_collection_finish(session):
    """What was imported and collected stays to the end: Python need not look for garbage in it.

    Tracing makes and drops so many small objects that looking took 6 % of the suite's time.
    """
    del session
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session")
def test_data():
    """Finds a file of real material (not shipped); skips where there is none."""

    def find(name: str) -> Path:
        path = Path(os.environ.get("QSR_TEST_DATA", "../shared/data")).absolute() / name
        if not path.exists():
            pytest.skip(f"real test data absent: set QSR_TEST_DATA to a folder holding {name}")
        return path

    return find


@pytest.fixture(scope="module")
def compiled_quickly():
    """Programs compile in half the time from here to the module's end, and run slower.

    For tests that run a program once or twice. What was compiled so is forgotten: a later module
    would compare it with programs that round otherwise.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def vgg_parameters() -> dict:
    return random_vgg19(0)


@pytest.fixture(scope="session")
def small_state():
    """A fresh state of :func:`small_srgan`, as host arrays; the same bits whoever asks first."""
    objective = small_srgan(None)
    quickly = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    make = jax.jit(
        lambda: init_state(
            jax.random.key(0), objective, sample_example(small_task()), optimizers(), averaged=True
        )
    )
    state = jax.device_get(make())
    jax.config.update("jax_disable_most_optimizations", quickly)
    return state


@pytest.fixture
def random_batch(rng) -> dict[str, np.ndarray]:
    """Eight records of 24 x 24 and 48 x 48 stored values."""
    return {
        "lr": rng.integers(0, 20000, (8, 24, 24, 1), np.uint16),
        "hr": rng.integers(0, 20000, (8, 48, 48, 1), np.uint16),
        "mask": np.ones((8, 48, 48, 1), np.uint8),
        "sample_id": np.arange(8, dtype=np.int32),
    }


@pytest.fixture(scope="session")
def tiny_cohort(tmp_path_factory) -> Path:
    """Six healthy subjects and a patient at the tiny protocol, through the real doors.

    Holds ``cohort/`` (DICOM and truth), ``manifest.json`` and ``records/``.
    """
    return once_per_run(tmp_path_factory, "tiny", make_tiny_cohort)


def make_tiny_cohort(root: Path) -> None:
    from data_tools import build_dataset, pair_studies, simulate_cohort

    subjects = ["--subjects", "6", "--patients", "1", "--seed", "0", "--protocol", "tiny"]
    simulate_cohort.main(["--out", str(root / "cohort"), *subjects])
    split = ["--test-fraction", "0", "--validation", "sub-004"]
    split += [word for name in ("001", "002", "003") for word in ("--test", f"sub-{name}")]
    manifest = str(root / "manifest.json")
    pair_studies.main(["--dicom", str(root / "cohort"), "--out", manifest, *split])
    build_dataset.main(["--manifest", manifest, "--data_dir", str(root / "records")])


@pytest.fixture(scope="session")
def tiny_data(tiny_cohort) -> Path:
    return tiny_cohort / "records"
