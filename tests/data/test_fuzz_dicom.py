"""A thousand damaged files: every one is refused or read, quickly and with little memory."""

import fuzz_dicom


def test_damaged_files_end_in_a_refusal_or_a_series():
    found = fuzz_dicom.run(1000, seed=0)
    assert found.uncaught == {}
    assert found.leaks == {}
    assert found.slow == {}
    assert found.silent == 0, "values changed and the digest in the manifest would not show it"
    assert sum(found.counts.values()) == 1000
    assert found.counts["refused"] > 500, "the damage must be real"
    assert found.counts["unchanged"] > 20, "and not all of it in what is checked first"


def test_a_damaged_file_is_a_function_of_its_number():
    runs = [fuzz_dicom.run(9, seed=3, first=20) for _ in range(2)]
    assert runs[0].reasons == runs[1].reasons
    assert runs[0].counts == runs[1].counts
