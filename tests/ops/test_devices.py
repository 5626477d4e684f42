"""A CPU is as many devices as its cores share a batch, unless somebody has told a number."""

import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import pytest

from qsr_jax.ops.devices import (
    even_devices,
    even_share,
    is_count_told,
    on_every_device,
    usable_cores,
)

SAYS = """
import os, jax
from qsr_jax.ops.devices import start_cpu_devices
os.process_cpu_count = lambda: 6
start_cpu_devices(8)
print(jax.local_device_count(), end=" ")
start_cpu_devices(6)
print(jax.local_device_count())
"""


@pytest.mark.parametrize("samples", range(1, 33))
@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 8, 12, 16, 96])
def test_devices_share_a_batch_and_are_no_more_than_cores(samples, cores):
    count = even_share(samples, cores)
    assert samples % count == 0
    assert 1 <= count <= cores
    assert not any(samples % more == 0 for more in range(count + 1, min(samples, cores) + 1))


@pytest.mark.parametrize(("samples", "most"), [(0, 4), (8, 0)])
def test_nothing_to_share_is_refused(samples, most):
    with pytest.raises(ValueError, match="expected 1 or more of both"):
        even_share(samples, most)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, "4 4"),
        ({"JAX_NUM_CPU_DEVICES": "3"}, "3 3"),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=5"}, "5 5"),
    ],
    ids=str,
)
def test_a_process_starts_with_its_cores_unless_told(told, expected):
    """The second batch would have six, but JAX has begun."""
    taken = ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    environment = {k: v for k, v in os.environ.items() if k not in taken} | told
    done = subprocess.run(
        [sys.executable, "-c", SAYS], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


def test_what_is_there_is_shared_evenly():
    """The suite has told four."""
    assert is_count_told(os.environ)
    assert jax.local_device_count() == 4
    assert [len(even_devices(samples)) for samples in (8, 6, 5, 4, 2, 1)] == [4, 3, 1, 4, 2, 1]
    assert usable_cores() >= 1


def test_every_device_takes_a_number_at_a_time_and_results_keep_their_order():
    """All four wait for each other: none could go on if one had to do two numbers."""
    together, devices = threading.Barrier(4), jax.local_devices()

    def work(number):
        together.wait(timeout=30)
        (device,) = jnp.zeros(1).devices()
        return number, device

    found = list(on_every_device(work, 4))
    assert [number for number, _ in found] == [0, 1, 2, 3]
    assert {device for _, device in found} == set(devices)
    alone = list(on_every_device(lambda number: (number, threading.current_thread()), 7, worth=4))
    assert alone == [(number, threading.main_thread()) for number in range(7)]


def test_the_first_error_ends_the_work():
    begun = []

    def work(number):
        begun.append(number)
        raise ValueError(f"slice {number}")

    with pytest.raises(ValueError, match="slice 0"):
        list(on_every_device(work, 1000))
    assert len(begun) < 1000
