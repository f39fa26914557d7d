#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What an operator does with a running hepflowd, without packets: files that change by themselves,
# apply with confirmation, rollback, and what is refused.

set -euo pipefail

: "${HF_BUILD:?is not set}"
command -v python3 >/dev/null || {
	echo "SKIP: python3 is not installed"
	exit 77
}
exec env PYTHONDONTWRITEBYTECODE=1 python3 "$(dirname "$0")/control.py"
