#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every profile against what is known of its driver's rule engines; and the comparison notices a change.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
compare=("$here/capabilities.py" "$HF_BUILD/hw-profiles/hw-profile")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${compare[@]}"

# changed FILE SED WANT: a profile with this change is found out
changed() {
	cp "$here"/../../../hw-profiles/*.yaml "$work/"
	sed -i "$2" "$work/$1"
	! cmp -s "$here/../../../hw-profiles/$1" "$work/$1" || { echo "nothing changed: $2"; exit 1; }
	if HEPFLOW_PROFILES=$work "${compare[@]}" >"$work/out" 2>&1 || ! grep -qF "$3" "$work/out"; then
		cat "$work/out"
		echo "not noticed: $1: $2"
		exit 1
	fi
}

changed i40e-x710.yaml 's/ipv4.dst: {mask: widen, danger: true/ipv4.dst: {mask: any/' 'i40e-fdir fields/ipv4_dst: i40e-x710 has ipv4.dst any'
changed ixgbe-82599.yaml 's/order: higher/order: lower/' 'ixgbe-ntuple attr/priority_order: ixgbe-82599 has lower'
changed mlx5-cx6dx.yaml 's/flush_on_stop: true/flush_on_stop: false/' 'lifecycle/survive_stop_start: mlx5-cx7 has True'
changed mlx5-cx6dx.yaml 's/count: 65531/count: 100/' 'attr/groups: mlx5-cx5 has 100'
changed ice-e810.yaml 's/mark, count\]/mark]/' 'actions/count'
