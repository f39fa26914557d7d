#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# How long flowgen eval takes for many packet lines against many rules.
#
#   HF_BUILD=build tests/bench/eval.sh [RULES [LINES]]     default: 1000 rules, a million lines
#
# Half of the sources come from nets of the rules; most packets meet every rule before the end of the
# tier decides, which is the slow way. Prints seconds of processor and wall time, and who decided.

set -euo pipefail
export LC_ALL=C

rules=${1:-1000} lines=${2:-1000000}
flowgen=${HF_BUILD:?is not set}/flowgen/flowgen
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

/usr/bin/python3 - "$rules" "$lines" "$tmp" <<'EOF'
import json
import random
import sys

n_rules, n_lines, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
r = random.Random(1)


def net():
    length = r.choice([16, 24, 32])
    addr = r.getrandbits(32) >> 32 - length << 32 - length
    return ".".join(str(addr >> s & 255) for s in (24, 16, 8, 0)), length


nets = [net() for _ in range(n_rules)]
rules = []
for addr, length in nets:
    low = r.randrange(1, 65000)
    rules.append({"action": r.choice(["Allow", "Deny"]), "protocol": r.choice(["TCP", "UDP"]),
                  "source": {"nets": [f"{addr}/{length}"]},
                  "destination": {"ports": [r.randrange(1, 65536), f"{low}:{low + 500}"]}})
api = "projectcalico.org/v3"
docs = [{"apiVersion": "hepflow/v1", "kind": "HostFacts", "metadata": {"name": "n0"},
         "spec": {"interfaces": [{"name": "eth0", "addresses": ["192.0.2.10/24"]}]}},
        {"apiVersion": api, "kind": "HostEndpoint",
         "metadata": {"name": "eth0", "labels": {"h": "h"}}, "spec": {"node": "n0", "interfaceName": "eth0"}}]
docs += [{"apiVersion": api, "kind": "GlobalNetworkPolicy", "metadata": {"name": f"p{i // 100}"},
          "spec": {"order": i, "selector": "has(h)", "types": ["Ingress"],
                   "ingress": rules[i:i + 100]}} for i in range(0, n_rules, 100)]
with open(f"{folder}/policy.yaml", "w", encoding="ascii") as f:
    f.writelines(f"---\n{json.dumps(d)}\n" for d in docs)
with open(f"{folder}/packets", "w", encoding="ascii") as f:
    for _ in range(n_lines):
        src = r.choice(nets)[0] if r.randrange(2) else net()[0]
        f.write(f"in=eth0 src={src} dst=192.0.2.10 proto={r.choice(['tcp', 'udp'])} "
                f"sport={r.randrange(1, 65536)} dport={r.randrange(1, 65536)}\n")
EOF

TIMEFORMAT="$lines packet lines against $rules rules: %U s of processor, %R s in all"
time "$flowgen" eval -q --packets "$tmp/packets" "$tmp/policy.yaml" >"$tmp/out"
[ "$(wc -l <"$tmp/out")" -eq "$lines" ]
cut -f 1,3 "$tmp/out" | sed 's|/.*||' | sort | uniq -c
