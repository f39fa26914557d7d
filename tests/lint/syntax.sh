#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Scripts parse: bash -n, and Python's own compiler.
. "$(dirname "$0")/lib.sh"

rc=0
for f in $(files '*.sh' '.ci/run'); do
	bash -n "$f" || rc=1
done
for f in $(files '*.py'); do
	/usr/bin/python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' \
		"$f" || rc=1
done
exit $rc
