"""On what a day ran, and which packages a machine without a network lacks for it."""

import importlib.metadata as installed
import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOLD = re.compile(r"jax|flax|optax|orbax|numpy|torch$|triton$|nvidia-(cudnn|cuda-runtime|cublas)")
"""Distributions whose version a day notes."""
THERE = {"jax", "jaxlib", "numpy", "scipy", "ml-dtypes", "opt-einsum"}
"""What a machine with JAX on a GPU has."""


def environment(out: Path) -> dict[str, Any]:
    """The device and its driver, versions, commit, and the digest of the code."""
    import jax
    from jax.extend import backend

    from qsr_jax.evaluation.value_cache import code_sha256
    from qsr_jax.provenance import software_version

    packages = {normal(d.metadata["Name"]): d.version for d in installed.distributions()}
    gpus = nvidia_smi("name,driver_version,memory.total")
    return {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "gpus": gpus,
        "driver": gpus[0].split(", ")[1] if gpus else None,
        "backend": backend.get_backend().platform_version.replace("\n", " "),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "packages": {k: v for k, v in sorted(packages.items()) if TOLD.match(k)},
        "cores": os.cpu_count(),
        "software": software_version(),
        "code_sha256": code_sha256(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "out": out.name,
    }


def nvidia_smi(query: str) -> list[str]:
    """One line per GPU; none where the program is not there."""
    words = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.strip().split("\n")


def normal(name: str) -> str:
    """A distribution's name as the index writes it.

    Example:
        >>> normal("ML_Collections")
        'ml-collections'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def wheels() -> str:
    """Every package of qsr_jax but those that come with JAX: its version, kind, or that it lacks.

    Told by what is installed here: on a machine where qsr_jax runs, the whole list with versions;
    on a bare one, what it lacks.
    """
    found = closure()
    lacking = sorted(name for name, version in found.items() if version is None)
    there = sorted(f"{name}=={version}" for name, version in found.items() if version)
    kinds = {name: kind(name) for name, version in found.items() if version}
    lines = [f"{len(there)} packages of qsr_jax are installed here (Python {sys.version_info[0]}."
             f"{sys.version_info[1]}), beside {', '.join(sorted(THERE))}:"]  # fmt: skip
    lines += [f"  {pinned:40s} {kinds[pinned.split('==')[0]]}" for pinned in there]
    lines += ["missing here: " + (", ".join(lacking) or "none")]
    return "\n".join([*lines, "", CARRY])


CARRY = """To carry them, on a machine with a network (the GPU machine's Python stands in PYTHON):
  pip wheel . --no-deps -w wheels && pip download wheels/qsr_jax-*.whl -d wheels \\
    --only-binary=:all: --python-version $PYTHON --platform manylinux_2_28_x86_64
and on the GPU machine, leaving its JAX as it is:
  python -m pip install --no-index --find-links wheels qsr_jax
or without pip: unpack every wheel that is missing into one folder and put it on PYTHONPATH
(a wheel is a zip; compiled ones fit one Python alone)."""


def closure() -> dict[str, str | None]:
    """Name to installed version of everything that qsr_jax stands on; None: not there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    direct = [requirement(line) for line in project["dependencies"]]
    found: dict[str, str | None] = {}
    waiting = [name for name in direct if name and name not in THERE]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            held = installed.distribution(name)
        except installed.PackageNotFoundError:
            if name in direct:  # others may be for another Python or system
                found[name] = None
            continue
        found[name] = held.version
        further = (requirement(line) for line in held.requires or ())
        waiting += [one for one in further if one and one not in THERE]
    return found


def requirement(line: str) -> str | None:
    """The name in a requirement; None where it belongs to an extra.

    Example:
        >>> requirement("optax>=0.2.8,<0.3"), requirement("chex; extra == 'test'")
        ('optax', None)
    """
    name = re.match(r"[A-Za-z0-9._-]+", line)
    return None if name is None or "extra ==" in line else normal(name[0])


def kind(name: str) -> str:
    """Whether a wheel fits every Python, or was compiled for one."""
    wheel = installed.distribution(name).read_text("WHEEL") or ""
    return "pure Python" if "Root-Is-Purelib: true" in wheel else "compiled"
