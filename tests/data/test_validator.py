"""The standard's checker decides where it is installed, and its words reveal no value."""

import pytest

from qsr_jax.data.dicom.validator import TOOL, check_standard

SAYS = """#!/bin/sh
case "$1" in
*source*) echo 'Error - known fault' ;;
*) printf '%s\\n' 'Error - known fault' {more} ;;
esac
"""


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Puts a checker on the path: one fault in every file, and ``more`` in written ones."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def install(more):
        (tmp_path / TOOL).write_text(SAYS.replace("{more}", more))
        (tmp_path / TOOL).chmod(0o755)
        return [tmp_path / "written.dcm"], tmp_path / "source.dcm"

    return install


def test_faults_of_the_source_are_no_fault_of_the_writer(says, tmp_path):
    files, source = says("")
    check_standard(files, source, where=tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "told"),
    [("'Error - bad element = <DOE^JANE>'", r"bad element = <…>; not written"),
     ("'Error - Value invalid for this VR - (0010,0010) PN <DOE^JANE> - Character invalid'",
      "Value invalid for this VR: Character invalid")],
)  # fmt: skip
def test_a_new_fault_is_told_without_its_value(more, told, says, tmp_path):
    files, source = says(more)
    with pytest.raises(ValueError, match=told) as refused:
        check_standard(files, source, where=tmp_path / "out")
    assert "DOE" not in str(refused.value)


def test_without_the_tool_nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    check_standard([tmp_path / "a"], tmp_path / "b", where=tmp_path)
