"""What the values of a pair say: shifts, order, range, ratio; and who may overrule a refusal."""

import dataclasses
import json

import numpy as np
import pytest
from dicom_factory import fast_geometry, write_subject
from scipy import ndimage

from data_tools import pair_studies
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies import pair_content, pair_quality
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.pair_subject import PairError, pair_subject


def series_of(folder):
    return [read_series(path) for path in sorted(folder.iterdir())]


def moved(volume, rows_px, columns_px):
    """The image moved by pixels of its own grid, the header as it was."""
    step = (0, rows_px, columns_px)
    maps = ndimage.shift(volume.maps[..., 0], step, order=1, mode="nearest")
    return dataclasses.replace(volume, maps=np.maximum(maps, 0)[..., None])


def on_fast(edit):
    def change(side, name, volume, header):
        return (edit(name, volume) if side == "fast" else volume), header

    return change


def scaled(factor, names):
    def edit(name, volume):
        maps = np.minimum(volume.maps * (factor if name in names else 1), 6000).astype(np.float32)
        return dataclasses.replace(volume, maps=maps)

    return edit


CASES = [
    ("shift", on_fast(lambda _, v: moved(v, 1.3, 0)), "flagged", "T1 lie 1.[23].. fast pixels"),
    ("shift", on_fast(lambda _, v: moved(v, 2.2, 2.2)), "refused", "their headers say"),
    ("ratio", on_fast(scaled(0.7, {"t1", "t2", "pd"})), "flagged", "fast over the routine scan"),
    ("ratio", on_fast(scaled(3.0, {"pd"})), "refused", r"is [23]\.\d+, expected 0.5 to 2"),
    ("range", on_fast(scaled(0.1, {"t2"})), "refused", "is the unit milliseconds"),
]


@pytest.mark.parametrize(("rule", "change", "verdict", "text"), CASES)
def test_values_are_judged(tmp_path, rule, change, verdict, text):
    folder = write_subject(tmp_path / "p", seed=0, change=change)
    series = series_of(folder)
    if verdict == "refused":
        with pytest.raises(PairError, match=text) as caught:
            pair_subject(series, scale=2)
        assert rule in caught.value.rules
        paired = pair_subject(series, scale=2, accepted=caught.value.rules)
        verdict = "accepted"
    else:
        paired = pair_subject(series, scale=2)
    found = [f for findings in paired.findings.values() for f in findings if f.rule == rule]
    assert {finding.verdict for finding in found} == {verdict}


def test_small_heads_are_refused(tmp_path, monkeypatch):
    folder = write_subject(tmp_path / "p", seed=0)
    monkeypatch.setattr(pair_content, "LEAST_TISSUE", 0.99)
    with pytest.raises(PairError, match="no slice holds enough tissue"):
        pair_subject(series_of(folder), scale=2)


@pytest.mark.parametrize(("share", "verdicts"), [
    (0.999, []), (0.98, []), (0.96, ["flagged"]), (0.9, ["refused"]),
])  # fmt: skip
def test_t1_exceeds_t2_nearly_everywhere(share, verdicts):
    assert [finding.verdict for finding in pair_quality.judge_order(share)] == verdicts


def test_verdicts_have_an_order():
    finding = pair_quality.QualityIssue("shift", "flagged", "")
    accepted = dataclasses.replace(finding, verdict="accepted")
    assert pair_quality.worst(()) == "good"
    assert pair_quality.worst((finding,)) == "flagged"
    assert pair_quality.worst((accepted, finding)) == "accepted"
    assert pair_quality.SHIFT_LIMITS.judge(float("nan")) == "refused"
    assert pair_quality.judge_medians("t1", 900.0, 0.0)[-1].verdict == "refused"


@pytest.fixture
def off_by_a_bit(tmp_path):
    """A good subject, one whose fast images lie off, one with another frame of reference."""

    def other_frame(side, name, volume, header):
        uid = "2.25.77" if side == "routine" else header.frame_uid
        return volume, dataclasses.replace(header, frame_uid=uid)

    write_subject(tmp_path / "tree" / "good", seed=0)
    off = on_fast(lambda _, v: moved(v, 3.0, 0))
    write_subject(tmp_path / "tree" / "off", seed=1, change=off, side=64)
    write_subject(tmp_path / "tree" / "frame", seed=2, change=other_frame)
    return tmp_path / "tree"


def pair(tree, *more):
    out = tree.parent / f"m{len(more)}.json"
    flags = ["--dicom", str(tree), "--out", str(out), "--test-fraction", "0", *more]
    pair_studies.main(flags)
    return Manifest.load(out)


def test_a_subject_may_overrule_and_the_manifest_keeps_it(off_by_a_bit, capsys):
    manifest = pair(off_by_a_bit)
    assert len(manifest.subjects) == 1
    reasons = {item["what"]: item["reason"] for item in manifest.refused}
    assert "--accept 'off':shift" in reasons["off"]
    assert "--accept 'frame':frame" in reasons["frame"]
    capsys.readouterr()
    manifest = pair(off_by_a_bit, "--accept", "off:shift", "--accept", "frame:frame")
    assert len(manifest.subjects) == 3
    assert manifest.refused == ()
    assert [dict(item) for item in manifest.accepted] == [
        {"what": "frame", "rule": "frame"},
        {"what": "off", "rule": "shift"},
    ]
    verdicts = {p.maps["t1"].folders["fast"].split("/")[0]: p.maps["t1"].verdict
                for p in manifest.subjects}  # fmt: skip
    assert verdicts == {"good": "good", "off": "accepted", "frame": "accepted"}
    text = capsys.readouterr().out
    assert "accepted off/fast_t1: fast and routine T1 lie 2.8" in text
    assert "9 pairs: 3 good, 0 flagged, 6 accepted" in text


@pytest.mark.parametrize(("flag", "reason"), [
    ("off", "expected FOLDER:RULE"), ("off:geometry", "expected FOLDER:RULE"),
    ("good:shift", "good:shift: overrules nothing"), ("of:shift", "of:shift: overrules nothing"),
])  # fmt: skip
def test_acceptances_that_fit_nothing_are_errors(off_by_a_bit, flag, reason):
    with pytest.raises(SystemExit, match=reason):
        pair(off_by_a_bit, "--accept", flag)
    assert not (off_by_a_bit.parent / "m2.json").exists()


def test_geometry_cannot_be_overruled(tmp_path):
    def higher(side, name, volume, header):
        geometry = volume.geometry
        if side == "routine":
            geometry = dataclasses.replace(geometry, origin_mm=(*geometry.origin_mm[:2], -2.5))
        return dataclasses.replace(volume, geometry=geometry), header

    folder = write_subject(tmp_path / "p", seed=0, change=higher)
    with pytest.raises(PairError, match="2.5 mm apart") as caught:
        pair_subject(series_of(folder), scale=2, accepted=pair_quality.OVERRULED)
    assert caught.value.rules == ()


def test_the_salt_stays_out_of_the_tree(off_by_a_bit):
    with pytest.raises(SystemExit, match="secret must not lie inside the tree"):
        pair_studies.main(["--dicom", str(off_by_a_bit), "--out", str(off_by_a_bit / "m.json")])


def test_numbers_of_a_pair_are_in_the_manifest(off_by_a_bit):
    (subject,) = pair(off_by_a_bit).subjects
    for entry in subject.maps.values():
        assert entry.qc["image_shift_px"] < 0.05
        assert entry.qc["t1_above_t2"] > 0.98
        assert json.dumps(dict(entry.qc), allow_nan=False)
    assert fast_geometry().shape == subject.fast_shape


def test_a_scan_that_ran_out_of_numbers_is_flagged(tmp_path):
    """Fluid at 3276.7 ms, 15 bits of a tenth: the pair is used, and told."""

    def clipped(side, name, volume, header):
        if (side, name) == ("routine", "t1"):
            volume = dataclasses.replace(volume, maps=np.minimum(volume.maps, 3276.7))
        return volume, header

    paired = pair_subject(series_of(write_subject(tmp_path / "p", seed=0, change=clipped)), scale=2)
    (found,) = [f for f in paired.findings["t1"] if f.rule == pair_quality.CUT_OFF]
    assert found.verdict == "flagged" and found.text.startswith("routine: ")
    assert "are at 32767, the largest number of 15 bits: cut off there?" in found.text
    others = [f for name in ("t2", "pd") for f in paired.findings[name]]
    assert pair_quality.CUT_OFF not in {f.rule for f in others}
