"""Bundles of T1, T2 and PD, and layouts that need a row of one's own, go the whole walk."""

import json

import pydicom
import pytest
from dicom_factory import save, write_subject

from data_tools import build_dataset, pair_studies
from qsr_jax.data.records.open import open_records
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.maps import MAPS

ROW = """
[[protocol]]
name = "Our scanner"
image_type = ["DERIVED", "PRIMARY", "RELAX", "<map>"]
maps = { T1_MS = "t1", T2_MS = "t2", PD_PU = "pd" }
"""
TOKENS = {"t1": "T1_MS", "t2": "T2_MS", "pd": "PD_PU"}


def rewrite(folder, edit):
    for path in folder.rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        edit(path, ds)
        save(ds, path)


@pytest.fixture
def bundled(tmp_path):
    """Each scan of three maps is one series in one folder."""
    root = tmp_path / "tree"
    for seed, name in enumerate(("a", "b")):
        home = write_subject(root / name, seed=seed)
        for side in ("fast", "routine"):
            scan, uid = home / side, f"2.25.1{seed}{len(side)}"
            scan.mkdir()
            for order, map_name in enumerate(MAPS):
                for path in sorted((home / f"{side}_{map_name}").iterdir()):
                    ds = pydicom.dcmread(path)
                    ds.ImageType = ["DERIVED", "PRIMARY", "MULTI_QMAP", MAPS[map_name].label]
                    ds.SeriesInstanceUID = uid
                    ds.InstanceNumber = order * 3 + int(path.stem)
                    save(ds, scan / f"{map_name}{path.name}")
                    path.unlink()
                (home / f"{side}_{map_name}").rmdir()
    return root


def walk(root, tmp_path, *more):
    out, data_dir = tmp_path / "m.json", tmp_path / "d"
    flags = ["--dicom", str(root), "--out", str(out), "--test-fraction", "0", "--test", "a", *more]
    pair_studies.main(flags)
    build_dataset.main(["--manifest", str(out), "--data_dir", str(data_dir)])
    return Manifest.load(out), data_dir


def test_bundles_pair_and_build_like_single_series(bundled, tmp_path):
    manifest, data_dir = walk(bundled, tmp_path)
    for subject in manifest.subjects:
        assert {pair.folders["fast"].split("/")[-1] for pair in subject.maps.values()} == {"fast"}
        assert len({pair.sha256["fast"] for pair in subject.maps.values()}) == 3
    plain = tmp_path / "plain"
    for seed, name in enumerate(("a", "b")):
        write_subject(plain / "tree" / name, seed=seed)
    _, other = walk(plain / "tree", plain)
    for name in MAPS:
        bundle, single = (open_records(d, name, "train") for d in (data_dir, other))
        assert len(bundle) == len(single) == 3
        for i in range(3):
            assert (bundle[i]["hr"] == single[i]["hr"]).all()


def test_rows_of_ones_own_are_kept_in_the_manifest(tmp_path):
    root = tmp_path / "tree"
    for seed, name in enumerate(("a", "b")):
        write_subject(root / name, seed=seed)

    def retype(path, ds):
        map_name = path.parent.name.split("_")[1]
        ds.ImageType = ["DERIVED", "PRIMARY", "RELAX", TOKENS[map_name]]

    rewrite(root, retype)
    with pytest.raises(SystemExit, match="no subject has three whole pairs"):
        pair_studies.main(["--dicom", str(root), "--out", str(tmp_path / "none.json")])
    (tmp_path / "rows.toml").write_text(ROW)
    manifest, data_dir = walk(root, tmp_path, "--protocols", str(tmp_path / "rows.toml"))
    assert [row.name for row in manifest.protocols] == ["Our scanner"]
    assert len(open_records(data_dir, "t2", "train")) == 3
    again = json.loads((tmp_path / "m.json").read_text())["protocols"]
    assert again[0]["image_type"] == ["DERIVED", "PRIMARY", "RELAX", "<map>"]
