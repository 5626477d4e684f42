"""P1-P9: pairs that must be refused are, by name; good ones are recognised by coordinates."""

import dataclasses

import numpy as np
import pytest
from dicom_factory import CANARY, fast_geometry, write_subject
from pairing_edits import (
    fewer_slices,
    geometry_with,
    on_side,
    other_grid_of_t2,
    shifted,
    swapped,
    three_times,
    turned,
)

from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.geometry_match import check_pair, grid_shift
from qsr_jax.data.studies.pair_subject import PairError, pair_subject
from qsr_jax.types import ALIGNMENTS


def series_of(folder):
    return [read_series(path) for path in sorted(folder.iterdir())]


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
