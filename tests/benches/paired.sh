# Sourced by the benchmarks: a clone that borrows the objects of the repository named, a cache and a home of its own, and paired
# timing. Not a command.
set -euo pipefail
export LC_ALL=C

[ $# = 1 ] || { echo 'usage: tests/benches/${0##*/} <repository>' >&2; exit 129; }
source=$(git -C "$1" rev-parse --path-format=absolute --git-common-dir)
bhfuil=${GIT_BHFUIL:-git-bhfuil}
rounds=${ROUNDS:-5}
bhfuil=$(command -v "$bhfuil") || { echo 'git-bhfuil is neither on PATH nor named by GIT_BHFUIL' >&2; exit 1; }
time=$(type -P time) || { echo 'GNU time is missing' >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in $(env | sed -n 's/^\(GIT_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
unset XDG_CONFIG_HOME
export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_BHFUIL_CACHE=$work/cache
for who in AUTHOR COMMITTER; do
    export "GIT_${who}_NAME=A U Thor" "GIT_${who}_EMAIL=author@example.com"
done

git clone --quiet --mirror --shared "$source" "$work/repo"
cd "$work/repo"
refs='--branches --remotes --tags'

# Seconds and KiB go to $work/time. `time` counts hundredths, too coarse for start-up: the seconds are those of bash's clock.
measure() {
    local start=$EPOCHREALTIME
    "$time" -q -o "$work/memory" -f %M "$@" >"$work/out"
    local end=$EPOCHREALTIME
    awk -v start="$start" -v end="$end" '{ printf "%.6f %d", end - start, $1 }' "$work/memory" >"$work/time"
}

# compare <what> <ours> <theirs>: one pair to warm up, then the pairs that count.
compare() {
    : >"$work/pairs"
    for round in $(seq 0 "$rounds"); do
        "$2"
        local ours
        ours=$(cat "$work/time")
        "$3"
        [ "$round" = 0 ] || echo "$ours $(cat "$work/time")" >>"$work/pairs"
    done
    local ratio ours theirs
    ratio=$(awk '{ print $1 / $3 }' "$work/pairs" | median)
    ours=$(cut -d' ' -f1 "$work/pairs" | median)
    theirs=$(cut -d' ' -f3 "$work/pairs" | median)
    awk -v what="$1" -v ratio="$ratio" -v ours="$ours" -v theirs="$theirs" '
        { if ($2 > most) most = $2; if ($4 > git) git = $4 }
        END { printf "%-28s %8.3f %9.1f ms %9.1f ms %7.1f MiB %7.1f MiB\n", what, ratio, ours * 1000, theirs * 1000, most / 1024, git / 1024 }
    ' "$work/pairs"
}
median() { sort -g | awk '{ it[NR] = $1 } END { print (NR % 2) ? it[(NR + 1) / 2] : (it[NR / 2] + it[NR / 2 + 1]) / 2 }'; }

headline() {
    echo "$("$bhfuil" --version), $(git version), $(nproc) cores"
    echo "$(git rev-list --count $refs) commits, $(git for-each-ref | wc -l) refs, median of $rounds pairs"
    printf '%-28s %8s %12s %12s %11s %11s\n' '' 'ratio' 'bhfuil' 'git' 'bhfuil' 'git'
}
