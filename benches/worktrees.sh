#!/bin/bash
# What the worktree of a task costs: made by `git worktree add`, made by dispatch, taken from the pool.
#
#   benches/worktrees.sh                 all of these
#   benches/worktrees.sh --files         a repository of FILES files: the time until a worker starts, per
#                                        task, four tasks at once, against `git worktree add` one after
#                                        the other. Pairs (ABAB…) in one run, medians, ratios.
#   benches/worktrees.sh --cargo         a Cargo project of 30 path dependencies: TASKS tasks that run
#                                        `cargo check`, each in a new worktree, against one kept `target`.
#   benches/worktrees.sh --npm           the same with `npm ci` and a test; PACKAGES come from the registry.
#   benches/worktrees.sh --disk          the disk that TASKS tasks at once take with KEPT MiB that each has, as
#                                        a copy; files share their blocks where TMPDIR is on btrfs or XFS.
#   benches/worktrees.sh --template      the time that a copy of the template takes, against a checkout of FILES
#                                        files with a set-up that writes KEPT MiB; TMPDIR on btrfs or XFS.
#   benches/worktrees.sh --cpu           processor time of dispatch and git, with and without the pool, for
#                                        TASKS tasks of a second in a repository of FILES files.
#
# "Ready" is the time from the announcement of an attempt in the journal to the start of its worker, so it
# includes what dispatch itself does. Settings by environment: DISPATCH (the program; default: the release
# build), FILES (4847), SOURCE (a repository to clone in place of the files), TASKS (10), PAIRS (3),
# PACKAGES (jest), KEPT (1024), KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/shared.sh"
dispatch=${DISPATCH:-$here/target/release/dispatch}
files=${FILES:-4847} tasks=${TASKS:-10} pairs=${PAIRS:-3} packages=${PACKAGES:-jest} kept=${KEPT:-1024}
mode=all
case ${1:-} in
--files | --cargo | --npm | --disk | --template | --cpu) mode=${1#--} ;;
"") ;;
*) sed -n '2,23p' "$0" && exit 2 ;;
esac
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/worktrees.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
# Tools keep their homes; git and dispatch do not see the settings of whoever runs this.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

now() { date +%s%N; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'; }

# plan COUNT COMMAND: so many tasks that run it.
plan() {
    printf '# Bench\n\n'
    for task in $(seq "$1"); do
        printf '%d. [T%d] Task %d\n     - allow_empty: yes\n     - run: %s\n' "$task" "$task" "$task" "$2"
    done
}

# run REPO -j N: a run of $root/plan.md; its wall time in milliseconds.
run() {
    local repo=$1 start
    shift
    start=$(now)
    (cd "$repo" && "$dispatch" run "$root/plan.md" --yes --no-assemble "$@" >"$root/out" 2>&1) ||
        { tail "$root/out" >&2; exit 1; }
    echo $((($(now) - start) / 1000000))
}

# ready REPO: milliseconds per task from the first announcement to the last start of the latest run.
ready() {
    (cd "$1" && "$dispatch" log --json) | awk '
        function millis(time) { split(time, part, /[:.Z]/); return (part[1] % 100 * 3600 + part[2] * 60 + part[3]) * 1000 + part[4] }
        match($0, /"time": *"[^"]*"/) { time = substr($0, RSTART, RLENGTH); sub(/.*T/, "", time); sub(/"$/, "", time) }
        /"event": *"attempt-starting"/ || /attempt [0-9]+ starts with/ { if (!first) first = millis(time) }
        /"event": *"attempt-started"/ || /the worker of attempt/ { last = millis(time); count++ }
        END { print count ? (last - first) / count : 0 }'
}

clean() { (cd "$1" && "$dispatch" clean >/dev/null 2>&1); }

# ---- many files ----------------------------------------------------------------------------------

# files_repo PATH: a repository of so many files, or a clone of SOURCE.
files_repo() {
    if [ -n "${SOURCE:-}" ]; then
        git clone -q "$SOURCE" "$1"
        files=$(git -C "$1" ls-files | wc -l)
    else
        git init -q "$1"
        text_tree "$files" 20 | git -C "$1" fast-import --quiet
        git -C "$1" reset -q --hard main
    fi
    git -C "$1" branch -q -f bench
}

by_files() {
    local repo=$root/files at=4 n start
    files_repo "$repo"
    plan "$at" "true" >"$root/plan.md"
    : >"$root/git"; : >"$root/cold"; : >"$root/pool"
    for pair in $(seq "$pairs"); do
        start=$(now)
        for n in $(seq "$at"); do git -C "$repo" worktree add -q -b "w$pair-$n" "$root/w/$n" bench; done
        echo $((($(now) - start) / 1000000 / at)) >>"$root/git"
        for n in $(seq "$at"); do git -C "$repo" worktree remove --force "$root/w/$n"; done
        DISPATCH_WORKTREE_POOL=0 run "$repo" -j "$at" >/dev/null
        ready "$repo" >>"$root/cold"
        DISPATCH_WORKTREE_POOL=0 clean "$repo"
        export DISPATCH_WORKTREE_POOL=auto
        # The first run fills the pool.
        [ "$pair" != 1 ] || { run "$repo" -j "$at" >/dev/null; clean "$repo"; }
        run "$repo" -j "$at" >/dev/null
        ready "$repo" >>"$root/pool"
        clean "$repo"
        unset DISPATCH_WORKTREE_POOL
    done
    local git cold pool
    git=$(median <"$root/git") cold=$(median <"$root/cold") pool=$(median <"$root/pool")
    echo "$files files, per task, $at at once, medians of $pairs"
    echo "  git worktree add, one after the other   $git ms"
    echo "  dispatch, new worktree, ready           $cold ms   $(ratio "$git" "$cold") times as fast"
    echo "  dispatch, from the pool, ready          $pool ms   $(ratio "$git" "$pool") times as fast"
}

# ---- tools with caches ---------------------------------------------------------------------------

# compare NAME REPO: all tasks of the plan one after the other, in new worktrees and in the pool.
compare() {
    : >"$root/fresh"; : >"$root/warm"
    for _ in $(seq "$pairs"); do
        DISPATCH_WORKTREE_POOL=0 run "$2" -j 1 >>"$root/fresh"
        DISPATCH_WORKTREE_POOL=0 clean "$2"
        DISPATCH_WORKTREE_POOL=auto run "$2" -j 1 >>"$root/warm"
        DISPATCH_WORKTREE_POOL=0 clean "$2"
    done
    local fresh warm
    fresh=$(median <"$root/fresh") warm=$(median <"$root/warm")
    echo "$1, $tasks tasks one after the other, medians of $pairs"
    echo "  new worktrees   $fresh ms"
    echo "  an empty pool   $warm ms   $(ratio "$warm" "$fresh") of that"
}

by_cargo() {
    local repo=$root/cargo crate line
    mkdir -p "$repo/src"
    printf '/target\n' >"$repo/.gitignore"
    printf '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n' >"$repo/Cargo.toml"
    for crate in $(seq 30); do
        mkdir -p "$repo/deps/d$crate/src"
        printf 'd%d = { path = "deps/d%d" }\n' "$crate" "$crate" >>"$repo/Cargo.toml"
        printf '[package]\nname = "d%d"\nversion = "0.1.0"\nedition = "2021"\n' "$crate" >"$repo/deps/d$crate/Cargo.toml"
        for line in $(seq 400); do
            printf 'pub fn f%d(x: Vec<u64>) -> std::collections::BTreeMap<u64, String> { x.into_iter().map(|n| (n + %d, format!("{n:?}"))).collect() }\n' "$line" "$line"
        done >"$repo/deps/d$crate/src/lib.rs"
    done
    printf 'fn main() {}\n' >"$repo/src/main.rs"
    printf '[worktree]\nkeep = ["target"]\n' >"$repo/.dispatch.toml"
    (cd "$repo" && cargo generate-lockfile --offline -q && git init -q && git add -A && git commit -qm first)
    plan "$tasks" 'echo "// $DISPATCH_TAG" >> src/main.rs; cargo check --offline -q' >"$root/plan.md"
    compare "cargo check, 30 path dependencies" "$repo"
}

by_npm() {
    local repo=$root/npm
    mkdir -p "$repo"
    printf 'node_modules/\n' >"$repo/.gitignore"
    printf '{"name": "app", "version": "1.0.0", "scripts": {"test": "jest"}}\n' >"$repo/package.json"
    printf 'test("one", () => expect(1 + 1).toBe(2));\n' >"$repo/one.test.js"
    # shellcheck disable=SC2086
    (cd "$repo" && npm install --silent --no-fund --no-audit --save-dev $packages >/dev/null &&
        git init -q && git add -A && git commit -qm first) || { echo "npm: no packages here; left out"; return; }
    rm -rf "$repo/node_modules"
    printf '[worktree]\nkeep = ["node_modules"]\nsetup = ["npm ci --silent --no-fund --no-audit --prefer-offline"]\nsetup_when = ["package-lock.json"]\n' >"$repo/.dispatch.toml"
    (cd "$repo" && git add -A && git commit -qm settings)
    plan "$tasks" 'echo "// $DISPATCH_TAG" >> one.test.js; npm test --silent >/dev/null 2>&1' >"$root/plan.md"
    compare "npm ci and a test ($packages)" "$repo"
}

# ---- disk and processors -------------------------------------------------------------------------

used_kib() { sync; df --output=used -k "$root" | tail -1; }

by_disk() {
    local repo=$root/disk before after
    before=$(used_kib)
    git init -q "$repo"
    printf 'kept/\n' >"$repo/.gitignore"
    printf '[worktree]\ncopy = ["kept/**"]\n' >"$repo/.dispatch.toml"
    git -C "$repo" add -A && git -C "$repo" commit -qm first
    mkdir "$repo/kept"
    for n in $(seq 16); do head -c "$((kept * 1048576 / 16))" /dev/urandom >"$repo/kept/$n"; done
    plan "$tasks" 'test -s kept/1 && echo one > $DISPATCH_TAG' >"$root/plan.md"
    run "$repo" -j "$tasks" >/dev/null
    after=$(used_kib)
    echo "$tasks tasks at once, each with a copy of $kept MiB"
    echo "  disk used       $(((after - before) / 1024)) MiB   $(ratio "$((after - before))" "$((kept * 1024))") of one copy"
}

by_template() {
    local repo=$root/template before after
    files_repo "$repo"
    printf 'kept/\n' >"$repo/.gitignore"
    : >"$repo/lock"
    cat >"$repo/.dispatch.toml" <<END
[worktree]
pool = "auto"
keep = ["kept"]
setup_when = ["lock"]
setup = ["mkdir -p kept; for n in \$(seq 16); do head -c $((kept * 1048576 / 16)) /dev/urandom > kept/\$n; done"]
END
    git -C "$repo" add -A && git -C "$repo" commit -qm settings
    # The first task waits for the template and one copy.
    cat >"$root/plan.md" <<END
# Bench

1. [A] First
     - allow_empty: yes
     - run: n=0; until test \$(ls $repo/.git/dispatch/pool/.??*/set-up | wc -l) = 3 || test \$n = 600; do n=\$((n+1)); sleep 0.5; done
2. [B] Second
     - allow_empty: yes
     - run: test -z "\$(git status --porcelain)" && test -s kept/16
END
    before=$(used_kib)
    run "$repo" -j 1 >/dev/null
    after=$(used_kib)
    echo "$files files and $kept MiB of set-up"
    (cd "$repo" && "$dispatch" run "$root/plan.md" --dry-run) | sed -n 's/^worktrees: /  /p'
    echo "  disk used by three worktrees  $(((after - before) / 1024)) MiB"
}

# cpu REPO -j N: processor time of the run, its programs included, and its wall time, in milliseconds.
cpu() {
    local repo=$1
    shift
    (
        cd "$repo"
        TIMEFORMAT='%R %U %S'
        { time "$dispatch" run "$root/plan.md" --yes --no-assemble "$@" >"$root/out" 2>&1; } 2>&1 |
            awk '{ printf "%d %d\n", ($2 + $3) * 1000, $1 * 1000 }'
    )
}

by_cpu() {
    local repo=$root/cpu off on wall off_wall
    files_repo "$repo"
    plan "$tasks" 'sleep 1; echo one > $DISPATCH_TAG.txt' >"$root/plan.md"
    : >"$root/off"; : >"$root/on"
    DISPATCH_WORKTREE_POOL=3 run "$repo" -j 2 >/dev/null
    DISPATCH_WORKTREE_POOL=3 clean "$repo"
    for _ in $(seq "$pairs"); do
        DISPATCH_WORKTREE_POOL=0 cpu "$repo" -j 2 >>"$root/off"
        DISPATCH_WORKTREE_POOL=0 clean "$repo"
        DISPATCH_WORKTREE_POOL=3 cpu "$repo" -j 2 >>"$root/on"
        DISPATCH_WORKTREE_POOL=3 clean "$repo"
    done
    off=$(awk '{ print $1 }' "$root/off" | median) on=$(awk '{ print $1 }' "$root/on" | median)
    off_wall=$(awk '{ print $2 }' "$root/off" | median) wall=$(awk '{ print $2 }' "$root/on" | median)
    echo "$files files, $tasks tasks of a second, two at once, medians of $pairs"
    echo "  without a pool  $off ms of processor time in $off_wall ms"
    echo "  with a pool     $on ms of processor time in $wall ms: $(ratio "$((100 * (on - off)))" "$wall") % more"
}

echo "dispatch $("$dispatch" --version | awk '{ print $2 }'), $(git --version), $(nproc) processors, $(stat -f -c %T "$root")"
case $mode in
all) by_files; by_cargo; by_npm ;;
files) by_files ;;
cargo) by_cargo ;;
npm) by_npm ;;
disk) by_disk ;;
template) by_template ;;
cpu) by_cpu ;;
esac
