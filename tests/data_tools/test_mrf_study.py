"""The study of fingerprinting methods: every cell once, and found again."""

import json

import numpy as np
import pytest
import small_fingerprints as small

from data_tools import mrf_study
from qsr_jax.data.nifti.map_folder import write_map_folder
from qsr_jax.maps import MAPS
from qsr_jax.types import Geometry


@pytest.fixture
def head(tmp_path, monkeypatch):
    """A head of two slices, and a short train with a small dictionary in the real ones' places."""
    monkeypatch.setattr(mrf_study, "DELI_CS", small.TRAIN)
    monkeypatch.setattr(mrf_study, "make_dictionary", lambda train: small.DICTIONARY())
    brain = np.all(small.head()[0] > 0, axis=-1)[None]
    monkeypatch.setattr(mrf_study, "brain_of_slices", lambda maps, spacing: brain)
    maps = np.stack([small.head()[0]] * 2)
    place = Geometry((0.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 4.0, 4.0), maps.shape[:3])
    (tmp_path / "head7").mkdir()
    held = {name: np.ascontiguousarray(maps[..., k]) for k, name in enumerate(MAPS)}
    write_map_folder(tmp_path / "head7", held, place, {"t1": "ms", "t2": "ms", "pd": "au"})
    return tmp_path / "head7"


def test_cells_are_made_once(head, tmp_path, monkeypatch, capsys):
    out = tmp_path / "study.json"
    flags = ["--heads", str(head), "--out", str(out), "--pixels", "48", "--coils", "4"]
    mrf_study.main([*flags, "--slices", "0", "--methods", "svd"])
    assert "head7 slice 0 R8 4 coils svd" in capsys.readouterr().out
    mrf_study.main([*flags, "--slices", "0", "--methods", "svd", "lrtv"])
    cells = json.loads(out.read_text())
    assert [key.split()[-1] for key in cells] == ["svd", "lrtv"]
    error = {key.split()[-1]: cell["errors_percent"] for key, cell in cells.items()}
    assert error["lrtv"]["parenchyma"]["t2"][0] < error["svd"]["parenchyma"]["t2"][0]
    assert cells["head7 slice 0 R8 4 coils lrtv"]["strength"] == 0.01

    def simulated(*args, **options):
        raise AssertionError("a finished cell was made again")

    monkeypatch.setattr(mrf_study, "simulate_kspace", simulated)
    mrf_study.main([*flags, "--slices", "0", "--methods", "svd", "lrtv"])
    with pytest.raises(SystemExit, match="R8 4 coils svd was made from .*choose another --out"):
        mrf_study.main([*flags, "--slices", "0", "--methods", "svd", "--pixels", "56"])
    with pytest.raises(SystemExit, match="slice 4; .*head7 has 2, counted from 0"):
        mrf_study.main([*flags, "--slices", "4", "--methods", "svd"])
