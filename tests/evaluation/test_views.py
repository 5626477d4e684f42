"""A head that moved between its scans is measured as if it had not, as far as slices allow."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from evaluation_subjects import make_case
from moving_heads import grid, head

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.registration import KNOWN, RegistrationError
from qsr_jax.data.studies.truth import Truth, TruthError, place_of
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.label_plan import LabelPlan
from qsr_jax.evaluation.measure.labels import moved_labels, true_labels
from qsr_jax.evaluation.measure.movement import IN_BRAIN, OFF_KNOWN, moved_mm, movement_fields
from qsr_jax.evaluation.sections.movement import SECTION, movement_rows
from qsr_jax.evaluation.values import Value
from qsr_jax.evaluation.views import AT_HOME, SEEN_BY, case_at, find_poses, views_of
from qsr_jax.predictors.interpolation import interpolator
from qsr_jax.types import CORNER, Volume

STILL = np.zeros(6)
POSES = {
    "displaced": np.array([0.8, -0.6, 0.7, 0.0, 0.0, 0.0]),
    "turned": np.array([0.0, 0.0, 0.0, 0.9, -0.7, 0.8]),
    "both": np.array([-0.5, 0.4, 0.6, -0.6, 0.5, 0.4]),
}
FAST, ROUTINE = grid(64, slices=10), grid(128, slices=10)
BICUBIC = interpolator(scale=2, alignment=CORNER, method="cubic")


def maps_of(t1_ms):
    return np.stack([t1_ms, t1_ms / 12, np.full_like(t1_ms, 70.0)], -1)


def moved_case(pose):
    """A smooth head, the fast scan of which took a pose that truth.json tells."""
    home = maps_of(head(ROUTINE, STILL))
    names, codes = ("t1", "t2", "pd"), np.where(home[..., 0] < 1400.0, np.uint8(3), np.uint8(0))
    truth = Truth(
        home, codes, codes, {3: "all"}, np.zeros_like(codes), {},
        poses={"fast": pose, "routine": STILL},
    )  # fmt: skip
    routine = Volume(home, names, ROUTINE, mask=codes > 0)
    return Case("a", "healthy", CORNER, Volume(maps_of(head(FAST, pose)), names, FAST), routine,
                truth)  # fmt: skip


def views(case, how=KNOWN, *, labels=None, repeat=None, truth=None, seen_by=SEEN_BY):
    poses = find_poses(how, case, repeat)
    at_pose = lambda known, there, pose: LabelPlan("none").at_pose(None, known, there, pose)  # noqa: E731
    return views_of(
        case, poses, truth=truth, labels=labels, labels_at=at_pose, repeat=repeat, seen_by=seen_by
    )


def error(case):
    """Of bicubic T1 against the view's routine scan, where slices above and below were scanned."""
    off = (BICUBIC(case.fast).mean - case.routine.maps)[2:-2, ..., 0]
    return np.sqrt(np.mean(off[case.routine.mask[2:-2]] ** 2))


def left(before, after, still_error):
    """The part of the movement's squared error that is left."""
    return (error(after) ** 2 - still_error**2) / (error(before) ** 2 - still_error**2)


@pytest.fixture(scope="module")
def still_error():
    return error(moved_case(STILL))


@pytest.mark.parametrize("name", POSES)
def test_a_planted_pose_is_undone(name, still_error):
    """Smooth heads: nearly the error of a head that lay still, a small part of that as they lie."""
    case = moved_case(POSES[name])
    assert error(case) > 3.0 * still_error
    assert left(case, views(case)[0].case, still_error) < 0.1


def test_it_is_undone_without_being_told(still_error):
    case = moved_case(POSES["both"])
    (fast, home) = views(case, "rigid")
    assert left(case, fast.case, still_error) < 0.15
    assert home.case is case
    poses = find_poses("rigid", case, None)
    rows = {row["quantity"]: row["value"] for row in movement_fields(case, poses)}
    assert rows[OFF_KNOWN] < 0.1
    assert rows[IN_BRAIN] == pytest.approx(moved_mm(case, POSES["both"]), abs=0.1)


def test_a_head_that_lay_still_is_measured_as_before(rng):
    """Nothing is copied, moved or told: the very arrays that were read."""
    case = make_case(rng, subject="a", lesions=2)
    case = dataclasses.replace(
        case, truth=dataclasses.replace(case.truth, poses={"fast": STILL, "routine": STILL})
    )
    labels = true_labels(case.truth)
    for how in (KNOWN, "none"):
        (view,) = views(case, how, labels=labels)
        assert view.case is case and view.labels is labels
        assert all(map(view.measures, ("trained", *AT_HOME, "routine2")))
    assert not [*movement_fields(case, find_poses(KNOWN, case, None))]


def test_the_fast_scan_s_view_can_be_had_alone():
    """As the study does, which measures networks and no scan again: the same view."""
    case = moved_case(POSES["both"])
    assert [view.scan for view in views(case)] == ["fast", "routine"]
    (first, _), (alone,) = views(case), views(case, seen_by=("fast",))
    assert alone.scan == "fast" and alone.homes == first.homes
    np.testing.assert_array_equal(alone.case.routine.maps, first.case.routine.maps)


def test_every_method_has_one_view():
    case = moved_case(POSES["both"])
    told = case.truth.poses | {"routine2": POSES["turned"]}
    case = dataclasses.replace(case, truth=dataclasses.replace(case.truth, poses=told))
    found = views(case, repeat=dataclasses.replace(case.routine, mask=None))
    assert [view.scan for view in found] == ["fast", "routine", "routine2"]
    for method, scan in (("trained", "fast"), ("fast", "fast"), ("truth", "routine"),
                         ("routine", "routine"), ("routine2", "routine2")):  # fmt: skip
        assert [view.scan for view in found if view.measures(method)] == [scan]
    same = found[2]  # what was scanned there is not interpolated there
    np.testing.assert_array_equal(same.repeat.maps, case.routine.maps)
    assert (found[0].repeat.maps != case.routine.maps).any()


def test_no_lesion_is_lost_however_small(rng):
    labels = true_labels(make_case(rng, subject="a", lesions=3).truth)
    spots = np.zeros_like(labels.lesions)
    spots[2, 30, 31], spots[1, 20, 40:42] = 1, 2
    geometry = make_case(rng, subject="a").routine.geometry
    for pose in POSES.values():
        moved = moved_labels(dataclasses.replace(labels, lesions=spots), geometry, pose)
        assert set(np.unique(moved.lesions)) == {0, 1, 2}


def test_what_was_not_written_down_is_refused(tmp_path):
    case = moved_case(POSES["both"])
    told = {"poses": {"fast": [POSES["both"].tolist()] * 4}}
    (tmp_path / "truth.json").write_text(json.dumps(told))
    with pytest.raises(TruthError, match=r"fast: missing.*--register none"):
        case_at(case, find_poses(KNOWN, case, None), "fast", truth=tmp_path)
    with pytest.raises(TruthError, match=r"where the head lay in routine2.*scan again"):
        find_poses(KNOWN, case, case.routine)
    (tmp_path / "truth.json").write_text('{"poses": {"fast": [[1, 2]]}}')
    with pytest.raises(TruthError, match="no table of poses"):
        place_of(tmp_path, "fast")
    assert not find_poses("none", case, case.routine).used
    (row, *_) = movement_fields(case, find_poses("none", case, None))
    assert row["convention"] == "none"


def test_registration_says_whom_it_refuses(monkeypatch):
    case = moved_case(POSES["both"])
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(RegistrationError, match=r"subject a: .*pip install .*register"):
        find_poses("rigid", case, None)


def test_the_report_lists_who_moved(cohort_and_examples):
    """A row per subject and scan; a cohort that lay still has no such section."""
    cohort, _ = cohort_and_examples
    assert not SECTION.has_rows(cohort)
    case = moved_case(POSES["both"])
    who = {"subject": "a", "group": "healthy", "split": "test", "run": "1"}
    for how, said, off in ((KNOWN, "undone, as simulated", None), ("none", "not undone", None)):
        rows = movement_fields(case, find_poses(how, case, None))
        told = Cohort([*cohort.values, *(Value(**who, **row) for row in rows)])
        (row,) = told.rows(movement_rows)
        assert (row.subject, row.scan, row.how, row.off_known_mm) == ("a", "fast", how, off)
        assert list(row.pose.values()) == POSES["both"].tolist()
        (table,) = SECTION.shown(told)
        assert table.groups[0].lines[0].cells[-1] == said
