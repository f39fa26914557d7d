#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# hw-profile detect and match: over made-up machines, and over this one.

set -uo pipefail
program=$HF_BUILD/hw-profiles/hw-profile
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
failed=0
unset HEPFLOW_PROFILES HEPFLOW_SYSFS HEPFLOW_VERBS

# expect CODE ARGUMENT... leaves what was printed in $tmp/out and $tmp/err
expect() {
	local want=$1 got=0
	shift
	"$program" "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ $got = "$want" ] && return
	echo "hw-profile $*: exit code $got, not $want"
	cat "$tmp/err"
	failed=1
}

# is out|err TEXT: that and nothing else
is() {
	[ "$(cat "$tmp/$1")" = "$2" ] && return
	printf '%s is:\n%s\nnot:\n%s\n' "$1" "$(cat "$tmp/$1")" "$2"
	failed=1
}

has() {
	grep -qE -- "$2" "$tmp/$1" && return
	echo "not in $1: $2"
	cat "$tmp/$1"
	failed=1
}

# card PCI CLASS VENDOR DEVICE DRIVER [NETDEV...]: in the machine $tmp/sys
card() {
	local dir=$tmp/sys/bus/pci/devices/$1 name
	mkdir -p "$dir" "$tmp/sys/bus/pci/drivers/$5"
	echo "$2" >"$dir/class"
	echo "$3" >"$dir/vendor"
	echo "$4" >"$dir/device"
	echo 0x15b3 >"$dir/subsystem_vendor"
	echo 0x0063 >"$dir/subsystem_device"
	[ "$5" = - ] || ln -s "../../drivers/$5" "$dir/driver"
	for name in "${@:6}"; do
		mkdir -p "$dir/net/$name"
	done
}

card 0000:3b:00.1 0x020000 0x15b3 0x101d mlx5_core eth1 eth0
card 0000:3b:00.0 0x020000 0x15b3 0x101d mlx5_core
card 0000:5e:00.2 0x020000 0x15b3 0x101e vfio-pci
card 0000:5e:00.3 0x020000 0x15b3 0x101e vfio-pci
card 0000:5e:00.4 0x020000 0x15b3 0x101e vfio-pci
card 0000:81:00.0 0x020000 0x8086 0x1572 i40e eth2
card 0000:82:00.0 0x028000 0x1af4 0x1041 -
card 0000:00:1f.0 0x060100 0x8086 0x1572 lpc_ich
mkdir -p "$tmp/sys/bus/pci/devices/0000:82:00.0/virtio0/net/eth9"
cat >"$tmp/verbs" <<'END'
# name pci part firmware
mlx5_0 0000:3b:00.0 4125 22.35.1012
mlx5_2 0000:5e:00.2 0x101e 28.39.1002
mlx5_3 0000:5e:00.3 0x101e 99.1.1
bnxt_re0 0000:81:00.0 1 1.0
END
fake=(--sysfs "$tmp/sys" --verbs "$tmp/verbs")

expect 0 "${fake[@]}" detect
is out '0000:3b:00.0
  id        15b3:101d, subsystem 15b3:0063
  driver    mlx5_core
  netdevs   -
  verbs     mlx5_0, part 0x101d, firmware 22.35.1012
  profile   mlx5-cx6dx: PCI id 15b3:101d
  devargs   0000:3b:00.0,dv_flow_en=1,dv_esw_en=0
0000:3b:00.1
  id        15b3:101d, subsystem 15b3:0063
  driver    mlx5_core
  netdevs   eth0 eth1
  profile   mlx5-cx6dx: PCI id 15b3:101d
  devargs   0000:3b:00.1,dv_flow_en=1,dv_esw_en=0
0000:5e:00.2
  id        15b3:101e, subsystem 15b3:0063
  driver    vfio-pci
  netdevs   -
  verbs     mlx5_2, part 0x101e, firmware 28.39.1002
  profile   mlx5-cx7: virtual function, chip by its firmware 28.39.1002
  devargs   0000:5e:00.2,dv_flow_en=1,dv_esw_en=0
0000:5e:00.3
  id        15b3:101e, subsystem 15b3:0063
  driver    vfio-pci
  netdevs   -
  verbs     mlx5_3, part 0x101e, firmware 99.1.1
  profile   mlx5-cx6dx: virtual function of a ConnectX-6 Dx or later, of a firmware that is not known: ambiguous, so the oldest of them
  devargs   0000:5e:00.3,dv_flow_en=1,dv_esw_en=0
0000:5e:00.4
  id        15b3:101e, subsystem 15b3:0063
  driver    vfio-pci
  netdevs   -
  profile   mlx5-cx6dx: virtual function of a ConnectX-6 Dx or later, and its firmware cannot be asked: ambiguous, so the oldest of them
  devargs   0000:5e:00.4,dv_flow_en=1,dv_esw_en=0
0000:81:00.0
  id        8086:1572, subsystem 15b3:0063
  driver    i40e
  netdevs   eth2
  profile   i40e-x710: PCI id 8086:1572
0000:82:00.0
  id        1af4:1041, subsystem 15b3:0063
  driver    -
  netdevs   eth9
  profile   none: no profile has PCI id 1af4:1041'
is err ''

expect 0 "${fake[@]}" --format json detect
python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
n = {x["pci"]: x for x in d["nics"]}
assert d["schema"] == 1 and len(n) == 7, d
a = n["0000:3b:00.0"]
assert a["verbs"] == {"name": "mlx5_0", "part_id": 4125, "firmware": "22.35.1012"}, a
assert a["profile"] == "mlx5-cx6dx" and a["devargs"] == "dv_flow_en=1,dv_esw_en=0", a
assert n["0000:3b:00.1"]["netdevs"] == ["eth0", "eth1"] and "verbs" not in n["0000:3b:00.1"]
assert n["0000:82:00.0"]["profile"] == "none" and n["0000:82:00.0"]["driver"] == ""' "$tmp/out" ||
	failed=1

# No cards is an answer; what is not there is none.
mkdir "$tmp/empty"
expect 0 --sysfs "$tmp/empty" detect
is out 'no network cards found'
expect 0 --sysfs "$tmp/empty" -f json detect
has out '"nics": \[\]'
expect 2 --sysfs "$tmp/nowhere" detect
has err "^hw-profile: $tmp/nowhere: No such file"
expect 2 --verbs "$tmp/nowhere" detect
expect 2 detect more
echo 'mlx5_0 0000:3b:00.0 part 22.35.1012' >"$tmp/broken"
expect 2 --verbs "$tmp/broken" detect
is err "hw-profile: $tmp/broken:1:1: not \"NAME PCI PART_ID FIRMWARE\""
is out ''
# The environment names the same places.
HEPFLOW_SYSFS=$tmp/sys HEPFLOW_VERBS=$tmp/verbs expect 0 match 0000:5e:00.2
is out mlx5-cx7
HEPFLOW_SYSFS=$tmp/nowhere expect 2 detect
# This machine, with the real library.
expect 0 detect
has out '^(no network cards found|[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$'

expect 0 "${fake[@]}" match 0000:81:00.0
is out i40e-x710
expect 0 "${fake[@]}" match 81:00.0
is out i40e-x710
expect 0 "${fake[@]}" match pci:0000:3b:00.0,dv_flow_en=1,dv_esw_en=0
is out mlx5-cx6dx
is err 'hw-profile: pci:0000:3b:00.0,dv_flow_en=1,dv_esw_en=0: PCI id 15b3:101d'
expect 0 "${fake[@]}" match 0000:3b:00.0,dv_flow_en=1
is out mlx5-cx6dx
has err 'describes ports with dv_esw_en=0: give them that$'
expect 0 "${fake[@]}" match 0000:5e:00.4
is out mlx5-cx6dx
has err 'ambiguous'
# Another mode of the same card has another profile.
expect 0 "${fake[@]}" match 0000:3b:00.0,dv_flow_en=2,dv_esw_en=0
is out mlx5-cx6dx-hws
is err 'hw-profile: 0000:3b:00.0,dv_flow_en=2,dv_esw_en=0: PCI id 15b3:101d'
expect 0 "${fake[@]}" match 0000:3b:00.0,dv_flow_en=0
is out mlx5-verbs
expect 0 "${fake[@]}" match 0000:5e:00.2,dv_flow_en=2
is out mlx5-cx7-hws
# A mode that nobody describes, an unknown card, no card: nothing on standard output.
expect 1 "${fake[@]}" match 0000:3b:00.0,dv_flow_en=7
is out ''
has err "with dv_flow_en=1, not 7: 'none' would serve$"
expect 1 "${fake[@]}" match auxiliary:mlx5_core.sf.4
is err "hw-profile: auxiliary:mlx5_core.sf.4: a device of another bus than PCI: 'none' would serve"
expect 1 "${fake[@]}" match 0000:82:00.0
is out ''
is err "hw-profile: 0000:82:00.0: no profile has PCI id 1af4:1041: 'none' would serve"
expect 1 "${fake[@]}" match 0000:99:00.0
is out ''
has err "no network card is there: 'none' would serve"
# Virtual devices.
expect 0 match net_vnic0,profile=mlx5-cx6dx,dev=net_ring0
is out mlx5-cx6dx
expect 0 match net_vnic1,profile=i40e-xl710
is out i40e-x710
expect 0 match net_tap0,iface=tap0
is out tap
expect 1 match net_pcap0,rx_pcap=a
is out ''
has err "no profile is about net_pcap: 'none' would serve"
expect 1 match net_ixgbe0
expect 1 match net_vnic0,profile=nothing
expect 2 match net_vnic0
for address in eth0 '' 0000:3b:00 0000:3b:00.0x; do
	expect 2 match "$address"
	has err 'neither a PCI address nor a virtual device'
done
expect 2 match

exit $failed
