#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The template API of the virtual SmartNIC in stock dpdk-testpmd: templates, a table, rules by a
# flow queue, and their completions.
. "$(dirname "$0")/lib.sh"

# Flow queues are configured while the port is stopped.
setup="port stop 0
flow info 0
flow configure 0 queues_number 2 queues_size 16 counters_number 8 aging_counters_number 0 meters_number 0 flags 0
port start 0
flow pattern_template 0 create pattern_template_id 1 ingress template eth / ipv4 dst mask 255.255.255.255 / udp / end
flow actions_template 0 create ingress actions_template_id 2 template count / drop / end mask count / drop / end
flow template_table 0 create table_id 3 group 0 priority 0 ingress rules_number 2 pattern_template 1 actions_template 2"
rule="template_table 3 pattern_template 0 actions_template 0"
drop="actions count / drop / end"

testpmd profile=mlx5-cx6dx-hws,dev=net_ring0 <<-END
	$setup
	flow queue 0 create 0 $rule postpone yes pattern eth / ipv4 dst is 198.18.0.2 / udp / end $drop
	flow pull 0 queue 0
	flow push 0 queue 0
	flow pull 0 queue 0
	flow pull 0 queue 0
	start tx_first
	stop
	flow query 0 0 count
	flow dump 0 all
	flow template_table 0 destroy table 3
	flow queue 0 create 0 $rule postpone no pattern eth / ipv4 dst is 198.18.0.3 / udp / end $drop
	flow queue 0 create 0 $rule postpone no pattern eth / ipv4 dst is 198.18.0.4 / udp / end $drop
	flow queue 0 destroy 0 postpone no rule 0
	flow queue 0 destroy 0 postpone no rule 1
	flow pull 0 queue 0
	flow template_table 0 destroy table 3
	flow pattern_template 0 destroy pattern_template 1
	flow actions_template 0 destroy actions_template 2
	flow create 0 ingress pattern eth / end actions drop / end
	quit
END
expect 1 'Configure flows on port 0: number of queues 2 with 16 elements'
expect 1 'Pattern template #1 created'
expect 1 'Actions template #2 created'
expect 1 'Template table #3 created'
expect 1 'Flow rule #0 creation enqueued'
expect 1 'Flow rule #1 creation enqueued'
expect 2 'Queue #0 pulled 0 operations (0 failed, 0 succeeded)'
expect 1 'Queue #0 pulled 1 operations (0 failed, 1 succeeded)'
expect 1 ' hits: 32'
expect 1 'hws ingress group 0 priority 0: eth ipv4 udp -> drop count, 32 hits 2048 bytes'
expect 1 'table in using'
expect 1 'fail to create rte flow'
expect 1 'Flow rule #0 destruction enqueued'
expect 1 'Flow rule #1 destruction enqueued'
expect 1 'Queue #0 pulled 3 operations (0 failed, 3 succeeded)'
expect 1 'Template table #3 destroyed'
expect 1 'Pattern template #1 destroyed'
expect 1 'Actions template #2 destroyed'
expect 1 'Flow non-Q creation not supported'

# Faults: a creation that fails, a completion that comes late.
testpmd "profile=mlx5-cx6dx-hws,fail=create:1:ENOSPC,pull=late:1,dev=net_ring0" <<-END
	$setup
	flow queue 0 create 0 $rule postpone no pattern eth / ipv4 dst is 198.18.0.2 / udp / end $drop
	flow queue 0 create 0 $rule postpone no pattern eth / ipv4 dst is 198.18.0.2 / udp / end $drop
	flow pull 0 queue 0
	flow pull 0 queue 0
	quit
END
expect 1 'a fault that net_vnic was told: No space left on device'
expect 1 'Queue #0 pulled 0 operations (0 failed, 0 succeeded)'
expect 1 'Queue #0 pulled 1 operations (0 failed, 1 succeeded)'

# Indirect actions by a flow queue: a counter for all rules of a table, an age of one's own for each; and who
# is old. testpmd says so as soon as it is told.
testpmd profile=mlx5-cx6dx-hws,dev=net_ring0 <<-END
	port stop 0
	flow configure 0 queues_number 1 queues_size 16 counters_number 8 aging_counters_number 4 meters_number 0 flags 0
	port start 0
	flow queue 0 indirect_action 0 create postpone yes action_id 5 ingress action count / end
	flow pull 0 queue 0
	flow push 0 queue 0
	flow pull 0 queue 0
	flow pattern_template 0 create pattern_template_id 1 ingress template eth / ipv4 dst mask 255.255.255.255 / udp / end
	flow actions_template 0 create ingress actions_template_id 2 template indirect 5 / drop / end mask count / drop / end
	flow template_table 0 create table_id 3 group 0 priority 0 ingress rules_number 4 pattern_template 1 actions_template 2
	flow queue 0 create 0 $rule postpone no pattern eth / ipv4 dst is 198.18.0.2 / udp / end actions indirect 5 / drop / end
	flow queue 0 create 0 $rule postpone no pattern eth / ipv4 dst is 198.18.0.3 / udp / end actions indirect 5 / drop / end
	flow pull 0 queue 0
	start tx_first
	stop
	flow indirect_action 0 query 5
	flow queue 0 indirect_action 0 query 5 postpone no
	flow pull 0 queue 0
	flow queue 0 indirect_action 0 create postpone no action_id 6 ingress action age timeout 1 / end
	flow queue 0 indirect_action 0 update 6 postpone no action age_update timeout 1 touch 1 / end
	flow pull 0 queue 0
	flow indirect_action 0 query 6
	flow actions_template 0 create ingress actions_template_id 4 template indirect 6 / drop / end mask age / drop / end
	flow actions_template 0 create ingress actions_template_id 5 template age timeout 1 / drop / end mask age / drop / end
	flow template_table 0 create table_id 4 group 0 priority 1 ingress rules_number 4 pattern_template 1 actions_template 5
	flow queue 0 create 0 template_table 4 pattern_template 0 actions_template 0 postpone no pattern eth / ipv4 dst is 198.18.0.4 / udp / end actions age timeout 1 / drop / end
	flow pull 0 queue 0
	flow aged 0
	flow queue 0 indirect_action 0 destroy postpone no action_id 5 action_id 6
	flow pull 0 queue 0
	quit
END
expect 1 'Indirect action #5 creation queued'
expect 1 'Queue #0 pulled 0 operations (0 failed, 0 succeeded)'
expect 3 'Queue #0 pulled 1 operations (0 failed, 1 succeeded)'
expect 2 ' hits: 32'
expect 1 'Indirect action #6 creation queued'
expect 2 'Queue #0 pulled 2 operations (0 failed, 2 succeeded)'
expect 1 'Indirect AGE action:'
expect 1 ' aged: 0'
expect 1 'Fixed indirect age action is not supported: Operation not supported'
expect 1 'Flow rule #2 creation enqueued'
expect 1 'Port 0 total aged flows: 0'
# Rules still have the first.
expect 1 'Indirect action #6 destruction queued'
expect 1 'Queue #0 pulled 2 operations (1 failed, 1 succeeded)'
