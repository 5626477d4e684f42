"""The cohort door: whole folders, the same bytes every time, and no surprises on a rerun."""

import csv
import hashlib
import json
import shutil

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from data_tools.simulate_cohort import main
from data_tools.subject_sources import deal
from qsr_jax.anatomy.regions import REGION_NAMES
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.truth import read_truth
from qsr_jax.maps import MAPS

SETTINGS = ["--seed", "7", "--protocol", "tiny", "--alignment", "sample"]


def simulate(out, subjects, patients, *more):
    subjects = ["--subjects", str(subjects), "--patients", str(patients)]
    main(["--out", str(out), *subjects, *SETTINGS, *more])


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.dcm"))
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """One healthy subject and one patient."""
    out = tmp_path_factory.mktemp("cohort") / "subjects"
    simulate(out, 1, 1)
    return out


def test_every_subject_is_whole(cohort):
    with (cohort / "participants.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [tuple(row.values())[:2] for row in rows] == [
        ("sub-001", "healthy"),
        ("sub-002", "patient"),
    ]
    assert {row["anatomy"] for row in rows} == {"MNI152 templates"}
    for row in rows:
        subject = cohort / row["participant_id"]
        names = {f"{scan}_{name}" for scan in ("fast", "routine") for name in MAPS}
        assert {path.name for path in subject.iterdir()} == names | {"truth"}
        assert all(len(list((subject / name).glob("*.dcm"))) == 6 for name in names)
        about = json.loads((subject / "truth/truth.json").read_text())
        assert about["group"] == row["group"]
        assert about["grid_alignment"] == "sample"


def test_series_and_truth_lie_where_they_should(cohort):
    subject = cohort / "sub-002"
    routine, fast = (read_series(subject / f"{scan}_t1") for scan in ("routine", "fast"))
    fine, coarse = routine.volume.geometry, fast.volume.geometry
    expected = coarse.refined(2, "sample").affine_lps()
    np.testing.assert_allclose(fine.affine_lps(), expected, atol=1e-3)
    assert routine.study_uid == fast.study_uid
    assert routine.frame_uid == fast.frame_uid
    truth = read_truth(subject / "truth", fine)
    white = truth.tissue == 3
    ratio = np.median(routine.volume.maps[..., 0][white]) / np.median(truth.maps[..., 0][white])
    assert 0.9 < ratio < 1.1


def test_only_the_patient_has_lesions_and_each_a_kind(cohort):
    grid = read_series(cohort / "sub-001/routine_t1").volume.geometry
    healthy, patient = (read_truth(cohort / f"sub-00{n}" / "truth", grid) for n in (1, 2))
    assert not healthy.lesions.any()
    assert healthy.lesion_kinds == {}
    assert set(patient.lesion_kinds) == set(np.unique(patient.lesions)) - {0}
    assert list(patient.region_names.values()) == list(REGION_NAMES)


def test_a_subject_depends_on_seed_and_number_alone(cohort, tmp_path):
    """The same bytes in a cohort of another size, made by another process."""
    simulate(tmp_path / "other", 1, 0, "--workers", "2")
    first = digests(cohort / "sub-001")
    assert len(first) == 36
    assert digests(tmp_path / "other/sub-001") == first
    assert not set(digests(cohort / "sub-002").values()) & set(first.values())


def test_a_rerun_keeps_the_finished_and_redoes_the_rest(cohort, tmp_path, capsys):
    out = tmp_path / "again"
    shutil.copytree(cohort, out)
    before = digests(out)
    (out / "sub-002").rename(out / ".sub-002.incomplete")
    kept = (out / "sub-001/fast_t1/001.dcm").stat().st_mtime_ns
    capsys.readouterr()
    simulate(out, 1, 1)
    assert "1 subjects found finished, kept" in capsys.readouterr().out
    assert (out / "sub-001/fast_t1/001.dcm").stat().st_mtime_ns == kept
    assert digests(out / "sub-002") == digests(cohort / "sub-002")
    assert {k: v for k, v in digests(out).items() if k.parts[0].startswith("sub")} == before


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--seed", "8", "seed 7, asked for 8"),
        ("--alignment", "corner", "alignment sample, asked for corner"),
        ("--snr", "30", "fixed.snr None, asked for 30.0"),
        ("--patients", "2", "patients 1, asked for 2"),
    ],
)
def test_another_cohort_is_refused(cohort, flag, value, said):
    with pytest.raises(SystemExit, match=f"error: .*{said}"):
        simulate(cohort, 1, 1, flag, value)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(SystemExit, match="holds something else"):
        simulate(tmp_path, 1, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    with pytest.raises(SystemExit, match="holds something else"):
        simulate(tmp_path / "letter.txt", 1, 0)


@pytest.mark.parametrize("text", ["{", "[]", '{"seed": 7}'])
def test_foreign_settings_are_refused(tmp_path, text):
    (tmp_path / "cohort.json").write_text(text)
    with pytest.raises(SystemExit, match="cohort.json is not this program's"):
        simulate(tmp_path, 1, 0)


def test_a_cohort_of_the_first_edition_is_refused(tmp_path):
    (tmp_path / "cohort.json").write_text('{"seed": 7, "protocols": {}}')
    with pytest.raises(SystemExit, match=r"another edition .* \(1, this is 2\).* simulate it anew"):
        simulate(tmp_path, 1, 0)


@pytest.mark.parametrize(
    ("subjects", "more", "said"),
    [
        ((-1, 1), [], "--subjects must be at least 0; got -1"),
        ((1, -1), [], "--patients must be at least 0; got -1"),
        ((0, 0), [], "must be at least 1; got 0"),
        ((1, 0), ["--seed", "-3"], "--seed must be at least 0; got -3"),
        ((1, 0), ["--workers", "0"], "--workers must be at least 1; got 0"),
        ((1, 0), ["--snr", "0"], "--snr must be positive; got 0"),
        ((1, 0), ["--snr", "nan"], "--snr must be positive; got nan"),
    ],
)
def test_impossible_numbers_are_refused(tmp_path, subjects, more, said):
    with pytest.raises(SystemExit, match=said):
        simulate(tmp_path / "new", *subjects, *more)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--anatomy", "."], "declare what its volumes are with --labels, or sort them"),
        (["--anatomy", "nowhere"], "nowhere: not a folder"),
        (["--labels", "brainweb"], "--labels and --anatomy-share need --anatomy"),
        (["--anatomy-share", "0.5"], "--labels and --anatomy-share need --anatomy"),
        (["--anatomy", "a", "--anatomy-share", "0"], "must be above 0 and at most 1; got 0.0"),
        (["--anatomy", "a", "--labels", "brainweb", "--measured", "b"], "exclude each other"),
        (["--measured", "b", "--patients", "1"], "--measured heads get no lesions|no lesions"),
        (["--lesions", "migraine"], "lesion kinds .'migraine'.: expected some of WMH"),
        (["--specks", "-1"], "punctate lesions per patient must be at least 0; got -1"),
        (["--coils", "2"], "coils"),
        (["--protocol", "nothing.json"], "nothing.json"),
        (["--protocol", "nothing"], "expected a .json or .toml file"),
        (["--atlas-aal", "a.nii", "a.tsv"], "--atlas-aal"),
        (["--anatomy", "nowhere", "--labels", "brainweb"], "nowhere: not a folder"),
    ],
)
def test_impossible_subjects_are_refused(tmp_path, more, said):
    with pytest.raises(SystemExit, match=f"error: .*({said})"):
        main(["--out", str(tmp_path / "new"), "--subjects", "1", "--patients", "0", *more])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_share_of_the_subjects_is_made_from_label_maps(seed, share):
    """Of any run of subjects, within two of the share; the chosen are counted from 0."""
    turns = [deal(seed, number, share=share) for number in range(1, 61)]
    chosen = np.array([turn is not None for turn in turns])
    assert [turn for turn in turns if turn is not None] == list(range(chosen.sum()))
    for length in (5, 20, 60):
        runs = np.convolve(chosen, np.ones(length), "valid")
        assert np.abs(runs - share * length).max() <= 2


def test_other_settings_are_other_persons(cohort, tmp_path):
    """Same seed and number, other settings: no identity in common, so both can be pooled."""
    simulate(tmp_path / "other", 1, 0, "--snr", "30", "--no-noiseless")
    one, other = (read_series(c / "sub-001/fast_t1") for c in (cohort, tmp_path / "other"))
    first, second = (dcmread(next((c / "sub-001/fast_t1").glob("*.dcm")))
                     for c in (cohort, tmp_path / "other"))  # fmt: skip
    assert first.PatientID.startswith("SIM001-")
    assert second.PatientID.startswith("SIM001-")
    assert first.PatientID != second.PatientID
    assert one.study_uid != other.study_uid
    assert one.frame_uid != other.frame_uid
    assert first.PatientID == dcmread(next((cohort / "sub-001/routine_t2").glob("*.dcm"))).PatientID


def test_label_maps_make_subjects(tmp_path, rng):
    """Unknown codes and wrong files are refused by name; good ones are recorded by content."""
    folder = tmp_path / "maps"
    folder.mkdir()
    settings = ["--protocol", "tiny", "--labels", "freesurfer", "--anatomy", str(folder)]
    door = ["--out", str(tmp_path / "out"), "--subjects", "1", "--patients", "0", *settings]
    with pytest.raises(SystemExit, match="maps: no NIfTI or MINC files"):
        main(door)
    codes = np.zeros((90, 110, 80), np.int16)
    places = np.moveaxis(np.indices(codes.shape), 0, -1) * 2.0 - (89, 109, 79)
    radius = np.linalg.norm(places, axis=-1)
    codes[radius < 70], codes[radius < 62], codes[radius < 50] = 24, 3, 2
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    for bad, said in ((777, "label codes 777"), (0, None)):
        codes[0, 0, 0] = bad
        image = nibabel.Nifti1Image(codes, affine)
        nibabel.save(image, folder / "head.nii.gz")
        if said:
            with pytest.raises(SystemExit, match=f"head.nii.gz: {said}"):
                main(door)
            assert not (tmp_path / "out").exists()
    main(door)
    about = json.loads((tmp_path / "out/sub-001/truth/truth.json").read_text())
    assert about["anatomy"] == "head.nii.gz"
    mixed = ["--out", str(tmp_path / "mixed"), "--subjects", "2", "--patients", "0"]
    (tmp_path / "sorted").mkdir()
    shutil.copytree(folder, tmp_path / "sorted/freesurfer")
    half = ["--anatomy", str(tmp_path / "sorted"), "--anatomy-share", "0.5", "--no-noiseless"]
    main([*mixed, "--protocol", "tiny", *half])
    table = (tmp_path / "mixed/participants.tsv").read_text()
    assert sorted(line.split("\t")[2] for line in table.splitlines()[1:]) == [
        "MNI152 templates",
        "head.nii.gz",
    ]
    (folder / "second.nii.gz").write_bytes((folder / "head.nii.gz").read_bytes())
    with pytest.raises(SystemExit, match="anatomy.second.nii.gz None, asked for"):
        main(door)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (None, "Maps without units are refused"),
        ("{", "units.json: cannot be read"),
        ('{"t1": "ms"}', "expected units of t1, t2, pd and nothing else"),
        ('{"t1": "min", "t2": "ms", "pd": "%"}', "unit of t1 is 'min'"),
        ('{"t1": "ms", "t2": "ms", "pd": "%"}', "expected one of t1"),
    ],
)
def test_measured_maps_need_units(tmp_path, units, said):
    folder = tmp_path / "head"
    folder.mkdir()
    if units is not None:
        (folder / "units.json").write_text(units)
    with pytest.raises(SystemExit, match=said):
        simulate(tmp_path / "out", 1, 0, "--measured", str(folder))
    assert not (tmp_path / "out").exists()


def test_truth_says_what_was_drawn(cohort):
    about = json.loads((cohort / "sub-002/truth/truth.json").read_text())
    assert about["regions_from"].startswith("our geometric definitions")
    assert 0 <= about["traits"]["atrophy"] <= 1
    assert set(about["lesion_details"]) == set(about["lesion_kinds"])
    assert "punctate" in about["lesion_kinds"].values()
    grid = read_series(cohort / "sub-002/routine_t1").volume.geometry
    truth = read_truth(cohort / "sub-002/truth", grid)
    assert truth.noise_free.shape == truth.maps.shape
    assert truth.regions_from == about["regions_from"]
    settings = json.loads((cohort / "cohort.json").read_text())
    assert settings["protocols"]["fast"]["matrix"] == [48, 32]


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--alignment" in capsys.readouterr().out
