# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Stock dpdk-testpmd with our plugin. Commands go in by standard input, as a person would type them:
# a file of commands would end testpmd at the first one that fails.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib/script.sh"

skip() {
	echo "SKIP: $*"
	exit 77
}

command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed (package dpdk-dev)"
plugin=$HF_BUILD/driver/librte_net_vnic.so
[ -e "$plugin" ] || skip "$plugin was not built"

# EAL loads no plugin from below a folder that everybody may write to.
use_safe_folder() {
	local dir=${plugin%/*} safe
	while [ "$dir" != / ]; do
		dir=$(dirname "$dir")
		[ -z "$(find "$dir" -maxdepth 0 -perm -o=w)" ] && continue
		safe=$(mktemp -d -p "${XDG_RUNTIME_DIR:-/run}" hepflow-test.XXXXXX) ||
			skip "no folder to load the plugin from"
		at_end+=("$safe")
		cp "$plugin" "$safe/"
		plugin=$safe/${plugin##*/}
		return
	done
}
use_safe_folder

# testpmd DEVARGS [OPTION...] <COMMANDS: what it printed is then in $out. Further ports: also
out=
also=()
testpmd() {
	local devargs=$1
	shift
	# By lines: what is printed and what is echoed must not cut each other in two.
	out=$(timeout 120 stdbuf -oL dpdk-testpmd -d "$plugin" --no-huge --no-pci --no-shconf --no-telemetry \
		-m 128 --file-prefix "hf$$" --vdev="net_vnic0,$devargs" "${also[@]/#/--vdev=}" -- \
		-i --total-num-mbufs=4096 "$@" 2>&1) || {
		echo "$out"
		echo "dpdk-testpmd failed"
		exit 1
	}
}

# expect N TEXT: the text stands on exactly N lines of what was printed
expect() {
	local n
	# Commands are echoed; they are not what was said about them.
	n=$(grep -v '^testpmd> ' <<<"$out" | grep -cF -- "$2" || true)
	[ "$n" -eq "$1" ] && return
	echo "$out"
	echo "$n lines instead of $1 have: $2"
	exit 1
}
