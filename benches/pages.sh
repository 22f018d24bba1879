#!/bin/bash
# The time of pages of a run with many tasks, and the processor time of the server while browsers watch.
#
#   benches/pages.sh [TASKS] [BROWSERS]     default 1,000 tasks and 5 browsers
#
# Fails if a page takes a second or more, or if the server needs more than 5 % of a processor. Needs
# curl. Settings by environment: DISPATCH.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
dispatch=${DISPATCH:-$here/target/release/dispatch}
tasks=${1:-1000} browsers=${2:-5}
[ -x "$dispatch" ] || { echo "no $dispatch; run cargo build --release first" >&2; exit 1; }

root=$(mktemp -d "${TMPDIR:-/tmp}/pages.XXXXXX")
server=""
trap '[ -z "$server" ] || kill "$server"; rm -rf "$root"' EXIT
export HOME=$root/home GIT_CONFIG_NOSYSTEM=1
mkdir -p "$HOME" "$root/repo"
cd "$root/repo"
git init --quiet
git -c user.name=A -c user.email=a@localhost commit --quiet --allow-empty -m first

plan=$root/plan.toml
echo 'title = "Many"' > "$plan"
for ((task = 1; task <= tasks; task++)); do
    printf '[[task]]\ntag = "T%d"\ntitle = "Task %d with a title"\nrun = "echo > f%d"\n' \
        "$task" "$task" "$task" >> "$plan"
done
"$dispatch" run "$plan" --yes --only 1,2,3 > "$root/run.log" 2>&1

"$dispatch" web > "$root/address" 2> "$root/web.log" &
server=$!
until address=$(head -n 1 "$root/address") && [ -n "$address" ]; do sleep 0.05; done
site=${address%%/\?*}
curl -sf -c "$root/cookies" -o "$root/page" "$address"
run=$(git for-each-ref --format='%(refname:lstrip=3)' refs/dispatch/runs)

slow=0
for page in board timeline conflicts task-1 report history; do
    curl -sf -b "$root/cookies" -o "$root/page" "$site/$run/$page.html"
    seconds=$(curl -sf -b "$root/cookies" -o "$root/page" -w '%{time_total}' "$site/$run/$page.html")
    printf '%-10s %s s, %s bytes\n' "$page" "$seconds" "$(wc -c < "$root/page")"
    [ "${seconds%%.*}" -eq 0 ] || slow=$((slow + 1))
done

used() { awk '{print $14 + $15}' "/proc/$server/stat"; }
watchers=()
for ((browser = 0; browser < browsers; browser++)); do
    curl -sN -b "$root/cookies" -o "$root/events" "$site/$run/events" &
    watchers+=($!)
done
before=$(used)
sleep 20
percent=$((($(used) - before) * 100 / (20 * $(getconf CLK_TCK))))
kill "${watchers[@]}"
echo "$browsers browsers: the server used $percent % of a processor"
[ $slow -eq 0 ] && [ $percent -lt 5 ]
