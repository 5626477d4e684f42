"""Digests are SHA-256, of exactly what they name."""

import numpy as np
import pytest

from qsr_jax.files.digest import arrays_sha256, file_sha256, json_sha256, text_sha256

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of "abc", FIPS 180-4's first example."""


def test_a_file_and_a_text_have_the_standards_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == text_sha256("abc") == ABC
    with pytest.raises(FileNotFoundError):
        file_sha256(tmp_path / "b")


def test_json_digests_know_values_and_not_the_order_of_keys():
    assert json_sha256({"a": 1, "b": [1, 2]}) == json_sha256({"b": [1, 2], "a": 1})
    assert json_sha256({"a": 1, "b": [1, 2]}) != json_sha256({"a": 1, "b": [2, 1]})
    with pytest.raises(TypeError):
        json_sha256({"a": object()})


@pytest.mark.parametrize(
    "other",
    [("v", np.arange(4.0)), ("w", np.arange(4.0).reshape(2, 2)), ("w", np.arange(4, dtype="f4")),
     ("w", np.arange(4.0)[::-1])],
    ids=["name", "shape", "type", "values"],
)  # fmt: skip
def test_array_digests_know_name_shape_type_and_values(other):
    first = ("w", np.arange(4.0))
    assert arrays_sha256([first]) == arrays_sha256([("w", np.arange(4.0))])
    assert arrays_sha256([first]) != arrays_sha256([other])
    assert arrays_sha256([first, other]) != arrays_sha256([other, first])
