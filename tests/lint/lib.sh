# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For the checks in this folder. A check takes the tree to look at as its argument (default: the
# tree it stands in), prints what is wrong, and exits 1; or prints "SKIP: reason" and exits 77.

set -euo pipefail
export LC_ALL=C.UTF-8

# CI may check out as one user and test as another; git would refuse to look.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

lint=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$lint/../..}"

# files GLOB...: tracked files and those about to be; in a tree without git, all files.
files() {
	if [ -e .git ]; then
		git ls-files -co --exclude-standard -- "$@" | while read -r f; do
			[ ! -e "$f" ] || echo "$f"
		done
	else
		local args=() g
		for g in "$@"; do
			args+=(-o -path "./$g")
		done
		find . -type f \( "${args[@]:1}" \) -not -path './build/*' -not -path './build-*' |
			sed 's|^\./||' | sort
	fi
}

skip() {
	echo "SKIP: $*"
	exit 77
}
