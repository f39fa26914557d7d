#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hepflowd in its working day, made short: policy that changes all the time, traffic, and many who ask.
# In the end it must answer as at the beginning, with the memory and the descriptors of then.
#
#   HF_SOAK_SECONDS   how long (12)
#   HF_SEED           of the changes and the traffic (1)

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

: "${HF_BUILD:?is not set}"
[ "$(id -u)" = 0 ] || skip "needs root"
[ -e "$HF_BUILD/driver/librte_net_vnic.so" ] || skip "the virtual SmartNIC was not built"
for tool in ip unshare ethtool python3; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
unshare -m -n true 2>/dev/null || skip "no namespaces here"
# What is freed must be given back, or the sanitizer's memory grows by design.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4"
exec unshare -m -n env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/soak.py"
