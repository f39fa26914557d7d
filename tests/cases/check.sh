#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# flowgen check proves the plans of every golden case, for a NIC of each kind.

set -uo pipefail
. "$(dirname "$0")/../lib/script.sh"
proven=0
entries=0

for dir in "$cases"/*/; do
	args=()
	[ ! -f "$dir/args" ] || read -ra args <"$dir/args"
	for profile in mlx5-cx6dx 'mlx5-cx6dx --fallback kernel' i40e-x710 ixgbe-x540 none; do
		# shellcheck disable=SC2086
		(cd "$dir" && "$flowgen" check -q "${args[@]}" -p $profile policy.yaml) \
			>"$work/out" 2>"$work/err" ||
			fail "$(basename "$dir") on $profile: exit $?: $(cat "$work/out" "$work/err")"
		while read -r n; do
			proven=$((proven + 1))
			entries=$((entries + n))
		done < <(sed -nE 's/^[^ ]+ on [^ ]+: proven, ([0-9]+) entries$/\1/p' "$work/out")
	done
done
echo "$proven plans proven, $entries entries"
# Nothing to prove would be proven too.
[ "$proven" -gt 200 ] && [ "$entries" -gt 5000 ] || fail 'fewer plans than there are cases'

# What is said of a plan: the part in software, and for a NIC without an engine all of it.
"$flowgen" check -q -i eth0 -p none "$cases/deny-3000/policy.yaml" >"$work/out" || fail 'none'
diff - "$work/out" <<-END || fail 'text'
	eth0 by the rules: proven
	eth0 on none: proven, 0 entries
	  left to software, packets that nothing in policy and plan tells apart counting as one;
	  and what of all is left although policy has one verdict whatever the connection's state:
	    IPv4 to host      100.0 %   16.0 %
	    IPv4 to workload  100.0 %  100.0 %
	    IPv4 to remote    100.0 %  100.0 %
	    IPv6 to host      100.0 %   15.9 %
	    IPv6 to workload  100.0 %  100.0 %
	    IPv6 to remote    100.0 %  100.0 %
	  maximal: nothing is left that this NIC could decide
END
# What several rules cover together is said, with its place.
cat >"$work/union.yaml" <<-END
	apiVersion: hepflow/v1
	kind: HostFacts
	metadata: {name: n0}
	spec: {interfaces: [{name: eth0, addresses: [192.0.2.10/24]}]}
	---
	apiVersion: projectcalico.org/v3
	kind: HostEndpoint
	metadata: {name: eth0, labels: {host: n0}}
	spec: {node: n0, interfaceName: eth0}
	---
	apiVersion: projectcalico.org/v3
	kind: GlobalNetworkPolicy
	metadata: {name: halves}
	spec:
	  selector: has(host)
	  ingress:
	    - {action: Allow, protocol: TCP, destination: {ports: ['1:1000']}}
	    - {action: Deny, protocol: TCP, destination: {ports: ['900:2000']}}
	    - {action: Allow, protocol: TCP, destination: {ports: ['500:1500']}}
END
"$flowgen" check -q -p none "$work/union.yaml" >"$work/out" || fail 'union'
grep -q "^  never met by what arrives by eth0: default/gnp:halves/ingress/2  # $work/union.yaml:19:7$" "$work/out" ||
	fail "no rule that is never met: $(cat "$work/out")"
# A NIC that could do more says what, why, and shows a packet.
"$flowgen" check -q -i eth0 -p i40e-x710 "$cases/deny-3000/policy.yaml" >"$work/out" || fail 'i40e'
grep -qE '^    IPv4 to remote +[0-9.]+ %  [a-z0-9:.-]+  \(in=eth0 .*dst=.*\)$' "$work/out" ||
	fail "no region: $(cat "$work/out")"
if grep -q 'maximal' "$work/out"; then fail 'maximal, and not'; fi
exit $failed
