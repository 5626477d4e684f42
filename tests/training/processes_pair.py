"""One of two processes, started by test_peers.py: asserts what every process must see."""

import itertools
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.training import processes
from qsr_jax.training.loop import Cadence, Callbacks, fit
from qsr_jax.training.metric_log import NullLogger
from qsr_jax.training.parallel import AXIS, compile_step, replicate


def main(port: str, process: int, slow_s: float) -> None:
    processes.join(processes.Membership(f"localhost:{port}", 2, process))
    assert not processes.alone()
    assert processes.is_first() == (process == 0)

    if process == 1 and slow_s:
        time.sleep(slow_s)  # compiles, or verifies its records
    processes.check_same({"config": 1, "data set": "x"})
    try:
        processes.check_same({"config": 1, "data set": process, "seed": process})
    except processes.PeerError as error:
        assert "process 1 has another data set, seed than process 0" in str(error)
    else:
        raise AssertionError("a difference was not seen")

    mine = {
        "signs": np.array([-0.0, np.nan, process + 1.5], np.float32),
        "step": np.int32(7 + process),
        "empty": np.zeros((0, 3), np.float32),
        "square": np.full((2, 2), process, np.uint16),
    }
    got = processes.from_first(mine)
    assert got["signs"].tobytes() == np.array([-0.0, np.nan, 1.5], np.float32).tobytes()
    assert (int(got["step"]), got["empty"].shape) == (7, (0, 3))
    assert got["square"].dtype == np.uint16
    assert not got["square"].any()

    whole = np.arange(10, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(processes.in_turn(whole[process::2]), whole)

    ran = []
    assert processes.on_first(lambda: ran.append(1) or 5) == (5 if process == 0 else None)
    assert len(ran) == (process == 0)
    try:
        processes.on_first(_fails)
    except OSError:
        assert process == 0
    except processes.PeerError as error:
        assert process == 1
        assert "process 0 failed" in str(error)
    else:
        raise AssertionError("a failure was not seen")
    processes.leave()


def train_for_ever(port: str, process: int) -> None:
    """The loop and the compiled step of a training, with a network of one number.

    A silent peer is given up sooner than in a training, so that the test need not wait so long.
    """
    processes.HEARTBEAT_S = 6
    processes.join(processes.Membership(f"localhost:{port}", 2, process))

    def step(state: Any, _: Any, batch: dict) -> tuple:
        return state + jax.lax.psum(batch["sample_id"].sum(), AXIS), {"total": jnp.float32(0)}

    compiled, count = compile_step(step), itertools.count(1)

    def inspect(*_: Any) -> None:
        if next(count) == 20:
            sys.stdout.write("running\n")
            sys.stdout.flush()

    fit(
        replicate(jnp.int32(0)),
        first_step=0,
        step_of=lambda number: compiled,
        frozen=np.float32(0),
        batches=({"sample_id": np.zeros(4, np.int32)} for _ in itertools.count()),
        cadence=Cadence(10**9, log_every=10, validate_every=10**9, save_every=10),
        recorder=NullLogger(),
        call=Callbacks(
            validate=lambda *_: None,
            save=lambda *_: processes.on_first(lambda: None),
            inspect=inspect,
            stop=lambda: False,
        ),
    )


def _fails() -> None:
    raise OSError("disk full")


if __name__ == "__main__":
    if sys.argv[3] == "for-ever":
        train_for_ever(sys.argv[1], int(sys.argv[2]))
    else:
        main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
