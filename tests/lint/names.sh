#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Files are lower case without blanks; what our libraries export begins with hf_.
. "$(dirname "$0")/lib.sh"

rc=0

# README.md, LICENSE and CONTRIBUTING.md are names that people and programs look for.
upper=$(files '*' | grep -E '[^a-z0-9_./-]' |
	grep -vE '(^|/)(README\.md|LICENSE|CONTRIBUTING\.md|Containerfile[a-z.-]*)$' || true)
[ -z "$upper" ] || {
	echo "$upper" | sed 's/$/: file names are a-z 0-9 _ - . only/'
	rc=1
}

# What DPDK's registration macros and protobuf's generator name for us.
glue='rte_|this_pmd_|vdrvinitfn_|hepflow__'

build=${HF_BUILD:-build}
libs=$(find "$build" -name '*.a' -not -path '*/tests/*' 2>/dev/null || true)
for lib in $libs; do
	bad=$(nm -g --defined-only -f posix "$lib" 2>/dev/null |
		awk 'NF >= 3 && $2 ~ /[A-Z]/ { print $1 }' | grep -vE "^(hf_|$glue)" || true)
	[ -z "$bad" ] || {
		echo "$bad" | sed "s|^|${lib##*/}: exported without hf_: |"
		rc=1
	}
done
exit $rc
