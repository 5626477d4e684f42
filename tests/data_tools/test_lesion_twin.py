"""Twins: the same subject and the same noise, but for lesions; planted where it is said."""

import shutil

import numpy as np
import pytest

from data_tools import lesion_twin
from data_tools.repeat_scan import read_cohort
from data_tools.write_simulated_subject import simulate_subject
from qsr_jax.anatomy.regions import GREY, WHITE
from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_twin import (
    INVENTED,
    TWIN,
    WITH,
    WITHOUT,
    read_twin,
    twin_fields,
)
from qsr_jax.evaluation.sections.lesion_twin import twin_rows
from qsr_jax.evaluation.values import Value
from qsr_jax.phantom.mni_tissues import mni_tissues
from qsr_jax.types import Prediction


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny_cohort):
    """A cohort whose patient and first tested healthy subject have a twin."""
    home = tmp_path_factory.mktemp("twins")
    shutil.copytree(tiny_cohort / "cohort", home / "cohort")
    manifest = Manifest.load(tiny_cohort / "manifest.json")
    object.__setattr__(manifest, "root", home / "cohort")
    cohort = read_cohort(home / "cohort")
    masks = lesion_twin.plant_masks(home / "cohort" / lesion_twin.MASKS, seed=cohort.seed)
    tests = manifest.subjects_of(split="test")
    chosen = [next(s for s in tests if s.group == g) for g in ("patient", "healthy")]
    for subject in chosen:
        name = subject.truth.split("/")[0]
        settings = lesion_twin.twin_settings(cohort, name, masks)
        simulate_subject(settings, name, home / "cohort" / name / TWIN)
    return manifest, chosen


@pytest.mark.parametrize("which", [0, 1], ids=["patient", "healthy"])
def test_nothing_differs_but_the_lesions(home, which):
    manifest, chosen = home
    case = load_case(manifest, chosen[which])
    twin = read_twin(manifest, chosen[which], case)
    ill, well = (case, twin) if which == 0 else (twin, case)
    assert ill.truth.lesions.any() and not well.truth.lesions.any()
    change = np.abs(ill.truth.maps - well.truth.maps)
    assert change[ill.truth.lesions > 0][:, 0].mean() > 50.0
    untouched = change.max(-1) < 1e-2  # the same but for rounding
    assert untouched[ill.truth.lesions == 0].mean() > 0.9
    off = np.abs(ill.routine.maps - well.routine.maps)[untouched & case.routine.mask][:, 0]
    noise = np.abs(case.routine.maps - case.truth.maps)[untouched & case.routine.mask][:, 0]
    assert np.median(off) < 0.05 * np.median(noise)  # the same noise
    if which == 1:
        before = well.truth.tissue[ill.truth.lesions > 0]
        assert {GREY, WHITE} <= set(before.tolist())


def test_a_method_that_shows_half_has_a_sensitivity_of_half_and_what_it_invents_is_told(home):
    """Two made-up methods: one halves every change, one adds 200 ms to the whole twin."""
    manifest, (_, healthy) = home
    case = load_case(manifest, healthy)
    twin = read_twin(manifest, healthy, case)
    names = case.routine.names

    def made(maps):
        return Prediction(maps.astype(np.float32), None, names, case.routine.geometry)

    true = twin.truth.maps - case.truth.maps
    pairs = {
        "trained": (made(case.truth.maps), made(case.truth.maps + 0.5 * true)),
        "bicubic": (made(case.truth.maps), made(twin.truth.maps + 200.0)),
    }
    fields = list(twin_fields(case, twin, names, pairs, scans=True))
    who = {"subject": "a", "group": "healthy", "split": "test", "run": "1"}
    white = {"kind": "tissue", "place": "WM", "quantity": "mean", "unit": "ms", "method": "truth",
             "count": 1, "convention": "", "value": 850.0}  # fmt: skip
    image = white | {"kind": "image", "place": "brain", "quantity": "psnr"}
    rows = [white | {"map": n} for n in names]
    rows += [image | {"map": n, "method": m} for n in names for m in ("bicubic", "trained")]
    found = {
        (r.map, r.method): r
        for r in twin_rows(Cohort([Value(**who, **row) for row in (*fields, *rows)]))
        if r.lesions == "all"
    }
    half, shifted = found["t1", "trained"], found["t1", "bicubic"]
    assert half.n_lesions >= 2 and half.n_subjects == 1
    assert half.sensitivity_percent.difference == pytest.approx(50.0, abs=0.01)
    assert half.false_percent == pytest.approx(0.0, abs=1e-3)
    assert shifted.sensitivity_percent.difference > 110.0
    assert shifted.false_percent == pytest.approx(100.0 * 200.0 / shifted.true_change, rel=1e-3)
    assert half.sensitivity_percent.p is None  # one subject
    values = {(f["quantity"], f["method"], f["place"]): f["value"] for f in fields
              if f["map"] == "t1"}  # fmt: skip
    for place in {place for _, _, place in values}:  # the truth makes nothing up, noise does
        assert values[INVENTED, "trained", place] == pytest.approx(0.0, abs=1e-3)
        assert values[INVENTED, "routine", place] > 1.0
        low, high = sorted((values[WITHOUT, "bicubic", place], values[WITH, "bicubic", place]))
        assert low < values[WITH, "trained", place] < high, "half a lesion reads as one between"
    # Scans show less than what is there, and the finer one more of it, whatever lesions were drawn
    routine, fast = (found["t1", m].sensitivity_percent.difference for m in ("routine", "fast"))
    assert 1.5 * fast < routine < 100.0


def test_balls_lie_in_their_tissue_and_apart():
    (_, *tissues), affine = mni_tissues()
    inside = lesion_twin.draw_balls(np.random.default_rng(3), tuple(tissues), affine)
    again = lesion_twin.draw_balls(np.random.default_rng(3), tuple(tissues), affine)
    assert (inside == again).all()
    volume = sum(4 / 3 * np.pi * r**3 for r in lesion_twin.RADII_MM)
    assert inside.sum() == pytest.approx(2 * volume, rel=0.15)


def test_the_door_hands_out_who_tests_and_keeps_what_is_there(
    home, tiny_cohort, monkeypatch, capsys
):
    manifest, chosen = home
    done = []
    monkeypatch.setattr(lesion_twin, "simulate_subject", lambda *job: done.append(job[1]))
    path = str(tiny_cohort / "manifest.json")
    lesion_twin.main(["--cohort", str(manifest.root), "--manifest", path])
    tests = {s.truth.split("/")[0] for s in manifest.subjects_of(split="test")}
    assert set(done) == tests - {s.truth.split("/")[0] for s in chosen}
    assert "2 kept" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="--workers must be at least 1; got 0"):
        lesion_twin.main(["--cohort", str(manifest.root), "--manifest", path, "--workers", "0"])


def test_a_manifest_of_others_is_refused(home, tiny_cohort, monkeypatch):
    manifest, _ = home
    monkeypatch.setattr(lesion_twin, "tested_in", lambda _: {"sub-099"})
    with pytest.raises(SystemExit, match="nobody of .* tests in it"):
        lesion_twin.main(["--cohort", str(manifest.root),
                          "--manifest", str(tiny_cohort / "manifest.json")])  # fmt: skip
