#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# cppcheck finds no mistake in the sources (the tests' macros are beyond it).
. "$(dirname "$0")/lib.sh"

mapfile -t sources < <(files 'flowgen/*.c' 'hw-profiles/*.c' 'driver/*.c')
[ ${#sources[@]} -gt 0 ] || skip "no sources yet"
cppcheck --quiet -j"$(nproc)" --enable=warning,portability --error-exitcode=1 --std=c11 \
	--inline-suppr --suppressions-list="$lint/cppcheck.txt" \
	-Iinclude -Iflowgen -Ihw-profiles -Idriver "${sources[@]}"
