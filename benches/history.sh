#!/bin/bash
# Real merges of a real history, judged again: are verdict and tree those of git itself?
#
#   benches/history.sh REPO [N]     the newest N (default 2,000) merges of two parents that HEAD has
#
# For each merge, `dispatch conflicts` on the two parents is held against `git merge-tree
# --write-tree` in a process of its own: conflict or clean, and the tree where it is clean. Both take
# attributes from the merge base that git finds (git below 2.41 is given its top file only). An
# independent pair has no tree of its own; there git's must be the first parent with the changes of
# the second laid over it. Settings by environment: DISPATCH, and SKIP, how many of the newest merges
# are passed over.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dispatch=${DISPATCH:-$here/target/release/dispatch}
source=$(cd "${1:?usage: benches/history.sh REPO [N]}" && pwd)
count=${2:-2000}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/history.XXXXXX")
trap 'rm -rf "$root"' EXIT
export HOME=$root/home GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME" "$root/objects/info"
git config --global safe.directory '*'
git clone --quiet --no-checkout "$source" "$root/repo"
cd "$root/repo"
# Without it most of the time goes into finding merge bases, three times a merge.
git commit-graph write --reachable --no-progress
echo "$root/repo/.git/objects" > "$root/objects/info/alternates"

overlaid() { # base, ours, theirs, tree
    cmp -s <(git diff-tree -r "$1" "$3") \
        <(GIT_OBJECT_DIRECTORY=$root/objects git diff-tree -r "$2" "$4")
}

merges=0 clean=0 conflicts=0 refused=0 pruned=0 crossed=0 wrong=0
while read -r commit ours theirs; do
    merges=$((merges + 1))
    bases=$(git merge-base --all "$ours" "$theirs" || echo "$ours")
    base=${bases%%$'\n'*}
    [ "$base" = "$bases" ] || crossed=$((crossed + 1))
    # Ignored since git 2.41, which reads the attributes of GIT_ATTR_SOURCE.
    git show "$base:.gitattributes" > .gitattributes 2> /dev/null || true
    code=0
    said=$(GIT_OBJECT_DIRECTORY=$root/objects GIT_ATTR_SOURCE=$base \
        git merge-tree --write-tree --name-only "$ours" "$theirs" 2> /dev/null) || code=$?
    tree=${said%%$'\n'*}
    found=$("$dispatch" conflicts "$ours" "$theirs" --json || [ $? -eq 4 ])
    verdict=$(grep -o '"verdict":"[a-z-]*"' <<< "$found" | head -1 | cut -d'"' -f4 || true)
    merged=$(grep -o '"tree":"[0-9a-f]*"' <<< "$found" | head -1 | cut -d'"' -f4 || true)
    case $code in
    0) expected=clean clean=$((clean + 1)) ;;
    1) expected=conflict conflicts=$((conflicts + 1)) ;;
    *) expected=engine-failure refused=$((refused + 1)) ;;
    esac
    if [ -z "$merged" ] && [ $code -eq 0 ]; then
        pruned=$((pruned + 1))
        ! overlaid "$base" "$ours" "$theirs" "$tree" || merged=$tree
    fi
    if [ "${verdict:-clean}" != $expected ] || { [ $code -eq 0 ] && [ "$merged" != "$tree" ]; }; then
        wrong=$((wrong + 1))
        echo "merge $commit: git says $expected $tree, dispatch ${verdict:-clean} $merged"
    fi
done < <(git rev-list --merges --max-parents=2 --parents --max-count="$count" --skip="${SKIP:-0}" HEAD)
echo "$(git version): $merges merges, $crossed of them with several bases: $clean clean ($pruned of" \
    "them without a merge), $conflicts conflicts, $refused refused by git, $wrong different"
[ $wrong -eq 0 ]
