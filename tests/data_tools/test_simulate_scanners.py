"""A cohort of several scanners: they take the subjects in turn, and every reader knows of them."""

import json

import numpy as np
import pytest

from data_tools.describe_cohort import main as describe
from data_tools.repeat_scan import read_cohort
from data_tools.simulate_cohort import main
from qsr_jax.data.dicom import read_series
from qsr_jax.physics.installation import COHORT, DRAWS

SETTINGS = ["--seed", "7", "--protocol", "tiny"]
OF_SCANNERS = [name for name, law in DRAWS.items() if law.per == COHORT]


def simulate(out, subjects, patients, *more):
    counts = ["--subjects", str(subjects), "--patients", str(patients)]
    main(["--out", str(out), *counts, *SETTINGS, *more])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two healthy subjects and a patient, two scanners."""
    out = tmp_path_factory.mktemp("scanners") / "subjects"
    simulate(out, 2, 1, "--scanners", "2")
    return out


def told(cohort, number):
    """What truth.json says was drawn."""
    path = cohort / f"sub-{number:03d}/truth/truth.json"
    return json.loads(path.read_text())["drawn"]


def test_they_take_the_subjects_in_turn(cohort):
    first, second, third = (told(cohort, number) for number in (1, 2, 3))
    differing = [name for name in OF_SCANNERS if first[name] != second[name]]
    assert len(differing) > len(OF_SCANNERS) / 2
    assert all(first[name] == third[name] for name in OF_SCANNERS)
    assert first["b1_gain"] != third["b1_gain"]  # a subject's own
    listed = json.loads((cohort / "cohort.json").read_text())["drawn"]
    assert listed == {name: [first[name], second[name]] for name in OF_SCANNERS}


def test_the_first_is_the_only_one_of_a_cohort_with_one(cohort, tmp_path):
    simulate(tmp_path / "one", 2, 0)
    for number, same in ((1, True), (2, False)):
        series = [read_series(c / f"sub-{number:03d}/fast_t1") for c in (cohort, tmp_path / "one")]
        ours, theirs = (one.volume.maps for one in series)
        assert np.array_equal(ours, theirs) is same
    assert "scanners" not in json.loads((tmp_path / "one/cohort.json").read_text())
    with pytest.raises(SystemExit, match="scanners 1, asked for 2"):
        simulate(tmp_path / "one", 2, 0, "--scanners", "2")


def test_a_cohort_goes_on_with_its_own_alone(cohort):
    simulate(cohort, 2, 1, "--scanners", "2")
    for more, said in (([], "scanners 2, asked for 1"), (["--scanners", "3"], "2, asked for 3")):
        with pytest.raises(SystemExit, match=said):
            simulate(cohort, 2, 1, *more)


def test_a_second_scan_is_by_the_same_scanner(cohort):
    settings = read_cohort(cohort)
    for number in (1, 2, 3):
        assert settings.drawn(number) == told(cohort, number)
    fast = [settings.protocols(number)[1] for number in (1, 2, 3)]
    assert fast[0] == fast[2] != fast[1]
    assert [settings.scanner_of(n).coils for n in (1, 2)] == [
        told(cohort, n)["coils"] for n in (1, 2)
    ]


def test_the_page_shows_each(cohort, tmp_path):
    describe(["--cohort", str(cohort), "--out", str(tmp_path / "page")])
    page = (tmp_path / "page/index.html").read_text()
    values = json.loads((cohort / "cohort.json").read_text())["drawn"]["fast_saturation_scale"]
    assert f"{values[0]}, {values[1]}" in page


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--scanners", "0"], "--scanners must be at least 1; got 0"),
        (["--scanners", "2", "--installation", "mean"], "--scanners 2 needs --installation drawn"),
    ],
)
def test_impossible_ones_are_refused(tmp_path, more, said):
    with pytest.raises(SystemExit, match=f"error: {said}"):
        simulate(tmp_path / "none", 1, 0, *more)
    assert not (tmp_path / "none").exists()
