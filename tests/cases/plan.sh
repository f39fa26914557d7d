#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# flowgen plan: the report, its options, and the drawing.

set -uo pipefail
. "$(dirname "$0")/../lib/script.sh"
policy=$cases/port-ranges/policy.yaml

# plan CODE ARGUMENT...
plan() {
	call "$1" "$flowgen" plan -p mlx5-cx6dx "${@:2}" "$policy"
}

plan 0
has "$out" '^offloaded [0-9]+/[0-9]+ rules$'
has "$out" '^[0-9]+ more in part; [0-9]+ entries in 5 tables, [0-9]+ masks$'
has "$out" ' default/gnp:ranges/ingress/6 +no +reason item-unsupported:sctp.dst  # .*/port-ranges/policy.yaml:[0-9]+:[0-9]+$'

echo '{"packets": {"default/gnp:ranges/ingress/2": 964, "default/gnp:ranges/ingress/6": 36}}' >"$work/w"
plan 0 --weights "$work/w"
has "$out" '^offloaded [0-9]+/[0-9]+ rules, 96\.4 % of packets \(by last counters\)$'
has "$out" ' default/gnp:ranges/ingress/2 +yes +entries [0-9]+ packets 964  # '
plan 0 --weights "$work/w" --format json
has "$out" '"packets_offloaded": 964'
has "$out" '"place": ".*policy.yaml:[0-9]+:[0-9]+"'

plan 0 --capacity 0
has "$out" '; 0 entries in 0 tables, 0 masks$'
plan 0 --capacity 60
has "$out" 'reason capacity'
call 0 "$flowgen" check -p mlx5-cx6dx --capacity 60 "$policy"
has "$out" '^eth0 on mlx5-cx6dx: proven'

plan 2 --capacity many
has "$err" "capacity: 'many' is not a number of entries"
echo '{"packets": {"a": -1}}' >"$work/w"
plan 2 --weights "$work/w"
has "$err" "w: packets of 'a' must be a number from 0$"
printf '{"packets":\n{"a" 1}}' >"$work/w"
plan 2 --weights "$work/w"
has "$err" "w:2:[0-9]+: ':' expected"
echo '[]' >"$work/w"
plan 2 --weights "$work/w"
has "$err" 'must have an object "packets"'
plan 2 --weights "$work/none"
has "$err" 'none: cannot be read'

plan 0 --format dot
dot -Tsvg "$work/out" >"$work/svg" 2>"$work/err" || fail "dot: $(cat "$work/err")"
[ ! -s "$work/err" ] || fail "dot: $(cat "$work/err")"
for text in '<b>1 ports</b>' ; do
	grep -qF "$text" "$work/out" || fail "no $text"
done
# Five tables and what leads from one to another: root, ports, class, two paths.
[ "$(grep -c 'class="node"' "$work/svg")" = 5 ] || fail 'not 5 tables'
[ "$(grep -c 'class="edge"' "$work/svg")" = 4 ] || fail 'not 4 jumps'

# By queues.
plan 0 -p igb-82576 --reserve-queues
has "$out" ' proto 6 tcp dst 22 -> allow \(by queue\)  # '
plan 0 -p igb-82576
has "$out" '; 0 entries in 0 tables'

# Of an e-switch.
policy=$cases/untracked/policy.yaml
plan 0 -p mlx5-cx6dx-esw --eswitch 4:7
has "$out" '^plan eth0 on mlx5-cx6dx-esw, fallback software, e-switch from port 4 to 7$'
has "$out" ' tcp dst 80 -> allow-untracked \(delivered\)  # default/gnp:raw/ingress/0$'
has "$out" ' represented_port ethdev_port_id 4 -> jump 1$'
call 0 "$flowgen" check -q -p mlx5-cx6dx-esw --eswitch 4:7 "$policy"
has "$out" '^eth0 on mlx5-cx6dx-esw: proven'
plan 2 --eswitch 0:1
has "$err" 'profile mlx5-cx6dx has no e-switch$'
plan 2 -p mlx5-cx6dx-esw --eswitch 0:1 --fallback kernel
has "$err" 'e-switch plans need fallback software$'
for bad in 0 0: :1 1:1 0:65536 0:1x; do
	plan 2 -p mlx5-cx6dx-esw --eswitch $bad
	has "$err" "eswitch: '$bad' is not two port numbers like 0:1 "
done

exit $failed
