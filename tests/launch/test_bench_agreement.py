"""The bench of big tables measures what the door computes."""

import json

from launch.bench import agreement, door


def test_a_table_is_read_compared_and_saved(capsys, monkeypatch):
    monkeypatch.setattr(agreement, "SHAPES", ((3, 12, 2, 3),))
    door.main(["--what=agreement"])
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert (row["rows"], row["subjects"], row["comparisons"]) == (3 * 12 * 2 * 3, 12, 3 * 2 * 2)
    assert 0.0 < row["tables_saved_s"] <= row["seconds"] and row["peak_memory_mib"] > 0
