#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The main job: one host's policy enforced on real packets by a virtual SmartNIC.
#
#   tests/demo.sh [PROFILE...]     default: mlx5-cx6dx i40e-x710 none
#
# Makes network namespaces for an outside host, this host and a pod of it, puts hepflowd in between,
# applies the situations of tests/demo/situations.txt in turn, tries real connections and prints what
# was expected, what was seen and who decided. Exits 1 if anything differs. Needs root.

set -euo pipefail
export LC_ALL=C.UTF-8

top=$(cd "$(dirname "$0")/.." && pwd)
build=${HF_BUILD:-$top/build}

if [ -z "${HF_BUILD:-}" ]; then
	"$top/tests/install-deps.sh"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	{
		[ -f "$build/build.ninja" ] || meson setup "$build" "$top"
		ninja -C "$build"
	} >"$log" 2>&1 </dev/null || {
		tail -n 30 "$log" >&2
		echo "demo: the build failed" >&2
		exit 1
	}
fi
[ "$(id -u)" -eq 0 ] || {
	echo "demo: needs root, for network namespaces" >&2
	exit 1
}
[ $# -gt 0 ] || set -- mlx5-cx6dx i40e-x710 none
exec /usr/bin/python3 "$top/tests/demo/demo.py" "$build" "$@"
