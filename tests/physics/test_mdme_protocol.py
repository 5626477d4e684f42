"""A protocol that cannot be scanned cannot be made; grids lie where the alignment says."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.physics.mdme_protocol import FAST, PROTOCOLS, ROUTINE, Played, geometries
from qsr_jax.types import ALIGNMENTS

IMPOSSIBLE = [
    ({"te_ms": (91.4, 18.3)}, "te_ms must be positive and rising"),
    ({"te_ms": (18.3, 18.3)}, "te_ms must be positive and rising"),
    ({"te_ms": (-1.0, 18.3)}, "te_ms must be positive and rising"),
    ({"td_ms": (-170.0, 670.0, 1840.0)}, "td_ms must be positive and rising"),
    ({"td_ms": (170.0, 170.0, 1840.0)}, "td_ms must be positive and rising"),
    ({"td_ms": (170.0, 670.0)}, "at least 3 delays"),
    ({"td_ms": (170.0, 670.0, 4000.0)}, "stay below TR 4000"),
    ({"matrix": (320, 600)}, "matrix exceeds recon 512"),
    ({"matrix": (0, 256)}, "must be positive"),
    ({"slices": 0}, "must be positive"),
    ({"slots": 0}, "must be positive"),
    ({"tr_ms": -4000.0}, "must be positive"),
    ({"fermi": (0.9, 0.0)}, "must be positive"),
    ({"acceleration": 0}, "whole number >= 1"),
    ({"acceleration": 2.5}, "whole number >= 1"),
    ({"matrix": (320, 255)}, "matrix must be even"),
    ({"te_ms": (18.3,)}, "te_ms needs 2 echoes"),
    ({"te_ms": (20.0, 91.4)}, "multiples of echo_spacing_ms 9.14"),
    ({"lines_per_echo": 0}, "lines_per_echo must be positive"),
    ({"lines_per_echo": 4}, "must fall on echoes 1..4 and 5..8"),
    ({"lines_per_echo": 10}, "must fall on echoes 1..10 and 11..20"),
    ({"slots": 30}, "train must fit into TR/slots = 133.3 ms; got 146.2 ms"),
    ({"played": Played(echo_spacing_ms=11.0, td_offset_ms=0.0)}, "train must fit into TR/slots"),
    (
        {"played": Played(echo_spacing_ms=9.14, td_offset_ms=-170.0)},
        "td_offset_ms must be positive",
    ),
    ({"partial_echo": 0.5}, "partial_echo must lie in 0.55..1; got 0.5"),
    ({"edge_gain": -1.5}, "edge_gain must lie in -1..1; got -1.5"),
    ({"played": Played(9.14, slice_order="random")}, "must be one of .*; got random"),
    ({"theta_source": "guess"}, "theta_source must be one of data, nominal, map; got guess"),
    ({"played": Played(9.14, td_offset_ms=200.0)}, "last delay as played must stay below TR 4000"),
    (
        {"played": Played(9.14, refocusing_width=0.0)},
        "scales and widths as played must be positive",
    ),
]


@pytest.mark.parametrize(("change", "rule"), IMPOSSIBLE)
def test_impossible_protocols_are_refused(change, rule):
    with pytest.raises(ValueError, match=rule) as caught:
        dataclasses.replace(ROUTINE, **change)
    assert "'routine'" in str(caught.value)


def test_the_paper_s_two_scans():
    """Acquired and reconstructed pixels of srgan paper, table of protocols."""
    pixels = [(p.fov_mm / p.matrix[0], p.fov_mm / p.matrix[1], p.pixel_mm) for p in (ROUTINE, FAST)]
    np.testing.assert_allclose(pixels[0], (0.7, 0.86, 0.43), atol=0.02)
    np.testing.assert_allclose(pixels[1], (1.15, 1.72, 0.86), atol=0.01)


def test_the_paper_s_echo_train():
    """16 echoes, of which the 2nd and the 10th are the effective ones."""
    assert (ROUTINE.train_length, ROUTINE.echo_numbers) == (16, (2, 10))
    played = dataclasses.replace(ROUTINE, played=Played(9.0, 5.0, td_scale=0.9))
    assert played.played_td_ms == (158.0, 608.0, 1661.0, 3461.0)
    assert played.played_tr_ms == 3600.0


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_routine_refines_fast(name, alignment):
    routine, fast = geometries(*PROTOCOLS[name], alignment)
    assert routine == fast.refined(2, alignment)
    assert routine.slice_positions_mm().mean(axis=0)[2] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("alignment", "first"), [("corner", (-109.785, -109.570)), ("sample", (-110.0, -110.0))]
)
def test_first_voxels(alignment, first):
    """Centre of the first voxel, routine and fast, for a field of view of 220 mm."""
    grids = geometries(ROUTINE, FAST, alignment)
    np.testing.assert_allclose([g.origin_mm[0] for g in grids], first, atol=1e-3)
    assert all(g.origin_mm[0] == g.origin_mm[1] for g in grids)


@pytest.mark.parametrize("change", [{"fov_mm": 240.0}, {"slices": 20}, {"recon": 300}])
def test_scans_that_do_not_belong_together_are_refused(change):
    with pytest.raises(ValueError, match="must share field of view and slices"):
        geometries(ROUTINE, dataclasses.replace(FAST, **change), "corner")
