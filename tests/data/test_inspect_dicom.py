"""The door that says what a tree holds: one object per series or stray file, nothing personal."""

import json
import os

import pytest
from dicom_factory import CANARY, SLICES, make_slices, save, write_series, write_subject
from multiframe_factory import PARAMETRIC, T2_CODE, groups, make_frames, real_world

from data_tools import inspect_dicom
from qsr_jax.data.dicom.survey import NOBODY

ACCEPTED_KEYS = {"path", "status", "map", "unit", "shape", "spacing_mm", "value_range"}
REFUSED_KEYS = {"path", "status", "file", "keyword", "tag", "reason"}


def asked(capsys, *argv):
    """Exit status and what was printed."""
    capsys.readouterr()
    try:
        inspect_dicom.main([str(a) for a in argv])
        status = 0
    except SystemExit as stop:
        status = stop.code
    return status, capsys.readouterr().out


def objects(capsys, root, *more):
    status, out = asked(capsys, root, "--json", *more)
    found = json.loads(out)
    return status, {item["path"]: item for item in found}


def test_everything_accepted_is_status_0(tmp_path, capsys):
    write_subject(tmp_path / "sub-001", seed=1)
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\n")
    (tmp_path / "sub-001" / "truth").mkdir()
    (tmp_path / "sub-001" / "truth" / "t1.nii.gz").write_bytes(b"x")
    (tmp_path / "sub-001" / "fast_t1" / ".DS_Store").write_bytes(b"x")
    status, found = objects(capsys, tmp_path)
    assert status == 0
    maps = {path: item for path, item in found.items() if item["status"] == "accepted"}
    sides = ("fast", "routine")
    assert set(maps) == {f"sub-001/{side}_{name}" for side in sides for name in ("t1", "t2", "pd")}
    one = maps["sub-001/fast_pd"]
    assert set(one) >= ACCEPTED_KEYS
    assert (one["map"], one["unit"], one["shape"]) == ("pd", "%", [3, 32, 32])
    assert one["spacing_mm"] == [5.0, 6.875, 6.875]
    assert one["value_range"][0] == 0.0
    assert 100 < one["value_range"][1] < 130
    ignored = {path for path, item in found.items() if item["status"] == "ignored"}
    assert ignored == {
        "participants.tsv",
        "sub-001/truth/t1.nii.gz",
        "sub-001/fast_t1/.DS_Store",
    }
    status, text = asked(capsys, tmp_path)
    assert status == 0
    assert "6 accepted, 0 refused, 3 ignored" in text
    assert "sub-001/routine_t2         T2  3 x 64 x 64  5 x 3.438 x 3.438 mm  0.." in text


def spoilt(slices):
    del slices[3].RescaleSlope


def test_something_refused_is_status_3_with_file_and_tag(tmp_path, capsys):
    write_series(tmp_path / "good")
    write_series(tmp_path / "bad", spoilt)
    write_series(tmp_path / "two", edit_files=lambda f: (f / "notes.txt").write_text("hello"))
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "good", target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "__MACOSX").mkdir()
    before = sorted(tmp_path.rglob("*"))
    status, found = objects(capsys, tmp_path)
    assert status == 3
    assert sorted(tmp_path.rglob("*")) == before
    assert {path: item["status"] for path, item in found.items()} == {
        "good": "accepted",
        "bad": "refused",
        "two": "refused",
        "report.pdf": "refused",
        "elsewhere": "refused",
        "pipe": "refused",
        "__MACOSX": "ignored",
    }
    bad = found["bad"]
    assert set(bad) == REFUSED_KEYS
    assert bad["file"] == "bad/003.dcm"
    assert (bad["keyword"], bad["tag"], bad["reason"]) == ("RescaleSlope", "(0028,1053)", "missing")
    assert found["two"]["file"] == "two/notes.txt"
    assert found["two"]["tag"] is None
    status, text = asked(capsys, tmp_path)
    assert status == 3
    assert "refused   bad         003.dcm: RescaleSlope (0028,1053): missing" in text
    assert "1 accepted, 5 refused, 1 ignored" in text
    assert CANARY not in text


def test_a_bundle_is_one_object_per_map(tmp_path, capsys):
    ds = make_frames(PARAMETRIC, order=[*range(SLICES), *range(SLICES)])
    for number, group in enumerate(groups(ds)):
        code = {} if number < SLICES else {"quantity": T2_CODE}
        group.RealWorldValueMappingSequence = real_world(**code)
    (tmp_path / "bundle").mkdir()
    save(ds, tmp_path / "bundle" / "one.dcm")
    status, out = asked(capsys, tmp_path, "--json")
    assert status == 0
    assert [(item["path"], item["map"]) for item in json.loads(out)] == [
        ("bundle", "t1"),
        ("bundle", "t2"),
    ]


def test_notes_are_shown(tmp_path, capsys):
    def empty(slices):
        slices[0].PixelData = bytes(len(slices[0].PixelData))

    write_series(tmp_path / "s", empty)
    assert "slices 1 hold one value only" in asked(capsys, tmp_path)[1]


def test_a_row_in_a_file_makes_a_series_known(tmp_path, capsys):
    def relax(slices):
        for ds in slices:
            ds.ImageType = ["DERIVED", "PRIMARY", "RELAX", "T1_MS"]

    write_series(tmp_path / "tree" / "s", relax)
    rows = tmp_path / "rows.toml"
    rows.write_text(
        '[[protocol]]\nname = "Relax"\nimage_type = ["DERIVED", "PRIMARY", "RELAX", "<map>"]\n'
        'maps = { T1_MS = "t1" }\n'
    )
    assert objects(capsys, tmp_path / "tree")[0] == 3
    status, found = objects(capsys, tmp_path / "tree", "--protocols", rows)
    assert (status, found["s"]["protocol"]) == (0, "Relax")


def test_nothing_to_inspect_is_an_error_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"^error: .*nowhere: file: no such folder$"):
        inspect_dicom.main([str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match=r"^error: .*absent.toml: cannot be read"):
        inspect_dicom.main([str(tmp_path), "--protocols", str(tmp_path / "absent.toml")])
    assert asked(capsys, tmp_path, "--json") == (0, "[\n\n]\n")


def test_personal_values_are_not_printed(tmp_path, capsys):
    """Identity differs inside a series: the refusal says which attribute, not what it says."""
    folder = tmp_path / "s"
    folder.mkdir()
    for index, ds in enumerate(make_slices()):
        ds.PatientID = f"{CANARY}{index}"
        save(ds, folder / f"{index}.dcm")
    for argv in ([tmp_path], [tmp_path, "--json"]):
        status, text = asked(capsys, *argv)
        assert status == 3
        assert "PatientID" in text
        assert CANARY not in text


def test_names_cannot_write_on_the_terminal(tmp_path, capsys):
    write_series(tmp_path / "evil\x1b[31m\nscan")
    status, text = asked(capsys, tmp_path)
    assert status == 3
    assert "\x1b" not in text
    assert "evil\\x1b[31m\\nscan  its name holds control characters" in text


def test_series_of_nobody_are_told_and_are_not_taken_for_one_person(tmp_path, capsys):
    def nobody(name):
        def edit(slices):
            for one in slices:
                one.PatientID, one.PatientName = "", name

        return edit

    write_series(tmp_path / "a", nobody("A"))
    write_series(tmp_path / "b", nobody("B"))
    _, found = objects(capsys, tmp_path)
    assert [found[path]["notes"] for path in "ab"] == [[NOBODY], [NOBODY]]
