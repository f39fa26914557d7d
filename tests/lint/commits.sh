#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The last commits read "area: what" in at most 72 characters, an empty line, and why.
. "$(dirname "$0")/lib.sh"

newest=50

[ -e .git ] || skip "not a git checkout"
rc=0
for c in $(git log --no-merges -n $newest --format=%h); do
	mapfile -t msg < <(git log -1 --format=%B "$c")
	why=''
	[[ ${msg[0]} =~ ^[a-z0-9][a-z0-9_.,/-]*(\ [a-z0-9_.,/-]+)?:\ [^\ ].*[^.]$ ]] ||
		why="the first line is not 'area: what'"
	[ ${#msg[0]} -le 72 ] || why="the first line has ${#msg[0]} characters, 72 is the limit"
	[ -z "${msg[1]:-}" ] || why="the second line is not empty"
	[ -n "${msg[2]:-}" ] || why="it does not say why"
	[ -z "$why" ] || {
		echo "$c: ${msg[0]}: $why"
		rc=1
	}
done
exit $rc
