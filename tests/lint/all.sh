#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs every check and goes on after a failure. tests/run.sh collects the results through the file
# HF_RESULTS; HF_BUILD is the build folder whose libraries names.sh looks at (default: build).

set -uo pipefail
cd "$(dirname "$0")" || exit 1
export PYTHONDONTWRITEBYTECODE=1

checks=(toplevel.sh format.sh heads.py floors.py names.sh sizes.py words.sh syntax.sh commits.sh
	cppcheck.sh selftest.sh)

failed=0
for check in "${checks[@]}"; do
	out=$("./$check" 2>&1 </dev/null)
	rc=$?
	why=''
	case $rc in
	0) result=pass ;;
	77) result=skip why=$(tail -n 1 <<<"$out" | sed 's/^SKIP: //') ;;
	*) result=fail why="$(grep -c . <<<"$out") lines of complaint above" failed=1 ;;
	esac
	[ -z "$out" ] || echo "$out"
	echo "$result lint: $check"
	[ -z "${HF_RESULTS:-}" ] || printf '%s\tlint: %s\t%s\n' $result "$check" "$why" >>"$HF_RESULTS"
done
exit $failed
