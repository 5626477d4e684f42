"""The table of trainings says what the files say, and keeps the page above its marker."""

import json

import pytest

from data_tools.weighted_study import MARKER, main


def result(folder, name, mpe, **about):
    parts = {"accuracy": {"simulated": {"one": {"mpe": mpe}}},
             "shuffled": {"one": {"ratio": [10.0, 15.0, 3.8]}}}  # fmt: skip
    content = {"software": "x", "split": "test", "per_subject": 6} | about
    (folder / f"{name}.json").write_text(json.dumps(content | {"w": parts}))


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"# Above\n\n{MARKER}\n\nold\n")
    return path


def test_seeds_of_one_name_are_one_line(page, tmp_path, capsys):
    result(tmp_path, "standard-0", [4.0, 3.0, 5.0])
    result(tmp_path, "standard-1", [5.0, 3.0, 6.0])
    result(tmp_path, "no-times-0", [9.0, 9.0, 9.0])
    main([str(tmp_path), "--page", str(page)])
    text = page.read_text()
    assert text.startswith("# Above\n") and "old" not in text
    assert "| standard | 2 | 4.5 (4.0–5.0) / 3.0 (3.0–3.0) / 5.5 (5.0–6.0) | – | – |" in text
    assert "| no-times | 1 | 9.0 / 9.0 / 9.0 | – |" in text
    assert "| no-times | 1 | 10.0 / 15.0 / 3.8 | – | – |" in text
    assert "wrote" in capsys.readouterr().out


def test_what_is_no_result_is_refused(page, tmp_path):
    words = [str(tmp_path), "--page", str(page)]
    with pytest.raises(SystemExit, match="of 0 kinds of slices"):
        main(words)
    result(tmp_path, "a-0", [1.0] * 3)
    result(tmp_path, "a-1", [1.0] * 3, split="validation")
    with pytest.raises(SystemExit, match="of 2 kinds of slices"):
        main(words)
    (tmp_path / "b-0.json").write_text('{"split": "test"}')
    with pytest.raises(SystemExit, match="expected the accuracy of one model"):
        main(words)
    page.write_text("no marker")
    with pytest.raises(SystemExit, match="no line '<!-- Below: qsr weighted-study"):
        main(words)
