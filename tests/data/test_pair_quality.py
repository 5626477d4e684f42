"""What the values of a pair say: shifts, order, range, ratio; and who may overrule a refusal."""

import dataclasses
import json

import numpy as np
import pytest
from dicom_factory import fast_geometry, head_maps, write_subject
from scipy import ndimage

from data_tools import pair_studies
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies import pair_quality
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.pair_subject import PairError, pair_subject
from qsr_jax.ops.mask import tissue_mask
from qsr_jax.types import CORNER, SAMPLE


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
    ("shift", on_fast(lambda _, v: moved(v, 1.3, 0)), "flagged", "lie 1.[23].. fast pixels apart"),
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


def smooth(maps, sigma_px):
    """Without detail finer than a fast pixel, so that sampling adds nothing of its own."""
    return {k: ndimage.gaussian_filter(v, (0, sigma_px, sigma_px)) for k, v in maps.items()}


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.1, 0.0), (0.0, -0.25), (0.15, 0.1)])
@pytest.mark.parametrize("alignment", [CORNER, SAMPLE])
def test_shifts_are_found_to_a_few_hundredths(shift, alignment):
    """Air full of noise, as in a map; the fast image is drawn at its shifted place."""
    centre = 0.5 if alignment == CORNER else 1.0
    shape, rng = (3, 128, 128), np.random.default_rng(1)
    routine = smooth(head_maps((3, 256, 256), 3, centre), 2)
    mask = tissue_mask(*routine.values())
    fast = smooth(head_maps(shape, 4), 1)
    fast = {k: ndimage.shift(v, (0, *shift), order=3, mode="nearest") for k, v in fast.items()}
    air = ndimage.binary_dilation(mask[:, ::2, ::2], iterations=3)
    fast = {k: np.where(air, v, rng.uniform(0, v.max(), shape)) for k, v in fast.items()}
    found = pair_quality.shifts_of(fast, routine, mask, alignment=alignment)
    median = np.median(np.concatenate([*found.values()]), axis=0)
    np.testing.assert_allclose(median, shift, atol=0.03)


def test_the_other_grid_is_noticed():
    """Images on the sample grid under a corner header lie 0.25 fast pixels off in both axes."""
    fast = smooth(head_maps((3, 128, 128), 0), 1)
    routine = smooth(head_maps((3, 256, 256), 1, 1.0), 2)
    mask = tissue_mask(*routine.values())
    found = pair_quality.shifts_of(fast, routine, mask, alignment=CORNER)
    median = np.median(np.concatenate([*found.values()]), axis=0)
    np.testing.assert_allclose(np.abs(median), 0.25, atol=0.03)


def test_reduction_keeps_a_ramp_in_its_place():
    """Corner: a block's mean; sample: every other pixel of what has no fine detail."""
    ramp = np.arange(64.0)[None, :, None] * np.ones((2, 1, 64))
    coarse = pair_quality.to_coarse(ramp, (2, 32, 32), CORNER)
    np.testing.assert_allclose(coarse[0, :, 0], np.arange(32) * 2 + 0.5)
    wave = np.cos(2 * np.pi * 3 * np.arange(64) / 64)[None, :, None] * np.ones((2, 1, 64))
    np.testing.assert_allclose(
        pair_quality.to_coarse(wave, (2, 32, 32), SAMPLE), wave[:, ::2, ::2], atol=1e-5
    )


def test_slices_without_tissue_say_nothing(tmp_path):
    fast, routine = head_maps((3, 32, 32), 0), head_maps((3, 64, 64), 1)
    nothing = np.zeros((3, 64, 64), bool)
    assert len(pair_quality.shifts_of(fast, routine, nothing, alignment=CORNER)["t1"]) == 0


def test_small_heads_are_refused(tmp_path, monkeypatch):
    folder = write_subject(tmp_path / "p", seed=0)
    monkeypatch.setattr(pair_quality, "LEAST_TISSUE", 0.99)
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
    write_subject(tmp_path / "tree" / "off", seed=1, change=off)
    write_subject(tmp_path / "tree" / "frame", seed=2, change=other_frame)
    return tmp_path / "tree"


def pair(tree, *more):
    out = tree.parent / f"m{len(more)}.json"
    pair_studies.main(["--dicom", str(tree), "--out", str(out), *more])
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
    assert "accepted off/fast_t1: fast and routine images lie 2.9" in text
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
