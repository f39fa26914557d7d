#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fallback kernel: the NIC drops what policy denies for certain, and all else reaches the host's own
# stack without passing hepflowd. Traffic goes on through restarts and kills of the daemon. The card is
# net_vnic with the kernel behind it. Nothing outside of namespaces of its own is touched.

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

: "${HF_BUILD:?is not set}"
[ "$(id -u)" = 0 ] || skip "needs root"
[ -e "$HF_BUILD/driver/librte_net_vnic.so" ] || skip "the virtual SmartNIC was not built"
for tool in ip unshare ethtool nft python3; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
unshare -m -n true 2>/dev/null || skip "no namespaces here"
exec unshare -m -n env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/shield.py"
