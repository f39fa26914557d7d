#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# flowgen plan: the report, its options, and the drawing.

set -uo pipefail
export LC_ALL=C

cases=$(cd "$(dirname "$0")" && pwd)
flowgen=${FLOWGEN:-${HF_BUILD:?is not set}/flowgen/flowgen}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
policy=$cases/port-ranges/policy.yaml

fail() {
	echo "FAIL: $*"
	failed=1
}

# plan CODE ARGUMENT...: what was printed is in $tmp/out and $tmp/err
plan() {
	local want=$1 got=0

	shift
	"$flowgen" plan -p mlx5-cx6dx "$@" "$policy" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ $got = "$want" ] || fail "plan $*: exit $got, not $want: $(cat "$tmp/err")"
}

# has PATTERN [FILE]
has() {
	grep -qE -- "$1" "$tmp/${2:-out}" || fail "no '$1' in: $(head -20 "$tmp/${2:-out}")"
}

plan 0
has '^offloaded [0-9]+/[0-9]+ rules$'
has '^[0-9]+ more in part; [0-9]+ entries in 5 tables, [0-9]+ masks$'
has ' default/gnp:ranges/ingress/6 +no +reason item-unsupported:sctp.dst  # .*/port-ranges/policy.yaml:[0-9]+:[0-9]+$'

echo '{"packets": {"default/gnp:ranges/ingress/2": 964, "default/gnp:ranges/ingress/6": 36}}' >"$tmp/w"
plan 0 --weights "$tmp/w"
has '^offloaded [0-9]+/[0-9]+ rules, 96\.4 % of packets \(by last counters\)$'
has ' default/gnp:ranges/ingress/2 +yes +entries [0-9]+ packets 964  # '
plan 0 --weights "$tmp/w" --format json
has '"packets_offloaded": 964'
has '"place": ".*policy.yaml:[0-9]+:[0-9]+"'

plan 0 --capacity 0
has '; 0 entries in 0 tables, 0 masks$'
plan 0 --capacity 60
has 'reason capacity'
"$flowgen" check -p mlx5-cx6dx --capacity 60 "$policy" >"$tmp/out" || fail "60 entries: $(cat "$tmp/out")"
has '^eth0 on mlx5-cx6dx: proven'

plan 2 --capacity many
has "capacity: 'many' is not a number of entries" err
echo '{"packets": {"a": -1}}' >"$tmp/w"
plan 2 --weights "$tmp/w"
has "w: packets of 'a' must be a number from 0$" err
printf '{"packets":\n{"a" 1}}' >"$tmp/w"
plan 2 --weights "$tmp/w"
has "w:2:[0-9]+: ':' expected" err
echo '[]' >"$tmp/w"
plan 2 --weights "$tmp/w"
has 'must have an object "packets"' err
plan 2 --weights "$tmp/none"
has 'none: cannot be read' err

plan 0 --format dot
dot -Tsvg "$tmp/out" >"$tmp/svg" 2>"$tmp/err" || fail "dot: $(cat "$tmp/err")"
[ ! -s "$tmp/err" ] || fail "dot: $(cat "$tmp/err")"
for text in '<b>1 ports</b>' ; do
	grep -qF "$text" "$tmp/out" || fail "no $text"
done
# Five tables and what leads from one to another: root, ports, class, two paths.
[ "$(grep -c 'class="node"' "$tmp/svg")" = 5 ] || fail 'not 5 tables'
[ "$(grep -c 'class="edge"' "$tmp/svg")" = 4 ] || fail 'not 4 jumps'

# By queues.
plan 0 -p igb-82576 --reserve-queues
has ' proto 6 tcp dst 22 -> allow \(by queue\)  # '
plan 0 -p igb-82576
has '; 0 entries in 0 tables'

# Of an e-switch.
policy=$cases/untracked/policy.yaml
plan 0 -p mlx5-cx6dx-esw --eswitch 4:7
has '^plan eth0 on mlx5-cx6dx-esw, fallback software, e-switch from port 4 to 7$'
has ' tcp dst 80 -> allow-untracked \(delivered\)  # default/gnp:raw/ingress/0$'
has ' represented_port ethdev_port_id 4 -> jump 1$'
"$flowgen" check -q -p mlx5-cx6dx-esw --eswitch 4:7 "$policy" >"$tmp/out" || fail "e-switch: $(cat "$tmp/out")"
has '^eth0 on mlx5-cx6dx-esw: proven'
plan 2 --eswitch 0:1
has 'profile mlx5-cx6dx has no e-switch$' err
plan 2 -p mlx5-cx6dx-esw --eswitch 0:1 --fallback kernel
has 'e-switch plans need fallback software$' err
for bad in 0 0: :1 1:1 0:65536 0:1x; do
	plan 2 -p mlx5-cx6dx-esw --eswitch $bad
	has "eswitch: '$bad' is not two port numbers like 0:1 " err
done

exit $failed
