"""Many scans through the same models: trees, flat exports, BIDS, manifests; killed and resumed."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from dicom_factory import CANARY, write_subject
from exports import flattened, write_session
from small_predictors import Doubler

from data_tools import pair_studies
from launch import predict as door
from qsr_jax.data.dicom import read_series
from qsr_jax.data.nifti.bids import read_map
from qsr_jax.files.tree import LEAVES
from qsr_jax.maps import MAPS
from qsr_jax.predictors import MismatchError
from qsr_jax.predictors.cohort import RECORD, _begin, predict_cohort
from qsr_jax.predictors.scans import scans_below, scans_listed, whole_folder

NAMES = tuple(MAPS)


@dataclasses.dataclass(frozen=True)
class FastOnly(Doubler):
    """Refuses the routine scan by its grid, as trained models do."""

    def check(self, volume):
        super().check(volume)
        if volume.geometry.shape[1] != 32:
            raise MismatchError("trained on 32 x 32 images")


def three():
    """A model per map, as ``Models`` loads them; other processes import it."""
    return [FastOnly(names=(name,)) for name in NAMES]


def others():
    return [dataclasses.replace(model, weights_sha256="b" * 64) for model in three()]


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort")
    for seed in (1, 2, 3):
        write_subject(root / "tree" / f"sub-{seed}", seed=seed)
    flattened(root / "tree", root / "flat" / "export")
    return root


def check_map(found, source):
    """The doubled fast map, within half a stored step."""
    np.testing.assert_allclose(
        found.volume.maps[:, ::2, ::2], source.volume.maps, atol=0.051 + 1e-3
    )


def dicom(root, out, **options):
    scans, refused = scans_below(root, kind="dicom", rows=())
    assert not refused
    return predict_cohort(three, scans, out, **{"format": "dicom"} | options)


@pytest.mark.parametrize("workers", [1, 2])
def test_everybody_gets_a_folder(trees, tmp_path, workers):
    outcome = dicom(trees / "tree", tmp_path / "out", workers=workers)
    assert (sorted(outcome.written), outcome.kept, outcome.refused) == (
        ["sub-1", "sub-2", "sub-3"], (), ())  # fmt: skip
    for seed in (1, 2, 3):
        for name in NAMES:
            made = read_series(tmp_path / "out" / f"sub-{seed}" / name)
            check_map(made, read_series(trees / "tree" / f"sub-{seed}" / f"fast_{name}"))


def test_a_flat_export_gets_folders_named_by_a_file(trees, tmp_path):
    outcome = dicom(trees / "flat", tmp_path / "out")
    assert len(outcome.written) == 3 and all(n.startswith("export/IM") for n in outcome.written)
    assert len(list((tmp_path / "out").glob("export/*/t1"))) == 3


def test_who_cannot_be_predicted_stops_nobody_and_the_rest_goes_on(trees, tmp_path):
    tree = shutil.copytree(trees / "tree", tmp_path / "tree")
    shutil.move(tree / "sub-2" / "fast_t2", tmp_path / "away")
    first = dicom(tree, tmp_path / "out", shard=(1, 2))
    assert first.written == ("sub-1", "sub-3")
    second = dicom(tree, tmp_path / "out")
    assert (second.written, second.kept) == ((), ("sub-1", "sub-3"))
    (reason,) = second.refused
    assert reason.startswith("sub-2: ") and "no series fits the model" in reason
    shutil.move(tmp_path / "away", tree / "sub-2" / "fast_t2")
    assert dicom(tree, tmp_path / "out").written == ("sub-2",)


def test_a_folder_that_others_began_is_left_alone(trees, tmp_path):
    scans, _ = scans_below(trees / "tree", kind="dicom", rows=())
    predict_cohort(three, scans[:1], tmp_path / "out", format="dicom")
    with pytest.raises(ValueError, match="was predicted otherwise; choose a new --output"):
        predict_cohort(others, scans, tmp_path / "out", format="dicom")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(ValueError, match="holds something else"):
        predict_cohort(three, scans, tmp_path / "mine", format="dicom")
    twins = [scans[0], dataclasses.replace(scans[1], name=scans[0].name)]
    with pytest.raises(ValueError, match="two scans would be called so"):
        predict_cohort(three, twins, tmp_path / "new", format="dicom")
    with pytest.raises(ValueError, match="--workers must be at least 1"):
        predict_cohort(three, scans, tmp_path / "w", format="dicom", workers=0)


def test_the_folder_of_another_tree_is_left_alone(trees, tmp_path):
    """Two sites call their first subject sub-1; neither gets the other's maps."""
    dicom(trees / "tree", tmp_path / "out", shard=(1, 3))
    other = shutil.copytree(trees / "tree", tmp_path / "other site")
    with pytest.raises(ValueError, match="was predicted otherwise; choose a new --output"):
        dicom(other, tmp_path / "out")


@pytest.mark.parametrize("left", [".predicted.json.host.1.2.part", RECORD])
def test_machines_that_begin_at_once_do_not_refuse_each_other(tmp_path, left):
    """Whatever the first has written when the second looks, and when it is killed then."""
    out, mine = tmp_path / "out", {"weights": ["a"]}
    out.mkdir()
    (out / left).write_text(json.dumps(mine))
    _begin(out, mine, data_set=True)
    assert json.loads((out / RECORD).read_text()) == mine
    assert (out / "dataset_description.json").is_file()


def test_links_out_of_the_tree_are_told(trees, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(trees / "tree" / "sub-1", tree / "sub-1")
    (tree / "sub-2").symlink_to(trees / "tree" / "sub-2", target_is_directory=True)
    scans, refused = scans_below(tree, kind="dicom", rows=())
    assert [scan.name for scan in scans] == ["sub-1"]
    assert refused == [f"sub-2: {LEAVES}"]


def test_half_a_series_is_refused(trees, tmp_path):
    whole = shutil.copytree(trees / "tree" / "sub-1" / "fast_t1", tmp_path / "a")
    (tmp_path / "b").mkdir()
    shutil.move(whole / "002.dcm", tmp_path / "b")
    with pytest.raises(ValueError, match="the series goes on in b; give the folder above both"):
        whole_folder(whole, ())
    assert len(whole_folder(tmp_path, ()).series) == 1


def run(monkeypatch, *flags):
    monkeypatch.setattr(door, "Models", lambda *_: three)
    door.main(["--workdir", "w", *map(str, flags)])


def test_a_manifest_names_scans_maps_and_sessions(trees, tmp_path, monkeypatch, capsys):
    """Flat, as DICOM and as a BIDS data set, one split alone; changed files are refused."""
    flat = shutil.copytree(trees / "flat", tmp_path / "flat")
    manifest = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(flat), "--out", str(manifest),
                       "--test-fraction", "0", "--test", f"{CANARY}-sub-1"])  # fmt: skip
    (test,) = scans_listed(manifest, split="test")
    run(monkeypatch, "--manifest", manifest, "--output", tmp_path / "o", "--split", "test")
    assert {path.name for path in (tmp_path / "o").iterdir()} == {test.name, RECORD}
    run(monkeypatch, "--manifest", manifest, "--output", tmp_path / "n", "--nifti")
    written = sorted((tmp_path / "n").rglob("*.nii.gz"))
    assert len(written) == 9
    assert f"sub-{test.subject}_acq-fast_res-64_desc-srgan_T1map.nii.gz" in {
        path.name for path in written
    }
    assert json.loads((tmp_path / "n" / "dataset_description.json").read_text())
    place = test.listed[1].maps["t1"].folders["fast"]
    shutil.copy(next(p for p in (flat / "export").iterdir() if p.name != place), flat / place)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "--manifest", manifest, "--output", tmp_path / "p", "--split", "test")
    assert stop.value.code == door.SOMETHING_REFUSED
    assert "0 scans predicted, 0 were there before, 1 refused" in capsys.readouterr().out


def test_bids_goes_in_and_out(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    for subject, session in (("sub-01", "ses-a"), ("sub-01", "ses-b"), ("sub-02", "")):
        write_session(raw, subject, 1, session, sides=("fast",))
    run(monkeypatch, "--bids", raw, "--output", tmp_path / "o")
    for home, stem in (("sub-01/ses-a", "sub-01_ses-a"), ("sub-02", "sub-02")):
        path = tmp_path / "o" / home / "anat" / f"{stem}_acq-fast_res-64_desc-srgan_T1map.nii.gz"
        source = raw / home / "anat" / f"{stem}_acq-fast_T1map.nii.gz"
        np.testing.assert_allclose(
            read_map(path).volume.maps[:, ::2, ::2], read_map(source).volume.maps, rtol=1e-5
        )
    with pytest.raises(SystemExit, match="NIfTI scans have no DICOM header"):
        run(monkeypatch, "--bids", raw, "--output", tmp_path / "p", "--parametric-map")


@pytest.mark.parametrize(("flags", "reason"), [
    (["--cohort", "nowhere", "--output", "o"], "no such folder"),
    (["--bids", ".", "--output", "o"], "no maps named as in BIDS"),
    (["--cohort", ".", "--output", "o"], "no DICOM files"),
    (["--cohort", ".", "--output", "o", "--nifti", "01"], "have their own labels"),
    (["--cohort", ".", "--output", "o", "--split", "test"], "only a --manifest has splits"),
    (["--manifest", "m", "--output", "o", "--protocols", "p"], "the manifest keeps its own rows"),
    (["--manifest", "m", "--output", "o"], "m: cannot be read"),
    (["--input", ".", "--output", "o", "--workers", "2"], "--input is one scan"),
    (["--input", ".", "--output", "o", "--shard", "1/2"], "--input is one scan"),
    (["--input", ".", "--output", "o", "--split", "test"], "--input is one scan"),
])  # fmt: skip
def test_wishes_that_cannot_be(tmp_path, monkeypatch, flags, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=reason):
        run(monkeypatch, *flags)


def test_an_empty_split_of_a_manifest_is_told(trees, tmp_path):
    pair_studies.main(["--dicom", str(trees / "tree"), "--out", str(tmp_path / "m.json"),
                       "--test-fraction", "0"])  # fmt: skip
    with pytest.raises(ValueError, match="nobody in split 'validation'"):
        scans_listed(tmp_path / "m.json", split="validation")
