#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A bifurcated NIC with the host's own stack behind it: what a driver leaves is the host's, and all of
# it when there is no driver, however that ended. Pings come from outside.
#
#   outside: eth0 198.18.0.2 <-> up0 [card: net_vnic0 in testpmd, or a bridge] k0 <-> eth0 198.18.0.1 :host
#
# Needs root.

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	for tool in ip unshare ethtool ping nft; do
		command -v $tool >/dev/null || skip "$tool is not installed"
	done
	unshare -m -n true 2>/dev/null || skip "no namespaces here"
	exec unshare -m -n "$0" inside
fi
. "$(dirname "$0")/../testpmd/lib.sh"

bad() {
	echo "FAIL: $*"
	[ ! -e "$log" ] || tail -n 40 "$log"
	exit 1
}

log=$work/log
pid=
finish() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
	rm -rf "$work" "${at_end[@]}"
}
trap finish EXIT

# make_host NAME ADDRESS INTERFACE
make_host() {
	ip netns add "$1"
	ip link add "$3" type veth peer name eth0 netns "$1"
	sysctl -q "net.ipv6.conf.$3.disable_ipv6=1" || true
	ip link set "$3" up
	ip -n "$1" addr add "$2/24" dev eth0
	ip -n "$1" link set eth0 up
	ip netns exec "$1" ethtool -K eth0 tx off >/dev/null
}

pings() {
	ip netns exec outside ping -c 3 -i 0.2 -W 1 198.18.0.1 >"$work/ping" 2>&1
}

# Every ping has one answer.
reaches() {
	pings || bad "$1: no answer"
	! grep -q DUP "$work/ping" || bad "$1: more than one answer"
	echo "$1: the host answers"
}

silent() {
	! pings || bad "$1: the host answers"
	echo "$1: no answer"
}

# until_said TEXT: testpmd has printed it since the last time
seen=0
until_said() {
	local end=$((SECONDS + 30)) at
	until at=$(tail -n +$((seen + 1)) "$log" | grep -nF -m 1 -- "$1"); do
		[ "$SECONDS" -lt "$end" ] || bad "testpmd does not say: $1"
		sleep 0.05
	done
	seen=$((seen + ${at%%:*}))
}

# start ARGUMENTS...
start() {
	rm -f "$work/in"
	mkfifo "$work/in"
	: >"$log"
	seen=0
	stdbuf -oL dpdk-testpmd -d "$plugin" --no-huge --no-pci --no-shconf --no-telemetry -m 128 \
		--file-prefix "hf$$" \
		--vdev="net_vnic0,$1,dev=net_af_packet0,iface=up0,qpairs=2" -- \
		-i --total-num-mbufs=4096 --forward-mode=rxonly --flow-isolate-all \
		<"$work/in" >"$log" 2>&1 &
	pid=$!
	exec 9>"$work/in"
	until_said 'Done'
	say start
	until_said 'rxonly packet forwarding'
}

say() {
	echo "$*" >&9
}

mkdir -p /run/netns
mount -t tmpfs none /run/netns
make_host outside 198.18.0.2 up0
make_host host 198.18.0.1 k0
ip link add card type bridge
sysctl -q net.ipv6.conf.card.disable_ipv6=1 || true
ip link set up0 master card
ip link set k0 master card
ip link set card up
reaches "without a driver"

kernel='kernel=net_af_packet1;iface=k0'
start "profile=mlx5-cx6dx,$kernel"
reaches "isolated, no rules"
say show port xstats 0
until_said 'rx_kernel_packets:'
[ "$(awk '/rx_kernel_packets:/ { n = $2 } END { print n }' "$log")" -ge 3 ] ||
	bad "the pings went another way"
say 'flow create 0 ingress pattern eth / ipv4 proto is 1 / end actions drop / end'
until_said 'Flow rule #0 created'
silent "dropped by a rule"
say stop
say port stop 0
until_said 'Stopping ports'
until_said 'Done'
reaches "port stopped"
say port start 0
until_said 'Done'
say start
until_said 'rxonly packet forwarding'
reaches "started again, the rule is gone"
say 'flow create 0 ingress pattern eth / ipv4 proto is 1 / end actions drop / end'
until_said 'Flow rule #'
silent "dropped by a rule again"
kill -KILL "$pid"
wait "$pid" 2>/dev/null || true
pid=
reaches "driver killed"
[ -z "$(nft list tables)" ] || bad "left behind: $(nft list tables)"
