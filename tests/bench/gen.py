#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Policies for benchmarks, and the same rules for nft.

  gen.py rules N DIR [--per-policy K] [--seed S]   N rules of prefixes and ports, K of them a policy
  gen.py sets SETS MEMBERS POLICIES RULES DIR      policies whose rules name network sets
  gen.py classbench FILE DIR                       a ClassBench file (may be .gz), verdicts by seed

DIR gets host.yaml (facts and endpoint), sets.yaml, policy.yaml, rules.nft and info.json, and with
--updates U the folder updates of U files, each of which changes one thing: a rule of one policy, or
a member of one set. Rules are drawn as
filters of packet networks are: a few prefix lengths are frequent, ports are mostly single ones or
any, ranges are few, and what one rule says overlaps what others say.
"""

import argparse
import gzip
import ipaddress
import json
import os
import random
import re

HEAD = """apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [192.0.2.10/24, '2001:db8::10/64']}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n0-eth0, labels: {role: host}}
spec: {node: n0, interfaceName: eth0}
"""
KNOWN_PORTS = (22, 25, 53, 80, 110, 123, 143, 161, 179, 389, 443, 993, 1433, 1521, 3306, 5432, 8080)
LENGTHS = ((32, 24), (30, 4), (28, 10), (27, 6), (26, 5), (24, 30), (23, 4), (22, 5), (20, 5),
           (16, 7))


def draw_net(rng):
    length = rng.choices([n for n, _ in LENGTHS], [w for _, w in LENGTHS])[0]
    addr = rng.randrange(1 << 24, 223 << 24) & (0xffffffff << (32 - length))
    return f'{ipaddress.IPv4Address(addr)}/{length}'


def draw_port(rng):
    kind = rng.random()
    if kind < 0.55:
        return (rng.choice(KNOWN_PORTS),) * 2
    if kind < 0.85:
        return (rng.randrange(1, 65536),) * 2
    if kind < 0.93:
        return 1024, 65535
    low = rng.randrange(1, 60000)
    return low, low + rng.choice((1, 4, 15, 99, 1000, 4999))


def draw_rule(rng):
    rule = {'allow': rng.random() < 0.6, 'proto': rng.choices(('tcp', 'udp'), (8, 3))[0],
            'src': draw_net(rng), 'set': None, 'sport': None, 'dport': None}
    if rng.random() < 0.92:
        rule['dport'] = draw_port(rng)
    if rng.random() < 0.03:
        rule['sport'] = draw_port(rng)
    return rule


def yaml_ports(port):
    return f"['{port[0]}:{port[1]}']" if port[0] != port[1] else f'[{port[0]}]'


def yaml_rule(rule):
    src, dst = [], []
    if rule['src']:
        src.append(f"nets: [{rule['src']}]")
    if rule['set'] is not None:
        src.append(f"selector: s == '{rule['set']}'")
    if rule['sport']:
        src.append(f"ports: {yaml_ports(rule['sport'])}")
    if rule.get('dst'):
        dst.append(f"nets: [{rule['dst']}]")
    if rule['dport']:
        dst.append(f"ports: {yaml_ports(rule['dport'])}")
    text = f"action: {'Allow' if rule['allow'] else 'Deny'}"
    if rule['proto']:
        text += f", protocol: {rule['proto'].upper()}"
    for side, parts in (('source', src), ('destination', dst)):
        if parts:
            text += f", {side}: {{{', '.join(parts)}}}"
    return f'    - {{{text}}}\n'


def yaml_set(i, nets):
    return (f'---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n'
            f"metadata: {{name: s{i}, labels: {{s: '{i}'}}}}\nspec: {{nets: [{', '.join(nets)}]}}\n")


def yaml_policy(i, rules):
    head = (f'---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n'
            f'metadata: {{name: p{i:06}}}\nspec:\n  order: {i}\n  selector: all()\n'
            f'  types: [Ingress]\n')
    return head + '  ingress:\n' + ''.join(yaml_rule(r) for r in rules)


def nft_rule(rule):
    text = '\t\t'
    if rule['set'] is not None:
        text += f"ip saddr @s{rule['set']} "
    if rule['src']:
        text += f"ip saddr {rule['src']} "
    if rule.get('dst'):
        text += f"ip daddr {rule['dst']} "
    if not rule['proto']:
        ports = ''
    else:
        ports = ''.join(f"{rule['proto']} {name} {p[0]}{'-%d' % p[1] if p[1] != p[0] else ''} "
                        for name, p in (('sport', rule['sport']), ('dport', rule['dport'])) if p)
        ports = ports or f"meta l4proto {rule['proto']} "
    return text + ports + f"counter {'accept' if rule['allow'] else 'drop'}\n"


def nft_text(sets, policies):
    out = ['add table ip bench\ndelete table ip bench\ntable ip bench {\n']
    for i, nets in enumerate(sets):
        out.append(f'\tset s{i} {{ type ipv4_addr; flags interval; '
                   f"elements = {{ {', '.join(nets)} }} }}\n")
    for i, rules in enumerate(policies):
        out.append(f'\tchain p{i} {{\n' + ''.join(map(nft_rule, rules)) + '\t}\n')
    out.append('\tchain host {\n\t\tct state established,related accept\n')
    out += [f'\t\tjump p{i}\n' for i in range(len(policies))]
    out.append('\t\tdrop\n\t}\n\tchain input {\n\t\ttype filter hook input priority 0; '
               'policy accept;\n\t\tiifname "up0" jump host\n\t}\n}\n')
    return ''.join(out)


def new_address(rng):
    return f'{ipaddress.IPv4Address(rng.randrange(1 << 24, 223 << 24))}/32'


def changes(sets, policies, count, rng):
    """Texts that each change one thing more than the one before."""
    for _ in range(count):
        if sets:
            i = rng.randrange(len(sets))
            sets[i][rng.randrange(len(sets[i]))] = new_address(rng)
            yield yaml_set(i, sets[i])
        else:
            i = rng.randrange(len(policies))
            policies[i][rng.randrange(len(policies[i]))] = draw_rule(rng)
            yield yaml_policy(i, policies[i])


def write(args, sets, policies, rng):
    texts = {
        'host.yaml': HEAD,
        'sets.yaml': ''.join(yaml_set(i, nets) for i, nets in enumerate(sets)) or '---\n',
        'policy.yaml': ''.join(yaml_policy(i, rules) for i, rules in enumerate(policies)),
        'rules.nft': nft_text(sets, policies),
        'info.json': json.dumps({'rules': sum(map(len, policies)), 'policies': len(policies),
                                 'sets': len(sets), 'members': sum(map(len, sets))}) + '\n',
    }
    for i, text in enumerate(changes(sets, policies, args.updates, rng)):
        texts[f'updates/{i:04}.yaml'] = text
    os.makedirs(os.path.join(args.dir, 'updates'), exist_ok=True)
    for name, text in texts.items():
        with open(os.path.join(args.dir, name), 'w', encoding='ascii') as file:
            file.write(text)


def chunks(rules, size):
    return [rules[i:i + size] for i in range(0, len(rules), size)]


def make_rules(args, rng):
    write(args, [], chunks([draw_rule(rng) for _ in range(args.n)], args.per_policy), rng)


def make_sets(args, rng):
    sets = [[new_address(rng) for _ in range(args.members)] for _ in range(args.sets)]
    policies = []
    for _ in range(args.policies):
        rules = [draw_rule(rng) for _ in range(args.rules)]
        for rule in rules:
            rule['src'], rule['set'] = None, rng.randrange(args.sets)
        policies.append(rules)
    write(args, sets, policies, rng)


def read_classbench(path, rng):
    line = re.compile(r'@(\S+)\s+(\S+)\s+(\d+) : (\d+)\s+(\d+) : (\d+)\s+0x(\w+)/0x(\w+)')
    names = {6: 'tcp', 17: 'udp', 1: 'icmp'}
    rules = []
    with (gzip.open if path.endswith('.gz') else open)(path, 'rt', encoding='ascii') as file:
        for text in file:
            m = line.match(text)
            if not m:
                continue
            src, dst = (ipaddress.IPv4Network(m.group(i), strict=False) for i in (1, 2))
            ports = [tuple(map(int, m.group(i, i + 1))) for i in (3, 5)]
            proto = names.get(int(m.group(7), 16)) if m.group(8).upper() == 'FF' else None
            sport, dport = ((max(1, p[0]), max(1, p[1]))  # Calico has no port 0
                            if p != (0, 65535) and proto in ('tcp', 'udp') else None
                            for p in ports)
            rules.append({'allow': rng.random() < 0.5, 'proto': proto, 'set': None,
                          'src': str(src) if src.prefixlen else None,
                          'dst': str(dst) if dst.prefixlen else None,
                          'sport': sport, 'dport': dport})
    return rules


def make_classbench(args, rng):
    write(args, [], chunks(read_classbench(args.file, rng), args.per_policy), rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    shapes = parser.add_subparsers(dest='shape', required=True)
    rules = shapes.add_parser('rules')
    rules.add_argument('n', type=int)
    rules.set_defaults(make=make_rules)
    sets = shapes.add_parser('sets')
    for name in ('sets', 'members', 'policies', 'rules'):
        sets.add_argument(name, type=int)
    sets.set_defaults(make=make_sets)
    classbench = shapes.add_parser('classbench')
    classbench.add_argument('file')
    classbench.set_defaults(make=make_classbench)
    for shape in (rules, sets, classbench):
        shape.add_argument('dir')
        shape.add_argument('--per-policy', type=int, default=10)
        shape.add_argument('--seed', type=int, default=1)
        shape.add_argument('--updates', type=int, default=0)
    args = parser.parse_args()
    args.make(args, random.Random(args.seed))


if __name__ == '__main__':
    main()
