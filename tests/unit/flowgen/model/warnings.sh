#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# docs/warnings.md lists exactly the codes that there are, in its table and as chapters, and each is
# shown here: NAME.yaml gives the warnings of NAME.txt, the same in text, in JSON and on standard error.

set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
flowgen=${FLOWGEN:-${HF_BUILD:?is not set}/flowgen/flowgen}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cd "$here/../../../.."
said=$({
	cat flowgen/model/*.c | tr -d '\n' |
		grep -oE 'hf_warn(_meta)?\(b, "[a-z0-9-]+"' | grep -oE '"[^"]+"' | tr -d '"'
	grep -oE '"[a-z-]+: %s: ' flowgen/cli_build.c | tr -d '":% s'
} | sort -u)
[ "$(wc -l <<<"$said")" -ge 15 ] || { echo "found only: $said"; exit 1; }
chapters=$(sed -n 's/^## //p' docs/warnings.md | sort)
table=$(grep -oE '^\| \[[a-z0-9-]+\]' docs/warnings.md | tr -d '|[] ' | sort)
diff <(echo "$said") <(echo "$chapters")
diff <(echo "$said") <(echo "$table")

cd "$here/warnings"
for name in all no-facts; do
	"$flowgen" model $name.yaml >"$tmp/text" 2>"$tmp/err"
	sed '1,/^warnings$/d; s/^  //' "$tmp/text" >"$tmp/got"
	diff -u $name.txt "$tmp/got"
	sed 's/^warning: //' "$tmp/err" | diff $name.txt -
	"$flowgen" model -q --format json $name.yaml |
		python3 -c 'import json, sys; print(*json.load(sys.stdin)["warnings"], sep="\n")' |
		diff $name.txt -
done
diff <(echo "$said") <(sed 's/:.*//' ./*.txt | sort -u)
