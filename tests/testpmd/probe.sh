#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hw-profile probe and learn on the virtual NIC. By default every profile is probed but mere copies,
# and a few are learned; with HF_PROFILES=all each is probed and learned
# (tests/unit/hw-profiles/test_micro.c does so without testpmd).
. "$(dirname "$0")/lib.sh"

export HEPFLOW_VNIC=$plugin hw_profile work

# run CODE ARGUMENT...
run() {
	call "$1" "$hw_profile" "${@:2}"
}

# The NIC that plays a profile is as the profile says.
probe_one() {
	"$hw_profile" probe "net_vnic0,profile=$1" >"$work/$1.out" 2>&1 &&
		grep -q "^same: [0-9]* rules, [0-9]* accepted, as $1 says$" "$work/$1.out" && return
	echo "probe of $1:"
	cat "$work/$1.out"
	return 1
}
# A profile that is learned from it is good, and agrees with it.
learn_one() {
	"$hw_profile" learn "net_vnic0,profile=$1" >"$work/$1.yaml" 2>"$work/$1.err" &&
		grep -q ' micro-rules, .* the profile says otherwise of 0$' "$work/$1.err" &&
		"$hw_profile" check "$work/$1.yaml" >/dev/null &&
		"$hw_profile" probe "net_vnic0,profile=$1" --profile "$work/$1.yaml" >"$work/$1.same" &&
		grep -q '^same: .*, as learned says' "$work/$1.same" && return
	echo "learning $1:"
	cat "$work/$1.err" "$work/$1.same"
	return 1
}
export -f probe_one learn_one

names=$(basename -s .yaml "$shipped"/*.yaml)
few=$'mlx5-cx6dx-hws\ni40e-x710\nixgbe-82599\nnone'
own=$(grep -LE '^like:' "$shipped"/*.yaml; grep -lE '^without:' "$shipped"/*.yaml)
if [ "${HF_PROFILES:-}" = all ]; then
	few=$names
else
	names=$(basename -s .yaml $own)
fi
xargs -P 2 -I {} bash -c 'probe_one {}' <<<"$names" || exit 1
xargs -P 2 -I {} bash -c 'learn_one {}' <<<"$few" || exit 1
# Something must have been taken for this to mean anything.
has "$(cat "$work/mlx5-cx6dx.out")" ' [3-9][0-9][0-9] accepted'
has "$(cat "$work/none.out")" ' 0 accepted'

# A NIC that differs from what was shipped under its name: exit code 3, and what differs.
mkdir "$work/doctored"
sed 's/^      ipv4.ttl: .*//; s/^      tcp.dst: {mask: any/      tcp.dst: {mask: exact/' \
	"$shipped/mlx5-cx6dx.yaml" >"$work/doctored/mlx5-cx6dx.yaml"
run 3 probe "net_vnic0,profile=$work/doctored/mlx5-cx6dx.yaml"
has "$out" $'^ipv4.ttl, all bits\tdriver reject, profile accept\t[0-9]+ rules$'
has "$out" $'^ipv4.ttl, some bits\tdriver reject, profile accept\t'
has "$out" $'^tcp.dst, some bits\tdriver reject, profile accept\t'
has "$out" $'^\tingress group 60000 pattern eth / ipv4 ttl is 64 / '
has "$out" '^[0-9]+ of [0-9]+ rules differ from mlx5-cx6dx$'
[ "$(grep -c $'^[a-z]' <<<"$out")" = 3 ] || has "$out" 'three lines'
run 3 probe net_vnic0,profile=mlx5-cx6dx --profile i40e-x710
has "$out" $'^sctp.dst, all bits\tdriver reject, profile accept\t'
has "$out" $'^group 1\tdriver accept, profile reject group\t'

# A driver without flow rules; wrong use.
run 0 probe net_null0 --profile none
has "$out" '^same: [0-9]+ rules, 0 accepted, as none says$'
run 2 probe net_null0
has "$err" '^hw-profile: net_null0: no profile is about net_null: name a profile with --profile$'
run 2 probe
run 2 learn
run 2 probe a b
run 2 probe eth0
has "$err" "'eth0' is neither a PCI address nor a virtual device"
run 2 learn net_nothing0
has "$err" 'dpdk-testpmd does not start'
[ -z "$out" ] || has "$out" 'nothing on standard output'
run 1 probe net_vnic0,profile=nothing
run 1 probe net_null0 --profile nothing
