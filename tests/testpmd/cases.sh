#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every line that flowgen prints for the golden cases is taken by stock dpdk-testpmd on the virtual
# SmartNIC of the same profile: as many rules made as asked for, and none refused.
. "$(dirname "$0")/lib.sh"

total=0
declare -A done_by # the rules, and the profile they were tried with

# print_flows PROFILE [OPTION...]: the rules of all cases, each case's destroyed before the next. One
# by one: after a flush the ixgbe family keeps its one mask (docs/hw-profiles.md).
print_flows() {
	local case args profile=$1
	shift
	for case in "$cases"/*/; do
		args=()
		[ ! -f "$case/args" ] || read -ra args <"$case/args"
		(cd "$case" && "$flowgen" flows -q "${args[@]}" -p "$profile" "$@" --format testpmd policy.yaml) |
			awk '{ print } /^flow create/ { n++ }
				END { for (i = 0; i < n; i++) print "flow destroy 0 rule " i }'
	done
	echo quit
}

# take PROFILE DEVARGS FLOWS [OPTION...]: every rule is made, and destroyed
take() {
	local asked
	asked=$(grep -c '^flow create' <<<"$3" || true)
	testpmd "profile=$1$2" "${@:4}" <<<"$3"
	expect "$asked" ' created'
	expect "$asked" ' destroyed'
	expect 0 'Caught PMD error'
	expect 0 'Bad arguments'
	echo "$1$2: $asked rules taken"
	total=$((total + asked))
}

for profile in $("$hw_profile" list | awk 'NR > 1 { print $1 }'); do
	if grep -q '^templates .*only way' <<<"$("$hw_profile" show "$profile")"; then
		echo "$profile: takes no 'flow create' (async.sh has its commands)"
		continue
	fi
	flows=$(print_flows "$profile")
	[ -z "${done_by[$flows]:-}" ] || {
		# Their acceptance is what tests/equiv/test_plan.c asks, for every profile.
		echo "$profile: the same rules as ${done_by[$flows]}"
		continue
	}
	done_by[$flows]=$profile
	take "$profile" '' "$flows"
done

# One queue for all, and three that tell verdicts.
take igb-82576 '' "$(print_flows igb-82576 --reserve-queues)" --rxq=4

# From the wire, port 0, to the host, port 1.
profile=mlx5-cx6dx-esw
flows=$(print_flows $profile --eswitch 0:1)
grep -q 'transfer pattern represented_port ethdev_port_id is 0 .* jump' <<<"$flows"
grep -q 'transfer .* represented_port ethdev_port_id 1 / end$' <<<"$flows"
also=("net_vnic1,profile=$profile,switch=1,representor=0")
take $profile ,switch=1 "$flows"
[ "$total" -gt 1000 ] || {
	echo "only $total rules for all profiles and cases"
	exit 1
}
