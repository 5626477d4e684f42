"""Layouts are told apart by whole tokens; every row is reachable and no two compete."""

import pytest

from qsr_jax.data.protocols import MAP, NOT_MAPS, PROTOCOLS, NotAMapError, Protocol, recognise

ROWS = [(row, token, name) for row in PROTOCOLS for token, name in row.maps.items()]


@pytest.mark.parametrize(("row", "token", "name"), ROWS)
def test_every_row_recognises_its_own_maps(row, token, name):
    image_type = [token if part == MAP else part for part in row.image_type]
    assert recognise(image_type) == (name, row)


@pytest.mark.parametrize("token", NOT_MAPS)
def test_tokens_of_other_images_are_refused_wherever_they_stand(token):
    for image_type in (
        ["DERIVED", "PRIMARY", "T1", token],
        ["DERIVED", "PRIMARY", token, "T1"],
        ["DERIVED", "PRIMARY", f"T1W_{token}"],
    ):
        with pytest.raises(NotAMapError, match="is a"):
            recognise(image_type)


@pytest.mark.parametrize("image_type", [["DERIVED", "PRIMARY", "T1W"], ["T1"], [], ["DERIVED"]])
def test_unknown_layouts_are_refused_with_the_known_ones(image_type):
    with pytest.raises(NotAMapError, match="expected one of"):
        recognise(image_type)


def test_two_rows_that_match_raise():
    twice = (*PROTOCOLS, Protocol("copy", ("DERIVED", "PRIMARY", MAP), {"T1": "t1"}))
    with pytest.raises(ValueError, match="matches the rows GE MAGiC, copy"):
        recognise(["DERIVED", "PRIMARY", "T1"], protocols=twice)
