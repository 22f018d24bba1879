#!/bin/bash
# What a whole run costs, against the best plain shell script for the same job.
#
#   benches/whole-run.sh                 100 tasks in a repository of 5,000 files, two at a time:
#                                        `dispatch run`, `land` and `clean` against worktrees,
#                                        commits, merges and removal by hand. Pairs (ABAB…) in one
#                                        run, medians, the ratio of time, the peak of memory.
#   benches/whole-run.sh --memory        1,000 tasks in a small repository: time and the peak of
#                                        resident memory of the runner itself.
#
# The trees that both sides leave are compared first: the same files with the same content, the
# board file aside. Settings by environment: DISPATCH (the program; default: the release build),
# TASKS, FILES, PAIRS, JOBS, KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/shared.sh"
dispatch=${DISPATCH:-$here/target/release/dispatch}
jobs=${JOBS:-2}
mode=${1:-compare}
case $mode in
compare) tasks=${TASKS:-100} files=${FILES:-5000} pairs=${PAIRS:-5} ;;
--memory) tasks=${TASKS:-1000} files=${FILES:-50} pairs=1 ;;
*) sed -n '2,14p' "$0" && exit 2 ;;
esac
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/whole-run.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
# Neither side sees the settings of whoever runs this, and neither pays for automatic gc.
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

# ---- the repository, the plan and the tasks ------------------------------------------------------

file_of() { echo "dir$(($1 % 50))/file$1.txt"; }

make_template() {
    git init -q "$root/template"
    text_tree "$files" 40 | git -C "$root/template" fast-import --quiet
    git -C "$root/template" reset -q --hard main
    for task in $(seq "$tasks"); do
        if [ "$mode" = compare ]; then path=$(file_of "$task"); else path=new/file$task.txt; fi
        echo "mkdir -p ${path%/*} && echo 'a line of task $task' >> $path"
    done >"$root/commands"
    {
        printf '# Bench\n\n## Dispatch Plan\n\n### Independent\n'
        task=0
        while IFS= read -r command; do
            task=$((task + 1))
            printf '%d. [T%d] Task %d\n      - run: %s\n' "$task" "$task" "$task" "$command"
        done <"$root/commands"
    } >"$root/plan.md"
}

copy_of_template() {
    rm -rf "$root/$1"
    mkdir "$root/$1"
    cp -a "$root/template" "$root/$1/repo"
    git -C "$root/$1/repo" update-index -q --refresh
    sync
}

# ---- the two sides --------------------------------------------------------------------------------

by_dispatch() {
    cd "$root/dispatch/repo"
    "$dispatch" run "$root/plan.md" -j "$jobs" --yes >"$root/dispatch.out" 2>"$root/dispatch.err"
    "$dispatch" land --yes >>"$root/dispatch.out" 2>>"$root/dispatch.err"
    "$dispatch" clean >>"$root/dispatch.out" 2>>"$root/dispatch.err"
}

# One task by hand. Only making the entry is under the lock, since two `git worktree add` at once
# can fail; files are written outside of it.
cat >"$root/one-task" <<'TASK'
set -e
task=$1 command=$2 worktree=../worktrees/task-$1
flock .git/worktree-add.lock git worktree add -q --no-checkout -b task-"$task" "$worktree" main
cd "$worktree"
git reset -q --hard
sh -c "$command"
git add -A
git commit -q --no-verify -m "Task $task"
TASK

by_shell() {
    cd "$root/shell/repo"
    mkdir ../worktrees
    awk '{ printf "%d%c%s%c", NR, 0, $0, 0 }' "$root/commands" |
        xargs -0 -n 2 -P "$jobs" sh "$root/one-task"
    for task in $(seq "$tasks"); do
        git merge -q --no-ff --no-verify -m "Merge task $task" task-"$task"
    done
    seq -f '../worktrees/task-%g' "$tasks" | xargs -n 1 -P "$jobs" git worktree remove
    seq -f 'task-%g' "$tasks" | xargs git branch -q -D
}

# ---- measuring ------------------------------------------------------------------------------------

# Runs a function and prints milliseconds of wall time and of processor time.
timed() {
    local TIMEFORMAT='%R %U %S'
    { time "$1" 2>"$root/$1.err" 1>&2; } 2>&1 |
        awk '{ printf "%d %d\n", $1 * 1000, ($2 + $3) * 1000 }'
}


compare_trees() {
    local left right
    left=$(git -C "$root/dispatch/repo" ls-tree -r main | grep -v "$(printf '\t')DISPATCH.md$" | sha256sum)
    right=$(git -C "$root/shell/repo" ls-tree -r main | sha256sum)
    [ "$left" = "$right" ] || { echo "the trees differ: nothing to compare" >&2; exit 1; }
    [ -z "$(git -C "$root/dispatch/repo" status --porcelain)" ]
    [ "$(git -C "$root/dispatch/repo" worktree list | wc -l)" = 1 ]
    [ "$(git -C "$root/dispatch/repo" branch --list | wc -l)" = 1 ]
}

# VmHWM is the kernel's own peak of one process, so the last look before its end is enough.
peak_of() {
    local peak=0 key value _
    while [ -e "/proc/$1/status" ]; do
        while read -r key value _; do
            if [ "$key" = VmHWM: ]; then peak=$value; fi
        done 2>/dev/null <"/proc/$1/status" || true
        sleep 0.05
    done
    echo "$peak"
}

measure_memory() {
    cd "$root/dispatch/repo"
    local start end
    start=$(date +%s%N)
    "$dispatch" run "$root/plan.md" -j "$jobs" --yes >"$root/dispatch.out" 2>"$root/dispatch.err" &
    local runner=$!
    peak_of "$runner" >"$root/peak"
    wait "$runner"
    end=$(date +%s%N)
    echo "run of $tasks tasks, -j $jobs, $files files: $(((end - start) / 1000000)) ms," \
        "peak of the runner's resident memory: $(($(cat "$root/peak") / 1024)) MiB ($(cat "$root/peak") KiB)"
    cd "$here"
}

make_template
if [ "$mode" = --memory ]; then
    copy_of_template dispatch
    measure_memory
    exit
fi

for pair in $(seq "$pairs"); do
    copy_of_template dispatch
    timed by_dispatch >"$root/a"
    copy_of_template shell
    timed by_shell >"$root/b"
    compare_trees
    read -r a_wall a_cpu <"$root/a"
    read -r b_wall b_cpu <"$root/b"
    echo "pair $pair: dispatch $a_wall ms (cpu $a_cpu), shell $b_wall ms (cpu $b_cpu), same tree"
    echo "$a_wall" >>"$root/a.wall"
    echo "$b_wall" >>"$root/b.wall"
done
a=$(median <"$root/a.wall")
b=$(median <"$root/b.wall")
echo "medians of $pairs pairs, $tasks tasks, $files files, -j $jobs: dispatch $a ms, shell $b ms," \
    "ratio $(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')"
copy_of_template dispatch
measure_memory
