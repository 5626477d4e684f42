#!/usr/bin/env bash
# Installs the test extra and runs the whole suite, on as many as 4 cores: tests, the examples in
# docstrings, types (mypy), lint (ruff), the site and the wheel. Extra arguments go to pytest:
#   bash launch/test.sh tests/physics -k signal
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/install.sh test
export PYTHONDONTWRITEBYTECODE= # else every process of a walk compiles all modules anew
# Long files first (tests/conftest.py): a core that gets one last works on alone.
exec python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
