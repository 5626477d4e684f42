"""Which labels an evaluation takes: what the user may ask for, and what is refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_house import arguments, manifest_of
from evaluation_subjects import make_case

import launch.evaluate as door
import qsr_jax.evaluation.measure_cohort as subjects
from qsr_jax.anatomy.label_subject import SubjectLabels
from qsr_jax.anatomy.region_sources import GeometricRegions
from qsr_jax.anatomy.registration import AtlasTemplate
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.studies.manifest import Pair, Subject
from qsr_jax.evaluation import label_plan as plans
from qsr_jax.evaluation.label_plan import LabelOptions, LabelPlan, make_plan, names_of

NOTHING = LabelOptions(regions=None, atlas=None, rois=None, erode_pixels=0)
SOURCE = plans.AtlasSource(
    AtlasTemplate(np.zeros((2, 2, 2)), np.eye(4)),
    GeometricRegions(),
    "found in the maps by a test",
    "",
)


def make_subject(name, *, truth="truth"):
    pair = Pair({"routine": f"{name}/study/routine_t1"}, {}, {}, {}, "good", ())
    return Subject(f"{name}{'0' * 12}", "1", "healthy", "test", (), "corner", (3, 32, 32),
                  (5.0, 1.0, 1.0), truth, {"t1": pair})  # fmt: skip


@pytest.fixture
def known(monkeypatch):
    """Anatomies are found by moving the truth one voxel; no template is read."""

    def find(routine, *, template, source):
        del template, source
        case = found["case"]
        moved = {k: np.roll(getattr(case, k), 1, axis=2) for k in ("tissue", "regions")}
        return SubjectLabels(moved["tissue"], moved["regions"], case.region_names, routine.maps)

    found = {}
    monkeypatch.setattr(plans, "read_source", lambda _: SOURCE)
    monkeypatch.setattr(plans, "find_anatomy", find)
    return found


def test_the_truth_is_taken_where_there_is_one_and_the_atlas_where_not(known):
    simulated, scanned = make_subject("a"), make_subject("b", truth=None)
    assert make_plan(NOTHING, [simulated]) == LabelPlan()
    assert make_plan(NOTHING, [scanned]).regions == "truth"  # which then has nothing to label
    asked = dataclasses.replace(NOTHING, atlas="geometry")
    assert make_plan(asked, [simulated]).regions == "truth"
    assert make_plan(asked, [simulated, scanned]).regions == "atlas"
    assert make_plan(asked, [simulated]).atlas is SOURCE
    none = make_plan(dataclasses.replace(asked, regions="none"), [simulated])
    assert none.atlas is None and none.said([simulated]) == "none"


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"regions": "truth"}, "1 subjects have none, subject b0"),
        ({"regions": "atlas"}, "needs --atlas"),
        ({"rois": Path("nowhere")}, "no such folder"),
    ],
)
def test_what_is_missing_is_said(asked, match):
    with pytest.raises(ValueError, match=match):
        make_plan(dataclasses.replace(NOTHING, **asked), [make_subject("b", truth=None)])


def test_both_opinions_are_given_and_the_tables_take_the_one_asked_for(known, rng):
    case = make_case(rng, subject="a", group="patient", lesions=2)
    known["case"] = case.truth
    by_truth, found = LabelPlan(atlas=SOURCE).of(case, make_subject("a"))
    assert by_truth.said == "voxels of the true label"
    assert found.said == "voxels of the label found in the maps"
    np.testing.assert_array_equal(by_truth.tissue, case.truth.tissue)
    by_atlas, again = LabelPlan("atlas", SOURCE, erode_pixels=1).of(case, make_subject("a"))
    np.testing.assert_array_equal(found.tissue, again.tissue)
    assert 0 < (by_atlas.regions > 0).sum() < (found.regions > 0).sum()
    assert (by_atlas.lesions == case.truth.lesions).all()
    scanned = dataclasses.replace(case, truth=None)
    labels, found = LabelPlan("atlas", SOURCE).of(scanned, make_subject("a", truth=None))
    assert not labels.lesions.any() and labels.tissue.any() and found is not None
    labels, found = LabelPlan("none").of(case, make_subject("a"))
    assert found is None and not labels.tissue.any() and labels.lesions.any() == 0


def test_drawn_lesions_take_the_place_of_others(tmp_path, rng):
    case = make_case(rng, subject="a", group="patient", lesions=2)
    drawn = np.zeros(case.truth.lesions.shape, np.uint8)
    drawn[1, 20:30, 20:30] = 7
    write_nifti(drawn, case.routine.geometry, tmp_path / "a.nii.gz")
    subject = make_subject("a")
    plan = make_plan(dataclasses.replace(NOTHING, rois=tmp_path), [subject])
    labels, _ = plan.of(case, subject)
    np.testing.assert_array_equal(labels.lesions, drawn)
    assert labels.lesion_kinds == {7: "7"} and labels.lesions_said == "voxels drawn in a.nii.gz"
    assert plan.said([subject]) == "the truth of simulated subjects; drawn lesions of 1"
    before = plan.parts(subject)
    drawn[2, 20, 20] = 7
    write_nifti(drawn, case.routine.geometry, tmp_path / "a.nii.gz")
    assert plan.parts(subject) != before


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("c.nii.gz", "named after nobody"),
        ("a.png", "not a drawing"),
    ],
)
def test_a_drawing_of_nobody_is_refused(name, match, tmp_path):
    (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match=match):
        plans.find_drawings(tmp_path, [make_subject("a")])


def test_a_subject_drawn_twice_is_refused(tmp_path):
    subject = make_subject("a")
    assert names_of(subject) == (subject.subject, "a", "study", "routine_t1")
    for name in ("a.nii", "a.nii.gz"):
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="drawn twice"):
        plans.find_drawings(tmp_path, [subject])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("aal = ", "no TOML page"),
        ('aal = "a"', "has aal; expected the files aal, aal_names, jhu, jhu_names"),
        ('aal = "a"\naal_names = "b"\njhu = "c"\njhu_names = "d"\ncsf = "e"', "all or none of csf"),
        ("", "has nothing"),
    ],
)
def test_a_page_that_says_something_else_is_refused(text, match, tmp_path):
    page = tmp_path / "atlas.toml"
    page.write_text(text)
    with pytest.raises(ValueError, match=match):
        plans.read_source(str(page))


def test_a_page_of_files_is_read(tmp_path, test_data):
    """The real atlases, by a page of paths relative to it."""
    files = test_data("atlases")
    page = tmp_path / "atlas.toml"
    pve = "MNI152_T1_1mm_FAST_pve_"
    names = {
        "aal": "AAL3_res-01.nii.gz",
        "aal_names": "AAL3_labels.tsv",
        "jhu": "JHU-ICBM-labels-1mm.nii.gz",
        "jhu_names": "JHU-labels_index.txt",
        "csf": f"{pve}0_CSF.nii.gz",
        "grey": f"{pve}1_GM.nii.gz",
        "white": f"{pve}2_WM.nii.gz",
    }
    page.write_text("\n".join(f'{k} = "{files / v}"' for k, v in names.items()))
    source = plans.read_source(str(page))
    assert "AAL3_res-01.nii.gz and JHU-ICBM-labels-1mm.nii.gz" in source.said
    assert len(source.sha256) == 64
    caudate = np.array([[-14.0, -10.0, 10.0], [14.0, -10.0, 10.0]])  # LPS mm, both sides
    assert (source.source.regions(caudate, np.array([2, 2])) > 0).all()


class Walk:
    """The door on four small subjects of whom one is a patient, whose anatomy is found by magic."""

    def __init__(self, house, monkeypatch, *, truth):
        self.spacing_mm, truths = None, {}
        load = subjects.load_case

        def load_case(manifest, subject):
            case = load(manifest, subject)
            truths[id(case.routine.maps)] = (case.routine.maps, case.truth)
            self.spacing_mm = case.routine.geometry.spacing_mm
            return case if truth else dataclasses.replace(case, truth=None)

        def find(routine, *, template, source):
            del template, source
            known = truths[id(routine.maps)][1]
            tissue, regions = (np.roll(x, 1, axis=2) for x in (known.tissue, known.regions))
            return SubjectLabels(tissue, regions, known.region_names, routine.maps)

        monkeypatch.setattr(subjects, "load_case", load_case)
        monkeypatch.setattr(plans, "read_source", lambda _: SOURCE)
        monkeypatch.setattr(plans, "find_anatomy", find)
        if not truth:
            whole = house.manifests["manifest.json"]
            scanned = tuple(dataclasses.replace(p, truth=None) for p in whole.subjects)
            house.manifests["manifest.json"] = manifest_of(scanned)

    def go(self, out, *flags):
        """Tables and page."""
        door.main([*arguments(out, "t1", "t2", "pd"), "--workers", "1", "--baselines", "", *flags])
        tables = json.loads((out / "tables.json").read_text())
        return tables, (out / "index.html").read_text("utf-8")


def test_scanned_subjects_are_measured_by_what_is_found_in_their_maps(tmp_path, house, monkeypatch):
    walk = Walk(house, monkeypatch, truth=False)
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    patient = make_case(np.random.default_rng(3), subject="x", slices=3, lesions=3)
    write_nifti(patient.truth.lesions, patient.routine.geometry, drawn / f"{3:016x}.nii.gz")
    flags = ("--atlas", "geometry", "--rois", str(drawn), "--erode-pixels", "1")
    document, page = walk.go(tmp_path / "report", *flags)
    tables = document["tables"]
    places = {(row["kind"], row["place"]): row for row in tables["places"]}
    assert {("tissue", "GM"), ("tissue", "WM"), ("region", "frontal")} <= places.keys()
    assert places["tissue", "GM"]["n"] == 3
    assert "truth" not in {row["method"] for row in tables["places"]}
    assert {row["lesion"] for row in tables["lesions"]} == {"1 1", "2 2", "3 3"}
    assert tables["lesion_contrast"] and tables["lesion_roc"]
    assert not tables["labels"]  # nobody knows better
    assert "label found in the maps, 1 pixels or more from its border; fast is" in page
    assert f"voxels drawn in {3:016x}.nii.gz" in page
    assert "drawn lesions of 1" in document["about"]["labels"]


def test_on_simulated_subjects_both_opinions_are_compared(tmp_path, house, monkeypatch):
    walk = Walk(house, monkeypatch, truth=True)
    document, page = walk.go(tmp_path / "truth", "--atlas", "geometry")
    by_place = {row["place"]: row for row in document["tables"]["labels"]}
    assert {"GM", "WM", "frontal"} <= by_place.keys()
    voxel_mm = walk.spacing_mm[2]
    assert by_place["WM"]["n"] == 4 and 0.7 < by_place["WM"]["dice"]["mean"] < 1.0
    assert by_place["frontal"]["centroid_mm"]["mean"] == pytest.approx(voxel_mm, rel=0.5)
    assert "What labels found in the maps are worth" in page
