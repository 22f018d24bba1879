#!/bin/bash
# What watchers cost the process that drives a run: its CPU time with five terminal boards and five
# followers of the web page against none, in pairs (ABAB…).
#
#   benches/watching.sh                  TASKS tasks of a second each (default 40), eight at once; user
#                                        and system time of `dispatch run` with its workers, the
#                                        difference in percent, and the CPU time of one board.
#
# A follower of the page is a connection for its events that loads the page at every event, as the
# page's script does in a browser; a browser's own drawing is not the runner's cost. A board needs a
# terminal: script(1) makes one.
#
# Settings by environment: DISPATCH (the program; default: the release build), TASKS, PAIRS,
# LIMIT (percent; above it the exit code is 1), KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dispatch=${DISPATCH:-$here/target/release/dispatch}
tasks=${TASKS:-40} pairs=${PAIRS:-5} limit=${LIMIT:-5}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }
for program in script curl; do
    command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 1; }
done

root=$(mktemp -d "${TMPDIR:-/tmp}/watching.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config XDG_STATE_HOME=$root/home/.state GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main

plan=$root/plan.md
echo "# Watching" >"$plan"
for task in $(seq "$tasks"); do
    printf '%d. [T%d] t\n     - run: sleep 1; echo %d > t%d.txt\n' "$task" "$task" "$task" "$task" >>"$plan"
done

# Waits until the run has a journal.
await_run() {
    until [ -n "$(git for-each-ref --count=1 refs/dispatch/runs)" ]; do read -rt 0.1 <>"$root/pipe" || true; done
}

boards() {
    for board in 1 2 3 4 5; do
        TERM=xterm-256color script -qec "$dispatch watch" /dev/null </dev/null >/dev/null 2>&1 &
    done
}

# Loads the page of the run at every event of its stream.
follower() { # follower ADDRESS RUN JAR
    curl -sN -b "$3" "$1/$2/events" | while read -r line; do
        case $line in data:*) curl -s -o /dev/null -b "$3" "$1/$2/board.html" ;; esac
    done
}

pages() {
    "$dispatch" web --port 0 >"$root/address" 2>/dev/null &
    until [ -s "$root/address" ]; do read -rt 0.1 <>"$root/pipe" || true; done
    local address run
    address=$(head -n 1 "$root/address")
    run=$(git for-each-ref --count=1 --format='%(refname:lstrip=3)' refs/dispatch/runs)
    curl -s -o /dev/null -c "$root/jar" "$address"
    for browser in 1 2 3 4 5; do follower "${address%%/\?*}" "$run" "$root/jar" & done
}

# Prints the CPU time in milliseconds of a run, with watchers if asked for.
runner() { # runner yes|no
    rm -rf "$root/place" && mkdir -p "$root/place/repo" && cd "$root/place/repo"
    git init -q && echo 1 >file && git add -A && git commit -q -m base
    local watchers=
    if [ "$1" = yes ]; then
        (await_run; boards; pages; wait) >/dev/null 2>&1 &
        watchers=$!
    fi
    # `times` of a shell that does nothing else: its second line is that of its children.
    (
        "$dispatch" run "$plan" --yes --plain --no-assemble -j 8 >"$root/said" 2>&1 || cat "$root/said" >&2
        times
    ) | awk '{ for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += t[1] * 60000 + t[2] * 1000 } } END { print sum }'
    if [ -n "$watchers" ]; then
        pkill -f "$dispatch web --port 0" || true
        pkill -f "$dispatch watch" || true
        wait "$watchers" 2>/dev/null || true
    fi
}

mkfifo "$root/pipe"
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
for pair in $(seq "$pairs"); do
    runner no >>"$root/alone"
    runner yes >>"$root/watched"
done
alone=$(median <"$root/alone") watched=$(median <"$root/watched")
awk -v a="$alone" -v w="$watched" -v n="$tasks" -v limit="$limit" 'BEGIN {
    cost = (w - a) * 100 / a
    printf "CPU time of a run of %d tasks: %d ms alone, %d ms with five boards and five pages: %+.1f %%\n", n, a, w, cost
    exit cost > limit
}'
