"""What a run left to read, whole or damaged."""

import pytest

from qsr_jax.training.metric_log import (
    MetricLogError,
    Recorder,
    read_metrics,
    read_whole_lines,
)

GOOD = '{"step": %d, "group": "train", "total": 1.5}'


def log(workdir, *lines, end="\n"):
    workdir.mkdir(exist_ok=True)
    (workdir / "metrics.jsonl").write_bytes("\n".join(lines).encode() + end.encode())


def steps(lines):
    return [line["step"] for line in lines]


@pytest.mark.parametrize("cut", range(1, len(GOOD % 2)))
def test_a_half_written_last_line_is_left_out(tmp_path, cut):
    log(tmp_path, GOOD % 1, (GOOD % 2)[:cut], end="")
    assert steps(read_metrics(tmp_path, "train")) == [1]
    assert read_whole_lines(tmp_path)[1] == []


def test_a_last_line_that_lacks_only_its_end_is_whole(tmp_path):
    log(tmp_path, GOOD % 1, GOOD % 2, end="")
    assert steps(read_metrics(tmp_path, "train")) == [1, 2]


@pytest.mark.parametrize(
    "damage", ['{"step": 2, "gro', "", "\0" * 9, "5", '{"step": 2}', '{"group": "train"}', "µ"[:1]]
)
def test_damage_in_the_middle_is_told_by_file_and_line(tmp_path, damage):
    log(tmp_path, GOOD % 1, damage, GOOD % 3)
    with pytest.raises(MetricLogError, match=r"metrics\.jsonl, line 2: expected a JSON object"):
        read_metrics(tmp_path, "train")
    lines, damaged = read_whole_lines(tmp_path)
    assert (steps(lines), damaged) == ([1, 3], [2])


def test_a_log_that_is_no_text_is_told(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe\n" + (GOOD % 1).encode() + b"\n")
    with pytest.raises(MetricLogError, match="line 1"):
        read_metrics(tmp_path, "train")


def test_no_log_is_no_lines(tmp_path):
    assert read_metrics(tmp_path, "train") == []


def test_a_resumed_run_keeps_what_is_whole_and_not_taken_again(tmp_path):
    log(tmp_path, GOOD % 1, "{", GOOD % 3, GOOD % 5, (GOOD % 6)[:9], end="")
    with Recorder(tmp_path, first_step=3, total_steps=9, title="resumed") as recorder:
        recorder.scalars(4, "train", {"total": 2.0})
    assert steps(read_metrics(tmp_path, "train")) == [1, 3, 4]
