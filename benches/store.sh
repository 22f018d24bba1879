#!/bin/bash
# What reading and writing the repository with the git program costs, against libgit2.
#
#   benches/store.sh      50 tasks in a repository of 2,000 files, two at a time: `dispatch run`, `land`
#                         and `clean` with DISPATCH_STORE=git against DISPATCH_STORE=libgit2. Pairs
#                         (ABAB…) in one run, medians, the ratio of wall time and of processor time.
#
# The trees that both leave are compared first. Settings by environment: DISPATCH (the program; default:
# the release build), TASKS, FILES, PAIRS, JOBS, KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/shared.sh"
dispatch=${DISPATCH:-$here/target/release/dispatch}
tasks=${TASKS:-50} files=${FILES:-2000} pairs=${PAIRS:-5} jobs=${JOBS:-2}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/store.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1 DISPATCH_SEED=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main

git init -q "$root/template"
text_tree "$files" 40 | git -C "$root/template" fast-import --quiet
git -C "$root/template" reset -q --hard main
{
    printf '# Bench\n\n'
    for task in $(seq "$tasks"); do
        printf '%d. [T%d] Task %d\n      - run: echo line >> dir%d/file%d.txt\n' \
            "$task" "$task" "$task" "$((task % 50))" "$task"
    done
} >"$root/plan.md"

whole_run() {
    cd "$root/repo"
    "$dispatch" run "$root/plan.md" -j "$jobs" --yes
    "$dispatch" land --yes
    "$dispatch" clean
}

# timed STORE: a whole run; prints milliseconds of wall time and of processor time.
timed() {
    rm -rf "$root/repo" "$root/repo.dispatch"
    cp -a "$root/template" "$root/repo"
    git -C "$root/repo" update-index -q --refresh
    sync
    local TIMEFORMAT='%R %U %S'
    { time DISPATCH_STORE=$1 whole_run >"$root/out" 2>&1; } 2>&1 |
        awk '{ printf "%d %d\n", $1 * 1000, ($2 + $3) * 1000 }'
    git -C "$root/repo" ls-tree -r main | grep -v "$(printf '\t')DISPATCH.md$" >"$root/$1.tree"
}

for pair in $(seq "$pairs"); do
    for store in git libgit2; do
        timed "$store" >"$root/time"
        read -r wall cpu <"$root/time"
        echo "$wall" >>"$root/$store.wall"
        echo "$cpu" >>"$root/$store.cpu"
        echo "pair $pair: $store $wall ms (cpu $cpu)"
    done
    cmp "$root/git.tree" "$root/libgit2.tree"
done
for what in wall cpu; do
    a=$(median <"$root/git.$what") b=$(median <"$root/libgit2.$what")
    echo "$what, medians of $pairs pairs, $tasks tasks, $files files, -j $jobs: git $a ms, libgit2 $b ms," \
        "ratio $(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')"
done
