"""The bench of the metrics measures what the report computes."""

import json

import pytest

from launch.bench import door


def test_every_metric_of_every_map_is_timed(capsys):
    door.main(["--what=metrics", "--subjects", "1", "--side", "256", "--workers", "1"])
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert (row["subjects"], row["slices"], row["side"], row["maps"]) == (1, 24, 256, 3)
    # six numbers of the brain, five of the frame, two of every slice, NIQE, noise, checkerboard
    assert row["numbers_per_subject"] == 3 * (6 + 5 + 2 * 24 + 1 + 1 + 1)
    assert 0.0 < row["seconds"] < 600.0 and row["cpu_seconds"] > 0.0


@pytest.mark.parametrize(
    ("flags", "why"),
    [(["--subjects", "0"], "--subjects must be at least 1; got 0"),
     (["--side", "128"], "--side must be at least 256; got 128"),
     (["--workers", "0"], "--workers must be at least 1; got 0")],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(flags, why):
    with pytest.raises(SystemExit, match=why):
        door.main(["--what=metrics", *flags])
