#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Stock dpdk-test-flow-perf fills a group and empties it again.
. "$(dirname "$0")/lib.sh"

command -v dpdk-test-flow-perf >/dev/null || skip "dpdk-test-flow-perf is not installed (dpdk-dev)"

out=$(timeout 60 dpdk-test-flow-perf -d "$plugin" --no-huge --no-pci --no-shconf --no-telemetry \
	-m 256 --file-prefix "hf$$" --vdev=net_vnic0,profile=mlx5-cx6dx -- \
	--ingress --group=1 --ether --ipv4 --tcp --queue --rules-count=20000 --rules-batch=10000 \
	--deletion-rate 2>&1) || out+=$'\nended badly'
expect 1 'Core 0 :: The time for creating 20000 in rules'
expect 1 'Core 0 :: The time for deleting 20001 rules'
expect 1 'Bye ...'
expect 0 'ended badly'
