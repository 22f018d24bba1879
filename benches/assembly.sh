#!/bin/bash
# What assembling costs, against `git merge --no-ff` one after the other in a worktree.
#
#   benches/assembly.sh                  100 candidates without a conflict in a repository of 5,000
#                                        files: `dispatch assemble` against 100 merges by hand. Pairs
#                                        (ABAB…) in one run, medians, the ratio, the peak of memory;
#                                        then assembling again with nothing changed; then how often
#                                        a check runs: where all pass, where one candidate fails, and
#                                        where two fail only together, against the bound of the method.
#   benches/assembly.sh /dev/shm         the same on the file system of that folder
#
# The trees that both sides leave are compared first, the board file aside. Settings by environment:
# DISPATCH (the program; default: the release build), TASKS, FILES, PAIRS, KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/shared.sh"
dispatch=${DISPATCH:-$here/target/release/dispatch}
tasks=${TASKS:-100} files=${FILES:-5000} pairs=${PAIRS:-5}
place=${1:-${TMPDIR:-/tmp}}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }
[ -d "$place" ] || { sed -n '2,14p' "$0"; exit 2; }

root=$(mktemp -d "$place/assembly.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
# Neither side sees the settings of whoever runs this, and neither pays for automatic gc.
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

# ---- the repository, its candidates and the run --------------------------------------------------

git init -q "$root/template"
text_tree "$files" 40 | git -C "$root/template" fast-import --quiet
git -C "$root/template" reset -q --hard main
# Each edits a file, adds one and removes one, none of them another's.
{
    printf '# Bench\n\n'
    for task in $(seq "$tasks"); do
        one=$task two=$((task + tasks))
        printf '%d. [T%d] Task %d\n      - run: %s\n' "$task" "$task" "$task" \
            "echo 'a line of task $task' >> dir$((one % 50))/file$one.txt; echo new > dir$((one % 50))/new$task.txt; git rm -q dir$((two % 50))/file$two.txt"
    done
} >"$root/plan.md"
(
    cd "$root/template"
    "$dispatch" run "$root/plan.md" --yes --no-assemble -j 2 >"$root/run.out" 2>&1 || { tail "$root/run.out" >&2; exit 1; }
    git worktree prune
)
run=$(git -C "$root/template" for-each-ref --format='%(refname:lstrip=3)' refs/dispatch/runs | head -1)
rm -rf "$root/template.dispatch"
git -C "$root/template" worktree prune --expire now

copy() {
    rm -rf "$root/side"
    mkdir "$root/side"
    cp -a "$root/template" "$root/side/repo"
    git -C "$root/side/repo" update-index -q --refresh
    sync
}

# ---- the two sides -------------------------------------------------------------------------------

# Seconds and peak of resident memory in KiB of a command.
timed() { /usr/bin/time -f '%e %M' -o "$root/time" "$@"; cat "$root/time"; }

by_dispatch() { (cd "$root/side/repo" && "$dispatch" assemble "$run" >/dev/null 2>&1); }

by_hand() {
    cd "$root/side/repo"
    git worktree add -q --detach ../merged main
    cd ../merged
    for task in $(seq "$tasks"); do
        git merge -q --no-ff -m "Merge task $task" "dispatch/$run/t$task"
    done
}
export -f by_dispatch by_hand
export root dispatch run tasks

side() { timed bash -c "$1"; }

echo "$tasks candidates, $files files, $(git --version), $(stat -f -c %T "$root"), $(nproc) cores"
: >"$root/a"; : >"$root/b"; : >"$root/again"; : >"$root/memory"
for pair in $(seq "$pairs"); do
    copy
    read -r time memory <<<"$(side by_dispatch)"
    echo "$time" >>"$root/a"; echo "$memory" >>"$root/memory"
    read -r again _ <<<"$(side by_dispatch)"
    echo "$again" >>"$root/again"
    ours=$(git -C "$root/side/repo" ls-tree -r "dispatch/$run/integration" | grep -v 'DISPATCH.md$' | sha1sum)
    copy
    read -r hand _ <<<"$(side by_hand)"
    echo "$hand" >>"$root/b"
    theirs=$(git -C "$root/side/merged" ls-tree -r HEAD | sha1sum)
    [ "$ours" = "$theirs" ] || { echo "the trees differ" >&2; exit 1; }
    echo "pair $pair: dispatch $time s, again $again s, git merge $hand s"
done
a=$(median <"$root/a") b=$(median <"$root/b") again=$(median <"$root/again")
echo "median: dispatch $a s (peak $(median <"$root/memory") KiB), again $again s, git merge $b s"
awk -v a="$a" -v b="$b" 'BEGIN { printf "ratio: 1/%.1f\n", b / a; exit !(a * 10 <= b) }' ||
    { echo "more than a tenth" >&2; exit 1; }

# ---- how often the checks run --------------------------------------------------------------------

# What the method may take: the whole and the base once; for a culprit one re-run of the whole and of
# the boundary, the bisection, the culprit alone and the rest; for each partner one bisection and a look.
halvings=0
while [ $((1 << halvings)) -lt "$tasks" ]; do halvings=$((halvings + 1)); done
one=$((2 + 2 + halvings + 2)) two=$((2 + 2 + halvings + 2 + halvings + 1))

checked() {
    local words=$1 script=$2 most=$3 count
    copy
    rm -f "$root/ran"
    (
        cd "$root/side/repo"
        check="echo run >> $root/ran; $script"
        DISPATCH_ASSEMBLE_CHECK="$check" "$dispatch" assemble "$run" >/dev/null 2>&1 || [ $? = 4 ]
        DISPATCH_ASSEMBLE_CHECK="$check" "$dispatch" assemble "$run" >/dev/null 2>&1 || [ $? = 4 ]
    )
    count=$(wc -l <"$root/ran")
    echo "$words: the check ran $count times, at most $most"
    [ "$count" -le "$most" ] || { echo "more than the bound" >&2; exit 1; }
}
middle=$((tasks / 3)) last=$((tasks - 1))
at() { echo "dir$(($1 % 50))/new$1.txt"; }
checked "all pass, twice" true 1
checked "one fails" "test ! -e $(at $middle)" "$one"
checked "two fail together" "! { test -e $(at $middle) && test -e $(at $last); }" "$two"
