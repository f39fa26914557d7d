#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The hw-profile command: what it prints where, and its exit codes.

set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
shipped=$here/../../../hw-profiles
program=$HF_BUILD/hw-profiles/hw-profile
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
failed=0

# expect CODE ARGUMENT... leaves what was printed in $tmp/out and $tmp/err
expect() {
	local want=$1
	shift
	"$program" "$@" >"$tmp/out" 2>"$tmp/err"
	local got=$?
	[ $got = "$want" ] && return
	echo "hw-profile $*: exit code $got, not $want"
	cat "$tmp/err"
	failed=1
}

has() {
	grep -q -- "$2" "$tmp/$1" && return
	echo "not in $1: $2"
	cat "$tmp/$1"
	failed=1
}

unset HEPFLOW_PROFILES

expect 0 list
has out '^NAME .*COUNTERS$'
has out '^mlx5-cx6dx .*21844 .*yes$'
has out '^none '
expect 0 list --format json
python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
names = [p["name"] for p in d["profiles"]]
assert d["schema"] == 1 and names == sorted(names) and "i40e-x710" in names, names' "$tmp/out" ||
	failed=1

expect 0 show i40e-xl710
has out '^name  *i40e-x710$'
has out 'ipv4.dst  *widen (danger)'
expect 1 show nothing
has err "no NIC profile 'nothing'"
expect 2 show
expect 2 show none more

expect 0 check "$shipped"/*.yaml
sed 's/^chips:/chip:/' "$shipped/none.yaml" >"$tmp/none.yaml"
expect 2 check "$shipped/none.yaml" "$tmp/none.yaml"
has out "none.yaml: ok"
has err "^$tmp/none.yaml:5:1: unknown key 'chip'$"
expect 2 check

expect 0 --help
has out '^usage: hw-profile'
expect 0 --version
has out '^hw-profile [0-9]'
expect 2
expect 2 nonsense
has err "unknown verb 'nonsense'"
expect 2 list --format xml
expect 2 list --colour

exit $failed
