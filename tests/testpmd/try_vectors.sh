#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hw-profile try against verdicts of the real drivers' own code, for one driver of each kind. The
# file is that of tests/unit/hw-profiles/vectors.sh, and so are the differences that may be.
. "$(dirname "$0")/lib.sh"

here=$(cd "$(dirname "$0")" && pwd)
file=${HEPFLOW_VECTORS:-}
if [ -z "$file" ]; then
	for f in "$here"/../../../*/nic-flow-vectors.tsv; do
		file=$f
	done
fi
[ -r "$file" ] || skip "no vectors of real drivers at $file (HEPFLOW_VECTORS)"


for model in dv-nic-cx5 dv-esw-cx6dx-xmeta1 i40e-X710 X540-perfect ice-E810; do
	awk -F '\t' -v m=$model '$1 == m && $2 == "22.11.11" && $3 != "PARSE-ERR"' "$file" >"$work/want"
	cut -f 7 "$work/want" >"$work/rules"
	"$hw_profile" try $model --rules "$work/rules" >"$work/got"
	[ "$(wc -l <"$work/got")" = "$(wc -l <"$work/want")" ] || {
		echo "$model: not an answer for each rule"
		exit 1
	}
	# Rules that no flow of ours can say are refused with an answer of our own, so answers differ
	# more often than verdicts.
	paste "$work/want" "$work/got" | awk -F '\t' -v m=$model '
		FNR == NR { if ($1 == m && $2 == "verdict") listed[$4] = 1; next }
		{
			rows++
			ours = $8 == "reject" ? "REJECT" : "ACCEPT"
			if (ours != $3 && !($7 in listed)) {
				print m ": driver " $3 ", try " ours ": " $7
				bad = 1
			}
			same += ours == $3
			both += ours == "REJECT" && $3 == "REJECT"
			told += ours == "REJECT" && $3 == "REJECT" && $4 == $9 && $5 == $10 && $6 == $11
		}
		END {
			printf "%s: verdicts %d/%d, answers %d/%d\n", m, same, rows, told, both
			exit bad || rows == 0 || same * 100 < 85 * rows || told * 100 < 80 * both
		}' "$here/../unit/hw-profiles/disagreements.txt" -
done
