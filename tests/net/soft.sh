#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What the software path makes of real packets beyond allow and deny: fragments in any order, Log
# rules, captures, and a flood of SYNs. Nothing outside of namespaces of its own is touched.

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

: "${HF_BUILD:?is not set}"
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in ip unshare ethtool ping python3; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
unshare -m -n true 2>/dev/null || skip "no namespaces here"
exec unshare -m -n env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/soft.py"
