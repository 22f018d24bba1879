#!/bin/bash
# A run that no machine here could carry out: 100,000 tasks on 1,000 nodes, through the real driver
# and a real journal, with workers that take no time of this machine.
#
#   benches/simulation.sh [TASKS…]       runs of so many tasks (default 10000 100000) on a hundredth as
#                                        many nodes, of which one loses its power every 20 virtual
#                                        seconds. Prints for each: decisions and facts a second, time
#                                        and memory per task, size of the journal, time to read it
#                                        again; then the ratio of the last count to the first.
#
# Limit: time per task at the last count ≤ 1.5 × that at the first, memory per task likewise. The exit
# code is 1 above one of them. Settings by environment: NODES (the same for every count).
set -euo pipefail

cd "$(dirname "$0")/.."
counts=("$@")
[ ${#counts[@]} -gt 0 ] || counts=(10000 100000)
case ${counts[0]} in -*) sed -n '2,13p' "$0" && exit 2 ;; esac

cargo test --release --locked --lib --no-run --quiet
results=$(mktemp)
trap 'rm -f "$results"' EXIT
printf '%8s %6s %9s %8s %9s %12s %9s %10s %10s %9s\n' \
    tasks nodes attempts lost facts decisions/s facts/s us/task KiB/task read_s
for tasks in "${counts[@]}"; do
    DISPATCH_SIMULATED_TASKS=$tasks DISPATCH_SIMULATED_NODES=${NODES:-$((tasks / 100))} \
        cargo test --release --locked --lib --quiet -- --ignored --exact --nocapture \
        engine::run::tests::simulation::large | grep -a '^simulated ' |
        awk '{
            for (n = 2; n <= NF; n++) { split($n, pair, "="); v[pair[1]] = pair[2] }
            spent = v["deciding_ms"] + v["writing_ms"]
            printf "%8d %6d %9d %8d %9d %12.0f %9.0f %10.1f %10.2f %9.2f\n", v["tasks"], v["nodes"],
                v["attempts"], v["lost"], v["facts"], v["decisions"] * 1000 / v["deciding_ms"],
                v["facts"] * 1000 / spent, spent * 1000 / v["tasks"], v["peak_kib"] / v["tasks"],
                v["reading_ms"] / 1000
            print "         journal: " v["commits"] " commits, " $0 > "/dev/stderr"
        }' | tee -a "$results"
done
awk 'NR == 1 { time = $8; memory = $9 } { last_time = $8; last_memory = $9 }
    END {
        printf "time per task %.2f x, memory per task %.2f x\n", last_time / time, last_memory / memory
        exit !(last_time <= 1.5 * time && last_memory <= 1.5 * memory)
    }' "$results"
