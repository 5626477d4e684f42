#!/usr/bin/env bash
# Everything that waits for a GPU, measured in one run of 8 minutes, without a network: parity with a
# CPU, training steps, prediction, simulation, metrics, the same in PyTorch where it is installed, and
# a training for the time left. Every row is kept as it is measured; run it again and it goes on.
#
#   bash launch/gpu_day.sh [--out DIR] [--minutes 8] [--data_dir RECORDS] [--rows NAME,…]
#   bash launch/gpu_day.sh --dry      all of it, tiny, on a CPU: tries the script before the day
#   bash launch/gpu_day.sh --wheels   which packages it needs, and how to carry them
#
# Python: $PYTHON, or python of the active environment. docs/gpu_day.md says what each row means.
set -euo pipefail
here="$PWD"
cd "$(dirname "$0")/.."
out="$here/gpu_day" dry=
for ((i = 1; i <= $#; i++)); do
  case "${!i}" in
    --out) j=$((i + 1)); out="${!j:-}" ;;
    --out=*) out="${!i#--out=}" ;;
    --dry) dry=1 ;;
  esac
done
case "$out" in /*) ;; *) out="$here/$out" ;; esac
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
if [ -n "$dry" ]; then
  export JAX_PLATFORMS=cpu
else
  export XLA_PYTHON_CLIENT_PREALLOCATE=false # PyTorch and the trainings share the GPU's memory
  export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$out/compiled}"
fi
exec "${PYTHON:-python}" -m launch.gpu_day "$@" --out "$out"
