#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs the commands of README.md, and checks that the files it links to are there. The two set-up
# commands are left out: one of them is running this, the other is a test of its own.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
build=${HF_BUILD:?is not set}
ran=0

while IFS= read -r command; do
	case $command in
	tests/demo.sh* | tests/run.sh*) continue ;;
	esac
	echo "+ $command"
	bash -euo pipefail -c "${command//build\//$build/}" </dev/null >/dev/null
	ran=$((ran + 1))
done < <(awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on && NF' README.md)

while IFS= read -r file; do
	[ -e "$file" ] || {
		echo "README.md links to $file, which is not there"
		exit 1
	}
done < <(grep -oE '\]\([A-Za-z0-9_./-]+\)' README.md | tr -d '])(')

[ "$ran" -ge 5 ] || {
	echo "README.md has $ran commands; at least 5 are expected"
	exit 1
}
