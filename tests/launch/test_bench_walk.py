"""Benchmarks run on the tiny cohort and print lines of JSON."""

import json
from pathlib import Path

import pytest
from walk_fixtures import arguments

from launch.bench import data, door, material


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("what", ["step", "input", "predict", "ingest", "simulate"])
@pytest.mark.parametrize("with_data", [False, True])
def test_benchmarks_print_json_lines(what, with_data, tiny_data, capsys, monkeypatch):
    monkeypatch.setattr(material, "SIDE", 64)
    monkeypatch.setattr(material, "SLICES", 4)
    words = arguments("t1", tiny_data, Path("unused"))[:-4]  # config and overrides alone
    words += ["--what", what, "--repeats", "1"]
    if with_data:
        words += ["--data_dir", str(tiny_data)]
        if what != "input":
            with pytest.raises(SystemExit) as stopped:
                door.main(words)
            assert stopped.value.code == 2
            return
    monkeypatch.setitem(data.PROTOCOLS, "paper", data.PROTOCOLS["tiny"])
    door.main(words)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"device", "jax"} <= set(rows[0])
    assert len(rows) == {"step": 2, "input": 1, "predict": 2, "ingest": 2, "simulate": 1}[what]
    measured = "ratio_to_plain_loop" if what == "ingest" else "median_s"
    assert all(row["what"] == what and row[measured] > 0 for row in rows)
    if what != "ingest":
        assert {"first_s", "quartiles_s", "peak_memory_mib"} <= set(rows[0])
    if what == "input":
        assert rows[0]["ratio_to_bare_arrays"] > 0
