#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The system calls that docs/deploy/hepflowd.service leaves to hepflowd are enough for its work: the
# filter is made of the unit and of systemd's own lists, and a call that is not in it ends the process.

set -euo pipefail
export LC_ALL=C

skip() {
	echo "SKIP: $1"
	exit 77
}

: "${HF_BUILD:?is not set}"
[ "$(uname -m)" = x86_64 ] || skip "numbers of system calls are those of x86_64"
[ -e "$HF_BUILD/driver/librte_net_vnic.so" ] || skip "the virtual SmartNIC was not built"
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in systemd-analyze python3 unshare ip; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done
unshare -m -n true 2>/dev/null || skip "no namespaces here"
export PYTHONDONTWRITEBYTECODE=1
exec unshare -m -n sh -c 'ip link set lo up && exec python3 "$1"' sh "$(dirname "$0")/sandbox.py"
