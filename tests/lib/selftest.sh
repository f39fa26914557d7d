#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Proves that the test glue lets nothing through: a leak, undefined behaviour and a failing
# expectation each fail their test, a failing test says with which seed, and the final count of
# tests/run.sh is right.

set -euo pipefail
export LC_ALL=C

lib=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

cat >"$tmp/t.c" <<'END'
#include "hf_test.h"
#include "hf_test_rand.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

HF_SUITE(s);

static volatile int big = INT_MAX;

Test(s, one)
{
	const char *what = getenv("WHAT");

	if (strcmp(what, "leak") == 0) {
		char *volatile p = malloc(100);

		cr_assert_not_null(p);
		p = NULL;
	}
	if (strcmp(what, "overflow") == 0)
		big++;
	cr_expect_str_neq(what, "expect");
	if (strcmp(what, "seed") == 0)
		cr_expect_eq(hf_test_seed(), strtoull(getenv("WANT"), NULL, 0));
}
END

for cc in gcc clang-14; do
	# shellcheck disable=SC2046
	"$cc" -std=gnu2x -g -O1 -fsanitize=address,undefined -D_GNU_SOURCE -I"$lib" -o "$tmp/t-$cc" \
		"$tmp/t.c" "$lib/hf_test.c" "$lib/hf_test_rand.c" $(pkg-config --cflags --libs criterion)
done

# expect RESULT TEXT NAME=VALUE...: RESULT is pass or fail; TEXT must be in the output.
expect() {
	local want=$1 text=$2 cc got
	shift 2
	for cc in gcc clang-14; do
		got=pass
		: >"$tmp/tap"
		# In a shell of its own, which is the one to report aborts.
		(env UBSAN_OPTIONS=halt_on_error=1 "$@" "$tmp/t-$cc" --tap="$tmp/tap" -j1; exit $?) \
			>"$tmp/out" 2>&1 || got=fail
		cat "$tmp/tap" >>"$tmp/out"
		if [ "$got" != "$want" ] || ! grep -q -e "$text" "$tmp/out"; then
			echo "selftest: $cc $*: wanted $want and '$text', got $got:"
			cat "$tmp/out"
			failed=1
		fi
	done
}

expect pass '^ok - s::one' WHAT=nothing
expect fail 'LeakSanitizer: detected memory leaks' WHAT=leak
expect fail 'signed integer overflow' WHAT=overflow
expect fail '^not ok - s::one' WHAT=expect
expect fail '^# s/one failed with HF_SEED=77$' WHAT=expect HF_SEED=77
expect pass '^ok - s::one' WHAT=seed WANT=99 HF_SEED=99
expect fail 'not a number' WHAT=nothing HF_SEED=12x

# The seed that is told is the seed the test had.
expect fail '^# s/one failed with HF_SEED=[0-9]\{19\}$' WHAT=seed WANT=0 HF_SEED=time
seed=$(sed -n 's/^# s.one failed with HF_SEED=//p' "$tmp/out")
expect pass '^ok - s::one' WHAT=seed WANT="$seed" HF_SEED="$seed"

# counts WANT: a meson log on standard input, one test a line, sums up to WANT.
counts() {
	local got
	cat >"$tmp/log"
	"$lib/tally.py" meson "$tmp/log" 'p: ' >"$tmp/results"
	got=$("$lib/tally.py" sum "$tmp/results") || got="$got (bad)"
	if ! grep -qx -e "$1" <<<"${got##*$'\n'}"; then
		echo "selftest: tally.py: wanted $1, got $got"
		failed=1
	fi
}

counts '0 passed, 0 failed, 0 skipped (bad)' </dev/null
counts '1 passed, 0 failed, 0 skipped' <<<'{"name":"a","result":"OK","stdout":"hello\n"}'
counts '0 passed, 1 failed, 0 skipped (bad)' <<<'{"name":"a","result":"TIMEOUT","stdout":"hello\n"}'
counts '2 passed, 0 failed, 1 skipped' <<'END'
{"name":"a","result":"OK","stdout":"TAP version 13\n1..3\nok - s::x  (0.00s)\nok - s::y  (0.00s)\nok - s::z # SKIP no card\n"}
END
counts '1 passed, 1 failed, 0 skipped (bad)' <<'END'
{"name":"a","result":"FAIL","stdout":"TAP version 13\n1..2\nok - s::x  (0.00s)\nnot ok - s::y  (0.00s)\n"}
END
# A leak found at the end: every line says ok, the program does not.
counts '1 passed, 1 failed, 0 skipped (bad)' <<'END'
{"name":"a","result":"ERROR","stdout":"TAP version 13\n1..1\nok - s::x  (0.00s)\n","stderr":"leak"}
END
# Where Criterion names the test that leaked, it is that one, beside another that failed.
counts '1 passed, 2 failed, 0 skipped (bad)' <<'END'
{"name":"a","result":"ERROR","stdout":"TAP version 13\n1..3\nok - s::x  (0.00s)\nok - s::y  (0.00s)\nnot ok - s::z  (0.00s)\n","stderr":"[----] Warning! The test `s::y` crashed during its setup or teardown.\n"}
END
# A program without tests is a mistake, though meson calls it skipped.
counts '0 passed, 1 failed, 0 skipped (bad)' <<'END'
{"name":"a","result":"SKIP","stdout":"TAP version 13\n1..0\n"}
END
# Skipping needs a reason, and alone is no success.
counts '0 passed, 0 failed, 1 skipped (bad)' <<'END'
{"name":"a","result":"SKIP","stdout":"setting up\nSKIP: not root\n"}
END
counts '0 passed, 1 failed, 0 skipped (bad)' <<<'{"name":"a","result":"SKIP","stdout":"no idea\n"}'

PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$(dirname "$0")/promcheck.py" || failed=1

[ "$failed" -eq 0 ] && echo "selftest: the glue fails what it must fail"
exit "$failed"
