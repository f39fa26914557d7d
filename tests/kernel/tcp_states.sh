#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# TCP states of the software path against the kernel's conntrack (tcp_states.py), in a network
# namespace of its own. HF_SEED: a number, or "time"; HF_CONNECTIONS: how many (100).

set -euo pipefail
export LC_ALL=C.UTF-8

skip() {
	echo "SKIP: $1"
	exit 77
}

track=${HF_BUILD:?is not set}/tests/tcp-track
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in unshare ip nft conntrack sysctl python3; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
[ -c /dev/net/tun ] || skip "no /dev/net/tun here"
unshare -n true 2>/dev/null || skip "no namespaces here"

seed=${HF_SEED:-1}
[ "$seed" != time ] || seed=$(date +%s)
exec unshare -n python3 "$(dirname "$0")/tcp_states.py" "$track" "$seed" "${HF_CONNECTIONS:-100}"
