#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Words that do not belong into a committed file. They are written in pieces here, so that this
# file passes its own check.
. "$(dirname "$0")/lib.sh"

rc=0

# ban WHY PATTERN GLOB...
ban() {
	local why=$1 pattern=$2 found
	shift 2
	found=$(files "$@" | xargs -r grep -InPH -e "$pattern" || true)
	[ -z "$found" ] || {
		echo "$found" | sed "s|\$|   <- $why|"
		rc=1
	}
}

code=('*.c' '*.h' '*.sh' '*.py' '*meson.build' '.ci/run')
ban "finish it, or file it" '\b(TO''DO|FIX''ME|X''XX)\b' "${code[@]}"
ban "no half-done code" '(?i)\b(st''ub(s|bed)?|place''holders?)\b' "${code[@]}"
ban "a path of one machine" '(^|[^\w.-])/(wo''rk|ho''me)/' '*'
ban "a host packages come from" \
	'\b(deb|security|snapshot|archive|ports|packages|ftp[\w.]*)\.(deb''ian|ubun''tu)\.(org|com)\b' '*'
ban "a host packages come from" \
	'\b(py''pi\.org|files\.python''hosted|registry\.np''mjs|proxy\.go''lang|static\.cra''tes)\b' '*'
exit $rc
