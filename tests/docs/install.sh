#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What `meson install` puts where: programs, a manual page for each of them and for each file format,
# the unit, completions, profiles, the .pc file. Pages are formatted, the unit is judged.

set -euo pipefail
export LC_ALL=C.UTF-8

: "${HF_BUILD:?is not set}"
here=$(cd "$(dirname "$0")" && pwd)
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
failed=0

bad() {
	echo "FAIL: $*"
	failed=1
}

DESTDIR=$dest meson install -C "$HF_BUILD" --no-rebuild --quiet
root=$dest$(meson introspect "$HF_BUILD" --buildoptions |
	python3 -c 'import json,sys; print({o["name"]: o["value"] for o in json.load(sys.stdin)}["prefix"])')

# page NAME: exactly one section has it.
page() {
	local found
	found=$(find "$root/share/man" -name "$1.[1-8]" | wc -l)
	[ "$found" = 1 ] || bad "$1 has $found manual pages"
}

# plain PAGE: as text, without what is struck over
plain() {
	mandoc -T ascii "$1" | sed 's/.\x08//g'
}

n=0
while read -r program; do
	page "${program##*/}"
	n=$((n + 1))
done < <(find "$root" -type f -perm -u+x -not -name '*.so')
[ "$n" = 5 ] || bad "$n programs are installed"
for format in hepflowd.conf hepflow-profile hepflow-facts hepflow-packet; do
	page "$format"
done

while read -r man; do
	text=$(mandoc -T lint -W warning "$man") || bad "${man##*/}: $text"
	[ "$(plain "$man" | wc -l)" -gt 10 ] || bad "${man##*/} cannot be read"
	# What it refers to is there.
	for other in $(plain "$man" | sed -n '/^SEE ALSO/,/^[A-Z]/p' | grep -oE '(hep|flow|hw-)[a-z.-]*\([1-8]\)' || true); do
		page "${other%(*}"
	done
done < <(find "$root/share/man" -type f)

# Every key of the configuration is explained twice.
plain "$here/../../docs/man/hepflowd.conf.5" >"$dest/conf"
for key in $(sed -nE 's/^\t\t\{"([A-Za-z-]+)", (true|false), .*/\1/p' "$here"/../../driver/daemon/config*.c | sort -u); do
	grep -qwe "$key" "$here/../../docs/config.md" || bad "docs/config.md does not know $key"
	grep -q -e "$key" "$dest/conf" ||
		bad "hepflowd.conf.5 does not know $key"
done

if command -v pkg-config >/dev/null; then
	pc=$(find "$root" -name hepflow.pc)
	for variable in profiles plugin; do
		path=$dest$(PKG_CONFIG_PATH=${pc%/*} pkg-config --variable=$variable hepflow)
		[ -e "$path" ] || [ $variable = plugin ] || bad "hepflow.pc: $variable is $path"
	done
fi
bash -n "$root/share/bash-completion/completions/hepflowctl" || bad "the completion"
[ "$(find "$root/share/hepflow/hw-profiles" -name '*.yaml' | wc -l)" -gt 30 ] || bad "profiles are missing"

unit=$root/lib/systemd/system/hepflowd.service
grep -q "^ExecStart=${root#"$dest"}/sbin/hepflowd --config" "$unit" || bad "ExecStart of the unit"
systemd-analyze security --offline=yes --threshold=30 "$unit" >"$dest/judged" ||
	bad "the unit: $(tail -n1 "$dest/judged")"
tail -n1 "$dest/judged"
[ $failed = 0 ] || exit 1
echo "installed: $n programs, their pages, formats, unit, completion, profiles"
