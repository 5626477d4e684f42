#!/usr/bin/env bash
# Trains with N processes on this machine, as several machines would.
#
#   bash launch/multiprocess.sh N [--devices D] -- <arguments of launch.train>
#
# Each process takes its share of the GPUs, or D virtual CPU devices (default 1). SIGTERM and SIGINT
# go to all of them, which save and end with status 75. If one fails, the rest are killed.
set -uo pipefail
usage='usage: bash launch/multiprocess.sh N [--devices D] -- <arguments of launch.train>'
case "${1:-}" in
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
fail() { echo "error: $1; $usage" >&2; exit 2; }
processes="${1:-}" devices=1
[[ "$processes" =~ ^[1-9][0-9]*$ ]] || fail "N is '$processes', expected 1 or more processes"
shift
if [ "${1:-}" = --devices ]; then
  devices="${2:-}"
  [[ "$devices" =~ ^[1-9][0-9]*$ ]] || fail "--devices is '$devices', expected 1 or more"
  shift 2
fi
[ "${1:-}" = -- ] || fail "'${1:-}' before --"
shift
root="$(cd "$(dirname "$0")/.." && pwd)"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" JAX_NUM_CPU_DEVICES="$devices"
python="${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/}python"
[ -n "${VIRTUAL_ENV:-}" ] || [ ! -x "$root/.venv/bin/python" ] || python="$root/.venv/bin/python"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])') || exit 1

gpus=()
if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
  IFS=, read -r -a gpus <<< "$CUDA_VISIBLE_DEVICES"
elif command -v nvidia-smi > /dev/null 2>&1; then
  mapfile -t gpus < <(nvidia-smi --query-gpu=index --format=csv,noheader 2> /dev/null)
fi
share=$((${#gpus[@]} / processes))

set -m # a process group each, so that Ctrl-C comes from here, once
pids=()
for ((i = 0; i < processes; i++)); do
  mine=("${gpus[@]:i*share:share}")
  [ "$share" = 0 ] || export CUDA_VISIBLE_DEVICES="$(IFS=,; echo "${mine[*]}")"
  "$python" -m launch.train "$@" --coordinator "localhost:$port" --processes "$processes" \
    --process "$i" &
  pids+=($!)
done
forward() { kill -s "$1" "${pids[@]}" 2> /dev/null; }
trap 'forward TERM' TERM
trap 'forward INT' INT
trap 'forward KILL' EXIT

status=0 stopped=0
declare -A ended=()
while [ "${#ended[@]}" -lt "$processes" ]; do
  wait -n 2> /dev/null
  for pid in "${pids[@]}"; do
    if [ -z "${ended[$pid]:-}" ] && ! kill -0 "$pid" 2> /dev/null; then
      wait "$pid" 2> /dev/null
      code=$?
      ended[$pid]=$code
      if [ "$code" = 75 ]; then
        stopped=$((stopped + 1))
      elif [ "$code" != 0 ] && [ "$status" = 0 ]; then
        status=$code
        echo "error: a process ended with status $code; the rest are killed" >&2
        forward KILL
      fi
    fi
  done
done
trap - EXIT
[ "$status" != 0 ] || [ "$stopped" = 0 ] || status=75
exit "$status"
