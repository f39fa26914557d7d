#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# TCP and SCTP states of the software path against the kernel's conntrack (tcp_states.py and
# sctp_states.py), in network namespaces of their own. HF_SEED: a number, or "time"; HF_CONNECTIONS: how many (1000).

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
dir=$(dirname "$0")
for proto in tcp sctp; do
	code=0
	out=$(PYTHONDONTWRITEBYTECODE=1 unshare -n python3 "$dir/${proto}_states.py" "$track" "$seed" \
		"${HF_CONNECTIONS:-1000}" 2>&1) || code=$?
	echo "$out"
	[ "$code" = 0 ] || [[ $out == *SKIP:* ]] || exit 1
done
[[ $out != *SKIP:* ]] || exit 77
