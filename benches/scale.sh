#!/bin/bash
# Cost per task as the number of tasks grows: it must stay the same.
#
#   benches/scale.sh [COUNT…]            runs of COUNT tasks (default 500 1000 2000 4000), four at a
#                                        time, in a repository of 1,000 files in 64 folders. Prints
#                                        time and processor time per task and the peak memory of the
#                                        runner, with the ratio of each count to the first.
#   benches/scale.sh --opens [COUNT…]    files opened per task, by every process of the run, in a
#                                        repository of 200 files (default 200 800; needs strace).
#                                        `benches/opens.sh` lists them by kind.
#   benches/scale.sh --all               both, with the default counts.
#
# A task inserts a line into one file. Tasks that share a file edit different places of it, so no
# candidate conflicts. Each run assembles, unless ASSEMBLE=no. Of a finished run it prints the
# processor time of `dispatch status`, median of 11 calls, with a warm and without any cache.
#
# Limits: time per task at the last count ≤ 1.25 × that at the first, memory ≤ 64 MiB, opens per task
# ≤ 400, status ≤ 20 ms plus 7 ms per further 1,000 tasks. The exit code is 1 above one of them.
#
# Settings by environment: DISPATCH (the program; default: the release build), JOBS, ROUNDS (runs of
# each count, interleaved; the median counts), ASSEMBLE, KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/shared.sh"
dispatch=${DISPATCH:-$here/target/release/dispatch}
jobs=${JOBS:-4} rounds=${ROUNDS:-1} assemble=${ASSEMBLE:-yes}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

mode=scale
case ${1:-} in
--opens) mode=opens && shift ;;
--all) mode=all && shift ;;
-*) sed -n '2,25p' "$0" && exit 2 ;;
esac
scale_counts=(500 1000 2000 4000) opens_counts=(200 800)
if [ $# -gt 0 ] && [ $mode = scale ]; then scale_counts=("$@"); fi
if [ $# -gt 0 ] && [ $mode = opens ]; then opens_counts=("$@"); fi

root=$(mktemp -d "${TMPDIR:-/tmp}/scale.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

LINES_PER_FILE=200

# template FILES: a repository with so many files in 64 folders.
template() {
    rm -rf "$root/template"
    git init -q "$root/template"
    awk -v files="$1" -v lines=$LINES_PER_FILE 'BEGIN {
        print "commit refs/heads/main\ncommitter bench <bench@localhost> 1700000000 +0000"
        print "data 5\nfirst"
        for (n = 0; n < files; n++) {
            text = ""
            for (line = 1; line <= lines; line++) text = text sprintf("line %d of %d\n", line, n)
            printf "M 100644 inline dir%d/file%d.txt\ndata %d\n%s\n", n % 64, n, length(text), text
        }
    }' | git -C "$root/template" fast-import --quiet
    git -C "$root/template" reset -q --hard main
}

# plan TASKS FILES: each further task of a file inserts its line 20 lines further up.
plan() {
    awk -v tasks="$1" -v files="$2" -v lines=$LINES_PER_FILE 'BEGIN {
        print "# Scale\n\n## Dispatch Plan\n\n### Independent"
        for (t = 1; t <= tasks; t++) {
            n = t % files; line = lines - 20 * int((t - 1) / files)
            printf "%d. [T%d] Task %d\n      - run: sed -i '"'%da a line of task %d'"' dir%d/file%d.txt\n", \
                t, t, t, line, t, n % 64, n
        }
    }' >"$root/plan.md"
}

fresh_copy() {
    rm -rf "$root/place"
    mkdir "$root/place"
    cp -a "$root/template" "$root/place/repo"
    git -C "$root/place/repo" update-index -q --refresh
    cd "$root/place/repo"
}

run_args() {
    printf '%s\n' run "$root/plan.md" -j "$jobs" --yes
    if [ "$assemble" = no ]; then echo --no-assemble; fi
}

# VmHWM is the peak of one process as the kernel counts it, so the last look before its end is enough.
peak_of() {
    local peak=0 key value _
    while [ -e "/proc/$1/status" ]; do
        while read -r key value _; do
            if [ "$key" = VmHWM: ]; then peak=$value; fi
        done 2>/dev/null <"/proc/$1/status" || true
        sleep 0.1
    done
    echo "$peak"
}

# Seconds of processor time of this shell's finished children, theirs included. Not in a pipeline: each
# part of one is a shell of its own.
children_cpu() {
    times >"$root/times"
    awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); s += t[1] * 60 + t[2] } print s }' "$root/times"
}

# One run; prints milliseconds of wall time and of processor time per task, and the peak in KiB.
one_run() {
    local start end runner peak args
    mapfile -t args < <(run_args)
    start=$(date +%s%N)
    (
        "$dispatch" "${args[@]}" >"$root/out" 2>"$root/err" &
        runner=$!
        peak_of "$runner" >"$root/peak"
        wait "$runner" || { cat "$root/err" "$root/out" >&2; exit 1; }
        children_cpu >"$root/cpu"
    )
    end=$(date +%s%N)
    awk -v wall=$((end - start)) -v cpu="$(cat "$root/cpu")" -v peak="$(cat "$root/peak")" -v n="$1" \
        'BEGIN { printf "%.2f %.2f %d\n", wall / 1e6 / n, cpu * 1000 / n, peak }'
}

# Milliseconds of processor time of one `dispatch status`, median of 11.
status_cpu() {
    local call
    for call in 1 2 3 4 5 6 7 8 9 10 11; do
        "$1"
        (
            "$dispatch" status >"$root/status" 2>&1
            children_cpu >"$root/status-cpu"
        )
        awk '{ print $1 * 1000 }' "$root/status-cpu"
    done | median
}
keep_cache() { :; }
drop_cache() { rm -rf .git/dispatch/cache/states; }

failed=0
above() { echo "ABOVE THE LIMIT: $*"; failed=1; }
is_more() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

measure_scale() {
    local count round wall cpu peak warm cold first_wall="" first_cpu limit
    template 1000
    for round in $(seq "$rounds"); do
        for count in "${scale_counts[@]}"; do
            plan "$count" 1000
            fresh_copy
            read -r wall cpu peak < <(one_run "$count")
            echo "$wall" >>"$root/wall.$count"
            echo "$cpu" >>"$root/cpu.$count"
            echo "$peak" >>"$root/peak.$count"
            cold=$(status_cpu drop_cache)
            warm=$(status_cpu keep_cache)
            echo "$cold" >>"$root/cold.$count"
            echo "$warm" >>"$root/warm.$count"
        done
    done
    printf '%6s  %10s %6s  %10s %6s  %10s  %s\n' tasks 'ms/task' ratio 'cpu/task' ratio 'peak MiB' 'status ms, cached / not'
    for count in "${scale_counts[@]}"; do
        wall=$(median <"$root/wall.$count") cpu=$(median <"$root/cpu.$count")
        peak=$(median <"$root/peak.$count") cold=$(median <"$root/cold.$count") warm=$(median <"$root/warm.$count")
        [ -n "$first_wall" ] || { first_wall=$wall first_cpu=$cpu; }
        printf '%6d  %10.1f %6.2f  %10.1f %6.2f  %10.1f  %.1f / %.1f\n' "$count" "$wall" "$(ratio "$wall" "$first_wall")" \
            "$cpu" "$(ratio "$cpu" "$first_cpu")" "$(ratio "$peak" 1024)" "$warm" "$cold"
        ! is_more "$(ratio "$peak" 1024)" 64 || above "memory at $count tasks"
        limit=$(awk -v n="$count" 'BEGIN { print n <= 1000 ? 20 : 20 + (n - 1000) / 150 }')
        ! is_more "$warm" "$limit" || above "status of $count tasks ($limit ms)"
    done
    ! is_more "$(ratio "$wall" "$first_wall")" 1.25 || above "time per task at $count against the first count"
}

measure_opens() {
    local count opens args
    command -v strace >/dev/null || { echo "no strace: opens are not counted" >&2; failed=1; return; }
    template 200
    printf '%6s  %s\n' tasks 'opens per task'
    for count in "${opens_counts[@]}"; do
        plan "$count" 200
        fresh_copy
        mapfile -t args < <(run_args)
        strace -f --seccomp-bpf -qq -c -e trace=open,openat,openat2 -o "$root/strace" \
            "$dispatch" "${args[@]}" >"$root/out" 2>"$root/err" || { cat "$root/err" >&2; exit 1; }
        opens=$(awk '$NF ~ /^openat2?$|^open$/ { sum += $4 } END { print sum }' "$root/strace")
        opens=$(ratio "$opens" "$count")
        printf '%6d  %s\n' "$count" "$opens"
        ! is_more "$opens" 400 || above "opens per task at $count tasks"
    done
}

if [ $mode != opens ]; then measure_scale; fi
if [ $mode != scale ]; then measure_opens; fi
exit $failed
