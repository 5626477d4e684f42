"""Messages repeat coded terms and nothing that could be a subject's."""

import pytest

from qsr_jax.data.dicom.redaction import HIDDEN, redacted, redacted_all


@pytest.mark.parametrize(
    "word", ["T1", "MONOCHROME2", "T1 MAP", "ms", "%", "1/s", "113063", 16, ""]
)
def test_coded_terms_are_repeated(word):
    assert redacted(word) == str(word)


@pytest.mark.parametrize(
    "word", ["DOE^JANE", "1.2.840.10008.5.1.4.1.1.4", "T1\0\0LO", "Grünwald", "x" * 17, "a\nb"]
)
def test_other_words_are_not(word):
    assert redacted(word) == HIDDEN


def test_a_long_list_is_no_coded_value():
    assert redacted_all(["DERIVED", "PRIMARY", "T1"], between="\\") == "DERIVED\\PRIMARY\\T1"
    assert redacted_all(["A", "DOE^JANE"], between="\\") == f"A\\{HIDDEN}"
    assert redacted_all(["A"] * 9, between="\\") == HIDDEN
