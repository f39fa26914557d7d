#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Verdicts told by receive queues: a NIC that can neither drop nor mark, with queues reserved for it.
# Nothing outside of namespaces of its own is touched.

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

: "${HF_BUILD:?is not set}"
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in ip unshare ethtool python3; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
unshare -m -n true 2>/dev/null || skip "no namespaces here"
exec unshare -m -n env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/queues.py"
