#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Felix, hepflow-felix and hepflowd together: a scripted Felix (tests/felix/felix.py) speaks over
# descriptors 3 and 4; either side is killed, cut off, told nonsense and told the same again.

set -euo pipefail

: "${HF_BUILD:?is not set}"
command -v python3 >/dev/null || {
	echo "SKIP: python3 is not installed"
	exit 77
}
exec env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/../felix/felix.py"
