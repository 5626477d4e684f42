"""A seal finds a file that is missing, surplus, cut, changed or another one's copy."""

import pytest

from qsr_jax.files.seal import (
    FileFacts,
    SealError,
    check_files,
    check_names,
    facts_of,
    read_seal,
    write_seal,
)


@pytest.fixture
def sealed(tmp_path):
    for name, content in (("a", b"abc"), ("b", b"xyz"), ("c", b"")):
        (tmp_path / name).write_bytes(content)
    return facts_of(tmp_path, ["a", "b", "c"])


def test_facts_are_sizes_and_digests(sealed):
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4, "abc"
    assert sealed["a"] == FileFacts(3, sha)
    assert [facts.bytes for facts in sealed.values()] == [3, 3, 0]


def test_whole_files_pass(tmp_path, sealed):
    check_names(sealed, {path.name for path in tmp_path.iterdir()})
    check_files(tmp_path, sealed, list(sealed))


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"abd", "a: was changed; sha256 a52d159f262b"), (b"xyz", "a: is b's content"),
     (b"ab", "a: 2 bytes, expected 3")],
)  # fmt: skip
def test_damage_is_named(content, why, tmp_path, sealed):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(SealError, match=why):
        check_files(tmp_path, sealed, ["b", "a"])
    check_files(tmp_path, sealed, ["b"])  # what is not asked for is not read


def test_missing_and_surplus_files_are_named():
    with pytest.raises(SealError, match="a: missing"):
        check_names({"a", "b"}, {"b"})
    with pytest.raises(SealError, match="c: does not belong here"):
        check_names({"a", "b"}, {"a", "b", "c"})


def test_a_seal_is_read_as_it_was_written(tmp_path):
    write_seal(tmp_path / "seal.json", {"files": {"a": FileFacts(3, "00")}})
    assert read_seal(tmp_path / "seal.json", {"files"}) == {"files": {"a": [3, "00"]}}
    assert [path.name for path in tmp_path.iterdir()] == ["seal.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, r"seal\.json cannot be read \(FileNotFoundError\)"), ("{", "cannot be read"),
     ("[]", r"seal\.json: expected files"), ('{"files": 1, "more": 2}', "expected files")],
)  # fmt: skip
def test_what_is_no_seal_is_refused(text, why, tmp_path):
    if text is not None:
        (tmp_path / "seal.json").write_text(text)
    with pytest.raises(SealError, match=why):
        read_seal(tmp_path / "seal.json", {"files"})
