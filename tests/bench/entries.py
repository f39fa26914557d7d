#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Entries of ClassBench files as policies, against plain expansion of their port ranges to prefixes.

Usage: HF_BUILD=BUILD HEPFLOW_CLASSBENCH=DIR entries.py [PROFILE]

Verdicts by seed. "tracked" is policy behind connection tracking, "short" the same with
--short-denies, "untracked" with doNotTrack. Counted are the entries of policy rules in the table of
packets to the host, and those of the tables in front of it and behind it that serve all rules; plain
is one entry for each pair of prefixes of a rule's port ranges."""

import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import gen


def n_prefixes(low, high):
    n = 0
    while low <= high:
        size = 1
        while low % (2 * size) == 0 and low + 2 * size - 1 <= high:
            size *= 2
        low += size
        n += 1
    return n


def plain(path):
    total = 0
    rules = gen.read_classbench(path, random.Random(1))
    for rule in rules:
        n = 1
        for side in ('sport', 'dport'):
            n *= n_prefixes(*rule[side]) if rule[side] else 1
        total += n
    return len(rules), total


SHARED = ('sources', 'destinations', 'ports', 'denied')


def plan(folder, name, profile, *options):
    flowgen = os.path.join(os.environ['HF_BUILD'], 'flowgen', 'flowgen')
    out = subprocess.run([flowgen, 'plan', '-q', '-p', profile, '--format', 'json', *options,
                          os.path.join(folder, 'host.yaml'), os.path.join(folder, name)],
                         stdout=subprocess.PIPE, check=True)
    read = json.loads(out.stdout)
    groups = {t['name']: t['group'] for t in read['tables']}
    host = sum(e['group'] == groups['eth0 to host'] and e.get('origin', '').startswith('default/')
               for e in read['entries'])
    shared = [groups[name] for name in SHARED if name in groups]
    return host + sum(e['group'] in shared for e in read['entries'])


def measure(path, profile):
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'gen.py')
        subprocess.run([sys.executable, script, 'classbench', path, folder], check=True,
                       stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, 'policy.yaml'), encoding='utf-8') as f:
            text = f.read()
        text = text.replace('\n  selector:', '\n  doNotTrack: true\n  applyOnForward: true\n  selector:')
        with open(os.path.join(folder, 'untracked.yaml'), 'w', encoding='utf-8') as f:
            f.write(text)
        rules, expanded = plain(path)
        counts = [plan(folder, *words) for words in (
            ('policy.yaml', profile), ('policy.yaml', profile, '--short-denies'),
            ('untracked.yaml', profile))]
    ratios = ' | '.join(f'{n} | {n / expanded:.2f}' for n in counts)
    print(f'| {re.sub(r"[.].*", "", os.path.basename(path))} | {rules} | {expanded} | {ratios} |')


def main():
    profile = sys.argv[1] if len(sys.argv) > 1 else 'mlx5-cx6dx'
    print('| set | rules | plain | tracked | / plain | short | / plain | untracked | / plain |')
    for path in sorted(glob.glob(os.path.join(os.environ['HEPFLOW_CLASSBENCH'], '*_1k*'))):
        measure(path, profile)


if __name__ == '__main__':
    main()
