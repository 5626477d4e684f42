"""Nothing of a subject passes: words planted in every corner are gone, and series still pair."""

import json
import shutil

import pydicom
import pytest
from dicom_factory import save, write_subject
from planted import WORD, contents, plant_tree, secrets_of

from data_tools import build_dataset, deidentify, pair_studies
from qsr_jax.data.dicom import DicomInputError, anonymous, read_series
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.maps import MAPS


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Three subjects; folders, files and headers say who they are."""
    root = tmp_path_factory.mktemp("planted") / "export"
    for seed, name in enumerate(("alpha", "beta", "gamma")):
        write_subject(root / f"{WORD}-{name}", seed=seed, subject=name)
    plant_tree(root)
    rows = [f"{WORD}-{name}\t{'patient' if name == 'gamma' else 'healthy'}\n" for name in
            ("alpha", "beta", "gamma")]  # fmt: skip
    (root / "participants.tsv").write_text("participant_id\tgroup\n" + "".join(rows))
    (root / "notes.txt").write_text(WORD)
    return root


@pytest.fixture(scope="module")
def clean(planted):
    out = planted.with_name("clean")
    with pytest.MonkeyPatch.context() as patch:
        # With a salt drawn by chance, the digits of a date turn up in a new UID now and then.
        patch.setattr("secrets.token_hex", lambda size: size * "5a")
        deidentify.main(["--input", str(planted), "--output", str(out)])
    return out


def test_nothing_planted_is_left(planted, clean):
    """Names of files, headers, private blocks, preambles, UIDs and dates (PS3.15 table E.1-1)."""
    secrets = secrets_of(planted)
    assert len(secrets) > 60
    written = contents(clean)
    assert len(written) == 3 * 6 * 3 + 1
    for path, content in written.items():
        assert WORD not in str(path.relative_to(clean))
        for secret in secrets:
            assert secret not in content, (path, secret)


def test_what_the_reader_needs_is_kept(planted, clean):
    old = {s.sha256: s for s in map(read_series, sorted(planted.glob("*/*_*")))}
    new = [read_series(folder) for folder in sorted(clean.glob("*/*")) if folder.is_dir()]
    assert len(new) == len(old) == 18
    keys = {(s.map_name, s.volume.maps.tobytes(), s.volume.geometry) for s in old.values()}
    assert {(s.map_name, s.volume.maps.tobytes(), s.volume.geometry) for s in new} == keys
    for group in (old.values(), new):
        assert len({s.patient_id for s in group}) == len({s.frame_uid for s in group}) == 3
    first = pydicom.dcmread(next(clean.rglob("*.dcm")))
    assert first.PatientIdentityRemoved == "YES"
    assert first.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert first.LongitudinalTemporalInformationModified == "REMOVED"
    assert first.ReferencedImageSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert first.ReferencedImageSequence[0].ReferencedSOPClassUID == first.SOPClassUID
    assert first.preamble == b"\0" * 128
    assert not [element for element in first if element.tag.is_private]


def test_the_same_pairs_come_out_and_nothing_leaks_on_the_way(planted, clean, tmp_path, capsys):
    """inspect, de-identify, pair, build: no planted word in manifest, records, card or output."""
    manifests = {}
    for name, root in (("raw", planted), ("clean", clean)):
        capsys.readouterr()
        out = tmp_path / f"{name}.json"
        pair_studies.main(["--dicom", str(root), "--out", str(out), "--test-fraction", "0"])
        build_dataset.main(["--manifest", str(out), "--data_dir", str(tmp_path / name)])
        manifests[name] = Manifest.load(out)
    words = capsys.readouterr()
    qc = {
        name: sorted(json.dumps({k: dict(v.qc) for k, v in p.maps.items()}) for p in m.subjects)
        for name, m in manifests.items()
    }
    assert qc["raw"] == qc["clean"]
    assert sorted(p.group for p in manifests["clean"].subjects) == ["healthy", "healthy", "patient"]
    stored = contents(tmp_path / "clean", tmp_path / "clean.json")
    stored |= contents(tmp_path / "raw")  # records of raw files must be as clean
    assert len(stored) > 40
    for secret in secrets_of(planted):
        for path, content in stored.items():
            assert secret not in content, (path, secret)
        assert secret.decode() not in words.out + words.err


def spoil(root, edit):
    path = next(iter(sorted(root.rglob("*.dcm"))))
    ds = pydicom.dcmread(path)
    edit(ds)
    save(ds, path)
    return path


REFUSED = [
    (lambda ds: setattr(ds, "BurnedInAnnotation", "YES"), r"BurnedInAnnotation \(0028,0301\): YES"),
    (
        lambda ds: setattr(ds, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"),
        "Secondary Capture Image Storage, expected MR Image",
    ),
    (lambda ds: delattr(ds, "PatientID"), r"PatientID \(0010,0020\): missing"),
]


@pytest.mark.parametrize(("edit", "reason"), REFUSED, ids=[row[1][:12] for row in REFUSED])
def test_files_that_may_name_a_subject_are_left_out(planted, tmp_path, edit, reason, capsys):
    root = tmp_path / "export"
    shutil.copytree(planted / f"{WORD}-alpha", root / "alpha")
    path = spoil(root, edit)
    with pytest.raises(DicomInputError, match=reason):
        anonymous(path, b"salt")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        deidentify.main(["--input", str(root), "--output", str(tmp_path / "out")])
    assert caught.value.code == 3
    out = capsys.readouterr().out
    assert out.count("left out  ") == 1
    assert WORD not in out.replace(path.name, "")
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 17


def test_identifiers_depend_on_the_salt_alone(planted, clean, tmp_path):
    salt = clean.with_name("clean.salt")
    assert salt.stat().st_mode & 0o777 == 0o600
    again = ["--input", str(planted), "--output", str(tmp_path / "again")]
    deidentify.main([*again, "--salt-file", str(salt)])
    assert {p.relative_to(clean): c for p, c in contents(clean).items()} == {
        p.relative_to(tmp_path / "again"): c for p, c in contents(tmp_path / "again").items()
    }
    deidentify.main(["--input", str(planted), "--output", str(tmp_path / "other")])
    names = [{p.name for p in root.iterdir() if p.is_dir()} for root in (clean, tmp_path / "other")]
    assert not names[0] & names[1]


def test_bad_requests_leave_nothing(planted, clean, tmp_path):
    def refused(reason, **changes):
        flags = {"--input": planted, "--output": tmp_path / "out"} | changes
        with pytest.raises(SystemExit, match=reason):
            deidentify.main([str(part) for pair in flags.items() for part in pair])
        assert not (tmp_path / "out").exists()

    refused("no such folder", **{"--input": tmp_path / "gone"})
    refused("must not lie in the input", **{"--output": planted / "x"})
    refused("secret must lie outside", **{"--salt-file": tmp_path / "out" / "salt"})
    refused("exists already", **{"--output": clean})
    (tmp_path / "empty").mkdir()
    refused("nothing to copy", **{"--input": tmp_path / "empty"})
    table = tmp_path / "p.tsv"
    table.write_text("participant_id\tgroup\nnobody\thealthy\n")
    refused("0 groups for this subject", **{"--participants": table})


def test_a_file_that_cannot_be_written_again_is_left_out(planted, monkeypatch):
    from qsr_jax.data.dicom import deidentify as module

    path = next(planted.rglob("*.dcm"))
    monkeypatch.setattr(module, "_file", lambda *_: 1 / 0)
    with pytest.raises(DicomInputError, match=r"cannot be written again \(ZeroDivisionError\)"):
        anonymous(path, b"salt")


def test_every_map_is_still_recognised(clean):
    names = [read_series(f).map_name for f in sorted(clean.glob("*/*")) if f.is_dir()]
    assert {name: names.count(name) for name in MAPS} == dict.fromkeys(MAPS, 6)


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        deidentify.main(["--help"])
    assert caught.value.code == 0
    assert "--salt-file" in capsys.readouterr().out


def test_every_file_is_accounted_for_and_links_that_leave_are_never_opened(tmp_path, capsys):
    """An archive as git-annex keeps it: every file a link into a hidden store."""
    root, strange = tmp_path / "export", tmp_path / "strange"
    write_subject(root / "alpha", seed=0, subject="alpha")
    write_subject(strange / "gamma", seed=1, subject="gamma")
    store = root / ".annex"
    store.mkdir()
    for number, path in enumerate(sorted(root.rglob("*.dcm"))):
        path.rename(store / str(number))
        path.symlink_to(store / str(number))
    first = sorted(path for path in (root / "alpha").iterdir() if path.is_dir())[0]
    (first / "stranger.dcm").symlink_to(next(strange.rglob("*.dcm")))
    (root / "alpha" / "folder").symlink_to(strange / "gamma")
    with pytest.raises(SystemExit) as caught:
        deidentify.main(["--input", str(root), "--output", str(tmp_path / "out")])
    assert caught.value.code == 3
    said = capsys.readouterr().out
    assert said.count("a link that leaves the tree; it is not opened") == 2
    assert "38 files in = 18 copied + 2 left out + 18 that are no images" in said
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 18
    assert len({path.parents[1] for path in (tmp_path / "out").rglob("*.dcm")}) == 1


def test_links_that_stay_are_followed_by_every_door(planted, tmp_path, capsys):
    root = tmp_path / "export"
    shutil.copytree(planted, root)
    (root / ".annex").mkdir()
    for number, path in enumerate(sorted(root.rglob("*.dcm"))):
        path.rename(root / ".annex" / str(number))
        path.symlink_to(root / ".annex" / str(number))
    manifest = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(root), "--out", str(manifest), "--test-fraction", "0"])
    build_dataset.main(["--manifest", str(manifest), "--data_dir", str(tmp_path / "records")])
    assert len(Manifest.load(manifest).subjects) == 3


def test_a_second_batch_asks_for_the_secret_of_the_first(planted, tmp_path):
    first = ["--input", str(planted), "--output", str(tmp_path / "one")]
    deidentify.main(first)
    second = ["--input", str(planted), "--output", str(tmp_path / "two")]
    with pytest.raises(SystemExit, match=r"holds one.salt of an earlier batch.*--salt-file"):
        deidentify.main(second)
    deidentify.main([*second, "--salt-file", str(tmp_path / "one.salt")])
    names = [{p.name for p in (tmp_path / n).iterdir() if p.is_dir()} for n in ("one", "two")]
    assert names[0] == names[1]


def test_groups_go_by_patient_id_then_by_the_top_folder_and_by_nothing_deeper(tmp_path):
    root, table = tmp_path / "export", tmp_path / "p.tsv"
    write_subject(root / "siteA" / "1", seed=0, subject="A")
    command = ["--input", str(root), "--participants", str(table)]

    def groups_by(rows, out):
        table.write_text("participant_id\tgroup\n" + rows)
        deidentify.main(
            [*command, "--output", str(tmp_path / out), "--salt-file", str(tmp_path / "s")]
        )
        return (tmp_path / out / "participants.tsv").read_text().split()[-1]

    with pytest.raises(SystemExit, match="0 groups for this subject"):
        groups_by("1\tpatient\n", "deeper")
    assert groups_by("siteA\tpatient\n1\thealthy\n", "top") == "patient"
    patient = pydicom.dcmread(next(root.rglob("*.dcm"))).PatientID
    assert groups_by(f"{patient}\thealthy\nsiteA\tpatient\n", "id") == "healthy"


def test_maps_only_copies_nothing_but_maps(tmp_path, capsys):
    root = tmp_path / "export"
    write_subject(root / "alpha", seed=0, subject="alpha")
    weighted = sorted(path for path in (root / "alpha").iterdir() if path.is_dir())[0]
    for path in weighted.iterdir():
        ds = pydicom.dcmread(path)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
        save(ds, path)
    command = ["--input", str(root), "--output", str(tmp_path / "out"), "--maps-only"]
    with pytest.raises(SystemExit) as caught:
        deidentify.main(command)
    assert caught.value.code == 3
    assert capsys.readouterr().out.count("of no accepted map series") == 3
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 15
