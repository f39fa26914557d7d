#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# docs/warnings.md lists exactly the codes that the model can say, in its table and as chapters.

set -euo pipefail
cd "$(dirname "$0")/../../../.."

said=$(cat flowgen/model/*.c | tr -d '\n' |
	grep -oE 'hf_warn(_meta)?\(b, "[a-z0-9-]+"' | grep -oE '"[^"]+"' | tr -d '"' | sort -u)
[ "$(wc -l <<<"$said")" -ge 15 ] || { echo "found only: $said"; exit 1; }
chapters=$(sed -n 's/^## //p' docs/warnings.md | sort)
table=$(grep -oE '^\| \[[a-z0-9-]+\]' docs/warnings.md | tr -d '|[] ' | sort)
diff <(echo "$said") <(echo "$chapters")
diff <(echo "$said") <(echo "$table")
