"""The formats that predict can write: classic series, Parametric Maps, a BIDS derivative."""

import re
from pathlib import Path

import numpy as np
import pytest
from small_predictors import Doubler

from launch import predict
from launch.bench.material import write_scan
from qsr_jax.data.dicom import read_series, read_spread
from qsr_jax.predictors import load


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    root = tmp_path_factory.mktemp("scan")
    for name in ("t1", "pd"):
        write_scan(root / f"fast_{name}", name, "fast")
    return root


def run(monkeypatch, scan, out, *flags):
    models = [Doubler(names=("t1",)), Doubler(names=("pd",))]
    monkeypatch.setattr(predict, "load_predictors", lambda _, **options: models)
    predict.main(["--workdir", "a", "--workdir", "b", "--input", str(scan), "--output", str(out),
                  *flags])  # fmt: skip


def test_bids_derivative(monkeypatch, scan, tmp_path, capsys):
    run(monkeypatch, scan, tmp_path / "d", "--nifti", "01")
    names = sorted(p.name for p in (tmp_path / "d").rglob("*.nii.gz"))
    assert names == [
        "sub-01_acq-fast_res-512_desc-srgan_PDmap.nii.gz",
        "sub-01_acq-fast_res-512_desc-srgan_T1map.nii.gz",
    ]
    assert capsys.readouterr().out.count("wrote ") == 2
    with pytest.raises(SystemExit, match="exists already"):
        run(monkeypatch, scan, tmp_path / "d", "--nifti", "01")
    with pytest.raises(SystemExit, match="letters and digits only"):
        run(monkeypatch, scan, tmp_path / "e", "--nifti", "sub_1")


def test_parametric_maps(monkeypatch, scan, tmp_path):
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    run(monkeypatch, scan, tmp_path / "d", "--parametric-map")
    for name in ("t1", "pd"):
        found = read_series(tmp_path / "d" / name)
        source = read_series(scan / f"fast_{name}")
        np.testing.assert_array_equal(found.volume.maps[:, ::2, ::2], source.volume.maps)


def test_one_format_at_a_time(monkeypatch, scan, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, scan, tmp_path / "d", "--nifti", "01", "--parametric-map")
    assert caught.value.code == 2
    assert re.search("not allowed with argument", capsys.readouterr().err)


def test_workdirs_of_the_same_map_become_an_ensemble(monkeypatch, scan, tmp_path, capsys):
    """Two trainings 8 ms apart: their mean, and 4 ms as the standard deviation (ddof 0)."""
    models = {"a": Doubler(), "b": Doubler(weights_sha256="b" * 64, offset=8.0)}
    monkeypatch.setattr(load, "load_predictor", lambda path, **_: models[path.name])
    words = ["--workdir", "a", "--workdir", "b", "--input", str(scan / "fast_t1"), "--output"]
    with pytest.raises(SystemExit, match=r"two of the same map; .*--ensemble"):
        predict.main([*words, str(tmp_path / "d")])
    predict.main([*words, str(tmp_path / "d"), "--ensemble"])
    assert capsys.readouterr().out.count("wrote ") == 2
    source = read_series(scan / "fast_t1").volume.maps
    mean = read_series(tmp_path / "d" / "t1").volume.maps
    np.testing.assert_allclose(mean[:, ::2, ::2], source + 4, atol=0.051)
    std = read_spread(tmp_path / "d" / "t1_std").volume.maps
    np.testing.assert_allclose(std, 4.0, atol=0.002)


def test_a_spread_that_nobody_knows_is_told(monkeypatch, scan, tmp_path):
    with pytest.raises(SystemExit, match=r"srgan T1.*knows no standard deviation.*--ensemble"):
        run(monkeypatch, scan, tmp_path / "d", "--std")
    assert not (tmp_path / "d").exists()


def test_compiled_programs_are_kept_where_asked(monkeypatch, scan, tmp_path):
    """As training keeps them: in the first workdir unless told otherwise, in no model's folder."""
    asked = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(predict, "use_compile_cache", lambda *words: asked.append(words))
    run(monkeypatch, scan, tmp_path / "d")
    run(monkeypatch, scan, tmp_path / "e", "--compile-cache", "none")
    assert asked == [("auto", Path("b")), ("none", Path("b"))]
