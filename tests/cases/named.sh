#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# docs/semantics.md names every case; every sentence of it names a test, and what it names is there.

set -euo pipefail
export LC_ALL=C

cases=$(cd "$(dirname "$0")" && pwd)
doc=$cases/../../docs/semantics.md
failed=0

fail() {
	echo "$*"
	failed=1
}

# NAME-v3.28 is the twin of NAME under an older release, and named with it.
for dir in "$cases"/*/; do
	name=$(basename "$dir")
	name=${name%-v3.28}
	grep -qE "(^|[^a-z0-9-])$name([^a-z0-9-]|\$)" "$doc" ||
		fail "$name: no sentence of docs/semantics.md names it"
done

# Numbered sentences, one a line, with their section in front. What is "not modelled" has no test.
sentences=$(awk '
	function done() { if (text != "") print section ": " text; text = "" }
	/^#/ { done(); section = $2 }
	/^$/ { done() }
	/^[0-9]+\. / { done(); text = $0; next }
	text != "" { text = text " " $0 }
	END { done() }' "$doc")
[ "$(wc -l <<<"$sentences")" -gt 120 ] || fail 'docs/semantics.md has few sentences'
bare=$(grep -vE '\[[a-z0-9_., /-]+\]' <<<"$sentences" | grep -v 'not modelled' || true)
[ -z "$bare" ] || fail "these name no test:"$'\n'"$bare"

# What stands in brackets, and in the column "case" of a table.
brackets=$(grep -oE '\[[a-z0-9_., /-]+\]' <<<"$sentences" | tr -d '[]' |
	sed 's/ and their -v3.28 twins//')
columns=$(awk -F ' *[|] *' '/^$/ { on = 0 } on && !/^\|--/ { print $(NF - 1) } / case \|$/ { on = 1 }' "$doc")
[ "$(wc -l <<<"$columns")" -gt 30 ] || fail 'the tables of docs/semantics.md name few cases'
tests=$(grep -rhoE '^(Parameterized)?Test\([a-z0-9_]+, [a-z0-9_]+' "$cases/../unit" |
	sed -E 's/.*\(//; s/, /\//')
while read -r name; do
	case $name in
	*/*) grep -qxF "$name" <<<"$tests" ;;
	*) [ -f "$cases/$name/packets.txt" ] ;;
	esac || fail "docs/semantics.md names '$name', which is not there"
done < <(tr ',' '\n' <<<"$brackets,$columns" | sed 's/^ *//; s/ *$//' | sort -u)
exit "$failed"
