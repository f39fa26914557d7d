#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# docs/semantics.md names every case, and every case it names is there.

set -euo pipefail
export LC_ALL=C

cases=$(cd "$(dirname "$0")" && pwd)
doc=$cases/../../docs/semantics.md
failed=0

# NAME-v3.28 is the twin of NAME under an older release, and named with it.
for dir in "$cases"/*/; do
	name=$(basename "$dir")
	name=${name%-v3.28}
	grep -qE "(^|[^a-z0-9-])$name([^a-z0-9-]|\$)" "$doc" || {
		echo "$name: no sentence of docs/semantics.md names it"
		failed=1
	}
done
# What stands in brackets, one name a line; unit tests have their own place.
for name in $(tr '\n' ' ' <"$doc" | grep -oE '\[[a-z0-9., -]+\]' | tr -d '[]' |
	sed 's/ and their -v3.28 twins//' | tr ',' '\n' | sort -u); do
	case $name in
	ref-*) file=$cases/../unit/flowgen/ref/test_${name#ref-}.c ;;
	*) file=$cases/$name/packets.txt ;;
	esac
	[ -f "$file" ] || {
		echo "docs/semantics.md names '$name', which is not there"
		failed=1
	}
done
exit "$failed"
