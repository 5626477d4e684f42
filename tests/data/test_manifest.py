"""A manifest is read with suspicion: every key, every leak, every change of content."""

import copy
import json

import pytest

from qsr_jax.data.studies.manifest import Manifest, ManifestError


@pytest.fixture
def content(manifest_path):
    return json.loads(manifest_path.read_text())


def load(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Manifest.load(path)


def put(*place, value):
    def edit(content):
        for key in place[:-1]:
            content = content[key]
        content[place[-1]] = value

    return edit


def cut(*place):
    def edit(content):
        for key in place[:-1]:
            content = content[key]
        del content[place[-1]]

    return edit


SUBJECT = ("subjects", 0)
BAD = [
    (put("format", value="other"), r"manifest\.format: 'other'; expected qsr_jax-manifest"),
    (put("version", value=2), r"manifest\.version: 2; expected 4: make the file again"),
    (put("kind", value="nifti"), r"manifest\.kind: 'nifti'; expected one of dicom, bids"),
    (put("protocols", value=[{}]), r"protocols\[0\]: key name is missing"),
    (put("accepted", value=[{"what": "x"}]), r"accepted\[0\]\.rule: missing"),
    (put("extra", value=1), r"manifest\.extra: unknown key"),
    (cut("seed"), r"manifest\.seed: missing"),
    (put("seed", value="0"), r"manifest\.seed: is str, expected int"),
    (put("subjects", value={}), r"manifest\.subjects: is dict, expected list"),
    (put("subjects", 0, value=3), r"subjects\[0\]\.\*: is int, expected an object"),
    (cut(*SUBJECT, "group"), r"subjects\[0\]\.group: missing"),
    (
        put(*SUBJECT, "group", value="sick"),
        r"subjects\[0\]\.group: 'sick'; expected one of healthy",
    ),
    (put(*SUBJECT, "split", value="all"), r"subjects\[0\]\.split: 'all'; expected one of train"),
    (put(*SUBJECT, "subject", value="Jane"), r"subjects\[0\]\.subject: expected 16 hex digits"),
    (put(*SUBJECT, "folds", value=["all"]), r"subjects\[0\]\.folds: 'all'; expected train, valid"),
    (put(*SUBJECT, "folds", value=["test"]), r"subjects: differ in their number of folds"),
    (put(*SUBJECT, "maps", "t1", "verdict", value="refused"), r"maps\.t1\.verdict: 'refused'; exp"),
    (put(*SUBJECT, "maps", "t1", "findings", value=[{}]), r"findings\[0\]\.rule: missing"),
    (
        put(*SUBJECT, "grid_alignment", value=1),
        r"subjects\[0\]\.grid_alignment: 1; expected one of",
    ),
    (put(*SUBJECT, "fast_shape", value=[1, 2]), r"subjects\[0\]\.fast_shape: \[1, 2\]; expected"),
    (put(*SUBJECT, "fast_shape", value=[3, 0, 32]), r"subjects\[0\]\.fast_shape"),
    (put(*SUBJECT, "fast_spacing_mm", value=[5, 1, 1]), r"subjects\[0\]\.fast_spacing_mm"),
    (put(*SUBJECT, "truth", value="../x"), r"subjects\[0\]\.truth: expected a folder inside"),
    (
        put(*SUBJECT, "maps", "t1", "fast", value="/etc"),
        r"maps\.t1\.fast: expected a folder inside",
    ),
    (put(*SUBJECT, "maps", "t1", "fast", value=""), r"maps\.t1\.fast: expected a folder inside"),
    (cut(*SUBJECT, "maps", "pd"), r"subjects\[0\]\.maps\.pd: missing"),
    (cut(*SUBJECT, "maps", "pd", "sha256", "fast"), r"maps\.pd\.sha256\.fast: missing"),
    (put("refused", value=[{"what": "x"}]), r"refused\[0\]\.reason: missing"),
    (put(*SUBJECT, "split", value="validation"), r"fingerprint: does not match"),
    (put(*SUBJECT, "maps", "t1", "sha256", "fast", value="0" * 64), r"fingerprint: does not match"),
]


@pytest.mark.parametrize(("edit", "reason"), BAD, ids=[row[1][:40] for row in BAD])
def test_bad_manifests_name_the_key(tmp_path, content, edit, reason):
    edit(content)
    with pytest.raises(ManifestError, match=reason):
        load(tmp_path, content)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    with pytest.raises(ManifestError, match=r"manifest\.json: "):
        load(tmp_path, text)
    with pytest.raises(ManifestError, match="make it with `qsr pair`"):
        Manifest.load(tmp_path / "gone.json")


def test_p12_a_subject_in_two_splits_is_refused(tmp_path, content):
    again = copy.deepcopy(content["subjects"][0])
    again["split"] = "train" if again["split"] == "test" else "test"
    content["subjects"].append(again)
    with pytest.raises(ManifestError, match="is in subjects.0. .* and in subjects.5."):
        load(tmp_path, content)


@pytest.mark.parametrize("what", ["folder", "sha256"])
def test_p12_shared_data_under_two_names_is_refused(tmp_path, content, what):
    first, second = (content["subjects"][i]["maps"]["t2"] for i in (0, 1))
    if what == "folder":
        second["routine"] = first["routine"]
    else:
        second["sha256"]["routine"] = first["sha256"]["routine"]
    with pytest.raises(ManifestError, match=what):
        load(tmp_path, content)


def test_round_trip(manifest_path, tmp_path):
    manifest = Manifest.load(manifest_path)
    assert manifest.to_json(folder=manifest_path.parent) == manifest_path.read_text()
    moved = tmp_path / "elsewhere.json"
    moved.write_text(manifest.to_json(folder=tmp_path))
    assert Manifest.load(moved) == manifest  # an absolute dicom_dir, as it lies outside


def test_subjects_are_chosen_by_split_and_group(manifest_path):
    manifest = Manifest.load(manifest_path)
    assert len(manifest.subjects_of()) == 5
    assert [p.split for p in manifest.subjects_of(group="patient")] == ["test"]
    assert len(manifest.subjects_of(split="train")) == 3
    assert len(manifest.subjects_of(split="test", group="healthy")) == 1
    assert manifest.subjects_of(split="validation") == []


def test_fingerprint_ignores_where_the_folders_are(manifest_path, tmp_path):
    manifest = Manifest.load(manifest_path)
    text = manifest_path.read_text().replace('"sub-', '"moved/sub-')
    path = tmp_path / "m.json"
    path.write_text(text)
    assert Manifest.load(path).fingerprint == manifest.fingerprint
