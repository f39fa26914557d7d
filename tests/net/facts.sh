#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hepflowd learns interfaces, addresses and routes from the kernel, and follows them: in a network
# namespace of its own, nothing outside is touched. Needs root.

set -euo pipefail

: "${HF_BUILD:?is not set}"
if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || {
		echo "SKIP: needs root"
		exit 77
	}
	unshare -n true 2>/dev/null || {
		echo "SKIP: no network namespaces here"
		exit 77
	}
	exec unshare -n "$0" inside
fi
exec env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/facts.py"
