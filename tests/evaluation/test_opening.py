"""The first paragraph: true to the tables, blunt about failure, silent where nothing is shown."""

import numpy as np
import pytest
from evaluation_subjects import make_cohort

from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.formats.numbers import against, joined, number, p_value, pair, plural
from qsr_jax.evaluation.report.opening import opening

QUIET, NOISY = (1.0, 0.1, 0.1), (3000.0, 300.0, 300.0)


def paragraph(cohort):
    return " ".join(opening(cohort))


def test_numbers():
    assert number(-1.25, 1) == "−1.2"
    assert number(0.5, 2, signed=True) == "+0.50"
    assert number(-0.001, 2, signed=True) == "0.00"
    assert [p_value(p) for p in (0.0004, 0.0168, 0.6694, 1.0)] == ["<.001", ".017", ".669", "1.000"]
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert (plural(1, "subject"), plural(2, "subject")) == ("1 subject", "2 subjects")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (0.84, 4.83, "0.84 against 4.83 %"),
        (0.5714, 0.5678, "0.571 against 0.568 %"),
        (0.57141, 0.57139, "0.57141 against 0.57139 %"),
        (0.5714, 0.5714, "equal, 0.57 %"),
    ],
)
def test_compared_numbers_are_told_apart(first, second, told):
    assert against(first, second, 2, "%") == told
    assert len(set(pair(first, second, 2))) == (1 if first == second else 2)


def test_both_sides_are_told(cohort_and_examples):
    text = paragraph(cohort_and_examples[0])
    assert "In 3 healthy subjects and 1 patient" in text
    sentence = text.split("PSNR the trained model was ")[1].split(". The trained model’s")[0]
    nearer, further = sentence.split(", but ")
    assert nearer.startswith("nearer to routine than bicubic for T1 (")
    assert " and T2 (" in nearer
    assert "better in 4 of 4 subjects" in nearer
    assert further.startswith("not nearer to routine than bicubic for PD (")
    assert "better in 0 of 4 subjects" in further


def test_the_numbers_are_those_of_the_tables(cohort_and_examples):
    cohort, _ = cohort_and_examples
    text, tables = paragraph(cohort), compute_tables(cohort)
    for row in tables["verdict"]:
        psnr = [row.psnr[method].mean for method in ("trained", "bicubic")]
        sizes = [row.absolute_bias_percent[method] for method in ("trained", "bicubic")]
        assert against(*psnr, 2, "dB") in text
        assert against(*sizes, 2, "%") in text


def test_a_network_that_loses_everywhere_is_named(rng):
    text = paragraph(make_cohort(rng, healthy=3, patients=0, gain=0.3, noise=NOISY)[0])
    assert "the trained model was not nearer to routine than bicubic for T1" in text
    assert "was not smaller than that of bicubic for T1" in text
    assert "was not shown for GM T1" in text


@pytest.mark.parametrize("noise", [QUIET, NOISY])
def test_a_large_p_never_becomes_a_claim(noise):
    cohort, _ = make_cohort(np.random.default_rng(3), patients=0, gain=1.0, noise=noise)
    tables, text = compute_tables(cohort), paragraph(cohort)
    for words in ("no difference", "no significant", "identical", "not different"):
        assert words not in text
    for row in tables["tissue"]:
        shown = row.equivalence["trained-routine"].equivalent
        name = f"{row.tissue} {row.map.upper()}"
        assert (name in text.split("not shown for")[0].split("was shown for")[-1]) == shown
    unshown = any(not row.equivalence["trained-routine"].equivalent for row in tables["tissue"])
    assert ("neither a difference nor agreement follows" in text) == unshown


def test_too_few_subjects_are_said_to_be_too_few(rng):
    text = paragraph(make_cohort(rng, healthy=2, patients=0)[0])
    assert "With 2 healthy subjects no test and no interval is possible" in text
    assert "TOST" not in text
