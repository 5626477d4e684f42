#!/usr/bin/env bash
# From nothing to the paper's report on simulated subjects: simulate, pair, build, train one network of
# T1, T2 and PD, predict, evaluate. Safe to run twice: finished parts are found and kept, a killed
# training goes on.
#
#   bash launch/quickstart.sh [--srgan] [FOLDER]      results go to FOLDER (default: quickstart)
#
#   --srgan   the paper's system instead: a small SRGAN for each map (configs/quickstart_srgan.py)
set -euo pipefail
page=quickstart
while :; do
  case "${1:-}" in
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --srgan) page=quickstart_srgan; shift ;;
    -*) echo "error: no option $1; usage: bash launch/quickstart.sh [--srgan] [FOLDER]" >&2; exit 2 ;;
    *) break ;;
  esac
done
here="$PWD"
cd "$(dirname "$0")/.."
out="${1:-quickstart}"
case "$out" in /*) ;; *) [ -z "${1:-}" ] || out="$here/$out" ;; esac
subjects=8 patients=1 seed=1

started=$SECONDS
part() { printf '\n== %s (%d:%02d since the start)\n' "$1" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)); }

source launch/install.sh
workers=$(python -c 'import os; print(min(4, os.cpu_count() or 1))') # up to 2 GB each

part "1/7 simulate $subjects healthy subjects and $patients with lesions, each scanned fast and routine"
python -m data_tools.simulate_cohort --out "$out/cohort" \
  --subjects $subjects --patients $patients --seed $seed --workers "$workers" --no-noiseless

part "2/7 pair the studies and split them by subject"
if [ -f "$out/manifest.json" ]; then # repeated scans, which do not pair, may lie in the tree
  echo "$out/manifest.json: found, kept"
else
  python -m data_tools.pair_studies --dicom "$out/cohort" --out "$out/manifest.json" \
    --test-fraction 0 --test sub-001 --test sub-002 --test sub-003 --validation sub-004
fi
python -m data_tools.repeat_scan --cohort "$out/cohort" --manifest "$out/manifest.json" \
  --workers "$workers" # of who tests, the routine scan again: the floor of every method

part "3/7 build the records"
python -m data_tools.build_dataset --manifest "$out/manifest.json" --data_dir "$out/records" \
  --workers "$workers" --register known # scanned heads: rigid, which needs the extra register

train() { # WORKDIR [--config.KEY=VALUE …]
  python -m launch.train --config "configs/$page.py" --data_dir "$out/records" --workdir "$out/$1" \
    "${@:2}"
}
if [ $page = quickstart ]; then
  part "4/7 train one network for t1, t2 and pd"
  train maps
  models=(--model "$out/maps")
else
  models=(--model "$out/t1" --model "$out/t2" --model "$out/pd")
  part "4/7 train t1, t2 and pd; each writes what it says to $out/MAP.log"
  trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT # they save, and may then be gone on with
  pids=()
  for map in t1 t2 pd; do
    train $map --config.map=$map > "$out/$map.log" 2>&1 &
    pids+=($!)
    # side by side on CPU cores: while one compiles on one, the others train; a GPU takes one by one
    ! command -v nvidia-smi > /dev/null 2>&1 || wait "${pids[-1]}" || true
  done
  while [ -n "$(jobs -rp)" ]; do # share done, time taken < time left
    for map in t1 t2 pd; do
      printf '%s %-24.24s' "$map" \
        "$(tr '\r' '\n' < "$out/$map.log" | tail -n 1 | sed 's/.*: *\([0-9]*%\).*\[\([^,]*\).*/\1 \2/')"
    done
    printf '\r'
    sleep 2
  done
  echo
  for pid in "${pids[@]}"; do
    wait "$pid" || { status=$?; tail -n 3 "$out"/{t1,t2,pd}.log >&2; exit $status; }
  done
  tail -qn 1 "$out"/{t1,t2,pd}.log
fi

patient="sub-$(printf '%03d' $((subjects + 1)))"
part "5/7 predict: $patient's fast scan becomes a DICOM series of the routine size"
if [ -d "$out/predicted/$patient" ]; then
  echo "$out/predicted/$patient: found, kept"
else
  python -m launch.predict "${models[@]}" --input "$out/cohort/$patient" \
    --output "$out/predicted/$patient"
fi

part "6/7 and 7/7 evaluate the test subjects and write the report"
python -m launch.evaluate --manifest "$out/manifest.json" "${models[@]}" --out "$out/report" \
  --cache "$out/report.cache" --baselines bicubic,sinc # all of them take a minute more

printf '\nDone in %d:%02d. Open %s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) \
  "$(cd "$out/report" && pwd)/index.html"
