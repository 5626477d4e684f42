"""The benchmarks of training at a small size, and the cache of compiled programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch.bench import door, material

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("compiled_quickly")

SMALL = [
    "--config",
    str(ROOT / "configs/quickstart_srgan.py"),
    "--config.data.batch_size=4",
    "--config.data.crop=0",
    "--config.model.features=4",
    "--config.model.blocks=1",
    "--config.discriminator.features=(4,4)",
    "--config.vgg.layer=conv1_1",
    "--repeats",
    "2",
]


@pytest.fixture
def rows(capsys, monkeypatch):
    monkeypatch.setattr(material, "SIDE", 24)

    def run(*words: str) -> list[dict]:
        door.main([*SMALL, *words])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_a_resident_step_is_told_as_such(rows):
    both = rows(
        "--what=step",
        "--config.data.resident=yes",
        "--config.vgg.cached=True",
    )
    assert [row["stage"] for row in both] == ["warm-up", "adversarial"]
    for row in both:
        assert row["resident"] and row["cached"]
        assert row["steps"] == 2 + 1
        assert row["images_per_s"] == pytest.approx(4 / row["median_s"])
        assert row["loss_after"] > 0


def test_memory_is_told_without_running(rows):
    warm_up, adversarial = rows("--what=memory")
    assert 0 < warm_up["temporary_mib"] < adversarial["temporary_mib"]
    assert warm_up["reused_mib"] > 0  # the state is donated


def test_a_save_is_timed_in_two_parts(rows):
    (row,) = rows("--what=save")
    assert 0 < row["training_waits_s"] <= row["median_s"]
    assert row["state_mib"] > 0


COUNTED = """
import sys
import jax
from pathlib import Path
from qsr_jax.training.compile_cache import use_compile_cache
from launch.config.page import load_config

counts = {"cache_hits": 0, "cache_misses": 0}

def count(event, **_):
    name = event.split("/")[-1]
    if name in counts:
        counts[name] += 1

jax.monitoring.register_event_listener(count)
use_compile_cache(load_config(sys.argv[1], sys.argv[3:]).compile.cache_dir, Path(sys.argv[2]))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: x * 2.0 + 1.0)(jax.numpy.ones(7)).block_until_ready()
print(counts["cache_hits"], counts["cache_misses"])
"""


def starts(workdir: Path, *words: str) -> tuple[int, int]:
    """Programs found and programs compiled by a fresh process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION")}
    page = str(ROOT / "configs/srgan.py")
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, page, str(workdir), *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    hits, misses = done.stdout.split()
    return int(hits), int(misses)


def test_a_second_start_does_not_compile_again(tmp_path):
    word = f"--config.compile.cache_dir={tmp_path / 'cache'}"
    hits, misses = starts(tmp_path, word)
    assert misses > 0
    assert starts(tmp_path, word) == (hits + misses, 0)
    assert starts(tmp_path) == (0, 0)  # "auto" on a CPU keeps nothing
    assert not (tmp_path / "compiled").exists()
