#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# flowgen diff: exit codes, how many operations a change costs, and whether what it says about
# packets is what flowgen eval says.

set -uo pipefail
. "$(dirname "$0")/../lib/script.sh"
nic=mlx5-cx6dx

# run EXIT ARG...
run() {
	call "$1" "$flowgen" diff "${@:2}" </dev/null
}

# world N ODD ACTION: N rules allow TCP to a port of their own; that of port ODD does ACTION.
world() {
	cat <<-'END'
	apiVersion: hepflow/v1
	kind: HostFacts
	metadata: {name: n0}
	spec:
	  interfaces:
	    - {name: eth0, addresses: [192.0.2.10/24]}
	---
	apiVersion: projectcalico.org/v3
	kind: HostEndpoint
	metadata: {name: eth0, labels: {host: n0}}
	spec: {node: n0, interfaceName: eth0}
	---
	apiVersion: projectcalico.org/v3
	kind: GlobalNetworkPolicy
	metadata: {name: many}
	spec:
	  selector: has(host)
	  types: [Ingress]
	  ingress:
	END
	for ((i = 0; i < $1; i++)); do
		action=Allow
		[ $((3000 + i)) -ne "$2" ] || action=$3
		echo "    - {action: $action, protocol: TCP, source: {nets: [203.0.113.0/24]}," \
			"destination: {ports: [$((3000 + i))]}}"
	done
}

hint='\(see flowgen --help\)$'
usage() {
	run 2 "${@:2}"
	[ ! -s "$work/out" ] || fail "diff ${*:2}: prints something"
	grep -qE "$1" "$work/err" || fail "diff ${*:2}: $(cat "$work/err")"
	[ "$(wc -l <"$work/err")" -eq 1 ] || fail "diff ${*:2}: not one line"
}

world 1000 0 - >"$work/old.yaml"
usage "needs OLD and NEW, a file or folder each $hint" -p $nic "$work/old.yaml"
usage "needs OLD and NEW, a file or folder each $hint" -p $nic a b c
usage "needs a NIC profile \(-p\) $hint" "$work/old.yaml" "$work/old.yaml"
usage "standard input cannot be OLD and NEW $hint" -p $nic - -
usage "diff has no format 'dot' $hint" -p $nic --format dot "$work/old.yaml" "$work/old.yaml"
usage "no uplink 'eth7' on this host" -p $nic -i eth7 "$work/old.yaml" "$work/old.yaml"
usage "nosuch" -p nosuch "$work/old.yaml" "$work/old.yaml"
echo 'kind: [' >"$work/broken.yaml"
usage "$work/broken.yaml:[0-9]+:[0-9]+: " -p $nic "$work/old.yaml" "$work/broken.yaml"

# The same policy, however it is cut into files, costs nothing.
mkdir "$work/new"
csplit -q -f "$work/new/part" -b '%d.yaml' "$work/old.yaml" '/^---$/' '{*}'
run 0 -p $nic "$work/old.yaml" "$work/new"
has "$out" '^adds 0 deletes 0 keeps [1-9]'
has "$out" '^operations 0 for 0 changes, 0 covers$'
has "$out" '^verdicts: the same rules$'
if grep -q '^[+-] ' "$work/out"; then fail "the same has entries that change"; fi

# One rule of a thousand: the SYN is denied, the rest of its packets punted.
world 1000 3500 Deny >"$work/new.yaml"
run 3 -p $nic "$work/old.yaml" "$work/new.yaml"
has "$out" '^adds 2 deletes 1 keeps [0-9]+ capacity [0-9]+/[0-9]+, at most [0-9]+ at a time$'
has "$out" '^operations 3 for 3 changes, 0 covers$'
has "$out" '^\+ table 2 "eth0 to host" priority [0-9]+: .* tcp dst 3500 .*-> deny  # default/gnp:many/ingress/500$'
has "$out" '^- table 2 "eth0 to host" priority [0-9]+: .* tcp dst 3500 -> allow  # default/gnp:many/ingress/500$'
has "$out" '^tcp 203.0.113.0/24 -> host:3500: allow -> deny  \(in=eth0 src=203.0.113.'
if grep '^tcp' "$work/out" | grep -qv ':3500: '; then fail "other ports: $(cat "$work/out")"; fi

# A rule in front of the others moves none of them, although their indexes change.
{
	world 0 0 -
	echo '    - {action: Deny, protocol: TCP, destination: {ports: [22000]}}'
	world 1000 0 - | sed '1,/ingress:$/d'
} >"$work/new.yaml"
run 3 -p $nic "$work/old.yaml" "$work/new.yaml"
has "$out" '^adds 4 deletes 0 '

# What it says about packets is what eval says of either side.
confirm() {
	grep -E '^[a-z0-9]+ .*\(.*\)$' "$work/out" >"$work/witnesses"
	[ -s "$work/witnesses" ] || fail "no packet for $*: $(cat "$work/out")"
	while IFS= read -r line; do
		packet=${line##*  (}
		verdicts=${line%  (*}
		verdicts=${verdicts##*: }
		got="$("$flowgen" eval -q "$1" "${packet%)}" | cut -f1) -> "
		got+=$("$flowgen" eval -q "$2" "${packet%)}" | cut -f1)
		[ "$got" = "$verdicts" ] || fail "$line: eval says $got"
	done <"$work/witnesses"
}
world 40 0 - >"$work/old.yaml"
world 40 3020 Deny | sed 's/203.0.113.0/203.0.114.0/' >"$work/new.yaml"
run 3 -p $nic -q "$work/old.yaml" "$work/new.yaml"
confirm "$work/old.yaml" "$work/new.yaml"
[ "$(wc -l <"$work/witnesses")" -eq 20 ] || fail "not 20 packets: $(cat "$work/witnesses")"
has "$out" '^and [1-9][0-9]* more$'
run 3 -p none -q "$cases/deny-3000/policy.yaml" "$cases/star/policy.yaml"
confirm "$cases/deny-3000/policy.yaml" "$cases/star/policy.yaml"

# Every state of the NIC on the way is proven, from each case to the next one.
prev=
steps=0
for dir in "$cases"/*/; do
	[ ! -f "$dir/args" ] || continue
	for profile in mlx5-cx6dx i40e-x710 ixgbe-x540; do
		[ -n "$prev" ] || break
		"$flowgen" diff -q --prove -p $profile "$prev/policy.yaml" "$dir/policy.yaml" \
			>"$work/out" 2>"$work/err"
		code=$?
		[ $code -eq 0 ] || [ $code -eq 3 ] ||
			fail "$prev to $dir on $profile: exit $code: $(cat "$work/out" "$work/err")"
		steps=$((steps + $(awk '/^operations / { n += $2 } END { print n + 0 }' "$work/out")))
		if grep '^every step: ' "$work/out" | grep -qv ': proven$'; then fail "$dir on $profile"; fi
	done
	prev=$dir
done
echo "$steps operations proven"
[ "$steps" -gt 1000 ] || fail 'fewer operations than there are cases'

# JSON says the same.
world 40 3020 Deny >"$work/new.yaml"
run 3 -p $nic --prove --format json "$work/old.yaml" "$work/new.yaml"
python3 - "$work/out" <<'END' || fail "JSON: $(cat "$work/out")"
import json, sys
r = json.load(open(sys.argv[1]))
p, = r['plans']
assert r['schema'] == 1 and r['rules_differ'] and r['more'] == 0
assert (p['iface'], p['adds'], p['deletes'], p['capacity']) == ('eth0', 2, 1, None)
assert p['proof'] == {'answer': 'proven'}, p
assert [o['op'] for o in p['operations']] == ['add', 'add', 'delete']
w = r['verdicts'][0]
assert w['old'] == {'verdict': 'allow', 'origin': 'default/gnp:many/ingress/20'}, w
assert w['new'] == {'verdict': 'deny', 'origin': 'default/gnp:many/ingress/20'}, w
assert w['region'] == 'tcp 203.0.113.0/24 -> host:3020', w
END

[ "$failed" -eq 0 ] && echo "all as promised"
exit "$failed"
