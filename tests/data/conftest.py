"""A small cohort that goes through the real doors once."""

import contextlib
import io
from pathlib import Path

import pytest
from dicom_factory import write_person

PEOPLE = ("sub-001", "sub-002", "sub-003", "sub-004", "sub-005")
PATIENTS = ("sub-005",)


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """Five people, the last one a patient."""
    root = tmp_path_factory.mktemp("cohort") / "tree"
    for seed, name in enumerate(PEOPLE):
        write_person(root / name, seed=seed)
    rows = [f"{name}\t{'patient' if name in PATIENTS else 'healthy'}" for name in PEOPLE]
    (root / "participants.tsv").write_text("participant_id\tgroup\n" + "\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="session")
def manifest_path(tree) -> Path:
    from data_tools import pair_studies

    path = tree.parent / "manifest.json"
    with contextlib.redirect_stdout(io.StringIO()):
        pair_studies.main(["--dicom", str(tree), "--out", str(path), "--test-fraction", "0.4"])
    return path


@pytest.fixture(scope="session")
def data_dir(manifest_path) -> Path:
    from data_tools import build_dataset

    folder = manifest_path.parent / "records"
    build_dataset.main(["--manifest", str(manifest_path), "--data_dir", str(folder)])
    return folder
