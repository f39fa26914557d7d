# SPDX-License-Identifier: BSD-3-Clause
"""hostile.py FLOWGEN: writes each hostile input, runs `flowgen rules` on it, and checks exit code 2,
one line on stderr that names the place, peak memory and processor time. Inputs that are only large
must be taken (exit code 0) within the same bounds."""

import os
import re
import resource
import subprocess
import sys
import tempfile

MEMORY = 1 << 30  # bytes at the peak; docs/limits.md
SECONDS = 60  # of processor time; a tenth of it on a quiet machine

API = 'apiVersion: projectcalico.org/v3\n'
HOST = '''apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces: [{name: eth0, addresses: [192.0.2.10/24]}%s]
---
''' + API + '''kind: HostEndpoint
metadata: {name: h, labels: {role: a}}
spec: {node: n0, interfaceName: eth0, expectedIPs: [192.0.2.10]}
'''
HOST1 = HOST % ''


def obj(kind, name, spec, labels=''):
    return f'---\n{API}kind: {kind}\nmetadata: {{name: {name}, labels: {{{labels}}}}}\nspec: {{{spec}}}\n'


def ip(i):
    return f'10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}'


def policy(spec, name='p'):
    return obj('GlobalNetworkPolicy', name, spec)


def netset(i, labels):
    return obj('GlobalNetworkSet', f's{i}', f'nets: [{ip(i)}/32]', labels)


def selecting(n, selector):
    """n rules whose source is selector % 0, 1, ..."""
    return ''.join(
        policy('ingress: [%s]' % ', '.join(
            '{action: Allow, source: {selector: "%s"}}' % (selector % (k * 1000 + i))
            for i in range(1000)), f'p{k}') for k in range(n // 1000))


def laughs():
    return 'a: &a0 [x]\n' + ''.join(
        f'b{i}: &a{i + 1} [{",".join([f"*a{i}"] * 9)}]\n' for i in range(9))


def nets(n):
    return HOST1 + '---\n' + API + 'kind: GlobalNetworkSet\nmetadata: {name: s, labels: {a: b}}\n' \
        'spec:\n  nets:\n' + ''.join(f'  - {ip(i)}/32\n' for i in range(n))


def many_labels():
    """Pods that inherit thousands of labels from their namespace."""
    return '---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  labels: {%s}\n' % ', '.join(
        f'l{i}: x' for i in range(4000)) + HOST1.join(['---\n', '']) + ''.join(
            obj('WorkloadEndpoint', f'n1-k8s-p{i}-eth0, namespace: n',
                f'node: n1, orchestrator: k8s, pod: p{i}, endpoint: eth0, interfaceName: c{i}, '
                f'ipNetworks: [{ip(i)}/32]') for i in range(3000))


def hosts(n, spec):
    return HOST % ''.join(f', {{name: e{i}}}' for i in range(n)) + ''.join(
        obj('HostEndpoint', f'h{i}', f'node: n0, interfaceName: e{i}', f'role: r{i}')
        for i in range(n)) + ''.join(policy(spec % i, f'p{i}') for i in range(n))


def dead(n):
    """1024 rules a policy that no packet comes to."""
    return HOST1 + policy('order: 1, types: [Ingress], ingress: [{action: Deny}]') + ''.join(
        policy('order: %d, types: [Ingress], ingress: [%s]' % (i + 2, ', '.join(
            '{action: Allow, source: {nets: [%s/32]}}' % ip(i * 1024 + k) for k in range(1024))), f'p{i}')
        for i in range(n))


# name, text, what stderr must say (None: it is taken)
CASES = [
    ('deep list', lambda: 'a: ' + '[' * 100000, 'nested too deep'),
    ('deep mapping', lambda: '{a: ' * 100000, 'nested too deep'),
    ('deep blocks', lambda: ''.join(' ' * i + 'a:\n' for i in range(2000)), 'nested too deep'),
    ('billion laughs', laughs, 'too many nodes'),
    ('alias to itself', lambda: 'a: &a [*a]\n', 'contains it'),
    ('anchors', lambda: ''.join(f'- &a{i} x\n' for i in range(3000)), 'too many anchors'),
    ('keys', lambda: ''.join(f'a{i}: x\n' for i in range(100000)), 'too many keys'),
    ('documents', lambda: '---\na: b\n' * 200000, 'too many documents'),
    ('nodes', lambda: '- a\n' * 8100000, 'too many nodes'),
    ('64 MiB and a byte', lambda: '#' * ((64 << 20) + 1), 'more than 67108864 bytes'),
    ('60 MiB of one word', lambda: 'a: "' + 'x' * (60 << 20) + '"\n', "without 'kind'"),
    ('a million nets and one', lambda: nets(1000001), 'at most 1000000'),
    ('many nets', lambda: nets(300000) + policy(
        'ingress: [{action: Allow, source: {selector: has(a)}}]'), None),
    ('1025 rules', lambda: HOST1 + policy(
        'ingress: [%s]' % ', '.join(['{action: Allow}'] * 1025)), 'at most 1024'),
    ('400000 rules behind one that denies all', lambda: dead(390), None),
    ('more rules', lambda: dead(700), 'more than 400000 rules'),
    ('long selector', lambda: HOST1 + policy('selector: "%s"' % ' || '.join(
        f"a == 'b{i}'" for i in range(100000))), 'at most 1024'),
    ('deep selector', lambda: HOST1 + policy(
        'selector: "%sall()%s"' % ('(' * 400, ')' * 400)), 'nested deeper'),
    ('99000 objects', lambda: HOST1 + ''.join(netset(i, 'a: b') for i in range(99000)) + policy(
        'ingress: [{action: Allow, source: {selector: has(a)}}]'), None),
    ('a selector for each of many sets', lambda: HOST1 + ''.join(
        netset(i, f'k{i}: v') for i in range(40000)) + selecting(40000, "k%d == 'v'"), None),
    ('all selectors select all', lambda: HOST1 + ''.join(
        netset(i, 'k: v') for i in range(9000)) + selecting(9000, "k != 'x%d'"),
     'all sets together'),
    ('selectors that need no label', lambda: HOST1 + ''.join(
        netset(i, 'k: v') for i in range(40000)) + selecting(30000, "!has(k) && x != '%d'"),
     'comparisons'),
    ('inherited labels', many_labels, 'labels'),
    ('policies times endpoints', lambda: hosts(
        2000, "selector: role != 'r%d', applyOnForward: true, ingress: [{action: Deny}]"), 'too many rules'),
    ('repetitions in a pattern', lambda: HOST1 + obj(
        'FelixConfiguration', 'default', 'interfaceExclude: "/((((a{99}){99}){99}){99})/"'),
     'interfaceExclude'),
]

PLACE = re.compile(r'^flowgen: \S*in\.yaml(:\d+:\d+)?: ')


def sanitized(program):
    with open(program, 'rb') as f:
        return b'__asan_init' in f.read()


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def run(flowgen, path):
    with tempfile.TemporaryFile('w+') as err:
        child = subprocess.Popen([flowgen, 'rules', '-n', 'n0', path], stdout=subprocess.DEVNULL,
                                 stderr=err, preexec_fn=limit)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        return child.returncode, err.read(), usage


def wrong(want, code, text, usage):
    lines = text.splitlines()
    if usage.ru_maxrss * 1024 > MEMORY:
        return f'peak of {usage.ru_maxrss >> 10} MiB'
    if want is None:
        return None if code == 0 else f'not taken ({code}): {text[:200]}'
    if code != 2 or len(lines) != 1 or not PLACE.match(lines[0]) or want not in lines[0]:
        return f'exit code {code}, {len(lines)} lines: {text[:300]}'
    return None


def main(flowgen):
    global MEMORY, SECONDS
    failed = 0
    slow = sanitized(flowgen)
    if slow:
        # Red zones, and a quarantine of freed memory.
        MEMORY *= 4
        SECONDS *= 4
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'in.yaml')
        for name, make, want in CASES:
            if slow and want == 'comparisons':
                print(f'left out, too slow with sanitizers - {name}')
                continue
            with open(path, 'w', encoding='utf-8') as f:
                f.write(make())
            code, text, usage = run(flowgen, path)
            bad = wrong(want, code, text, usage)
            failed += bad is not None
            print(f'{"not ok" if bad else "ok"} - {name}: {usage.ru_utime + usage.ru_stime:.1f} s, '
                  f'{usage.ru_maxrss >> 10} MiB{": " + bad if bad else ""}', flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
