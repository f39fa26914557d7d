#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""hepflowd while a proof is under way; see proving.sh."""

import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from hepflowd import CTL, DEADLINE, HOST, Daemon, wait  # noqa: E402

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy]
  rundir: DIR/run
  poll: adaptive
  changes: {proof: {budget: 60000, rules: 100000}}
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_vnic0,profile=mlx5-cx6dx,dev=net_null0,no-rx=1"}
    - {name: eth0, role: host, devargs: "net_null1,no-rx=1"}
'''

POLICY = '''---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: NAME}
spec:
  selector: has(host)
  types: [Ingress]
  ingress:
    - {action: Allow, protocol: TCP, destination: {ports: [PORT]}}
'''


def replace(path, text):
    with open(path + '.tmp~', 'w') as f:
        f.write(text)
    os.rename(path + '.tmp~', path)


def small(dir, port):
    replace(f'{dir}/policy/web.yaml', POLICY.replace('NAME', 'web').replace('PORT', str(port)))


def large(dir, port):
    """Rules that overlap in all fields at once: many seconds, if one waits for it."""
    r = random.Random(1)
    text = ''
    for p in range(8):
        text += POLICY.replace('NAME', f'p{p}').replace('PORT', str(port))
        for _ in range(1000):
            lo = r.randrange(60000)
            text += (f'    - {{action: {r.choice(["Allow", "Deny"])}, protocol: {r.choice(["TCP", "UDP"])}, '
                     f'source: {{nets: [{r.randrange(1, 224)}.{r.randrange(64) * 4}.0.0/{r.choice([8, 12, 14])}], '
                     f'ports: ["{lo}:{lo + r.randrange(5000)}"]}}, '
                     f'destination: {{ports: ["{lo // 2}:{lo // 2 + r.randrange(9000)}"]}}}}\n'
                     .replace('.0.0/8', '.0.0/14').replace('.0.0/12', '.0.0/14'))
    replace(f'{dir}/policy/web.yaml', text)


def is_open(d, port):
    return d.verdict(f'in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport={port}')[0] == 'allow'


def proving(d):
    wait(lambda: d.status()['proving'], 'a proof is under way')
    return d.status()


def ask(dir, *words):
    return subprocess.Popen([CTL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=os.environ | {'HEPFLOW_RUNDIR': f'{dir}/run'})


def superseded(d, dir):
    """What is newer is in force, and who has asked for what is older is told of that."""
    large(dir, 81)
    s = proving(d)
    n = s['proving']['generation']
    assert s['generation'] == n - 1 and s['error'] is None, s
    assert f'proof: generation {n} is being proven, for ' in d.ask('status')
    assert is_open(d, 80) and not is_open(d, 81)
    waits = ask(dir, 'apply')
    small(dir, 82)
    wait(lambda: is_open(d, 82), 'port 82 is open')
    out, err = waits.communicate(timeout=DEADLINE)
    assert waits.returncode == 0 and re.match(r'generation \d+ in force\n$', out), (out, err)
    assert d.status()['proving'] is None and d.status()['generation'] >= n


def refused(d, dir):
    """What cannot be read is told at once, and does not stop what is under way."""
    large(dir, 81)
    before = proving(d)
    with open(f'{dir}/policy/odd.yaml', 'w') as f:
        f.write('kind: [\n')
    wait(lambda: d.status()['error'], 'an error')
    after = d.status()
    assert 'odd.yaml' in after['error'] and after['proving']['generation'] == before['proving']['generation']
    os.unlink(f'{dir}/policy/odd.yaml')
    small(dir, 83)
    wait(lambda: is_open(d, 83), 'port 83 is open')
    assert d.status()['error'] is None


def rolled_back(d, dir):
    """Going back needs no proof, and gives up the one there is."""
    large(dir, 81)
    waits = ask(dir, 'apply', '--confirm=60')
    wait(lambda: 'an apply that is to be confirmed is under way' in
         (d.run('apply', '--confirm=5').stderr or ''), 'the apply is under way')
    d.ask('rollback')
    out, err = waits.communicate(timeout=DEADLINE)
    assert waits.returncode == 2 and 'a rollback has come in between' in err, (out, err)
    assert is_open(d, 82) and d.status()['held'] and d.status()['changeWaits']
    small(dir, 84)
    assert 'in force' in d.ask('apply', '--confirm=60') and is_open(d, 84)
    d.ask('confirm')


def verified(d, dir):
    """A verify makes way for a change, and is answered in the end."""
    assert 'eth0 by the rules: proven' in d.ask('verify')
    waits = ask(dir, 'verify')
    small(dir, 85)
    wait(lambda: is_open(d, 85), 'port 85 is open')
    out, err = waits.communicate(timeout=DEADLINE)
    assert waits.returncode == 0 and 'all of them in the NIC' in out, (out, err)
    gone = ask(dir, 'apply')
    gone.kill()
    gone.communicate(timeout=DEADLINE)
    assert is_open(d, 85), 'a client that does not wait for its reply'


def main():
    with tempfile.TemporaryDirectory() as dir:
        os.mkdir(f'{dir}/policy')
        replace(f'{dir}/policy/host.yaml', HOST)
        replace(f'{dir}/hepflow.yaml', CONFIG.replace('DIR', dir))
        small(dir, 80)
        os.environ['RUNTIME_DIRECTORY'] = dir
        with Daemon(dir) as d:
            for step in (superseded, refused, rolled_back, verified):
                step(d, dir)
            large(dir, 81)
            proving(d)
            d.stop()
    print('answers while a proof is under way, and what supersedes it')


if __name__ == '__main__':
    main()
