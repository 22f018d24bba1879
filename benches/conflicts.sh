#!/bin/bash
# What verdicts on all pairs of many branches cost, against plain git.
#
#   benches/conflicts.sh [REPO]        all of these
#   benches/conflicts.sh --hundred [REPO]
#       100 branches on one base: every pair by `git merge-tree --stdin` (one process), every pair by
#       a `git merge-tree` of its own, and by `dispatch conflicts`: with nothing known, with nothing
#       changed, and with one branch changed. All verdicts, and the trees, are compared first.
#   benches/conflicts.sh --spread REPO
#       The same with 100 branches that meet less: about 1 % of the pairs share a file.
#   benches/conflicts.sh --thousand [REPO]
#       1,000 branches of which 1 % of the pairs share a file: `dispatch conflicts` against one pass
#       of `git diff-tree --stdin` over the branches, and the peak of memory.
#   benches/conflicts.sh --scale [REPO]
#       4,000 branches of which 1 % of the pairs share a file, per pair against `git merge-tree
#       --stdin`. Then the same for a generated run of 4,000 tasks, a third of which depend on another
#       task, one pair in 200 tasks conflicts. COUNT sets another number.
#
# REPO is any repository, as `git clone` takes it; it is cloned first and itself not touched. The
# 100 branches are then its newest topics (merges of the first-parent history), each laid on one
# base, or, spread, every fourth of the newest 1,200; the 1,000 edit some files each. Without REPO a
# repository of 5,000 files is generated, and the 100 branches edit some files each, few of them often.
# Compared in pairs (ABAB…) in one run,
# medians, of wall time and of processor time (children included). Settings by environment: DISPATCH
# (default: the release build), PAIRS, KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/shared.sh"
dispatch=${DISPATCH:-$here/target/release/dispatch}
pairs=${PAIRS:-5} count=${COUNT:-4000}
mode=all
case ${1:-} in
--hundred | --spread | --thousand | --scale) mode=${1#--} && shift ;;
-*) sed -n '2,29p' "$0" && exit 2 ;;
esac
source=${1:-}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/conflicts.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_DATE='@1900000000 +0000' GIT_COMMITTER_DATE='@1900000000 +0000'
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

# ---- the repository and its branches -------------------------------------------------------------

make_repository() {
    if [ -n "$source" ]; then
        git clone --quiet --no-checkout "$source" "$root/repo"
    else
        git init -q "$root/repo"
        text_tree 5000 120 | git -C "$root/repo" fast-import --quiet
    fi
    cd "$root/repo"
}

# NAME COUNT BASE EVERY: every so manyth topic of the history: what each brought, merged onto one base;
# those that do not fit are left out.
lay_topics() {
    local name=$1 count=$2 base=$3 every=$4 made=0 first second from tree
    while read -r _ first second; do
        from=$(git merge-base "$first" "$second") || continue
        tree=$(git merge-tree --write-tree --merge-base="$from" "$base" "$second" 2> /dev/null) || continue
        [ "$tree" != "$(git rev-parse "$base^{tree}")" ] || continue
        made=$((made + 1))
        echo "create refs/heads/$name/$made $(git commit-tree -p "$base" -m topic "$tree")"
        [ "$made" -lt "$count" ] || break
    done < <(git rev-list --merges --max-parents=2 --parents --first-parent HEAD |
        awk -v every="$every" 'NR % every == 0') > "$root/topics"
    git update-ref --stdin < "$root/topics"
}

# COUNT branches NAME/n on BASE, EDITS files each (0: as many as make 1 % of the pairs share one), a new
# line at a place of its own in each file. With SKEW 1 every file is as likely as the other, with more
# some are far likelier.
edit_files() {
    local name=$1 count=$2 edits=$3 skew=$4 base=$5
    mkdir -p "$root/edits"
    git ls-tree -r "$base" | awk '$1 == "100644" { sub(/^[^\t]*\t/, ""); print }' |
        grep -E '^[A-Za-z0-9_./+-]+$' | grep -vE '\.(png|jpe?g|gif|ico|pdf|gz|xz|zip|bundle|pack|crt|bin)$' > "$root/names"
    git archive "$base" | tar -x -C "$root/edits"
    awk -v count="$count" -v edits="$edits" -v skew="$skew" -v top="$root/edits" -v list="$root/list" '
        { name[NR] = $0 }
        END {
            srand(7)
            if (edits == 0) edits = int(sqrt(NR / 100) + 0.5)
            for (n = 1; n <= count; n++) for (k = 1; k <= edits; k++) {
                path = name[1 + int(NR * rand() ^ skew)]
                out = top "/.bench-" n "-" k
                at = 1 + int(40 * rand()); line = 0
                while ((getline text < (top "/" path)) > 0)
                    { if (++line == at) print "a line of branch " n > out; print text > out }
                if (line < at) print "a line of branch " n > out
                close(top "/" path); close(out)
                print n "\t" path > list
                print out
            }
        }' "$root/names" | git hash-object -w --no-filters --stdin-paths > "$root/blobs"
    paste "$root/list" "$root/blobs" | awk -F'\t' -v name="$name" -v base="$base" '
        $1 != last {
            last = $1
            printf "commit refs/heads/%s/%d\n", name, $1
            print "committer bench <bench@localhost> 1900000000 +0000\ndata 4\nedit\nfrom " base
        }
        { print "M 100644 " $3 " " $2 }' | git fast-import --quiet
    rm -rf "$root/edits"
}

tips() { git for-each-ref --format='%(objectname)' "refs/heads/$1/"; }

all_pairs() { awk '{ t[NR] = $1 } END { for (a = 1; a < NR; a++) for (b = a + 1; b <= NR; b++) print t[a], t[b] }'; }

# ---- the sides ------------------------------------------------------------------------------------

# git writes what it merges; neither side may find it there already.
fresh_objects() {
    rm -rf "$root/objects"
    mkdir -p "$root/objects/info"
    echo "$PWD/.git/objects" > "$root/objects/info/alternates"
}

by_one_process() {
    GIT_OBJECT_DIRECTORY=$root/objects git merge-tree --write-tree --stdin -z --messages < "$root/pairs"
}

by_many_processes() {
    local ours theirs code
    export GIT_OBJECT_DIRECTORY=$root/objects
    while read -r ours theirs; do
        code=0
        git merge-tree --write-tree --name-only --no-messages "$ours" "$theirs" > "$root/one" || code=$?
        read -r tree < "$root/one"
        echo "$code $tree"
    done < "$root/pairs"
    unset GIT_OBJECT_DIRECTORY
}

by_diff_tree() { sed "s/^/$base /" "$root/tips" | git diff-tree --stdin -r -z; }

by_dispatch() { "$dispatch" conflicts "$name/*" --json || [ $? -eq 4 ]; }

forget() { rm -rf .git/dispatch/cache; }

merges_run() { grep -o '"merges_run":[0-9]*' "$root/$1.out" | cut -d: -f2; }

# ---- measuring ------------------------------------------------------------------------------------

# timed SIDE RECORD: runs it and adds its milliseconds of wall and of processor time to RECORD.
timed() {
    local TIMEFORMAT='%R %U %S'
    { time "$1" > "$root/$2.out" 2> "$root/$2.err"; } 2> "$root/time"
    awk '{ print int($1 * 1000), int(($2 + $3) * 1000) }' "$root/time" >> "$root/$2.times"
}

middle() { awk -v column="$2" '{ print $column }' "$root/$1.times" | median; }

row() { printf '%-58s %8s ms %8s ms\n' "$1" "$(middle "$2" 1)" "$(middle "$2" 2)"; }

# ratio TEXT A B: what A costs in parts of B, by wall and by processor time.
ratio() {
    printf '%-58s %11s %11s\n' "$1" \
        "$(part "$(middle "$2" 1)" "$(middle "$3" 1)")" "$(part "$(middle "$2" 2)" "$(middle "$3" 2)")"
}

part() { awk -v a="$1" -v b="$2" 'BEGIN { if (a < 1) a = 1; if (b < 1) b = 1
    if (a < b) printf "1/%.1f", b / a; else printf "%.1f", a / b }'; }

# How many pairs have anything to do with each other.
meeting() {
    grep -o '"class":"[a-z-]*","severity":[0-9],"bases"' "$root/all.json" | grep -vc '"independent"'
}

# Every verdict and every merged tree, against one git process a pair.
compare_verdicts() {
    "$dispatch" conflicts "$name/*" --json --all > "$root/all.json" 2> /dev/null || [ $? -eq 4 ]
    # An independent pair and one that git failed on have no tree.
    grep -oE '"b":"[^"]*","verdict":"[a-z-]*","conflict":[a-z]*,("why":[^]}]*,)?"class":"[a-z-]*","severity":[0-9],"bases":[^]]*],"tree":[^,]*' "$root/all.json" |
        sed -E 's/.*"verdict":"([a-z-]*)".*"tree":("?)([0-9a-z]*).*/\1 \3/' > "$root/verdicts"
    paste -d' ' "$root/verdicts" "$root/processes.out" | awk '
        { expected = $3 == 0 ? "clean" : $3 == 1 ? "conflict" : "engine-failure" }
        $1 != expected || ($2 != "null" && $2 != $4) { wrong++; print "pair " NR ": " $0 }
        { seen++; conflicts += $3 == 1; trees += $2 != "null" }
        END {
            printf "%d pairs, %d conflicts: %d verdicts different (%d trees compared)\n", seen, conflicts, wrong, trees
            exit wrong > 0
        }'
    [ "$(wc -l < "$root/verdicts")" = "$(wc -l < "$root/pairs")" ]
}

# hundred NAME DEPTH EVERY: the base is so many commits back, and every so manyth topic is taken.
hundred() {
    local name=$1 base
    rm -f "$root"/*.times
    if [ -n "$source" ]; then
        base=$(git rev-list --first-parent HEAD | sed -n "$2p")
        lay_topics "$name" 100 "$base" "$3"
    else
        base=$(git rev-parse HEAD)
        edit_files "$name" 100 5 3 "$base"
    fi
    export GIT_ATTR_SOURCE=$base
    tips "$name" > "$root/tips"
    all_pairs < "$root/tips" > "$root/pairs"
    fresh_objects
    timed by_many_processes processes
    compare_verdicts
    local round changed old branch
    # A branch that meets others: the one in the middle of those that do, by how many.
    branch=$(grep -o '"a":"[^"]*","b":"[^"]*","verdict":"[a-z-]*","conflict":[a-z]*,"class":"[a-z-]*"' "$root/all.json" |
        grep -v '"class":"independent"' | cut -d'"' -f4,8 | tr '"' '\n' | sort | uniq -c | sort -n |
        awk '{ name[NR] = $2 } END { print name[int((NR + 1) / 2)] }')
    old=$(git rev-parse "refs/heads/$branch")
    for round in $(seq "$pairs"); do
        fresh_objects
        timed by_one_process stdin
        forget
        timed by_dispatch cold
        timed by_dispatch warm
        [ "$(merges_run warm)" = 0 ] || { echo "merges were run though nothing had changed" >&2; exit 1; }
        # The branch gets another line in a file it has changed anyway.
        changed=$(change_one "$old" "$round")
        git update-ref "refs/heads/$branch" "$changed"
        timed by_dispatch one
        git update-ref "refs/heads/$branch" "$old"
    done
    printf '\n%-58s %11s %11s\n' "$(wc -l < "$root/tips") branches, $(git ls-tree -r "$base" | wc -l) files, $(meeting) pairs meet, medians of $pairs" wall cpu
    row 'git merge-tree --stdin, all pairs' stdin
    row 'git merge-tree, a process a pair (once)' processes
    row "dispatch conflicts, nothing known ($(merges_run cold) merges)" cold
    row 'dispatch conflicts, nothing changed (0 merges)' warm
    row "dispatch conflicts, one branch changed ($(merges_run one) merges)" one
    ratio 'nothing known / git merge-tree --stdin       (1/10)' cold stdin
    ratio 'nothing known / a process a pair             (1/100)' cold processes
    ratio 'one branch changed / git merge-tree --stdin  (1/20)' one stdin
    ratio 'one branch changed / nothing known' one cold
    unset GIT_ATTR_SOURCE
}

change_one() {
    local path blob
    path=$(git diff-tree -r --diff-filter=M --name-only "$base" "$1" | head -1)
    blob=$({ git cat-file blob "$1:$path"; echo "line $2"; } | git hash-object -w --stdin --no-filters)
    GIT_INDEX_FILE=$root/index git read-tree "$1"
    GIT_INDEX_FILE=$root/index git update-index --cacheinfo "100644,$blob,$path"
    git commit-tree -p "$base" -m changed "$(GIT_INDEX_FILE=$root/index git write-tree)"
}

# The kernel's own peak of the process itself, looked at until its end.
peak_of() {
    local peak=0 key value _
    while [ -e "/proc/$1/status" ]; do
        while read -r key value _; do
            if [ "$key" = VmHWM: ]; then peak=$value; fi
        done 2> /dev/null < "/proc/$1/status" || true
        sleep 0.02
    done
    echo "$peak"
}

thousand() {
    local name=thousand base round
    base=$(git rev-parse HEAD)
    edit_files thousand 1000 0 1 "$base"
    tips thousand > "$root/tips"
    for round in $(seq "$pairs"); do
        timed by_diff_tree diff
        forget
        timed by_dispatch many
        timed by_dispatch again
    done
    forget
    "$dispatch" conflicts 'thousand/*' --json > "$root/many.out" 2> /dev/null &
    local peak
    peak=$(peak_of $!)
    wait $! || [ $? -eq 4 ]
    local total
    total=$(grep -o '"pairs_total":[0-9]*' "$root/many.out" | cut -d: -f2)
    printf '\n%-58s %11s %11s\n' "$(wc -l < "$root/tips") branches, $(git ls-tree -r "$base" | wc -l) files, medians of $pairs" wall cpu
    row 'git diff-tree --stdin, all branches' diff
    row "dispatch conflicts, nothing known ($(merges_run many) merges of $total)" many
    row 'dispatch conflicts, nothing changed' again
    ratio 'nothing known / git diff-tree --stdin        (20)' many diff
    echo "peak of resident memory of dispatch itself (200): $((peak / 1024)) MiB"
}

# per_pair TEXT RECORD TOTAL: microseconds per pair.
per_pair() {
    printf '%-58s %8s µs %8s µs\n' "$1" "$(awk -v t="$(middle "$2" 1)" -v n="$3" 'BEGIN { printf "%.2f", t * 1000 / n }')" \
        "$(awk -v t="$(middle "$2" 2)" -v n="$3" 'BEGIN { printf "%.2f", t * 1000 / n }')"
}

# Compares what `by_dispatch` does with the pairs of the first 50 of the tips, merged by git.
report_scale() {
    local round total sample
    head -50 "$root/tips" | all_pairs > "$root/pairs"
    rm -f "$root"/*.times
    for round in $(seq "$pairs"); do
        fresh_objects
        timed by_one_process stdin
        forget
        timed "$1" many
        timed "$1" again
    done
    total=$(grep -o '"pairs_total":[0-9]*' "$root/many.out" | cut -d: -f2)
    sample=$(wc -l < "$root/pairs")
    printf '\n%-58s %11s %11s\n' "$2, medians of $pairs" wall cpu
    row "nothing known ($(merges_run many) merges, $(grep -o '"verdict":"conflict"' "$root/many.out" | wc -l) conflicts)" many
    row 'nothing changed' again
    per_pair "per pair: dispatch ($total pairs)" many "$total"
    per_pair "per pair: git merge-tree --stdin ($sample pairs)" stdin "$sample"
}

scale_branches() {
    name=scale
    edit_files scale "$count" 0 1 "$(git rev-parse HEAD)"
    tips scale > "$root/tips"
    report_scale by_dispatch "$count branches, 1 % of the pairs share a file"
}

# A task inserts a line into one of 100 files, far from those of others, save for one pair in 200 tasks.
scale_run() {
    git init -q "$root/run" && cd "$root/run"
    text_tree 100 $((count / 5 + 200)) | git fast-import --quiet
    git reset -q --hard main
    awk -v tasks="$count" 'BEGIN {
        print "# Scale\n\n## Dispatch Plan\n"
        for (t = 1; t <= tasks; t++) {
            n = t % 100; turn = int((t - 1) / 100)
            if (n == 1 && turn % 2) turn--
            printf "%d. [T%d] Task %d%s\n      - run: sed -i '"'%da a line of task %d'"' dir%d/file%d.txt\n", \
                t, t, t, t % 3 ? "" : " — blocked by #" (t - 1), 10 + 20 * turn, t, (n + 1) % 50, n + 1
        }
    }' > "$root/plan.md"
    "$dispatch" run "$root/plan.md" -j 4 --yes --no-assemble > "$root/run.out" 2>&1 || [ $? -eq 4 ]
    git for-each-ref --format='%(objectname)' 'refs/heads/dispatch/*/t*' > "$root/tips"
    report_scale by_dispatch_run "a run of $count tasks, a third with dependencies"
}

by_dispatch_run() { "$dispatch" conflicts --json || [ $? -eq 4 ]; }

make_repository
case $mode in hundred | all) hundred hundred 150 1 ;; esac
case $mode in
spread) hundred spread 1200 4 ;;
all) [ -z "$source" ] || hundred spread 1200 4 ;;
esac
case $mode in thousand | all) thousand ;; esac
case $mode in scale) scale_branches && scale_run ;; esac
