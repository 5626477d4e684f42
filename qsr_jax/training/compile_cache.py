"""Compiled programs, kept so that a second start does not compile again."""

import os
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from qsr_jax.training.options import AUTO, NONE

CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def use_compile_cache(cache_dir: str, workdir: Path | None) -> None:
    """Makes JAX keep compiled programs.

    ``JAX_COMPILATION_CACHE_DIR`` comes first and changes no settings. Else "auto" is
    ``workdir/compiled`` on a GPU, and nothing on a CPU, whose entries hold one machine type's
    instructions; "none" keeps nothing. A cache holds code: only folders that nobody else can write.

    Args:
        cache_dir: a folder, "auto" or "none".
        workdir: of the run; where there is none, "auto" keeps nothing.
    """
    if os.environ.get(CACHE_VARIABLE) or cache_dir == NONE:
        return
    if cache_dir == AUTO:
        if workdir is None or jax.default_backend() == "cpu":
            return
        cache_dir = str(workdir / "compiled")
    jax.config.update("jax_compilation_cache_dir", cache_dir)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    compilation_cache.reset_cache()  # a program compiled before would otherwise have decided
