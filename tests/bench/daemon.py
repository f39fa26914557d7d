#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hepflowd on the virtual NIC: from the end of writing a policy file to its being in force, from exec to the first right
answer, and what programming costs beside the driver: daemon.py [--quick]

Time is wall time, CPU time for the last. Prints a line of JSON for each measurement. HF_BUILD is the build folder.
"""
import glob
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get('HF_BUILD', 'build')
DAEMON = f'{BUILD}/driver/daemon/hepflowd'
QUICK = '--quick' in sys.argv
RULES = 1000
CHANGES = 20 if QUICK else 200

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy/host.yaml, policy/sets.yaml, policy/policy.yaml, policy/probe.yaml]
  rundir: DIR/run
  poll: adaptive
  changes: {proof: {budget: BUDGET}}
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_vnic0,profile=PROFILE,dev=net_null0,no-rx=1"}
    - {name: eth0, role: host, devargs: "net_null1,no-rx=1"}
'''

PROBE = '''apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: probe}
spec:
  selector: role == 'host'
  order: 0
  types: [Ingress]
  ingress:
    - {action: ACTION, protocol: TCP, source: {nets: [203.0.113.77/32]}, destination: {ports: [7777]}}
'''
PACKET = 'in=eth0 src=203.0.113.77 dst=192.0.2.10 proto=tcp dport=7777'


class Ctl:
    """One connection for all questions: a process for each would cost more than what is measured."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)

    def ask(self, method, *params):
        self.s.sendall(json.dumps({'id': 0, 'method': method, 'params': params}).encode())
        got = b''
        while True:
            got += self.s.recv(1 << 16)
            try:
                reply = json.loads(got)
            except ValueError:
                continue
            assert reply['error'] is None, reply
            return reply['result']

    def verdict(self):
        return re.search('^verdict: (.*)$', self.ask('explain', *PACKET.split()), re.M).group(1)


def write_probe(dir, action):
    path = f'{dir}/policy/probe.yaml'
    with open(path + '.tmp~', 'w') as f:
        f.write(PROBE.replace('ACTION', action))
    os.rename(path + '.tmp~', path)


def start(dir):
    """The daemon, a connection to it, and the seconds from exec to the first right answer."""
    begin = time.monotonic()
    with open(f'{dir}/log', 'w') as log:
        p = subprocess.Popen([DAEMON, '--config', f'{dir}/hepflow.yaml'], stderr=log)
    while True:
        assert p.poll() is None, open(f'{dir}/log').read()
        try:
            d = Ctl(glob.glob(f'{dir}/run/hepflowd.*.ctl')[0])
            break
        except (IndexError, OSError):
            time.sleep(0.001)
    assert d.verdict() == 'allow'
    return p, d, time.monotonic() - begin


def percentiles(ms):
    ms.sort()
    return {'n': len(ms), 'p50_ms': round(ms[len(ms) // 2], 1), 'p99_ms': round(ms[len(ms) * 99 // 100], 1),
            'max_ms': round(ms[-1], 1)}


def changes(d, dir):
    ms = []
    for i in range(CHANGES):
        action = ('Deny', 'Allow')[i % 2]
        write_probe(dir, action)
        begin = time.monotonic()
        while d.verdict() != action.lower():
            time.sleep(0.001)  # who asks all the time keeps the daemon from its work
        ms.append((time.monotonic() - begin) * 1000)
    return percentiles(ms)


def daemon(profile, budget):
    with tempfile.TemporaryDirectory() as dir:
        subprocess.run([f'{HERE}/gen.py', 'rules', str(RULES), f'{dir}/policy'], check=True, stdout=subprocess.DEVNULL)
        write_probe(dir, 'Allow')
        with open(f'{dir}/hepflow.yaml', 'w') as f:
            f.write(CONFIG.replace('DIR', dir).replace('BUDGET', str(budget)).replace('PROFILE', profile))
        starts = []
        for _ in range(2 if QUICK else 5):
            p, d, seconds = start(dir)
            starts.append(seconds)
            d.s.close()
            p.terminate()
            p.wait()
        p, d, _ = start(dir)
        try:
            row = {'profile': profile, 'rules': RULES, 'proof_budget_ms': budget, 'start_s': round(sorted(starts)[len(starts) // 2], 3)}
            row |= changes(d, dir)
            row['proof_ms'] = json.loads(d.ask('status', '--format=json'))['proof']['ms']
        finally:
            p.terminate()
            p.wait()
    print(json.dumps(row), flush=True)


def programming(profile):
    with tempfile.TemporaryDirectory() as dir:
        subprocess.run([f'{HERE}/gen.py', 'rules', str(RULES), dir], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([f'{BUILD}/tests/bench-program', profile, f'{dir}/host.yaml', f'{dir}/policy.yaml', '--', '--no-huge',
                        '--no-pci', '--no-shconf', '--no-telemetry', '--log-level=error', '-m', '256'], check=True)


def flow_perf(profile):
    """DPDK's own measure of the same virtual NIC, with rules of its own."""
    run = subprocess.run(['dpdk-test-flow-perf', '-d', f'{BUILD}/driver/librte_net_vnic.so', '--no-huge', '--no-pci', '--no-shconf',
                          '--no-telemetry', '-m', '256', f'--vdev=net_vnic0,profile={profile}', '--', '--ingress', '--group=1',
                          '--ether', '--ipv4', '--tcp', '--queue', '--rules-count=20000', '--rules-batch=20000'],
                         capture_output=True, text=True)
    m = re.search(r'Rules insertion rate -> ([\d.]+) K Rule/Sec', run.stdout)
    print(json.dumps({'profile': profile, 'flow_perf_us': round(1000 / float(m.group(1)), 3) if m else None}), flush=True)


def main():
    for profile in ('mlx5-cx6dx', 'i40e-x710'):
        for budget in (0, 1000):
            daemon(profile, budget)
        programming(profile)
    flow_perf('mlx5-cx6dx')


if __name__ == '__main__':
    main()
