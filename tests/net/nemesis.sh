#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hepflowd on NICs with faults, without packets: after each of them it is alive, says what is wrong,
# and comes to the last policy once the fault is over. What it does to packets meanwhile is for
# unit/driver/test_txn.c and equiv/test_hitless.c.

set -euo pipefail

: "${HF_BUILD:?is not set}"
command -v python3 >/dev/null || {
	echo "SKIP: python3 is not installed"
	exit 77
}
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "$0")/nemesis.py"
