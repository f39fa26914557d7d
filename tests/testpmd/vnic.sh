#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The virtual SmartNIC in stock dpdk-testpmd: rules are made, listed, counted and removed, what the
# profile refuses is refused in the driver's words, and packets obey.
. "$(dirname "$0")/lib.sh"

# A ring gives back what is sent: 32 packets, once.
burst="start tx_first
stop"

testpmd profile=mlx5-cx6dx,dev=net_ring0 <<-END
	show port info 0
	flow create 0 ingress pattern eth / ipv4 / udp / end actions jump group 1 / end
	flow create 0 ingress group 1 priority 7 pattern eth / ipv4 dst is 198.18.0.2 / udp dst is 9 / end actions count / drop / end
	flow list 0
	$burst
	flow query 0 1 count
	flow dump 0 all
	flow destroy 0 rule 1
	flow query 0 1 count
	flow flush 0
	flow list 0
	quit
END
expect 1 'Firmware-version: profile mlx5-cx6dx'
expect 1 'Flow rule #0 created'
expect 1 'Flow rule #1 created'
expect 1 'ETH IPV4 UDP => COUNT DROP'
expect 1 ' hits: 32'
expect 1 ' bytes: 2048'
expect 1 'sws ingress group 1 priority 7: eth ipv4 udp -> drop count, 32 hits 2048 bytes'
expect 1 'Flow rule #1 destroyed'
expect 1 'Flow rule #1 not found'

# Refused: the reason is the real driver's, type and text; nothing is made.
testpmd profile=mlx5-cx6dx <<-END
	flow validate 0 ingress pattern eth / ipv4 dst is 10.0.0.1 / end actions drop / end
	flow create 0 ingress pattern eth / ipv4 / sctp dst is 3868 / end actions drop / end
	flow create 0 ingress priority 4 pattern eth / end actions drop / end
	flow create 0 transfer pattern eth / end actions drop / end
	flow isolate 0 1
	flow list 0
	quit
END
expect 1 'Flow rule validated'
expect 1 'type 13 (specific pattern item): item not supported: Operation not supported'
expect 1 'type 4 (priority field): priority out of range: Operation not supported'
expect 1 '(cause unspecified): (no stated reason): Operation not supported'
expect 1 'port must be stopped first'
expect 0 'created'

# Only what a rule asks for is delivered: before it nothing is, after it the burst goes round and
# round between port and ring until testpmd stops.
testpmd profile=mlx5-cx6dx,dev=net_ring0 --flow-isolate-all <<-END
	$burst
	show port xstats 0
	flow create 0 ingress pattern eth / end actions queue index 0 / end
	quit
END
expect 1 'rx_flow_isolated_drop_packets: 32'
expect 1 'Flow rule #0 created'

# The driver takes a prefix and installs no address at all.
testpmd profile=i40e-x710 <<-END
	flow create 0 ingress pattern eth / ipv4 dst spec 10.0.0.0 dst mask 255.0.0.0 / end actions drop / end
	flow dump 0 all
	flow create 0 ingress pattern eth / ipv4 src is 10.0.0.1 / end actions drop / end
	quit
END
expect 1 'ipv4.dst not matched as asked'
expect 1 'Failed to create flow.'

testpmd profile=none,dev=net_null0 <<-END
	flow create 0 ingress pattern eth / end actions drop / end
	quit
END
expect 1 'Function not implemented'

# One counter for two rules; and a rule that is old when nothing has come for a second.
testpmd profile=mlx5-cx6dx,dev=net_ring0 <<-END
	flow indirect_action 0 create action_id 5 ingress action count / end
	flow create 0 ingress pattern eth / ipv4 / udp src is 9 / end actions indirect 5 / drop / end
	flow create 0 ingress pattern eth / ipv4 / udp dst is 9 / end actions indirect 5 / drop / end
	flow create 0 ingress pattern eth / ipv6 / end actions age timeout 1 / drop / end
	flow indirect_action 0 destroy action_id 5
	$burst
	flow indirect_action 0 query 5
	flow query 0 1 count
	flow query 0 2 age
	flow aged 0
	flow flush 0
	flow indirect_action 0 destroy action_id 5
	quit
END
expect 1 'Indirect action #5 created'
expect 4 ' created'
expect 1 'the indirect action is in use'
expect 2 ' hits: 32'
expect 1 ' aged: 0'
expect 1 'Port 0 total aged flows: 0'
expect 1 'Indirect action #5 destroyed'
