#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs what hepflow needs to build and test on Debian 12, and nothing that is there already.
#
#   tests/install-deps.sh              needs root only if something is missing
#   tests/install-deps.sh --dry-run    prints what it would do
#
# 1. Debian packages: the table below; docs/dependencies.md says what each is for.
# 2. The header files for writing DPDK drivers, which Debian does not package: they are taken from
#    Debian's own source package of the installed libdpdk-dev, into a folder of their own. apt gets
#    a private copy of the system's source lists for that; the system's lists stay as they are.

set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

packages=(
	# build
	gcc libc6-dev meson ninja-build pkg-config
	clang-14 libclang-rt-14-dev
	# libraries
	libdpdk-dev libyaml-dev libjansson-dev libevent-dev uthash-dev libbdd-dev libibverbs-dev
	libprotobuf-c-dev protobuf-c-compiler libmnl-dev
	# tests and lint
	libcriterion-dev dpdk-dev python3 iproute2 ethtool nftables procps iputils-ping
	iptables ipset conntrack
	openvswitch-switch-dpdk
	clang-format-14 cppcheck mandoc git graphviz systemd
	# this script: unpacking a Debian source package
	dpkg-dev xz-utils
)

# What DPDK itself installs for drivers when it is built with enable_driver_sdk.
driver_headers=(
	lib/eal/include/bus_driver.h
	lib/eal/include/dev_driver.h
	lib/ethdev/ethdev_driver.h
	lib/ethdev/ethdev_pci.h
	lib/ethdev/ethdev_vdev.h
	drivers/bus/pci/bus_pci_driver.h
	drivers/bus/vdev/bus_vdev_driver.h
)

say() {
	echo "install-deps: $*"
}

die() {
	echo "install-deps: error: $*" >&2
	exit 1
}

# quietly WHAT COMMAND...: the output is shown only if the command fails.
quietly() {
	local what=$1
	shift
	if ! "$@" >"$tmp/log" 2>&1 </dev/null; then
		tail -n 20 "$tmp/log" >&2
		die "$what failed; the lines above say why"
	fi
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "must be root to install: $*"
}

check_system() {
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
		die "no dpkg and apt here; hepflow is set up on Debian 12"
	local ID='' ID_LIKE='' VERSION_CODENAME='' DEBIAN_CODENAME='' PRETTY_NAME=''
	# shellcheck disable=SC1091
	. /etc/os-release
	case " $VERSION_CODENAME $DEBIAN_CODENAME " in
	*" bookworm "*) ;;
	*) die "this is ${PRETTY_NAME:-unknown}; only Debian 12 (bookworm) is supported" ;;
	esac
}

missing_packages() {
	local installed p
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null ||
		true)
	for p in "${packages[@]}"; do
		case $'\n'"$installed"$'\n' in
		*$'\n'"$p installed"$'\n'*) ;;
		*) echo "$p" ;;
		esac
	done
}

install_packages() {
	local opts=(-qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
	need_root "$@"
	say "apt-get update"
	# A broken list of somebody else's must not stop us: the install step tells what is missing.
	apt-get "${opts[@]}" update >"$tmp/log" 2>&1 </dev/null ||
		say "apt-get update: $(grep -m1 '^[EW]:' "$tmp/log" || echo failed)"
	say "apt-get install $*"
	quietly "apt-get install" apt-get "${opts[@]}" install -y --no-install-recommends "$@"
}

# Does a driver compile? The caller may add compiler flags. (DPDK lets only those who define
# ALLOW_INTERNAL_API call what drivers call.)
driver_compiles() {
	local flags
	flags=$(pkg-config --cflags libdpdk) || return 1
	# shellcheck disable=SC2086
	gcc -x c -Werror -DALLOW_INTERNAL_API $flags "$@" -c -o /dev/null - 2>"$tmp/log" <<-'END'
		#include <ethdev_driver.h>
		#include <ethdev_vdev.h>
		#include <bus_vdev_driver.h>

		static int probe(struct rte_vdev_device *dev)
		{
			struct rte_eth_dev *eth = rte_eth_vdev_allocate(dev, 0);

			if (!eth)
				return -1;
			rte_eth_dev_probing_finish(eth);
			return 0;
		}

		static int unplug(struct rte_vdev_device *dev)
		{
			return rte_eth_dev_release_port(rte_eth_dev_allocated(rte_vdev_device_name(dev)));
		}

		static struct rte_vdev_driver driver = {.probe = probe, .remove = unplug};

		RTE_PMD_REGISTER_VDEV(net_installdeps, driver);
	END
}

# The system's source lists, asking for sources instead of binaries.
write_source_lists() {
	local dir=$1 file out n=0
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		n=$((n + 1))
		case $file in
		*.sources)
			out=$dir/$n.sources
			sed -E 's/^Types:.*/Types: deb-src/I' "$file" >"$out"
			;;
		*)
			out=$dir/$n.list
			sed -nE 's/^[[:space:]]*deb(-src)?([[:space:]])/deb-src\2/p' "$file" |
				sort -u >"$out"
			;;
		esac
		[ -s "$out" ] || rm "$out"
	done
	[ -n "$(ls "$dir")" ] || die "apt has no source list, so there is nothing to fetch DPDK's source from"
}

# Fetches the source package and unpacks it into $tmp/src/tree. apt checks the archive's signature and
# the checksums it vouches for, dpkg-source those of the .dsc.
fetch_source() {
	local package=$1 version=$2 apt
	mkdir -p "$tmp/parts" "$tmp/lists/partial" "$tmp/src"
	chmod 755 "$tmp"
	# apt drops to this user for downloads.
	chown _apt "$tmp/src" 2>/dev/null || true
	write_source_lists "$tmp/parts"
	apt=(apt-get -qq -o Acquire::Retries=3 -o Dir::Etc::sourcelist=/dev/null
		-o Dir::Etc::sourceparts="$tmp/parts" -o Dir::State::lists="$tmp/lists")

	say "fetching Debian's source package $package $version"
	# Lists without sources fail here; one that has the package is enough.
	"${apt[@]}" update >"$tmp/log" 2>&1 </dev/null || true
	cd "$tmp/src"
	quietly "apt-get source $package=$version (if the archive has a newer one: apt-get update && apt-get install libdpdk-dev dpdk-dev)" \
		"${apt[@]}" source --download-only --only-source "$package=$version"
	quietly "unpacking $package $version" \
		dpkg-source --no-copy --require-strong-checksums -x ./*.dsc "$tmp/src/tree"
	cd /
}

install_driver_headers() {
	local dest=$1 package version h
	need_root "$dest"
	package=$(dpkg-query -W -f '${source:Package}' libdpdk-dev)
	version=$(dpkg-query -W -f '${source:Version}' libdpdk-dev)
	fetch_source "$package" "$version"

	mkdir -p "$(dirname "$dest")"
	new=$(mktemp -d "$dest.XXXXXX")
	for h in "${driver_headers[@]}"; do
		[ ! -e "/usr/include/dpdk/${h##*/}" ] || continue
		install -m 644 "$tmp/src/tree/$h" "$new/" || die "no $h in $package $version"
	done
	chmod 755 "$new"
	driver_compiles -I"$new" || {
		tail -n 20 "$tmp/log" >&2
		die "a driver does not compile with the headers of $package $version"
	}
	rm -rf "$dest"
	mv "$new" "$dest"
	new=''
	say "wrote $dest ($(ls "$dest" | wc -l) headers)"
}

driver_headers_dir() {
	local v
	v=$(dpkg-query -W -f '${source:Version}' libdpdk-dev 2>/dev/null) || v='VERSION'
	v=${v#*:}
	echo "/usr/local/include/hepflow-dpdk-${v%-*}"
}

have_driver_headers() {
	local h
	for h in "${driver_headers[@]}"; do
		[ -e "$1/${h##*/}" ] || [ -e "/usr/include/dpdk/${h##*/}" ] || return 1
	done
}

main() {
	local dry='' missing dir
	case "$*" in
	'') ;;
	--dry-run) dry=1 ;;
	-h | --help)
		sed -n '4,/^$/s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*) die "unknown option: $* (there is only --dry-run)" ;;
	esac

	check_system
	tmp=$(mktemp -d)
	new=''
	trap 'rm -rf "$tmp" ${new:+"$new"}' EXIT
	mapfile -t missing < <(missing_packages)

	if [ -n "$dry" ]; then
		[ ${#missing[@]} -eq 0 ] || say "would install: ${missing[*]}"
		dir=$(driver_headers_dir)
		have_driver_headers "$dir" || driver_compiles ||
			say "would put DPDK's driver headers into $dir"
		exit 0
	fi

	[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
	dir=$(driver_headers_dir)
	have_driver_headers "$dir" || driver_compiles || install_driver_headers "$dir"
}

main "$@"
