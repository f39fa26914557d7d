#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Golden cases. Each folder here has a policy.yaml (with its HostFacts) and what is known about it:
#
#	packets.txt	one packet a line and, after " => ", what flowgen eval must say
#	STAGE.txt	what flowgen STAGE must print, for any stage
#	args		options for flowgen, if any
#
# run.sh [CASE...] prints the difference; with UPDATE=1 it writes what flowgen says into the files.

set -euo pipefail
export LC_ALL=C

cases=$(cd "$(dirname "$0")" && pwd)
flowgen=${FLOWGEN:-${HF_BUILD:?is not set}/flowgen/flowgen}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
seen=0

# compare WANTED GOT
compare() {
	seen=$((seen + 1))
	if [ -n "${UPDATE:-}" ]; then
		cmp -s "$1" "$2" || cp "$2" "$1"
	elif ! diff -u --label "${1#"$cases"/}" --label "flowgen" "$1" "$2"; then
		failed=$((failed + 1))
	fi
}

# Packets go in without their expected results, and come out with the real ones.
eval_packets() {
	sed 's/ => .*//' packets.txt >"$tmp/in"
	"$flowgen" eval "${args[@]}" --packets "$tmp/in" policy.yaml >"$tmp/out" || return 1
	tr '\t' ' ' <"$tmp/out" | paste -d '\t' "$tmp/in" - |
		awk -F '\t' '{ print $1 == $2 ? $1 : $1 " => " $2 }' >"$tmp/got"
	compare "$PWD/packets.txt" "$tmp/got"
}

run_case() {
	local args=() stage

	[ ! -f args ] || read -ra args <args
	[ ! -f packets.txt ] || eval_packets || return 1
	for stage in policy model rules; do
		[ -f $stage.txt ] || continue
		"$flowgen" $stage "${args[@]}" policy.yaml >"$tmp/got" || return 1
		compare "$PWD/$stage.txt" "$tmp/got"
	done
}

[ $# -gt 0 ] || set -- "$cases"/*/
for name; do
	cd "$cases/$(basename "$name")"
	run_case || {
		echo "${PWD##*/}: flowgen failed"
		failed=$((failed + 1))
	}
done
echo "$seen files compared, $failed failures"
[ "$failed" -eq 0 ] && [ "$seen" -gt 0 ]
