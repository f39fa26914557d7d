#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The top level holds these and dot-files, nothing else.
. "$(dirname "$0")/lib.sh"

want=$(printf '%s\n' LICENSE README.md docs driver flowgen hw-profiles include meson.build tests)
have=$(files '*' | cut -d/ -f1 | grep -v '^\.' | LC_ALL=C sort -u)
[ "$want" = "$have" ] && exit 0
diff <(echo "$want") <(echo "$have") |
	sed -n 's/^< \(.*\)/\1: missing/p; s/^> \(.*\)/\1: does not belong at the top level/p'
exit 1
