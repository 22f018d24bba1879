#!/bin/bash
# kill -9 at random moments, then `dispatch resume`, again and again: what is lost?
#
#   benches/kill-loop.sh                 KILLS kills (default 1000) of the runner, the shims, the
#                                        workers and the git programs of both, in turn; after every
#                                        kill of the runner the run is taken up again, and after some
#                                        kills it is left to end. Every kill is a line of the log:
#                                        number, target, pid, what was going on by the journal.
#
# After every kill: the repository is sound, the journal can be read, nothing of the user's differs.
# At the end of every run: each task has exactly one accepted result, what was assembled is what an
# undisturbed run assembles, every object that a worker said it had made is still reachable, the
# board is that of the journal, and no worker ever met another one of its task alive.
#
# Exit code 0 if all held. Settings by environment: DISPATCH (the program; default: the release
# build), KILLS, SEED (the same seed draws the same targets and delays), LOG (a file for the log),
# ROOT (where to work), KEEP=1 (keep the folder; a failure keeps it anyway).
set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dispatch=${DISPATCH:-$here/target/release/dispatch}
kills=${KILLS:-1000}
seed=${SEED:-1}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }
[ -r /proc/self/stat ] || { echo "this needs /proc, to find what it kills" >&2; exit 1; }

root=$(mktemp -d "${ROOT:-${TMPDIR:-/tmp}}/kill-loop.XXXXXX")
log=${LOG:-$root/log}
: >"$log"
# The shell itself would tell of every runner that is killed.
exec 3>&2 2>>"$log"
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1 NO_COLOR=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global maintenance.auto false
RANDOM=$seed

declare -A killed=([runner]=0 [shim]=0 [worker]=0 [git]=0)
targets=(runner shim worker git)
done_kills=0 rounds=0 resumes=0 retries=0

say() { printf '%s\n' "$*" >>"$log"; }
die() {
    say "FAILED: $*"
    echo "FAILED after $done_kills kills (seed $seed, round $rounds): $*" >&3
    echo "kept: $root, log: $log" >&3
    exit 1
}

# ---- the repository and the plan -----------------------------------------------------------------

# A worker that takes its time, commits, leaves something uncommitted, and says what it made.
make_worker() {
    cat >"$root/worker" <<'WORKER'
#!/bin/bash
# usage: worker NAME; in its worktree
set -e
said=$LOOP_SAID
exec 9>"$said/alive-$1"
flock -n 9 || echo "$1 attempt $DISPATCH_ATTEMPT met another worker alive" >>"$said/violations"
made() { [ -z "$1" ] || echo "$1" >>"$said/made"; }
sleep 0.$((RANDOM % 400 + 100))
echo "attempt $DISPATCH_ATTEMPT of $1 in $DISPATCH_RUN, $RANDOM$RANDOM" >"draft-$1.txt"
draft=$(git hash-object "draft-$1.txt")
git add "draft-$1.txt"
git commit -q -m "A draft of $1"
made "$(git rev-parse HEAD)"
made "$draft"
sleep 0.$((RANDOM % 400 + 100))
git rm -q "draft-$1.txt"
echo "$1" >"$1.txt"
[ ! -e shared.txt ] || echo "$1" >"dir-$1.txt"
git commit -q -m "No draft of $1"
made "$(git rev-parse HEAD)"
sleep 0.$((RANDOM % 400 + 100))
WORKER
    chmod +x "$root/worker"
}

make_scene() {
    scene=$root/scene-$rounds
    repo=$scene/shop said=$scene/said
    mkdir -p "$repo" "$said"
    git -C "$repo" init -q
    for n in $(seq 60); do echo "line of file $n" >"$repo/file$n.txt"; done
    echo shared >"$repo/shared.txt"
    cat >"$repo/.dispatch.toml" <<TOML
[retry]
transient = 5
base_delay = "10ms"
max_delay = "50ms"
budget = 1000
[assemble]
check = ["test -e a.txt && test -e c.txt"]
TOML
    git -C "$repo" add -A
    git -C "$repo" commit -q -m base
    {
        echo "# Kill loop"
        local n=0 name
        for name in a b "c — blocked by #1, #2" d "e — blocked by #4"; do
            n=$((n + 1))
            echo "$n. [T$n] Make $name"
            echo "   - env: LOOP_SAID=$said"
            echo "   - check: test -e ${name%% *}.txt"
            echo "   - run: exec $root/worker ${name%% *}"
        done
    } >"$scene/plan.md"
    user=$(fingerprint)
}

# What is the user's: references, HEAD, index, settings, files.
fingerprint() {
    git -C "$repo" for-each-ref --format='%(refname) %(objectname)' refs/heads refs/tags |
        grep -v refs/heads/dispatch/
    cat "$repo/.git/HEAD" "$repo/.git/config"
    (cd "$repo" && sha1sum .git/index ./*.txt .dispatch.toml)
    ls -A "$repo"
}

# ---- whom to kill --------------------------------------------------------------------------------

# These set `pids`; no program is started, for git programs live only milliseconds.

children() { # children PID NAME: those of this name, or all
    local list found pid comm
    for list in /proc/"$1"/task/*/children; do
        found=()
        read -r -a found <"$list"
        for pid in "${found[@]}"; do
            comm=
            read -r comm <"/proc/$pid/comm"
            if [ -n "$comm" ] && [ "$comm" = "${2:-$comm}" ]; then pids+=("$pid"); fi
        done
    done
} 2>/dev/null

# The shims or workers of all attempts that live: the pids of their records, if they still are that.
recorded() { # recorded shim|worker
    local file record pid start stat
    for file in "$repo"/.git/dispatch/runs/*/attempts/*/*/proc.json; do
        { record=$(<"$file"); } 2>/dev/null || continue
        [[ $record =~ \"$1\":\{\"pid\":([0-9]+),\"start\":([0-9]+) ]] || continue
        pid=${BASH_REMATCH[1]} start=${BASH_REMATCH[2]}
        { stat=$(<"/proc/$pid/stat"); } 2>/dev/null || continue
        stat=${stat##*) }
        # shellcheck disable=SC2206 # The fields of proc(5), from the third.
        stat=($stat)
        # It may be gone between the opening of the file and the reading of it.
        [ "${#stat[@]}" -gt 19 ] || continue
        [ "${stat[0]}" != Z ] && [ "${stat[19]}" = "$start" ] && pids+=("$pid")
    done
}

look_for() { # look_for TARGET
    local pid found
    pids=()
    case $1 in
    runner) kill -0 "$runner" 2>/dev/null && pids=("$runner") ;;
    shim | worker) recorded "$1" ;;
    git)
        recorded worker
        found=("${pids[@]}") pids=()
        for pid in "$runner" "${found[@]}"; do children "$pid" git; done
        ;;
    esac
}

# Sets `pid` to one of the target, waiting for one a little while; empty if there is none.
find_target() {
    local try
    pid=
    for try in $(seq 100); do
        look_for "$1"
        if [ ${#pids[@]} -gt 0 ]; then
            pid=${pids[RANDOM % ${#pids[@]}]}
            return
        fi
        kill -0 "$runner" 2>/dev/null || return
        [ "$1" = git ] || sleep 0.01
    done
}

phase() { git -C "$repo" log -1 --format=%s "$(journal)" 2>/dev/null; }
journal() { git -C "$repo" for-each-ref --format='%(refname)' refs/dispatch/runs/ | head -1; }

# ---- what must hold ------------------------------------------------------------------------------

check_after_kill() {
    local try
    # Workers go on: fsck lists the objects before it reads the reflogs, which may have grown.
    for try in 1 2 3 4 5; do
        git -C "$repo" fsck --connectivity-only --no-dangling >"$scene/fsck" 2>&1 && break
        [ "$try" -lt 5 ] || die "git fsck: $(head -3 "$scene/fsck")"
        sleep 0.5
    done
    [ "$(fingerprint)" = "$user" ] || die "something of the user's differs"
    [ -z "$(journal)" ] && return
    (cd "$repo" && "$dispatch" status --json) >"$scene/status" 2>&1 ||
        die "status: $(head -3 "$scene/status")"
}

check_end() {
    local run passed name object
    run=$(journal) run=${run##*/}
    [ ! -s "$said/violations" ] || die "two alive: $(head -3 "$said/violations")"
    git -C "$repo" fsck --no-dangling >"$scene/fsck" 2>&1 || die "git fsck: $(head -3 "$scene/fsck")"
    for n in 1 2 3 4 5; do
        # The last word on every task is that it passed, once.
        passed=$(git -C "$repo" log --first-parent --format=%b "$(journal)" |
            grep -c "\"event\":\"attempt-ended\",\"task\":$n,.*\"end\":\"passed\"")
        [ "$passed" = 1 ] || die "task $n has $passed accepted results"
    done
    for name in a b c d e; do
        [ "$(git -C "$repo" show "dispatch/$run/integration:$name.txt" 2>/dev/null)" = "$name" ] ||
            die "the work of $name is not assembled"
        git -C "$repo" cat-file -e "dispatch/$run/integration:draft-$name.txt" 2>/dev/null &&
            die "a draft of $name was assembled"
    done
    git -C "$repo" rev-list --objects --all | cut -d' ' -f1 | sort >"$scene/reachable"
    sort -u "$said/made" | comm -23 - "$scene/reachable" >"$scene/lost"
    [ ! -s "$scene/lost" ] || die "$(wc -l <"$scene/lost") objects of workers are lost, such as $(head -1 "$scene/lost")"
    (cd "$repo" && "$dispatch" board "$run") >"$scene/board"
    git -C "$repo" show "dispatch/$run/integration:DISPATCH.md" | cmp -s - "$scene/board" ||
        die "the board is not that of the journal"
    look_for shim
    [ ${#pids[@]} = 0 ] || die "shims outlived the run: ${pids[*]}"
    (cd "$repo" && "$dispatch" clean "$run") >"$scene/clean" 2>&1 || die "clean: $(head -3 "$scene/clean")"
    check_after_kill
}

# ---- the loop ------------------------------------------------------------------------------------

start() { # start ARGS...: a runner in the background
    (cd "$repo" && exec "$dispatch" "$@") >>"$scene/out" 2>&1 &
    runner=$!
}

# Takes the run up until it has ended well; tasks that were killed too often are tried again.
to_the_end() { # to_the_end CODE: how the last runner ended, if it is over
    local run code=$1 task tries=0
    while :; do
        if [ -z "$code" ]; then
            wait "$runner" 2>/dev/null
            code=$?
        fi
        [ "$code" = 0 ] && return
        tries=$((tries + 1))
        [ "$tries" -lt 40 ] || die "the run does not end: $(tail -5 "$scene/out")"
        run=$(journal) run=${run##*/}
        if [ -z "$run" ]; then
            start run "$scene/plan.md" --yes -j 3
            code=
            continue
        fi
        task=$( (cd "$repo" && "$dispatch" board "$run") | awk -F'|' '$5 ~ /FAILED/ {print $2 + 0; exit}')
        # Killed too often to be taken for chance: a person tries it again.
        if [ -n "$task" ]; then
            retries=$((retries + 1))
            start retry "$run" "$task"
        elif grep -q "has ended" <(tail -3 "$scene/out"); then
            return
        else
            resumes=$((resumes + 1))
            start resume "$run"
        fi
        code=
    done
}

# Sets `target`: the one that is furthest behind, mostly; else any.
next_target() {
    local least=runner
    for target in shim worker git; do
        [ "${killed[$target]}" -lt "${killed[$least]}" ] && least=$target
    done
    target=$least
    [ $((RANDOM % 3)) != 0 ] || target=${targets[RANDOM % 4]}
}

# One run, killed again and again.
round() {
    local left code= run now
    rounds=$((rounds + 1))
    make_scene
    start run "$scene/plan.md" --yes -j 3
    left=$((RANDOM % 12 + 6))
    while [ "$left" -gt 0 ] && [ "$done_kills" -lt "$kills" ]; do
        left=$((left - 1))
        sleep 0.$(printf %03d $((RANDOM % 250)))
        next_target
        now=$(phase)
        find_target "$target"
        if [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null; then
            killed[$target]=$((killed[$target] + 1))
            done_kills=$((done_kills + 1))
            say "$done_kills $target $pid round $rounds: ${now:-before the run exists}"
        fi
        kill -0 "$runner" 2>/dev/null && continue
        wait "$runner" 2>/dev/null
        code=$?
        check_after_kill
        run=$(journal) run=${run##*/}
        # One that has ended by itself has nothing more to be killed.
        if [ "$code" != 137 ]; then break; fi
        code=
        if [ -z "$run" ]; then
            start run "$scene/plan.md" --yes -j 3
        else
            resumes=$((resumes + 1))
            start resume "$run"
        fi
    done
    to_the_end "$code"
    check_end
    rm -rf "$scene"
}

make_worker
began=$SECONDS
until [ "$done_kills" -ge "$kills" ]; do round; done

echo "$done_kills kills in $rounds runs ($((SECONDS - began)) s, seed $seed): ${killed[runner]} of the runner," \
    "${killed[shim]} of shims, ${killed[worker]} of workers, ${killed[git]} of git programs;" \
    "$resumes resumes, $retries retries by hand; nothing was lost"
[ -n "${KEEP:-}" ] || rm -rf "$root"
