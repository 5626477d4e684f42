"""A planted pose is found, undone, written down; pairs that are not registered stay as they lie."""

import dataclasses
import sys

import numpy as np
import pytest
from moving_heads import grid, head

from qsr_jax.data.records.build import build_records
from qsr_jax.data.records.card import registration_notes
from qsr_jax.data.records.open import DatasetError, open_records
from qsr_jax.data.studies import registration as room
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.movement_numbers import movement_in
from qsr_jax.data.studies.pair_folder import write_manifest
from qsr_jax.data.studies.truth import poses_in

PLANTED = np.array([0.5, -0.4, 0.6, 0.5, -0.7, 0.4])


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


def test_noise_does_not_draw_the_pose_away(rng):
    """8 % of noise in both scans; a simulated head without filter and inset was 0.7 mm off."""
    fast, routine = grid(64), grid(128)
    moved, still = (
        (t1_ms * (1 + 0.08 * rng.standard_normal(t1_ms.shape))).astype(np.float32)
        for t1_ms in (head(fast, PLANTED), head(routine, np.zeros(6)))
    )
    inside = head(routine, np.zeros(6)) < 1400.0
    found = room.rigid_pose(moved, still, inside, fast, routine)
    np.testing.assert_allclose(found, PLANTED, atol=0.2)


def test_relaxation_times_are_moved_by_their_logarithm():
    """A step from tissue to fluid: no value between the two is far off the geometric mean, and
    times stay as they are where nothing moves; a mask or PD is interpolated as it is."""
    geometry = grid(32, slices=4)
    step = np.where(np.arange(32) < 16, np.float32(80.0), np.float32(2000.0))
    t2_ms = np.broadcast_to(step, geometry.shape)[..., None]
    still = room.on_fast_head(t2_ms, geometry, np.zeros(6), names=("t2",))
    np.testing.assert_allclose(still, t2_ms, rtol=1e-5)
    half = np.array([geometry.spacing_mm[2] / 2, 0, 0, 0, 0, 0])
    moved, plain = (
        room.on_fast_head(t2_ms, geometry, half, names=names, order=1)[1, 8, 16, 0]
        for names in (("t2",), ())
    )
    assert moved == pytest.approx(np.sqrt(85.0 * 2005.0) - 5.0, rel=1e-4)  # 5 ms is the floor
    assert plain == pytest.approx(1040.0, rel=1e-4)


def test_what_no_head_does_is_refused():
    fast, routine = grid(64), grid(128)
    still = head(routine, np.zeros(6))
    with pytest.raises(room.RegistrationError, match=r"at most 10 mm and 5 degrees.*none"):
        room.check_believable(np.array([11.0, 0, 0, 0, 0, 0]))
    with pytest.raises(room.RegistrationError, match="no tissue to register"):
        room.rigid_pose(still, still, np.zeros(still.shape, bool), fast, routine)
    far = dataclasses.replace(fast, origin_mm=(5000.0, 0.0, 0.0))
    with pytest.raises(room.RegistrationError, match="expected two scans of one head"):
        room.rigid_pose(head(fast, np.zeros(6)), still, still < 1400.0, far, routine)


def test_simpleitk_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(room.MissingRegistrationError, match="qsr_jax.register"):
        room.rigid_pose(*[np.ones((2, 4, 4), np.float32)] * 3, grid(4), grid(4))


def test_records_say_how_they_were_registered(tiny_cohort, tmp_path):
    manifest = tmp_path / "manifest.json"
    as_paired = Manifest.load(tiny_cohort / "manifest.json")
    write_manifest(as_paired, manifest)
    with pytest.raises(ValueError, match="one of none, rigid, known; got 'affine'"):
        build_records(manifest, tmp_path, register="affine")
    build_records(manifest, tmp_path, register="rigid")
    plain = open_records(tiny_cohort / "records", "t1", "train")
    moved = {name: open_records(tmp_path, name, "train") for name in ("t1", "pd")}
    assert plain.registration == {"method": "none", "subjects": {}}
    assert moved["t1"].registration == moved["pd"].registration
    assert len(moved["t1"].registration["subjects"]) == 7
    mm = [np.linalg.norm(one["mm"]) for one in moved["t1"].registration["subjects"].values()]
    assert 0.05 < np.median(mm) < 2.0  # 0.4 mm along each axis
    told = movement_in(Manifest.load(manifest))
    for case, one in moved["t1"].registration["subjects"].items():
        assert told[case] == [*one["mm"], *one["deg"]]
    assert Manifest.load(manifest).fingerprint == as_paired.fingerprint
    assert not write_manifest(as_paired, manifest)  # who pairs again finds an equal manifest
    assert movement_in(Manifest.load(manifest)) == told
    np.testing.assert_array_equal(plain[0]["lr"], moved["t1"][0]["lr"])
    assert (plain[0]["hr"] != moved["t1"][0]["hr"]).any()
    (tmp_path / "told").mkdir()
    build_records(manifest, tmp_path / "told", register="known")
    known = open_records(tmp_path / "told", "t1", "train").registration
    assert known["method"] == "known"
    truths = {one.case: as_paired.root / one.truth for one in as_paired.subjects}
    for case, one in known["subjects"].items():
        assert [*one["mm"], *one["deg"]] == poses_in(truths[case])["fast"].tolist()
    note = registration_notes(moved["t1"].registration)[0]
    assert note in (moved["t1"].folder / "README.md").read_text()
    with pytest.raises(DatasetError, match="built with --register rigid, asked for none"):
        build_records(manifest, tmp_path)
