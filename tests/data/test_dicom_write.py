"""What we write: read back exactly, whole or not at all, and valid."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import acquisition, fast_geometry
from dicom_writing import derive, tilted, volume_of, written

from qsr_jax.data import dicom
from qsr_jax.files.staged import WriteError, staged_folder
from qsr_jax.maps import MAPS
from qsr_jax.types import Volume


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("geometry", [fast_geometry(), tilted()], ids=["axial", "oblique"])
def test_acquired_round_trip(tmp_path, name, geometry):
    series = written(tmp_path / "s", name, geometry)
    volume = volume_of(name, geometry)
    assert np.abs(series.volume.maps - volume.maps).max() <= MAPS[name].slope / 2 + 1e-3
    np.testing.assert_allclose(
        series.volume.geometry.affine_lps(), geometry.affine_lps(), atol=1e-4
    )
    assert series.map_name == name
    assert len(list((tmp_path / "s").iterdir())) == geometry.shape[0]


def test_acquired_bytes_are_a_function_of_the_arguments(tmp_path):
    for folder in ("a", "b"):
        written(tmp_path / folder, "t1", fast_geometry())
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_acquired_refuses_several_maps_and_impossible_values(tmp_path):
    geometry = fast_geometry()
    two = Volume(np.ones((*geometry.shape, 2), np.float32), ("t1", "t2"), geometry)
    with pytest.raises(ValueError, match="one map"):
        dicom.write_acquired(two, tmp_path / "s", acquisition=acquisition("x"), uid_seed="x")
    hot = Volume(np.full((*geometry.shape, 1), 7000, np.float32), ("t1",), geometry)
    with pytest.raises(ValueError, match="outside"):
        dicom.write_acquired(hot, tmp_path / "s", acquisition=acquisition("x"), uid_seed="x")
    assert not list(tmp_path.iterdir())


def test_existing_target_is_refused(tmp_path):
    source = written(tmp_path / "s", "t1", fast_geometry())
    (tmp_path / "d").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        derive(source, tmp_path / "d")
    with pytest.raises(FileExistsError, match="exists already"):
        written(tmp_path / "s", "t1", fast_geometry())
    assert not list((tmp_path / "d").iterdir())


HELPERS = str(Path(__file__).parents[1] / "fixtures")
FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from dicom_factory import fast_geometry
from dicom_writing import derive, prediction_of, written
from qsr_jax.data import dicom
from qsr_jax.files.staged import WriteError
folder = Path(sys.argv[2])
source = dicom.read_series(folder / "s")
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
for write, target in ((lambda: written(folder / "a", "t1", fast_geometry()), "a"),
                      (lambda: derive(source, folder / "d", prediction_of(source)), "d")):
    try:
        write()
    except WriteError as error:
        print(target, error)
"""


def test_full_disk_leaves_nothing_and_says_so(tmp_path):
    """The system refuses to write beyond a limit, as it does on a full disk or quota."""
    written(tmp_path / "s", "t1", fast_geometry())
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, HELPERS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert ran.returncode == 0, ran.stderr
    for line, target in zip(ran.stdout.splitlines(), ("a", "d"), strict=True):
        assert line.startswith(f"{target} {tmp_path / target}: could not be written")
        assert "File too large" in line
        assert "free disk space" in line
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_staging_cleans_up_after_errors_and_dead_processes(tmp_path):
    target = tmp_path / "t"
    with pytest.raises(KeyError), staged_folder(target) as folder:
        (folder / "x").write_text("x")
        raise KeyError
    assert not list(tmp_path.iterdir())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(WriteError), staged_folder(target) as folder:
        orphan = tmp_path / folder.name.replace(str(os.getpid()), str(ended.pid))
        shutil.copytree(folder, orphan)
        raise OSError(28, "No space left on device")
    with staged_folder(target) as folder:
        (folder / "x").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert (target / "x").read_text() == "x"


VALIDATORS = {"dciodvfy": "dicom3tools", "dcentvfy": "dicom3tools", "dcmftest": "dcmtk"}


@pytest.mark.parametrize("tool", VALIDATORS)
@pytest.mark.parametrize("name", MAPS)
def test_validators_find_no_error(tmp_path, tool, name):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is absent; Debian package {VALIDATORS[tool]} brings it")
    source = written(tmp_path / "s", name, fast_geometry())
    derived = derive(source, tmp_path / "d")
    files = [str(path) for path in (*source.files, *derived.files)]
    batches = [files] if tool == "dcentvfy" else [[path] for path in files]
    for batch in batches:
        ran = subprocess.run([tool, *batch], capture_output=True, text=True, check=False)
        text = ran.stdout + ran.stderr
        assert "Error" not in text, text
        assert ran.returncode == 0, text
