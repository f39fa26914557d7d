#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What flowgen eval says of a packet against what Linux does with it.
#
#   tests/kernel.sh [--cases] [--sockets] [--random] [CASE...]     default: all of them, all cases
#
# The rules that Felix would write (tests/kernel/render.py, from the model alone) are loaded into a
# network namespace with the interfaces of the host, packets are sent through, and who receives one
# is compared with its verdict: the packets of tests/cases, connections of real sockets under their
# policies, then random policies. HF_SEED (a number, or "time") and HF_SEEDS (how many policies)
# choose the latter. HF_IPTABLES=legacy or nft chooses the kernel's interface. Exits 1 at a
# difference, 77 where it cannot run.

set -euo pipefail
export LC_ALL=C.UTF-8

skip() {
	echo "SKIP: $*"
	exit 77
}

top=$(cd "$(dirname "$0")/.." && pwd)
build=${HF_BUILD:-$top/build}

[ "$(id -u)" -eq 0 ] || skip "needs root, for network namespaces"
for tool in ip ipset conntrack iptables ethtool; do
	command -v $tool >/dev/null || skip "needs $tool (tests/install-deps.sh)"
done

# The program removes its namespaces itself; this is for the case that it is killed.
pid=''
clean() {
	[ -n "$pid" ] || return 0
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	ip netns list | awk -v mine="^hepkern$pid-" '$1 ~ mine { print $1 }' |
		xargs -r -n 1 ip netns del 2>/dev/null || true
}
trap clean EXIT
trap 'exit 1' INT TERM

/usr/bin/python3 "$top/tests/kernel/kernel.py" "$build" "$@" &
pid=$!
rc=0
wait "$pid" || rc=$?
exit $rc
