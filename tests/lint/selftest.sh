#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every check must be able to fail. A small good tree passes all of them; then one bad thing at a
# time is put in, and the check that is there for it must complain about it.

set -euo pipefail

lint=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tree=$tmp/tree
failed=0
cases=0
spdx='SPDX-License-Identifier: BSD-3-Clause'
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost
export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@localhost GIT_CONFIG_GLOBAL=/dev/null

good_tree() {
	rm -rf "$tree"
	mkdir -p "$tree"/{docs,driver/port,flowgen/{base,model,ref,rules,flows},hw-profiles,include/hepflow,tests}
	touch "$tree"/{LICENSE,README.md,meson.build,docs/a.md,hw-profiles/x.yaml,driver/meson.build}
	printf '#!/bin/bash\n# %s\n' "$spdx" >"$tree/tests/a.sh"
	c_file include/hepflow/err.h '#pragma once' '' 'int hf_err_number(int n);'
	c_file flowgen/base/err.c '#include <hepflow/err.h>' '' 'int hf_err_number(int n)' '{' \
		$'\treturn n + 1;' '}'
}

# c_file PATH LINE...: with the licence on top
c_file() {
	local path=$1
	shift
	printf '%s\n' "/* $spdx */" '' "$@" >"$tree/$path"
}

# complains CHECK TEXT: the check fails and says TEXT; the good tree is restored.
complains() {
	local out rc=0
	cases=$((cases + 1))
	out=$("$lint/$1" "$tree" 2>&1) || rc=$?
	if [ $rc -ne 1 ] && [ $rc -ne 123 ] || ! grep -q -e "$2" <<<"$out"; then
		echo "selftest: $1 should have complained '$2'; exit $rc: $out"
		failed=1
	fi
	good_tree
}

accepts() {
	local out rc=0
	cases=$((cases + 1))
	out=$("$lint/$1" "$tree" 2>&1) || rc=$?
	[ $rc -eq 0 ] || {
		echo "selftest: $1 should have accepted this; exit $rc: $out"
		failed=1
	}
}

lines() {
	local i
	for ((i = 0; i < $1; i++)); do
		printf '%s\n' "$2"
	done
}

good_tree
for check in toplevel.sh format.sh heads.py floors.py names.sh sizes.py words.sh syntax.sh cppcheck.sh; do
	accepts $check
done

touch "$tree/Makefile"
complains toplevel.sh 'Makefile: does not belong'
rm "$tree/README.md"
complains toplevel.sh 'README.md: missing'

c_file flowgen/base/err.c '#include <hepflow/err.h>' '' 'int hf_err_number(int n) { return n; }'
complains format.sh 'flowgen/base/err.c:5'

printf '#pragma once\n' >"$tree/include/hepflow/err.h"
complains heads.py 'include/hepflow/err.h:1: must be'
c_file include/hepflow/err.h 'int hf_err_number(int n);'
complains heads.py 'no #pragma once'
c_file flowgen/base/err.c '#include <stdio.h>' '#include <hepflow/err.h>'
complains heads.py 'first #include must be hepflow/err.h'
c_file flowgen/base/err.c '#include <hepflow/err.h>' '// why'
complains heads.py 'comments are'
echo 'true' >"$tree/tests/a.sh"
complains heads.py 'tests/a.sh:1: no licence line'

c_file flowgen/rules/build.c '#include <rte_flow.h>'
complains floors.py 'flowgen/rules/build.c:3: rte_flow.h: flowgen/rules may not use dpdk'
c_file flowgen/flows/rte_flow.c '#include <rte_flow.h>'
accepts floors.py
c_file flowgen/flows/testpmd.c '#include <rte_flow.h>'
complains floors.py 'testpmd.c:3: .* may not use dpdk'
c_file driver/txn.c '#include <hepflow/plan.h>'
accepts floors.py
mkdir -p "$tree/driver/ctl"
c_file driver/ctl/main.c '#include <hepflow/rteflow.h>'
complains floors.py 'driver/ctl may not use dpdk, which this header brings along'
c_file flowgen/base/err.c '#include <hepflow/rules.h>'
complains floors.py 'flowgen/base may not use this public header'
c_file flowgen/rules/algebra.h '#pragma once'
c_file flowgen/ref/eval.c '#include "rules/algebra.h"'
complains floors.py 'flowgen/ref may not use flowgen/rules/algebra.h'
c_file flowgen/model/model.h '#pragma once'
c_file flowgen/ref/eval.c '#include "../model/model.h"'
accepts floors.py
c_file flowgen/main.c '#include "model/model.h"'
complains floors.py 'a program uses public headers only'
c_file driver/port/port.h '#pragma once'
mkdir "$tree/driver/vnic"
c_file driver/vnic/pmd.c '#include "../port/port.h"'
complains floors.py 'driver/vnic may not use driver/port/port.h'
c_file driver/port/port.c '#include <rte_ethdev.h>' '#include <ethdev_driver.h>'
complains floors.py 'driver/port may not use dpdk-driver'
mkdir "$tree/driver/odd"
c_file driver/odd/odd.c '#include <stdio.h>'
complains floors.py 'driver/odd/odd.c: stands on no floor'

touch "$tree/docs/My File.md"
complains names.sh 'file names are'
mkdir "$tree/build"
printf 'int hf_right;\nint wrong;\nstatic int quiet = 1;\nint *hf_use = &quiet;\n' |
	gcc -x c -c -o "$tmp/x.o" -
ar rcs "$tree/build/libx.a" "$tmp/x.o"
HF_BUILD=$tree/build complains names.sh '^libx.a: exported without hf_: wrong$'

c_file flowgen/base/long.c "$(lines 800 '/* */')"
complains sizes.py 'the file has 802 lines, limit 800'
c_file flowgen/base/long.c 'int hf_long(int a)' '{' "$(lines 99 $'\ta++;')" '}'
complains sizes.py 'long.c:4: hf_long has 101 lines, limit 100'
c_file flowgen/base/long.c 'int hf_long(int a)' '{' "$(lines 98 $'\ta++;')" '}'
accepts sizes.py
good_tree

echo "/* TO""DO */" >>"$tree/flowgen/base/err.c"
complains words.sh 'finish it'
echo "/* a st""ub */" >>"$tree/flowgen/base/err.c"
complains words.sh 'no half-done code'
echo "cd /ho""me/me" >>"$tree/docs/a.md"
complains words.sh 'a path of one machine'
echo "http://deb.deb""ian.org/" >>"$tree/docs/a.md"
complains words.sh 'docs/a.md:1:.*a host packages come from'
echo "https://py""pi.org/simple" >>"$tree/docs/a.md"
complains words.sh 'docs/a.md:1:.*a host packages come from'

echo 'if true; then' >>"$tree/tests/a.sh"
complains syntax.sh 'syntax error'
echo 'def f(:' >"$tree/tests/a.py"
complains syntax.sh 'SyntaxError'

c_file flowgen/base/err.c 'int hf_err_number(int n)' '{' $'\tint a[2];' '' $'\ta[2] = n;' \
	$'\treturn a[2];' '}'
complains cppcheck.sh 'arrayIndexOutOfBounds'

# commit SUBJECT [BODY]: a history of one commit
commit() {
	git -C "$tree" init -q
	git -C "$tree" add -A
	git -C "$tree" commit -q -m "$1" ${2:+-m "$2"}
}

commit 'house: the tree' 'Because there must be one.'
accepts commits.sh
for check in toplevel.sh format.sh heads.py floors.py words.sh; do
	accepts $check
done
touch "$tree/untracked"
complains toplevel.sh 'untracked: does not belong'
commit 'the tree' 'Because there must be one.'
complains commits.sh "first line is not 'area: what'"
commit 'house: the tree'
complains commits.sh 'does not say why'
commit "house: $(lines 15 'tree.' | tr '\n' ' ')and tree" 'Because there must be one.'
complains commits.sh '72 is the limit'
git -C "$tree" init -q
git -C "$tree" commit -q --allow-empty --cleanup=verbatim -m $'house: the tree\nBecause.\nSo.'
complains commits.sh 'second line is not empty'

[ $failed -ne 0 ] || echo "selftest: $cases cases"
exit $failed
