#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Builds hepflow and runs its tests. The last line is "N passed, N failed, N skipped".
#
#   tests/run.sh [--quick] [SUITE...]
#
#   SUITE     lint unit cases equiv kernel net testpmd asan tsan clang fuzz; all when none is named
#             asan:  the unit and cases suites again, built with address and UB sanitizers, and
#                    hepflowd in its working day (tests/net/soak.sh)
#             tsan:  control thread and workers, under the thread sanitizer
#             clang: everything compiles with clang 14, warnings are errors
#             fuzz:  libFuzzer looks for bad input, each target HF_FUZZ_SECONDS (20) long
#   --quick   without asan, tsan, clang and fuzz
#
# Exits 1 if anything failed or nothing ran. Logs: build/meson-logs/, build-asan/meson-logs/.

set -uo pipefail
export LC_ALL=C.UTF-8

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
all_suites=(lint unit cases equiv kernel net testpmd asan tsan clang fuzz)
suites=()
named=''
results=$(mktemp)
trap 'rm -f "$results"' EXIT

usage() {
	sed -n '4,/^$/s/^# \{0,1\}//p' "$0"
}

die() {
	echo "run.sh: $*" >&2
	exit 2
}

# result pass|fail|skip NAME [WHY]
result() {
	printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>"$results"
}

wanted() {
	[[ " ${suites[*]} " == *" $1 "* ]]
}

# build DIR NAME MESON-OPTION...: sets up DIR if need be, compiles all of it (or only $only), counts
# as a test.
build() {
	local dir=$1 name="build: $2"
	shift 2
	echo "== $name"
	if { [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"; } &&
		ninja -C "$dir" -j"$(nproc)" ${only:+"$only"}; then
		result pass "$name"
	else
		result fail "$name" "see above"
		return 1
	fi
}

# run_suites DIR PREFIX SLOWNESS SUITE...: one meson run over the named suites; timeouts are
# stretched by SLOWNESS.
run_suites() {
	local dir=$1 prefix=$2 slow=$3 rc log="$1/meson-logs/testlog.json"
	shift 3
	echo "== ${prefix}tests: $*"
	rm -f "$log"
	meson test -C "$dir" --no-rebuild --print-errorlogs -t "$slow" "${@/#/--suite=}"
	rc=$?
	if ! [ -s "$log" ]; then
		# meson does not call it an error when there is no test to run; somebody who names a suite
		# does.
		[ $rc -eq 0 ] && [ -z "$named" ] || result fail "${prefix}$*" "no tests there"
	elif ! /usr/bin/python3 tests/lib/tally.py meson "$log" "$prefix" >>"$results"; then
		result fail "${prefix}meson test" "cannot read $log"
	fi
}

choose_suites() {
	local quick='' arg
	for arg in "$@"; do
		case $arg in
		--quick) quick=1 ;;
		-h | --help) usage && exit 0 ;;
		*)
			[[ " ${all_suites[*]} " == *" $arg "* ]] ||
				die "unknown suite '$arg'; there are: ${all_suites[*]}"
			suites+=("$arg")
			named=1
			;;
		esac
	done
	[ ${#suites[@]} -gt 0 ] || suites=("${all_suites[@]}")
	[ -z "$quick" ] || {
		suites=("${suites[@]/#asan/}")
		suites=("${suites[@]/#tsan/}")
		suites=("${suites[@]/#clang/}")
		suites=("${suites[@]/#fuzz/}")
	}
}

run_main() {
	local s rc meson_suites=()
	for s in unit cases equiv kernel net testpmd; do
		wanted $s && meson_suites+=("$s")
	done
	wanted lint || [ ${#meson_suites[@]} -gt 0 ] || return
	build build gcc -Dwerror=true
	rc=$?
	if wanted lint; then
		echo "== lint"
		HF_RESULTS=$results HF_BUILD=$top/build tests/lint/all.sh || true
	fi
	[ $rc -ne 0 ] || [ ${#meson_suites[@]} -eq 0 ] ||
		run_suites build "" 1 "${meson_suites[@]}"
}

run_asan() {
	build build-asan asan -Db_sanitize=address,undefined -Db_lundef=false || return
	run_suites build-asan "asan: " 4 unit cases soak
}

run_tsan() {
	only=races build build-tsan tsan -Db_sanitize=thread -Db_lundef=false || return
	run_suites build-tsan "tsan: " 1 tsan
}

# The libraries must say which way they went, or libFuzzer is blind.
run_fuzz() {
	CC=clang-14 only=fuzzers build build-fuzz fuzz -Db_sanitize=address,undefined \
		-Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link || return
	run_suites build-fuzz "fuzz: " 1 fuzz
}

choose_suites "$@"
tests/install-deps.sh || die "the set-up script failed"
run_main
wanted asan && run_asan
wanted tsan && run_tsan
wanted clang && CC=clang-14 build build-clang clang -Dwerror=true
wanted fuzz && run_fuzz

echo
/usr/bin/python3 tests/lib/tally.py sum "$results"
