#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# C files look as clang-format 14 writes them.
. "$(dirname "$0")/lib.sh"

style=$lint/../../.clang-format
files '*.c' '*.h' | xargs -r clang-format-14 --style="file:$style" --dry-run -Werror
