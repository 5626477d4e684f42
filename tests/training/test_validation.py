"""What a run does beside its steps: each program is compiled once, however often it is due."""

import jax
import numpy as np
import pytest
from small_networks import small_srgan, small_task

from qsr_jax.data.records.joint import open_joint
from qsr_jax.training.scores import SelectionScore
from qsr_jax.training.validation import BestCheckpoint, make_picture, make_validator


class Logger:
    """Keeps what a recorder would write."""

    def __init__(self):
        self.lines, self.pictures = [], []

    def scalars(self, step, group, values):
        self.lines.append((step, group, dict(values)))

    def picture(self, step, name, panels):
        self.pictures.append(panels)


@pytest.fixture
def compiled():
    """Numbers of programs compiled so far, found in a cache or not."""
    counts = []

    def count(name, _, **__):
        if name == "/jax/core/compile/backend_compile_duration":
            counts.append(1)

    jax.monitoring.register_event_duration_secs_listener(count)
    yield counts
    jax.monitoring.unregister_event_duration_listener(count)


def test_twelve_validations_compile_what_one_does(tiny_data, small_state, compiled):
    """It was 13 programs: the last, smaller batch made one of its own each time."""
    records = open_joint(tiny_data, ("t1",), "validation")
    assert len(records) % 4, "the last batch is not full"
    logger = Logger()
    validate = make_validator(
        small_task(), small_srgan(None), records, batch_size=4, recorder=logger, best=None
    )
    validate(1, small_state)
    before = len(compiled)
    assert before > 0
    for step in range(2, 13):
        validate(step, small_state)
    assert len(compiled) == before
    assert [step for step, *_ in logger.lines] == list(range(1, 13))
    first, last = logger.lines[0][2], logger.lines[-1][2]
    assert first == last
    assert {"pooled_psnr_db", "baseline_pooled_psnr_db"} <= set(first)


def test_the_picture_shows_fast_made_and_routine(tiny_data, small_state):
    records = open_joint(tiny_data, ("t1",), "validation")
    rows, columns = (side * records.scale for side in records.lr_shape)
    panels = make_picture(small_task(), small_srgan(None), records)(small_state.served)
    assert panels.shape == (rows, 3 * columns)
    middle = records[len(records) // 2]
    routine = middle["hr"][..., 0] * 0.1 / 4300.0
    np.testing.assert_allclose(panels[:, 2 * columns :], routine, atol=1e-4)


def test_no_validation_subjects_no_validation(tiny_data, small_state):
    empty = open_joint(tiny_data, ("t1",), "validation", fold=None)
    empty = type(empty)(
        tuple(type(one)(**(vars(one) | {"source": ()})) for one in empty.maps), empty.names
    )
    logger = Logger()
    make_validator(
        small_task(), small_srgan(None), empty, batch_size=4, recorder=logger, best=None
    )(1, small_state)
    assert logger.lines == []


def test_a_nan_of_an_earlier_run_does_not_stay_the_best(tmp_path, small_state, monkeypatch):
    document = {"validation": {"relative_bias_percent": float("nan"), "pooled_psnr_db": 9.0}}
    best = BestCheckpoint(tmp_path, {}, bias_percent=2.0, say=print)
    saved = []
    monkeypatch.setattr(
        best,
        "_checkpoints",
        type("C", (), {"newest_step": 3, "save": lambda *a: saved.append(a)})(),
    )
    best._score = SelectionScore.of(document["validation"])
    best.offer(4, small_state, {"relative_bias_percent": 80.0, "pooled_psnr_db": 1.0})
    assert [arguments[1] for arguments in saved] == [4]
    best.offer(5, small_state, {"relative_bias_percent": float("nan"), "pooled_psnr_db": 99.0})
    assert len(saved) == 1
