"""A planted pose is found, undone, written down; pairs that are not registered stay as they lie."""

import sys

import numpy as np
import pytest

from qsr_jax.data.records.build import build_records
from qsr_jax.data.records.card import registration_notes
from qsr_jax.data.records.open import DatasetError, open_records
from qsr_jax.data.studies import registration as room
from qsr_jax.types import Geometry

PLANTED = np.array([0.5, -0.4, 0.6, 0.5, -0.7, 0.4])


def grid(matrix, fov_mm=200.0, slices=16):
    pixel = fov_mm / matrix
    first = -fov_mm / 2 + pixel / 2
    return Geometry(
        origin_mm=(first, first, -(slices - 1) / 2 * 5.0),
        row_dir=(1.0, 0.0, 0.0),
        col_dir=(0.0, 1.0, 0.0),
        spacing_mm=(5.0, pixel, pixel),
        shape=(slices, matrix, matrix),
    )


def head(geometry, pose):
    """T1 of a smooth head that took a pose: points h at R h + t; slices averaged over 5 mm."""
    affine, (z, y, x) = geometry.affine_lps(), np.indices(geometry.shape)
    total = 0.0
    for above in (-0.4, -0.2, 0.0, 0.2, 0.4):
        place = np.stack([z + above, y, x, np.ones(z.shape)], -1) @ affine.T
        v = place[..., :3] - pose[:3]
        ax, ay, az = np.deg2rad(pose[3:])
        h = v - np.stack(
            [ay * v[..., 2] - az * v[..., 1], az * v[..., 0] - ax * v[..., 2],
             ax * v[..., 1] - ay * v[..., 0]], -1
        )  # fmt: skip
        waves = sum(
            np.sin(h @ k)
            for k in np.array(
                [[0.20, 0.05, 0.08], [-0.06, 0.22, 0.1], [0.1, -0.15, 0.15], [0.03, 0.04, -0.2]]
            )
        )
        inside = 1 / (1 + np.exp((np.linalg.norm(h / (70, 85, 60), axis=-1) - 1) * 30))
        total = total + (0.4 + 0.9 * inside + 0.12 * waves * inside) / 5
    return (1000 / total).astype(np.float32)


def test_a_planted_pose_is_found_and_undone():
    """To 0.1 mm and 0.1 degrees; and the pair then agrees as well as one that never moved."""
    fast, routine = grid(64), grid(128)
    moved, still = head(fast, PLANTED), head(routine, np.zeros(6))
    mask = still < 1400.0
    found = room.rigid_pose(moved, still, mask, fast, routine)
    np.testing.assert_allclose(found, PLANTED, atol=0.1)
    as_it_would = head(routine, PLANTED)
    inner = mask[3:-3]
    before, after = (
        np.sqrt(np.mean((image - as_it_would)[3:-3][inner] ** 2))
        for image in (still, room.on_fast_head(still[..., None], routine, found)[..., 0])
    )
    assert after < 0.25 * before
    shape = room.on_fast_head(mask.astype(np.float32), routine, found, order=1)
    assert shape.shape == mask.shape


def test_a_head_that_lay_still_stays_where_it_is():
    fast, routine = grid(64), grid(128)
    still = head(routine, np.zeros(6))
    found = room.rigid_pose(head(fast, np.zeros(6)), still, still < 1400.0, fast, routine)
    np.testing.assert_allclose(found, 0.0, atol=0.05)
    same = room.on_fast_head(still[..., None], routine, np.zeros(6))
    np.testing.assert_allclose(same[..., 0], still, rtol=1e-5)


def test_simpleitk_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(room.MissingRegistrationError, match="qsr_jax.register"):
        room.rigid_pose(*[np.ones((2, 4, 4), np.float32)] * 3, grid(4), grid(4))


def test_records_say_how_they_were_registered(tiny_cohort, tmp_path):
    manifest = tiny_cohort / "manifest.json"
    with pytest.raises(ValueError, match="register must be one of none, rigid; got 'affine'"):
        build_records(manifest, tmp_path, register="affine")
    build_records(manifest, tmp_path, register="rigid")
    plain = open_records(tiny_cohort / "records", "t1", "train")
    moved = {name: open_records(tmp_path, name, "train") for name in ("t1", "pd")}
    assert plain.registration == {"method": "none", "subjects": {}}
    assert moved["t1"].registration == moved["pd"].registration
    assert len(moved["t1"].registration["subjects"]) == 7
    mm = [np.linalg.norm(one["mm"]) for one in moved["t1"].registration["subjects"].values()]
    assert 0.05 < np.median(mm) < 2.0  # 0.4 mm along each axis
    np.testing.assert_array_equal(plain[0]["lr"], moved["t1"][0]["lr"])
    assert (plain[0]["hr"] != moved["t1"][0]["hr"]).any()
    note = registration_notes(moved["t1"].registration)[0]
    assert note in (moved["t1"].folder / "README.md").read_text()
    with pytest.raises(DatasetError, match="built with --register rigid, asked for none"):
        build_records(manifest, tmp_path)
