#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The profiles against verdicts of the real drivers' own code. The file with the verdicts is not
# part of the tree: HEPFLOW_VECTORS names it, or it lies in a folder beside the source tree.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

file=${HEPFLOW_VECTORS:-}
if [ -z "$file" ]; then
	for f in "$here"/../../../../*/nic-flow-vectors.tsv; do
		file=$f
	done
fi
exec "$HF_BUILD/tests/hw-profiles-vectors" "$file" "$here/disagreements.txt"
