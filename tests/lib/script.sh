# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts that call our programs and look at what they print. Sets $top, $cases, $shipped, $flowgen,
# $hw_profile and a folder $work that goes at the end; more that shall go then is added to at_end=().
#
# fail notes a failure and goes on; call, has and is note one and return 1, which ends a script under
# "set -e". A script without it ends by "exit $failed".

export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cases=$top/tests/cases
shipped=$top/hw-profiles
flowgen=${FLOWGEN:-${HF_BUILD:?is not set}/flowgen/flowgen}
hw_profile=$HF_BUILD/hw-profiles/hw-profile
failed=0
at_end=()
work=$(mktemp -d)
trap 'rm -rf "$work" "${at_end[@]}"' EXIT

fail() {
	echo "FAIL: $*"
	failed=1
}

# call CODE PROGRAM ARGUMENT...: what it printed is in $out and $err, and in $work/out and $work/err
call() {
	local want=$1 got=0
	shift
	"$@" >"$work/out" 2>"$work/err" || got=$?
	out=$(<"$work/out")
	err=$(<"$work/err")
	[ $got = "$want" ] && return
	fail "${1##*/} ${*:2}: exit code $got, not $want"$'\n'"$out"$'\n'"$err"
	return 1
}

# has TEXT PATTERN
has() {
	grep -qE -- "$2" <<<"$1" && return
	fail "not there: $2"$'\n'"$1"
	return 1
}

# is TEXT WANTED
is() {
	[ "$1" = "$2" ] && return
	fail $'got:\n'"$1"$'\nwanted:\n'"$2"
	return 1
}
