#!/bin/bash
# Twenty tasks, eight at a time, on a clone of a real project, and then: is everything of the
# user's what it was?
#
#   benches/real-project.sh REPO [TASKS] [JOBS]
#
# REPO is any repository, as `git clone` takes it; it is cloned first and itself not touched. Every
# task edits real files: each one takes another source file and appends to it. Compared before and
# after: HEAD, all references outside of dispatch's own, the SHA-256 of config, index, hooks, and of
# every file of the checkout (an edit and a new file of the user's among them). Settings by
# environment: DISPATCH (default: the release build), KEEP=1 (keep the folder).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dispatch=${DISPATCH:-$here/target/release/dispatch}
[ $# -ge 1 ] || { sed -n '2,13p' "$0"; exit 2; }
source=$1 tasks=${2:-20} jobs=${3:-8}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/real-project.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$root"' EXIT
export HOME=$root/home XDG_CONFIG_HOME=$root/home/.config GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME"
git config --global user.name bench
git config --global user.email bench@localhost

git clone --quiet "$source" "$root/project"
cd "$root/project"

# The user is in the middle of something, has a hook, and has a branch of their own.
git branch mine
first=$(git ls-files -s | awk '$1 == "100644" { sub(/^[^\t]*\t/, ""); if (!seen++) print }')
echo 'an edit that is not committed' >>"$first"
echo 'a new file' >untracked-of-mine
printf '#!/bin/sh\nexit 1\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
git status --porcelain >/dev/null

# Source files spread over the whole project, without names that a shell or a plan would mind.
git ls-files -s | awk '$1 == "100644" { sub(/^[^\t]*\t/, ""); print }' |
    grep -E '^[A-Za-z0-9_./-]+\.(c|h|rs|py|go|js|ts|sh|java|txt|md)$' |
    grep -vxF "$first" >"$root/files"
count=$(wc -l <"$root/files")
[ "$count" -ge "$tasks" ] || { echo "only $count files to edit" >&2; exit 1; }
{
    printf '# Real project\n\n## Dispatch Plan\n\n### Independent\n'
    for task in $(seq "$tasks"); do
        path=$(sed -n "$((task * (count / tasks)))p" "$root/files")
        printf '%d. [T%d] Edit %s\n      - run: echo "edited by task %d" >> %s\n' \
            "$task" "$task" "$path" "$task" "$path"
    done
} >"$root/plan.md"

snapshot() {
    echo "HEAD $(cat .git/HEAD) $(git rev-parse HEAD)"
    git for-each-ref --format='%(objectname) %(symref) %(refname)' |
        grep -v -e ' refs/dispatch/' -e ' refs/heads/dispatch/' || true
    sha256sum .git/config .git/index
    find .git/hooks -type f -print0 | sort -z | xargs -0 sha256sum
    find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
    find . -path ./.git -prune -o -printf '%y %m %l %p\n' | sort
}

# Old projects have objects that fsck remarks on; what counts is that nothing is added.
fsck_now() { git fsck --no-dangling --no-progress 2>&1 || echo "ended with $?"; }

fsck_now >"$root/fsck-before"
snapshot >"$root/before"
start=$(date +%s%N)
code=0
"$dispatch" run "$root/plan.md" -j "$jobs" --yes >"$root/out" 2>"$root/err" || code=$?
end=$(date +%s%N)
snapshot >"$root/after"

verdict=0
say() { echo "$1: $2"; [ "$2" = ok ] || verdict=1; }
files=$(git ls-files | wc -l)
echo "$tasks tasks, -j $jobs, $files files: $(((end - start) / 1000000)) ms"
say 'ended with exit code 0' "$([ "$code" = 0 ] && echo ok || echo "exit code $code, see $root/err")"
if cmp -s "$root/before" "$root/after"; then unchanged=ok; else
    unchanged=CHANGED
    diff "$root/before" "$root/after" | head -20
fi
say "HEAD, references, config, index, hooks and checkout are what they were ($(wc -l <"$root/before") lines compared)" "$unchanged"
branch=$(git for-each-ref --format='%(refname)' 'refs/heads/dispatch/*/integration')
changed=$(git diff --name-only HEAD "$branch" | grep -cv '^DISPATCH.md$' || true)
say "the integration branch has every task's edit" "$([ "$changed" = "$tasks" ] && echo ok || echo "$changed of $tasks")"
fsck_now >"$root/fsck-after"
cmp -s "$root/fsck-before" "$root/fsck-after" && checked=ok || checked=$(diff "$root/fsck-before" "$root/fsck-after")
say "git fsck says what it said about the clone ($(grep -c . "$root/fsck-before" || true) lines)" "$checked"
exit "$verdict"
