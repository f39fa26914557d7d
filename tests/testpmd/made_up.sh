#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A new NIC is one YAML file: a made-up one, in a folder of its own, goes through list, show, check,
# detection, plan, proof, validate, try and probe.
. "$(dirname "$0")/lib.sh"

case=$cases/deny-3000
export HEPFLOW_VNIC=$plugin HEPFLOW_PROFILES=$work/profiles
mkdir "$work/profiles"

# Exact IPv4 keys, ordered, eight rules; it cannot count.
cat >"$work/profiles/acme-9000.yaml" <<'END'
format: 1
name: acme-9000
chips: Acme 9000
aliases: [acme]
driver: net_acme
devargs: mode=flow
pci: {ids: ["abcd:9000"], src: made up}
attributes: {ingress: true, egress: false, transfer: false, src: made up}
parsing: {fragments_match_l4: false, extensions_match_l4: false, src: made up}
lifecycle: {flush_on_stop: true, bifurcated: false, isolate: false, async: false, src: made up}
engines:
  - name: tcam
    groups: {count: 1, src: made up}
    priorities: {root: 16, order: lower, src: made up}
    match: {patterns: [eth/ipv4, eth/ipv4/tcp, eth/ipv4/udp], src: made up}
    fields:
      ipv4.dst: {mask: exact, src: made up}
      tcp.dst: {mask: exact, src: made up}
      udp.dst: {mask: exact, src: made up}
    actions:
      known: [drop, queue, mark]
      lists: [drop, queue/mark, mark/queue, queue]
      mark_max: 255
      src: made up
    capacity: {rules: 8, src: made up}
errors:
  range: {errno: ERANGE, type: ITEM_LAST, message: "Acme: no ranges", src: made up}
END

"$hw_profile" list >"$work/list"
has "$(cat "$work/list")" '^acme-9000 +Acme 9000 +abcd:9000 +tcam +16 +- +- +-$'
[ "$(wc -l <"$work/list")" = 2 ]
"$hw_profile" show acme >"$work/show"
has "$(cat "$work/show")" '^  capacity   8 rules$'
"$hw_profile" check "$work/profiles/acme-9000.yaml" >"$work/check"
has "$(cat "$work/check")" ': ok \(acme-9000\)$'

# Its card is found.
card=$work/sys/bus/pci/devices/0000:05:00.0
mkdir -p "$card"
echo 0x020000 >"$card/class"
echo 0xabcd >"$card/vendor"
echo 0x9000 >"$card/device"
: >"$work/verbs"
export HEPFLOW_SYSFS=$work/sys HEPFLOW_VERBS=$work/verbs
[ "$("$hw_profile" match 0000:05:00.0,mode=flow)" = acme-9000 ]

# A plan within its means, which is right for all packets.
"$flowgen" plan -q -p acme-9000 "$case/policy.yaml" >"$work/plan"
has "$(cat "$work/plan")" 'capacity'
"$flowgen" check -q -i eth0 -p acme "$case/policy.yaml" >"$work/proof"
has "$(cat "$work/proof")" 'proven'

# testpmd takes that plan on a virtual Acme, and packets fare as the reference says.
sed 's/ => .*//' "$case/packets.txt" >"$work/packets"
"$flowgen" validate -q -p acme-9000 --packets "$work/packets" "$case/policy.yaml" >"$work/validate"
has "$(cat "$work/validate")" '^eth0 on acme-9000: [1-8] rules, [1-8] accepted, 0 rejected, 0 installed otherwise$'
has "$(cat "$work/validate")" '^[0-9]+ packets: .* 0 wrong; '

# It answers as its file says.
"$hw_profile" try acme-9000 >"$work/try" <<'END'
ingress pattern eth / ipv4 dst is 192.0.2.1 / end actions drop / end
ingress pattern eth / ipv4 / tcp dst spec 1 dst last 9 dst mask 0xffff / end actions drop / end
END
printf 'accept\nreject\t-34\tITEM_LAST\tAcme: no ranges\n' | cmp - "$work/try"
"$hw_profile" probe net_vnic0,profile=acme-9000 >"$work/probe"
has "$(cat "$work/probe")" '^same: [0-9]+ rules, [1-9][0-9]* accepted, as acme-9000 says$'
