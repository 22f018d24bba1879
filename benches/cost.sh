#!/bin/bash
# What the journal and the shim cost: the CPU time that a run takes on top of a bare spawn.
#
#   benches/cost.sh                      TASKS trivial tasks (default 200), one at a time, in pairs
#                                        (ABAB…): `dispatch run` against a shell loop that makes the
#                                        same worktree, starts the same worker in it and takes the
#                                        same work with git, with no journal, no shim, no board. User
#                                        and system time of each side with everything it started
#                                        and waited for; the difference by task, the ratio.
#
# The sandbox is a row of its own, too: the same runs with and without it, under the same limit.
#
# The looks at what is outside of the worktree (`[run] outside_writes`) are a row of their own; the limit
# is on the rest.
#
# Settings by environment: DISPATCH (the program; default: the release build), TASKS, PAIRS, FILES,
# LIMIT (milliseconds a task; above it the exit code is 1), KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dispatch=${DISPATCH:-$here/target/release/dispatch}
tasks=${TASKS:-200} pairs=${PAIRS:-5} files=${FILES:-20} limit=${LIMIT:-5}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/cost.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

plan=$root/plan.md
echo "# Cost" >"$plan"
for task in $(seq "$tasks"); do
    printf '%d. [T%d] t\n     - run: echo %d > t%d.txt\n' "$task" "$task" "$task" "$task" >>"$plan"
done

repository() {
    rm -rf "$root/place" && mkdir -p "$root/place/repo" && cd "$root/place/repo"
    git init -q
    for file in $(seq "$files"); do echo "$file" >"file$file.txt"; done
    git add -A && git commit -q -m base
}

with_dispatch() {
    "$dispatch" run "$plan" --yes --no-assemble -j 1 >"$root/said" 2>&1 || { cat "$root/said" >&2; exit 1; }
}

# Without the looks at everything outside of the worktree, before and after each attempt.
without_looks() {
    DISPATCH_RUN_OUTSIDE_WRITES=ignore with_dispatch
}

# Without the confinement of the worker.
without_sandbox() {
    DISPATCH_SANDBOX_MODE=off without_looks
}

by_hand() {
    for task in $(seq "$tasks"); do
        git worktree add -q -b "task/$task" "../trees/$task"
        (
            cd "../trees/$task"
            sh -c "echo $task > t$task.txt" >"$root/place/log-$task" 2>&1 </dev/null
            git add -A
            git commit -q -m "task $task"
        )
    done
}

# Milliseconds of CPU of a function and everything it started and waited for. `times` of a shell
# that does nothing else: its second line is that of its children.
cpu() {
    (
        "$1"
        times
    ) | awk '{ for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += t[1] * 60000 + t[2] * 1000 } } END { print sum }'
}

a=() b=() c=() d=()
for _ in $(seq "$pairs"); do
    repository; a+=("$(cpu without_looks)")
    repository; c+=("$(cpu with_dispatch)")
    repository; d+=("$(cpu without_sandbox)")
    repository; b+=("$(cpu by_hand)")
done

median() { printf '%s\n' "$@" | sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
for pair in $(seq 0 $((pairs - 1))); do
    printf 'pair %d: dispatch %d ms, with outside_writes = "ignore" %d ms, by hand %d ms of CPU\n' \
        $((pair + 1)) "${c[pair]}" "${a[pair]}" "${b[pair]}"
done
awk -v a="$(median "${a[@]}")" -v d="$(median "${d[@]}")" -v c="$(median "${c[@]}")" -v b="$(median "${b[@]}")" -v n="$tasks" -v limit="$limit" 'BEGIN {
    more = (a - b) / n
    printf "%d tasks: %.2f ms a task by hand\n", n, b / n
    printf "with dispatch, and its looks outside of the worktree: %.2f ms more, %.2f times\n", (c - b) / n, c / b
    printf "without those looks, so journal, shim and boards: %.2f ms more, %.2f times\n", more, a / b
    printf "the sandbox: %.2f ms more, %.2f times\n", (a - d) / n, a / d
    exit more > limit || (a - d) / n > limit
}'
