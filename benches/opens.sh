#!/bin/bash
# Files that one more task opens, by program and by kind.
#
#   benches/opens.sh [FEW MANY]     runs of FEW and MANY tasks (default 40 and 200), four at a time, in a
#                                   repository of 200 files in 13 folders. The difference of the two,
#                                   divided by that of the counts, is what one task costs: the start
#                                   and the end of a run are in neither. Needs strace.
#
# A task appends a line to one file. Every call of open, openat and openat2 by every process of the run
# counts, one that finds no file too. The checkout of the 200 files is 200 of them.
#
# Settings by environment: DISPATCH (the program; default: the release build), JOBS, LOOSE=1 (the objects
# of the repository are loose, as before its first collection; else they are in a pack), KEEP=1 (keep the
# folder with the traces).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dispatch=${DISPATCH:-$here/target/release/dispatch}
jobs=${JOBS:-4} few=${1:-40} many=${2:-200}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }
command -v strace >/dev/null || { echo "no strace: opens are not counted" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/opens.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

FILES=200 FOLDERS=13

# Writes a repository and a plan of so many tasks.
prepare() {
    local n folder
    rm -rf "$root/place"
    git init -q "$root/place/repo"
    cd "$root/place/repo"
    for n in $(seq 0 $((FILES - 1))); do
        folder=dir$((n % FOLDERS))
        mkdir -p "$folder"
        seq -f "line %g of file $n" 20 >"$folder/file$n.txt"
    done
    git add --all
    git commit -qm first
    [ -n "${LOOSE:-}" ] || git repack -adq
    awk -v tasks="$1" -v files=$FILES -v folders=$FOLDERS 'BEGIN {
        print "# Opens\n\n## Dispatch Plan\n\n### Independent"
        for (t = 1; t <= tasks; t++) {
            n = t % files
            printf "%d. [T%d] Task %d\n      - run: echo a line of task %d >> dir%d/file%d.txt\n", \
                t, t, t, t, n % folders, n
        }
    }' >"$root/plan.md"
}

# Counts the calls of one run: lines of program, kind and number.
count_opens() {
    prepare "$1"
    strace -f --seccomp-bpf -qq -s 200 -e trace=open,openat,openat2,execve -e signal=none -o "$root/trace.$1" \
        "$dispatch" run "$root/plan.md" -j "$jobs" --yes >"$root/out" 2>"$root/err" ||
        { cat "$root/err" "$root/out" >&2; exit 1; }
    awk -v own="${dispatch##*/}" '
        # The program that a process became: for git, with its command.
        $2 ~ /^execve\(/ && / = 0$|<unfinished/ {
            count = split($0, part, "\"")
            name = part[2]
            sub(/.*\//, "", name)
            if (name == "git") {
                for (i = 6; i < count; i += 2) {
                    if (part[i] == "-c") { i += 2; continue }
                    if (part[i] ~ /^-/) continue
                    name = "git " part[i]
                    break
                }
            }
            # The runner starts itself again as the supervisor of each worker.
            if (name == own) name = runs++ ? "supervisor" : "dispatch"
            program[$1] = name
            next
        }
        $2 ~ /^open(at2?)?\(/ {
            split($0, part, "\"")
            path = part[2]
            kind = "other"
            if (path ~ /ld\.so\.cache$|\/lib[a-z0-9_+-]*[.-][0-9.a-z]*so|\/locale\/|gconv/) kind = "start of a program"
            else if (path ~ /^\/(proc|sys|dev)\//) kind = "system"
            else if (path ~ /\/objects\/|\/objects$/) kind = "objects"
            else if (path ~ /dispatch\/private\//) kind = "git folder of the worker"
            else if (path ~ /\/attempts\//) kind = "folder of the attempt"
            else if (path ~ /index(\.lock)?$/) kind = "index"
            else if (path ~ /HEAD$|\/refs\/|\/refs$|packed-refs|\/logs\/|\/journals\//) kind = "references"
            else if (path ~ /config|\/global$|attributes$|exclude$|\.gitignore$|grafts$|shallow$/) kind = "settings"
            else if (path ~ /(^|\/)dir[0-9]+(\/|$)/) kind = "files of the worktree"
            else if (path ~ /\.git\/worktrees\/|\/\.git$/) kind = "links of the worktree"
            else if (path ~ /\/home\//) kind = "folders that a sandbox allows"
            calls[($1 in program ? program[$1] : "dispatch") "\t" kind]++
        }
        END { for (key in calls) print key "\t" calls[key] }
    ' "$root/trace.$1"
}

count_opens "$few" >"$root/few"
count_opens "$many" >"$root/many"
awk -F '\t' -v tasks=$((many - few)) -v limit=400 '
    FNR == NR { before[$1 FS $2] = $3; next }
    { more[$1 FS $2] = ($3 - before[$1 FS $2]) / tasks; seen[$1 FS $2] = 1 }
    END {
        for (key in before) if (!(key in seen)) more[key] = -before[key] / tasks
        for (key in more) {
            sum += more[key]
            split(key, part, FS)
            of_program[part[1]] += more[key]
        }
        printf "%-18s %-30s %s\n", "program", "kind", "opens per task"
        fflush()
        sort = "sort -t \"\t\" -k1,1 -k3,3nr"
        for (key in more) if (more[key] ^ 2 >= 0.0025) printf "%s\t%.1f\n", key, more[key] | sort
        close(sort)
        print ""
        for (name in of_program) if (of_program[name] >= 0.05) printf "%s\t\t%.1f\n", name, of_program[name] | sort
        close(sort)
        printf "all\t\t%.1f\n", sum
        if (sum > limit) { print "ABOVE THE LIMIT of " limit; exit 1 }
    }
' "$root/few" "$root/many" | awk -F '\t' 'NF == 3 { printf "%-18s %-30s %s\n", $1, $2, $3; next } { print }'
