#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The software path beside its peers, in one run: soft.py [--quick]

Each case is measured in several rounds; between them, on the same CPU and with the same capture files, dpdk-testpmd (io)
and, where HEPFLOW_PEERS names a folder with its scripts, Open vSwitch. Rates are million packets per CPU-second of the thread
that does the work. Prints a line of JSON for each measurement and a table of medians at the end. HF_BUILD is the build folder.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

BUILD = os.environ.get('HF_BUILD', 'build')
PEERS = os.environ.get('HEPFLOW_PEERS')
ROUNDS = 1 if '--quick' in sys.argv else 3
CPUS = sorted(os.sched_getaffinity(0))
EAL = ['--lcores', f'0@{CPUS[0]},1@{CPUS[-1]}', '--in-memory', '-m', '640']

# What, and against which peer's figure it is held: (kind, rules, flows, IPv6).
CASES = [
    ('established', 1000, 1000, False), ('established', 1000, 100000, False),
    ('stateless', 1000, 1000, False), ('stateless', 1000, 100000, False),
    ('stateless', 10000, 100000, False), ('new', 1000, 100000, False),
    ('marked', 1000, 1000, False), ('marked-untracked', 1000, 1000, False),
    ('guarded', 1000, 1000, False), ('offloaded', 1000, 1000, False),
    ('guarded', 1000, 100000, False), ('offloaded', 1000, 100000, False),
    ('established', 1000, 1000, True), ('established', 1000, 100000, True),
    ('stateless', 1000, 1000, True), ('stateless', 1000, 100000, True), ('new', 1000, 100000, True),
]


def measure(kind, rules, flows, ip6, workers=1):
    cmd = [f'{BUILD}/tests/bench-soft', '--kind', kind, '--rules', str(rules), '--flows', str(flows), '--reps', '5']
    cmd += ['--workers', str(workers)]
    if ip6:
        cmd.append('--ip6')
    elif PEERS:
        cmd += ['--peers', PEERS]
    out = subprocess.run(cmd + ['--'] + EAL, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(out, end='', flush=True)
    return json.loads(out)['mpps']


# How soon a change is obeyed: (what, rules, members of each set, changes, whether no rule has a set).
CHANGES = [('rule', 1000, 64, 40, False), ('rule', 10000, 64, 40, False), ('rule', 10000, 64, 40, True),
           ('insert', 10000, 64, 40, False), ('member', 10000, 64, 40, False), ('member', 50, 100000, 40, False)]


def change(what, rules, set_size, changes, plain):
    cmd = [f'{BUILD}/tests/bench-soft-change', '--what', what, '--rules', str(rules), '--set-size', str(set_size)]
    cmd += ['--plain'] * plain
    cmd += ['--changes', str(changes), '--', '--lcores', f'0@{CPUS[-1]}', '--in-memory', '-m', '256']
    out = subprocess.run(cmd, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(out, end='', flush=True)
    return json.loads(out)


def beside_acl():
    """The classifier beside rte_acl: lines of the program's own."""
    env = {k: v for k, v in os.environ.items() if k != 'HEPFLOW_CLASSBENCH'}
    cmd = [f'{BUILD}/tests/bench-soft-acl', '--', '--lcores', f'0@{CPUS[-1]}', '--in-memory', '-m', '512']
    out = subprocess.run(cmd, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(out, end='', flush=True)
    return [json.loads(line) for line in out.splitlines()]


def testpmd(flows):
    """Packets a second of CPU time: the peers' own script, so that all are measured alike."""
    code = ('import json, bench_testpmd as b, common as c\n'
            f'r, kind = b.testpmd("{PEERS}/gen/n1000/f{flows}-64.pcap", "io")\n'
            'print(json.dumps({"mpps": c.med(r["pps_cpu"]) / 1e6}))')
    with tempfile.TemporaryDirectory() as tmp:
        env = dict(os.environ, PYTHONPATH=f'{PEERS}/src', PEERS_OUT=tmp, PEERS_RUN=tmp, PYTHONDONTWRITEBYTECODE='1',
                   REPS='3', TRIES='1', PMD_CPU=str(CPUS[-1]), MAIN_CPU=str(CPUS[0]))
        out = subprocess.run([sys.executable, '-c', code], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    mpps = json.loads(out.splitlines()[-1])['mpps']
    print(json.dumps({'bench': 'testpmd', 'kind': 'io', 'flows': flows, 'mpps': round(mpps, 3)}), flush=True)
    return mpps


def ovs():
    """By kind and flows: Open vSwitch with the same policy of 1000 rules."""
    rates = {}
    with tempfile.TemporaryDirectory() as tmp:
        env = dict(os.environ, PEERS_OUT=tmp, PEERS_RUN=tmp, PYTHONDONTWRITEBYTECODE='1', REPS='3', TRIES='1',
                   PMD_CPU=str(CPUS[-1]), MAIN_CPU=str(CPUS[0]))
        subprocess.run([sys.executable, f'{PEERS}/src/bench_ovs.py', '--sizes', '1000', '--flows', '1000,100000',
                        '--imix', '', '--install-reps', '1'], env=env, stdout=subprocess.DEVNULL, check=True)
        with open(f'{tmp}/ovs.jsonl', encoding='utf-8') as f:
            for record in map(json.loads, f):
                if record['what'] == 'rate' and record.get('rules') == 1000:
                    rates[record['kind'], record['flows']] = statistics.median(record['pps_cpu']) / 1e6
    for (kind, flows), mpps in rates.items():
        print(json.dumps({'bench': 'ovs', 'kind': kind, 'rules': 1000, 'flows': flows, 'mpps': round(mpps, 3)}), flush=True)
    return rates


def main():
    ours, io, peers, both = {}, {}, {}, []
    for _ in range(ROUNDS):
        for flows in (1000, 100000):
            io.setdefault(flows, []).append(testpmd(flows) if PEERS else measure('io', 1000, flows, False))
        for case in CASES:
            ours.setdefault(case, []).append(measure(*case))
        both.append(measure('stateless', 1000, 1000, False, 2))
    changes, beside = [change(*case) for case in CHANGES], beside_acl()
    if PEERS and subprocess.run(['which', 'ovs-vswitchd'], stdout=subprocess.DEVNULL, check=False).returncode == 0:
        peers = ovs()
    print(f'\n| kind | rules | flows | IP | Mpps | % of {"testpmd io" if PEERS else "our io"} | x OVS |\n|---|---|---|---|---|---|---|')
    for (kind, rules, flows, ip6), rates in ours.items():
        mpps, top = statistics.median(rates), statistics.median(io[flows])
        other = peers.get(({'established': 'ct-est'}.get(kind, kind), flows)) if rules == 1000 and not ip6 else None
        print(f'| {kind} | {rules} | {flows} | {6 if ip6 else 4} | {mpps:.2f} [{min(rates):.2f}-{max(rates):.2f}] | '
              f'{100 * mpps / top:.0f} | {f"{mpps / other:.1f}" if other else ""} |')
    print(f'| stateless, two workers | 1000 | 1000 | 4 | {statistics.median(both):.2f} [{min(both):.2f}-{max(both):.2f}] | | |')
    for flows, rates in io.items():
        print(f'| io | | {flows} | 4 | {statistics.median(rates):.2f} [{min(rates):.2f}-{max(rates):.2f}] | 100 | |')
    print('\n| change | rules | members of a set | text to rules ms | loaded ms | obeyed after ms, median | greatest | own table after ms |\n'
          '|---|---|---|---|---|---|---|---|')
    for c in changes:
        members = 'no sets' if c['plain'] else c['set_size']
        print(f'| {c["what"]} | {c["rules"]} | {members} | {c["read_ms"]:.0f} | {c["load_ms"]:.0f} | {c["publish_ms"]:.2f} | {c["publish_max_ms"]:.2f} | {c["settle_ms"]:.0f} |')
    print('\n| set | rules of rte_acl | by | cycles | rte_acl | ratio | memo | rows | list | built in ms | list | rte_acl |'
          '\n|---|---|---|---|---|---|---|---|---|---|---|---|')
    for a in beside:
        print(f'| {a["set"]} | {a["acl_rules"]} | {a["by"]} | {a["cycles"]:.0f} | {a["acl_cycles"]:.0f} | {a["ratio"]:.1f} | '
              f'{a["memo_cycles"]:.0f} | {a["row_cycles"]:.0f} | {a["list_cycles"] or "-"} | '
              f'{1e3 * a["build_s"]:.0f} | {1e3 * a["list_build_s"]:.0f} | {1e3 * a["acl_build_s"]:.0f} |')

if __name__ == '__main__':
    main()
