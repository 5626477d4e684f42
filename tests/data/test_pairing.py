"""P1-P9: pairs that must be refused are, by name; the rest of the tree goes on."""

import dataclasses
import json

import numpy as np
import pytest
from dicom_factory import CANARY, fast_geometry, write_subject

from data_tools import pair_studies
from qsr_jax.data import dicom
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.geometry_match import check_pair, grid_shift
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.pair_subject import PairError, pair_subject
from qsr_jax.types import ALIGNMENTS


def series_of(folder):
    return [read_series(path) for path in sorted(folder.iterdir())]


def on_side(side, edit_volume=None, **header):
    """Changes all series of one side: the header, the volume, or both."""

    def change(this, name, volume, acquisition):
        if this != side:
            return volume, acquisition
        volume = edit_volume(volume) if edit_volume else volume
        return volume, dataclasses.replace(acquisition, **header)

    return change


def geometry_with(**changes):
    def edit(volume):
        return dataclasses.replace(volume, geometry=dataclasses.replace(volume.geometry, **changes))

    return edit


def shifted(row_px, column_px, z_mm=0.0):
    """Moves a routine volume by coarse pixels in the plane and by mm along the normal."""

    def edit(volume):
        pixel = 2 * volume.geometry.spacing_mm[1]
        x, y, z = volume.geometry.origin_mm
        origin = (x + column_px * pixel, y + row_px * pixel, z + z_mm)
        return geometry_with(origin_mm=origin)(volume)

    return edit


def fewer_slices(volume):
    shape = (2, *volume.geometry.shape[1:])
    return dataclasses.replace(
        volume, maps=volume.maps[:2], geometry=dataclasses.replace(volume.geometry, shape=shape)
    )


def three_times(volume):
    maps = np.repeat(np.repeat(volume.maps[:, ::2, ::2], 3, 1), 3, 2)
    return dataclasses.replace(volume, maps=maps, geometry=fast_geometry().refined(3, "corner"))


def turned(volume, degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return geometry_with(row_dir=(c, s, 0.0), col_dir=(-s, c, 0.0))(volume)


def swapped(_, name, volume, header):
    """T1 pixels under a T2 header and the other way round."""
    names = {"t1": ("t2",), "t2": ("t1",), "pd": ("pd",)}[name]
    maps = np.minimum(volume.maps, 150) if name == "pd" else volume.maps
    return dataclasses.replace(volume, names=names, maps=maps), header


def other_grid_of_t2(side, name, volume, header):
    if (side, name) == ("fast", "t2"):
        volume = shifted(0.004, 0.0)(volume)  # within the pair's tolerance, not within the scan's
    return volume, header


PIXEL = fast_geometry().spacing_mm[1]
REFUSED = [
    ("P1 PatientID", on_side("routine", patient_id="another"), r"PatientID \(0010,0020\) differs"),
    ("P1 study", on_side("routine", study_uid="2.25.1"), r"StudyInstanceUID \(0020,000D\) differs"),
    ("P2 frame", on_side("routine", frame_uid="2.25.1"), r"FrameOfReferenceUID .* differs"),
    ("P3 slices", on_side("routine", fewer_slices), "3 and 2 slices; without partner .* fast 5"),
    ("P4 half a slice", on_side("routine", shifted(0, 0, 2.5)), "2.5 mm apart along the normal"),
    ("P4 a little", on_side("routine", shifted(0, 0, 0.1)), "0.1 mm apart along the normal"),
    ("P5 turned", on_side("routine", lambda v: turned(v, 0.2)), "differs by 0.20 degrees"),
    ("P6 field of view", on_side("routine", geometry_with(spacing_mm=(5.0, 3.5, 3.5))),
     "field of view differs: 220.00 and 224.00 mm"),
    ("P7 ratio", on_side("routine", three_times), "ratio of exactly 2"),
    ("P7 same matrix", on_side("routine", lambda v: dataclasses.replace(
        v, maps=v.maps[:, ::2, ::2], geometry=fast_geometry())), "same matrix"),
    ("P9 swapped", swapped, "swapped"),
    ("neither grid", on_side("routine", shifted(0.1, 0.1)), "neither grid"),
    ("two grids in one scan", other_grid_of_t2, "different grids"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "change", "reason"), REFUSED, ids=[row[0] for row in REFUSED])
def test_bad_pairs_are_refused_by_name(tmp_path, case, change, reason):
    folder = write_subject(tmp_path / "p", seed=0, change=change)
    with pytest.raises(PairError, match=reason) as caught:
        pair_subject(series_of(folder), scale=2)
    text = str(caught.value).replace(str(tmp_path), "")
    assert "/p/fast_" in text or "/p/routine_" in text
    assert CANARY not in text
    assert "2.25." not in text


def test_p8_missing_map_is_refused(tmp_path):
    folder = write_subject(tmp_path / "p", seed=0, skip=("routine_t2",))
    with pytest.raises(PairError, match="T2: 1 readable series"):
        pair_subject(series_of(folder), scale=2)


def test_mixed_alignment_is_refused(tmp_path):
    corner = write_subject(tmp_path / "c", seed=0, subject="x")
    sample = write_subject(tmp_path / "s", seed=0, alignment="sample", subject="x")
    mixed = [s for s in series_of(corner) if s.map_name != "t2"]
    mixed += [s for s in series_of(sample) if s.map_name == "t2"]
    with pytest.raises(PairError, match="grid alignment differs"):
        pair_subject(mixed, scale=2)


def test_empty_maps_are_refused(tmp_path):
    def flat(side, name, volume, header):
        level = 20.0 if name == "pd" else 100.0
        return dataclasses.replace(volume, maps=volume.maps * 0 + level * (name != "pd")), header

    def speckle(side, name, volume, header):
        volume, header = flat(side, name, volume, header)
        maps = volume.maps.copy()
        maps[:, ::4, ::4] += 100.0
        return dataclasses.replace(volume, maps=maps), header

    folder = write_subject(tmp_path / "p", seed=0, change=speckle)
    with pytest.raises(PairError, match="no tissue"):
        pair_subject(series_of(folder), scale=2)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_good_pairs_are_recognised_by_coordinates(tmp_path, alignment):
    """File names, numbers and slice order play no part."""
    folder = write_subject(tmp_path / "p", seed=0, alignment=alignment)
    for path in (folder / "routine_t1").iterdir():
        path.rename(path.with_name(f"{9 - int(path.stem)}.dcm"))
    paired = pair_subject(series_of(folder)[::-1], scale=2)
    assert paired.grid_alignment == alignment
    pair = paired.series["t1"]
    assert check_pair(pair["fast"], pair["routine"], scale=2) == alignment
    expected = {"corner": -0.25, "sample": 0.0}[alignment]
    low, high = (pair[side].volume.geometry for side in ("fast", "routine"))
    np.testing.assert_allclose(grid_shift(low, high), expected, atol=1e-6)
    for name, qc in paired.qc.items():
        assert 0.8 < qc["median_ratio"] < 1.2, name
        assert qc["row_shift_px"] == pytest.approx(expected, abs=1e-6)


def test_rounded_headers_are_accepted(tmp_path):
    """0.4297 x 512 is 220.006: four decimals, as scanners write them."""

    def rounded(side, name, volume, header):
        g = volume.geometry
        spacing = tuple(round(v, 4) for v in g.spacing_mm)
        origin = tuple(round(v, 4) for v in g.origin_mm)
        return geometry_with(spacing_mm=spacing, origin_mm=origin)(volume), header

    folder = write_subject(tmp_path / "p", seed=0, change=rounded)
    assert pair_subject(series_of(folder), scale=2).grid_alignment == "corner"


@pytest.fixture
def mixed_tree(tmp_path):
    """Two good subjects and one of each kind of trouble."""
    tree = tmp_path / "tree"
    for seed, name in enumerate(("good-1", "good-2")):
        write_subject(tree / name, seed=seed)
    write_subject(tree / "no-t2", seed=3, skip=("fast_t2",))
    write_subject(tree / "torn", seed=4)
    (tree / "torn" / "fast_pd" / "002.dcm").unlink()
    write_subject(tree / "odd", seed=5, change=on_side("fast", patient_id=f"{CANARY}-else"))
    write_subject(tree / "twice-a", seed=6, subject="twice")
    write_subject(tree / "twice-b", seed=7, subject="twice")
    (tree / "notes").mkdir()
    (tree / "notes" / "readme.txt").write_text("x")
    (tree / "notes" / "broken.dcm").write_text("x")
    return tree


def test_door_lists_refusals_and_goes_on(mixed_tree, capsys):
    out = mixed_tree.parent / "m.json"
    pair_studies.main(["--dicom", str(mixed_tree), "--out", str(out)])
    manifest = Manifest.load(out)
    assert len(manifest.subjects) == 2
    folders = {pair.folders["fast"] for p in manifest.subjects for pair in p.maps.values()}
    assert {folder.split("/")[0] for folder in folders} == {"good-1", "good-2"}
    reasons = {item["what"]: item["reason"] for item in manifest.refused}
    assert "T2: 1 readable series" in reasons["no-t2"]
    assert "PD: 1 readable series" in reasons["torn"]
    assert "SpacingBetweenSlices (0018,0088): 5 mm" in reasons["torn/fast_pd"]
    assert reasons["notes"].startswith("notes/broken.dcm: file: ")
    assert "PatientID (0010,0020) differs in one study" in reasons["odd"]
    assert "T1: 4 readable series" in reasons["twice-a, twice-b"]
    assert str(mixed_tree) not in json.dumps(manifest.refused)
    assert "6 refused" in capsys.readouterr().out


def test_rows_of_the_participants_table_decide_the_group(tmp_path, tree):
    rows = {
        line.split("\t")[0]: line.split("\t")[1]
        for line in (tree / "participants.tsv").read_text().splitlines()[1:]
    }
    out = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(tree), "--out", str(out)])
    for subject in Manifest.load(out).subjects:
        assert subject.group == rows[subject.maps["t1"].folders["fast"].split("/")[0]]
        assert subject.split == "test" or subject.group == "healthy"


@pytest.mark.parametrize(("table", "reason"), [
    ("participant_id\tsex\nsub-001\tF\n", "column group is missing"),
    ("participant_id\tgroup\nsub-001\tsick\n", ":2: group is not one of"),
    ("participant_id\tgroup\nsub-001\thealthy\nsub-001\thealthy\n", ":3: participant_id comes"),
    ("participant_id\tgroup\nnobody\thealthy\n", "no subject has three whole pairs.*0 groups"),
])  # fmt: skip
def test_bad_participants_tables(tmp_path, tree, table, reason):
    path = tmp_path / "p.tsv"
    path.write_text(table)
    with pytest.raises(SystemExit, match=f"(?s)error: .*{reason}"):
        pair_studies.main(
            ["--dicom", str(tree), "--out", str(tmp_path / "m.json"), "--participants", str(path)]
        )
    assert not (tmp_path / "m.json").exists()


def splits_by_folder(manifest):
    return {p.maps["t1"].folders["fast"]: p.split for p in manifest.subjects}


def test_split_and_order_do_not_depend_on_the_salt(tmp_path, tree):
    manifests = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.json"
        pair_studies.main(["--dicom", str(tree), "--out", str(out), "--seed", "3"])
        manifests.append(Manifest.load(out))
    first, second = manifests
    assert list(splits_by_folder(first).items()) == list(splits_by_folder(second).items())
    assert not {p.subject for p in first.subjects} & {p.subject for p in second.subjects}
    assert first.fingerprint != second.fingerprint


def test_the_same_salt_gives_the_same_manifest(tmp_path, tree, capsys):
    salt, texts = tmp_path / "salt", []
    for name in ("a", "b"):
        arguments = ["--dicom", str(tree), "--out", str(tmp_path / f"{name}.json")]
        pair_studies.main([*arguments, "--salt-file", str(salt)])
        texts.append((tmp_path / f"{name}.json").read_text())
    assert texts[0] == texts[1]
    assert salt.stat().st_mode & 0o777 == 0o600
    pair_studies.main([*arguments, "--salt-file", str(salt)])
    assert "exists and is the same" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="exists and differs"):
        pair_studies.main([*arguments, "--salt-file", str(salt), "--seed", "9"])
    assert (tmp_path / "b.json").read_text() == texts[1]


@pytest.mark.parametrize("text", ["", "not hex", "abcd"])
def test_a_weak_salt_is_refused(tmp_path, tree, text):
    salt = tmp_path / "salt"
    salt.write_text(text)
    with pytest.raises(SystemExit, match="32 bytes in hex"):
        pair_studies.main(
            ["--dicom", str(tree), "--out", str(tmp_path / "m.json"), "--salt-file", str(salt)]
        )


def test_no_tree_and_no_subjects_are_errors(tmp_path):
    (tmp_path / "empty").mkdir()
    for tree, reason in ((tmp_path / "gone", "no such"), (tmp_path / "empty", "No series")):
        with pytest.raises(SystemExit, match=reason):
            pair_studies.main(["--dicom", str(tree), "--out", str(tmp_path / "m" / "m.json")])


def test_truth_must_belong_to_the_study(tmp_path):
    tree = tmp_path / "tree"
    for seed, (name, uid) in enumerate(
        {"right": dicom.make_uid("study right"), "wrong": "2.25.1", "torn": None}.items()
    ):
        write_subject(tree / name, seed=seed)
        (tree / name / "truth").mkdir()
        (tree / name / "truth" / "truth.json").write_text(
            json.dumps({"study_uid": uid} if uid else [])
        )
    out = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(tree), "--out", str(out)])
    manifest = Manifest.load(out)
    assert [subject.truth for subject in manifest.subjects] == ["right/truth"]
    reasons = {item["what"]: item["reason"] for item in manifest.refused}
    assert "another study" in reasons["wrong"]
    assert "study_uid cannot be read" in reasons["torn"]


def test_two_truths_for_one_subject_are_refused(tmp_path):
    write_subject(tmp_path / "tree" / "a", seed=0)
    for name in ("a", "b"):
        (tmp_path / "tree" / name / "truth").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "fast_t1").rename(tmp_path / "tree" / "b" / "fast_t1")
    with pytest.raises(SystemExit, match="2 truth folders beside one subject"):
        pair_studies.main(["--dicom", str(tmp_path / "tree"), "--out", str(tmp_path / "m.json")])


def test_a_manifest_that_cannot_be_written_leaves_nothing(tmp_path, tree, monkeypatch):
    out, salt = tmp_path / "new" / "m.json", tmp_path / "salt"
    salt.write_text("ab" * 32)

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(SystemExit, match=r"m\.json: could not be written \(No space left"):
        pair_studies.main(["--dicom", str(tree), "--out", str(out), "--salt-file", str(salt)])
    assert not list(out.parent.iterdir())


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        pair_studies.main(["--help"])
    assert caught.value.code == 0
    assert "(default: 0.24)" in capsys.readouterr().out
