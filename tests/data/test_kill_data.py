"""A few of the kills that ``kill_data.py`` does by the fifty, and builds that must be equal."""

import pytest
from build_matrix import CIRCUMSTANCES, DAMAGES, built, check_refused, cohort
from kill_data import kill_builds, kill_writers


def test_killed_writers_leave_nothing_or_everything(tmp_path):
    assert sum(kill_writers(2, 1, tmp_path).values()) == 2


def test_killed_builds_leave_nothing_or_everything(tmp_path):
    assert sum(kill_builds(1, 1, tmp_path).values()) == 1


def test_bytes_do_not_depend_on_listing_zone_locale_umask_or_hash_seed(tmp_path):
    """Two of the twelve circumstances of ``build_matrix.py``."""
    tree, salt = cohort(tmp_path, subjects=3)
    found = [
        built(tree, salt, tmp_path / f"out{number}", workers=1, **around)
        for number, around in enumerate(CIRCUMSTANCES[:2])
    ]
    assert found[0] == found[1]
    assert len(found[0]) > 20


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_to_any_shard_is_refused_by_its_name(damage, data_dir, rng):
    for _ in range(2):
        check_refused(damage, data_dir, rng)


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
