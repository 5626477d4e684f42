# Sourced by the launchers: one environment with this package in it.
# Uses the active virtual environment or conda environment; else makes .venv here.
# Usage: source launch/install.sh [EXTRA ...]
if [ -z "${VIRTUAL_ENV:-}" ] && [ -z "${CONDA_PREFIX:-}" ]; then
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
  # shellcheck disable=SC1091
  source .venv/bin/activate
fi
python - <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"error: Python {sys.version.split()[0]} is too old; qsr_jax needs 3.11 or newer")
PY
qsr_extras="$*"
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then
  qsr_extras="${qsr_extras:+$qsr_extras }cuda${QSR_CUDA:-12}"
fi
qsr_stamp="$(python -c 'import sys; print(sys.prefix)')/.qsr_jax_installed"
qsr_wanted="$(cat pyproject.toml; echo "$PWD $qsr_extras")"
if [ ! -f "$qsr_stamp" ] || [ "$(cat "$qsr_stamp")" != "$qsr_wanted" ]; then
  echo "== installing qsr_jax${qsr_extras:+ [${qsr_extras// /,}]} into $(python -c 'import sys; print(sys.prefix)')"
  qsr_package=".${qsr_extras:+[${qsr_extras// /,}]}"
  # uv takes a seventh of the time; where only pip is told of a mirror, pip goes on.
  if ! { command -v uv && uv pip install --quiet --python "$(command -v python)" -e "$qsr_package"; } >/dev/null; then
    python -m pip install --quiet --disable-pip-version-check -e "$qsr_package"
  fi
  printf '%s' "$qsr_wanted" > "$qsr_stamp"
fi
