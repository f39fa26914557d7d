#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The benchmark of the software path, so small that it says nothing about speed: that it runs, and
# that every verdict is that of the walk over the rules.

set -u
bench=${HF_BUILD:?is not set}/tests/bench-soft
cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')

run() {
	"$bench" "$@" --rules 700 --flows 300 --reps 2 --window 2 -- \
		--lcores "0@$cpu,1@$cpu" --no-huge --no-shconf -m 256 || exit 1
}

for kind in io stateless new established marked marked-untracked; do
	run --kind "$kind"
done
for kind in stateless new established; do
	run --kind "$kind" --ip6
done
run --kind stateless --workers 2

for what in rule insert member; do
	"${bench}-change" --what "$what" --rules 700 --changes 2 -- \
		--lcores "0@$cpu" --no-huge --no-shconf -m 128 || exit 1
done

"${bench}-acl" --rules 200 --reps 1 -- --lcores "0@$cpu" --no-huge --no-shconf -m 128 || exit 1
