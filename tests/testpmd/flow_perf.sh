#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Stock dpdk-test-flow-perf fills a group and empties it again, on a profile of each kind that can
# take its rules. Those of Intel's smaller cards hold too few, or need fields that it does not give;
# hardware steering is not for rte_flow_create().
. "$(dirname "$0")/lib.sh"

command -v dpdk-test-flow-perf >/dev/null || skip "dpdk-test-flow-perf is not installed (dpdk-dev)"

# perf PROFILE RULES OPTION...: so many are made, and they and what stands before them destroyed
perf() {
	local profile=$1 n=$2 more=0
	shift 2
	[[ " $* " != *" --group="* ]] || more=1 # the jump to the group
	out=$(timeout 60 dpdk-test-flow-perf -d "$plugin" --no-huge --no-pci --no-shconf --no-telemetry \
		-m 256 --file-prefix "hf$$" --vdev="net_vnic0,profile=$profile" -- \
		"$@" --rules-count="$n" --rules-batch="$n" --deletion-rate 2>&1) || out+=$'\nended badly'
	expect 1 "Core 0 :: The time for creating $n in rules"
	expect 1 "Core 0 :: The time for deleting $((n + more)) rules"
	expect 1 'Bye ...'
	expect 0 'ended badly'
}

for profile in mlx5-cx6dx mlx5-cx5 mlx5-cx7 mlx5-bf2 mlx5-bf3; do
	perf $profile 20000 --ingress --group=1 --ether --ipv4 --tcp --queue
done
perf mlx5-cx6dx 20000 --egress --group=1 --ether --ipv4 --jump
perf mlx5-cx6dx-esw 20000 --transfer --group=1 --ether --ipv4 --port-id=0
perf mlx5-cx5-esw 20000 --ingress --group=1 --ether --ipv4 --tcp --queue
perf mlx4-cx3 20000 --ingress --ether --queue
perf ice-e810 10000 --ingress --ether --ipv4 --tcp --queue
perf iavf-e810vf 100 --ingress --ether --ipv4 --udp --queue
perf i40e-x710 8000 --ingress --ether --ipv4 --queue
perf tap 4000 --ingress --ether --ipv4 --tcp --queue
