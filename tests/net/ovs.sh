#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Stock OVS-DPDK with hw-offload over ports of the virtual SmartNIC: hosts ping each other through it.
# Without e-switch a part of their flows is in "hardware" (a mark and the queues; OVS executes the
# rest); with one all of it is, and OVS sees no packet any more.
#
#   one:   eth0 198.18.0.1 <-> up1 [net_vnic1 OVS br0 net_vnic2] up2 <-> eth0 198.18.0.2 :two
#   three: eth0 198.18.1.3 <-> up3 [net_vnic3 OVS br1 net_vnic4] up4 <-> eth0 198.18.1.4 :four
#
# Needs root and hugepages. OVS runs with folders, sockets and namespaces of its own.

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

plugin=${HF_BUILD:?is not set}/driver/librte_net_vnic.so
vswitchd=/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk
schema=/usr/share/openvswitch/vswitch.ovsschema
huge=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
n_huge=512 # 1 GiB: OVS has packet buffers of 0.4

if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -e "$plugin" ] || skip "$plugin was not built"
	[ -x "$vswitchd" ] || skip "openvswitch-switch-dpdk is not installed"
	for tool in ip unshare ethtool ping ovsdb-server ovsdb-tool ovs-vsctl ovs-appctl; do
		command -v $tool >/dev/null || skip "$tool is not installed"
	done
	[ -w "$huge" ] || skip "no hugepages of 2 MiB here"
	unshare -m -n true 2>/dev/null || skip "no namespaces here"
	exec unshare -m -n "$0" inside
fi

# EAL loads no plugin from below a folder that everybody may write to.
tmp=$(mktemp -d -p /run hepflow-ovs.XXXXXX)
pids=()
had_huge=

finish() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	[ -z "$had_huge" ] || echo "$had_huge" >"$huge" || true
	rm -rf "$tmp"
}
trap finish EXIT

get_hugepages() {
	local has
	had_huge=$(cat "$huge")
	[ "$had_huge" -ge "$n_huge" ] || echo "$n_huge" >"$huge" 2>/dev/null || true
	has=$(cat "${huge%/*}/free_hugepages")
	[ "$has" -ge $((n_huge - 64)) ] || skip "only $has hugepages are to be had"
}

bad() {
	echo "FAIL: $*"
	cat "$tmp/vswitchd.log" 2>/dev/null || true
	exit 1
}

# until SECONDS WHAT COMMAND...
until_true() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || bad "$what"
		sleep 0.2
	done
}

# make_host NAME ADDRESS UPLINK
make_host() {
	ip netns add "$1"
	ip link add "$3" type veth peer name eth0 netns "$1"
	ip link set "$3" up
	ip -n "$1" addr add "$2/24" dev eth0
	ip -n "$1" link set eth0 up
	# What a veth leaves out nobody behind it puts in.
	ip netns exec "$1" ethtool -K eth0 tx off >/dev/null
}

vsctl() {
	ovs-vsctl --db="unix:$tmp/db.sock" --timeout=30 "$@"
}

appctl() {
	ovs-appctl -t "$tmp/vswitchd.ctl" "$@"
}

start_ovs() {
	export OVS_RUNDIR=$tmp OVS_LOGDIR=$tmp OVS_DBDIR=$tmp OVS_SYSCONFDIR=$tmp
	cp "$plugin" "$tmp/"
	ovsdb-tool create "$tmp/conf.db" "$schema"
	ovsdb-server "$tmp/conf.db" --remote="punix:$tmp/db.sock" --unixctl="$tmp/dbctl" \
		--log-file="$tmp/ovsdb.log" -vconsole:off &
	pids+=($!)
	until_true 10 "ovsdb-server does not start" test -S "$tmp/db.sock"
	vsctl --no-wait init
	vsctl --no-wait set Open_vSwitch . other_config:dpdk-init=true \
		other_config:hw-offload=true other_config:pmd-cpu-mask=0x1 \
		other_config:dpdk-lcore-mask=0x1 other_config:dpdk-extra="--no-pci \
--no-telemetry --file-prefix=hfovs$$ -m 768 -d $tmp/${plugin##*/}"
	"$vswitchd" "unix:$tmp/db.sock" --unixctl="$tmp/vswitchd.ctl" \
		--pidfile="$tmp/vswitchd.pid" --log-file="$tmp/vswitchd.log" -vconsole:off &
	pids+=($!)
	until_true 30 "ovs-vswitchd does not start" test -S "$tmp/vswitchd.ctl"
}

# add_port BRIDGE NUMBER PROFILE[,ARGUMENTS]
add_port() {
	local bridge=$1 args
	shift
	args=net_vnic$1,profile=$2,dev=net_af_packet$1,iface=up$1,qpairs=3
	vsctl add-port "$bridge" "p$1" -- set Interface "p$1" type=dpdk ofport_request="$1" \
		"options:dpdk-devargs=\"$args\""
	[ "$(vsctl get Interface "p$1" error)" = '[]' ] ||
		bad "port $1: $(vsctl get Interface "p$1" error)"
}

pings() {
	ip netns exec one ping -q -c 3 -i 0.2 -W 1 198.18.0.2
}

switched_pings() {
	ip netns exec three ping -q -c "${1:-3}" -i 0.2 -W 1 198.18.1.4
}

# What the datapath knows of the pings, as far as hardware has a part in it.
offloaded() {
	appctl dpctl/dump-flows -m type=partially-offloaded | grep -F 'eth_type(0x0800)' |
		grep -oE 'in_port\(p[12]\)|offloaded:[a-z]+|actions:.*' | paste -sd '  \n'
}

ping_is_offloaded() {
	pings
	[ "$(offloaded | grep -c 'offloaded:partial')" -ge 2 ]
}

# Packets that came with a mark, so that OVS need not look for their flow.
n_marked() {
	appctl dpif-netdev/pmd-stats-show | awk '/phwol hits:/ { n += $3 } END { print n + 0 }'
}

# What of the pings through the e-switch is wholly in hardware: port, packets, actions.
switched() {
	appctl dpctl/dump-flows -m type=offloaded | grep -F 'eth_type(0x0800)' |
		grep -F 'dp:dpdk' | grep -F 'offloaded:yes' |
		grep -oE 'in_port\(p[34]\)|packets:[0-9]+|actions:.*' | paste -sd '  \n'
}

ping_is_switched() {
	switched_pings
	[ "$(switched | grep -c .)" -ge 2 ]
}

# Packets that OVS received from port $1.
n_received() {
	vsctl get Interface "p$1" statistics:rx_packets
}

# Packets of both directions that the hardware says it has forwarded.
n_switched() {
	switched | grep -oE 'packets:[0-9]+' | awk -F : '{ n += $2 } END { print n + 0 }'
}

all_counted() {
	[ "$(n_switched)" -ge "$1" ]
}

get_hugepages
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip link set lo up
make_host one 198.18.0.1 up1
make_host two 198.18.0.2 up2
make_host three 198.18.1.3 up3
make_host four 198.18.1.4 up4
start_ovs
vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=standalone
add_port br0 1 mlx5-cx6dx
add_port br0 2 mlx5-cx6dx
until_true 20 "nothing gets through" pings
until_true 20 "the flows of both directions are not offloaded" ping_is_offloaded
offloaded

before=$(n_marked)
pings >/dev/null || bad "no answer once flows are offloaded"
[ "$(n_marked)" -ge $((before + 4)) ] || bad "packets come without mark: $before, then $(n_marked)"
echo "packets with a mark: $before before three pings, $(n_marked) after"

vsctl add-br br1 -- set bridge br1 datapath_type=netdev fail_mode=standalone
add_port br1 3 mlx5-cx6dx-esw,switch=1
add_port br1 4 mlx5-cx6dx-esw,switch=1,representor=0
until_true 20 "nothing gets through the e-switch" switched_pings
until_true 20 "the flows of both directions are not wholly offloaded" ping_is_switched
switched

# Statistics of ports are some seconds old. Nothing but the pings is under way.
sleep 6
received=$(($(n_received 3) + $(n_received 4)))
counted=$(n_switched)
switched_pings 20 >/dev/null || bad "no answer once flows are in the e-switch"
until_true 15 "the hardware has not counted the pings" all_counted $((counted + 40))
sleep 6
more=$(($(n_received 3) + $(n_received 4) - received))
# Neighbours are asked for now and then, which is not offloaded.
[ "$more" -lt 20 ] || bad "OVS received $more packets itself"
echo "40 packets there and back: $(($(n_switched) - counted)) by the hardware, $more seen by OVS"

# Nothing is left behind: a port that goes takes its rules along.
vsctl del-port p1
until_true 10 "a port is still there" test -z "$(appctl dpctl/show | grep -w p1 || true)"
! grep -E '\|(EMER|ERR)\|' "$tmp/vswitchd.log" || bad "errors in the log"
