"""A few of the kills that ``kill_data.py`` does by the fifty, and builds that must be equal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dicom_factory import write_person
from kill_data import digests, kill_builds, kill_writers

ROOT = Path(__file__).parents[2]


def test_killed_writers_leave_nothing_or_everything(tmp_path):
    assert sum(kill_writers(2, 1, tmp_path).values()) == 2


def test_killed_builds_leave_nothing_or_everything(tmp_path):
    assert sum(kill_builds(1, 1, tmp_path).values()) == 1


BUILD = """
import os, random, sys
from data_tools import build_dataset, pair_studies
whole = os.walk
def shuffled(top, **more):  # the order in which a file system lists
    for name, folders, files in whole(top, **more):
        random.Random(int(sys.argv[2])).shuffle(folders)
        random.Random(int(sys.argv[2])).shuffle(files)
        yield name, folders, files
os.walk = shuffled
out = sys.argv[3]
pair_studies.main(["--dicom", sys.argv[1], "--out", f"{out}/m.json", "--salt-file", sys.argv[4]])
build_dataset.main(["--manifest", f"{out}/m.json", "--data_dir", f"{out}/d", "--workers", "1"])
"""


def test_bytes_do_not_depend_on_listing_zone_locale_or_hash_seed(tmp_path):
    for seed in range(3):
        write_person(tmp_path / "tree" / f"p{seed}", seed=seed)
    (tmp_path / "salt").write_text("ab" * 32)
    found = []
    for seed, zone, locale, hashing in ((1, "UTC", "C", "0"), (2, "Asia/Kolkata", "C.UTF-8", "77")):
        out = tmp_path / f"out{seed}"
        out.mkdir()
        changed = {"TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": hashing}
        subprocess.run(
            [sys.executable, "-c", BUILD, str(tmp_path / "tree"), str(seed), str(out),
             str(tmp_path / "salt")],
            env=os.environ | changed | {"PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
        )  # fmt: skip
        found.append(digests(out / "d"))
    assert found[0] == found[1]
    assert len(found[0]) > 20


def test_bytes_do_not_depend_on_the_number_of_workers(data_dir, manifest_path, tmp_path):
    """Eight processes for five people: some finish early, some have nothing to do."""
    from data_tools import build_dataset

    flags = ["--manifest", str(manifest_path), "--data_dir", str(tmp_path / "d")]
    build_dataset.main([*flags, "--workers", "8"])
    assert digests(tmp_path / "d") == digests(data_dir)


def test_errors_of_workers_reach_the_user_in_one_line(manifest_path, tmp_path):
    from data_tools import build_dataset

    text = manifest_path.read_text()
    broken = tmp_path / "m.json"
    broken.write_text(text.replace('"root": "tree"', f'"root": "{tmp_path}/gone"'))
    flags = ["--manifest", str(broken), "--data_dir", str(tmp_path / "d")]
    for workers in ("0", "2"):
        with pytest.raises(SystemExit, match="error: .*(no such folder|at least 1)"):
            build_dataset.main([*flags, "--workers", workers])
    assert not list((tmp_path / "d").rglob("*array_record*"))
