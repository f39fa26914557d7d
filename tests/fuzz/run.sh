#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Lets one fuzz target look for trouble: run.sh PROGRAM CORPUS [LIBFUZZER-OPTION...]
#
# HF_FUZZ_SECONDS says for how long (20). Input that broke it stays in fuzz-NAME-finds/ beside the program:
# put it into CORPUS with the repair.

set -euo pipefail

program=$1 corpus=$2
shift 2
here=$(dirname "$0")
finds=$(dirname "$program")/fuzz-$(basename "$corpus")-finds
dict=$here/$(basename "$corpus").dict
args=(-max_total_time="${HF_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=1024 -verbosity=0
	-print_final_stats=1 -artifact_prefix="$finds/")
[ ! -f "$dict" ] || args+=(-dict="$dict")

mkdir -p "$finds/corpus"
exec "$program" "${args[@]}" "$@" "$finds/corpus" "$corpus"
