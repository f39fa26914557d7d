#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""hepflowd and what cards, disks and signals do to it; see nemesis.sh."""

import os
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from hepflowd import BUILD, DAEMON, Daemon, wait  # noqa: E402

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy]
  rundir: DIR/run
  poll: adaptive
  changes: CHANGES
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_vnic0,profile=PROFILE0,FAULT0dev=net_null0,no-rx=1"}
    - {name: eth0, role: host, devargs: "net_null1,no-rx=1"}
    - {name: eth1, role: uplink, devargs: "net_vnic1,profile=PROFILE1,FAULT1dev=net_null2,no-rx=1"}
    - {name: eth1, role: host, devargs: "net_null3,no-rx=1"}
'''

HOST = '''apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [192.0.2.10/24]}
    - {name: eth1, addresses: [192.0.2.11/24]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: all, labels: {host: x}}
spec: {node: n0, interfaceName: "*"}
'''

POLICY = '''apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: has(host)
  types: [Ingress]
  ingress:
    - {action: Allow, protocol: TCP, destination: {ports: [PORT]}}
'''


def write(dir, port):
    path = f'{dir}/policy/web.yaml'
    with open(path + '.tmp~', 'w') as f:
        f.write(POLICY.replace('PORT', str(port)))
    os.rename(path + '.tmp~', path)


def world(dir, fault0='', fault1='', changes='{}', profile0='mlx5-cx6dx', profile1='i40e-x710'):
    os.makedirs(f'{dir}/policy', exist_ok=True)
    with open(f'{dir}/policy/host.yaml', 'w') as f:
        f.write(HOST)
    write(dir, 80)
    text = CONFIG.replace('DIR', dir).replace('CHANGES', changes).replace('PROFILE1', profile1).replace('PROFILE0', profile0)
    text = text.replace('FAULT0', fault0 and fault0 + ',').replace('FAULT1', fault1 and fault1 + ',')
    with open(f'{dir}/hepflow.yaml', 'w') as f:
        f.write(text)


def port(d, name):
    return next(p for p in d.status()['ports'] if p['name'] == name)


def is_open(d, number, iface='eth0', dst='192.0.2.10'):
    return d.verdict(f'in={iface} src=198.51.100.7 dst={dst} proto=tcp dport={number}')[0] == 'allow'


def settled(d, number):
    """The policy that opens this port is in force, in all NICs, and proven."""
    wait(lambda: is_open(d, number) and not d.status()['error'] and
         not any(p.get('reject') or p.get('down') for p in d.status()['ports']),
         f'port {number} is open and nothing is wrong')
    text = d.ask('verify')
    # Nobody can ask for a rule of a flow queue.
    seen = text.count('all of them in the NIC') + text.count('cannot tell what is in the NIC')
    assert 'WRONG' not in text and seen == 2, text


def each(dir, step, **kwargs):
    world(dir, **kwargs)
    with Daemon(dir) as d:
        step(d, dir)
        assert d.process.poll() is None
        d.stop()


def refused_once(d, dir):
    """The second uplink refuses one rule of a change: software does it until it is tried again."""
    write(dir, 81)
    wait(lambda: 'pmd-reject:' in d.text(), 'a refusal')
    assert 'eth1: not offloaded' in d.text() and 'eth0: not offloaded' not in d.text()
    settled(d, 81)
    assert 'eth1: offloaded again' in d.text()


def refused_and_kept(d, dir):
    """With refused: keep the first uplink is as before, and the change comes when it can."""
    before = d.status()['generation']
    write(dir, 81)
    wait(lambda: 'stays in force: eth1: ' in d.text(), 'a change taken back')
    assert f'generation {before} stays in force' in d.text()
    settled(d, 81)
    assert d.status()['generation'] > before


def refused_for_good(d, dir):
    """Never a rule in the second NIC; the policy is in force all the same, and status says it."""
    write(dir, 81)
    wait(lambda: is_open(d, 81), 'port 81 is open')
    p = port(d, 'eth1')
    assert 'ENOSPC' in p['reject'] or 'No space' in p['reject'] or p['reject'], p
    assert p['entries'] == 0 and port(d, 'eth0')['entries'] > 0
    assert 'tried again every' in d.ask('status')


def lost(d, dir):
    """Rules that were taken and never came to the card are found within a second or two."""
    wait(lambda: port(d, 'eth0')['lost'] > 0 or port(d, 'eth0')['reject'], 'lost rules are noticed')
    assert 'had got lost in the NIC' in d.text() or 'does not have it' in d.text()
    assert port(d, 'eth1')['lost'] == 0
    write(dir, 81)
    wait(lambda: is_open(d, 81), 'port 81 is open')


def removed(d, dir):
    """The card is pulled out in the middle of a change, and put in again."""
    number = 81
    while 'the device has been removed' not in d.text():
        write(dir, number)
        wait(lambda: is_open(d, number), f'port {number} is open')
        number += 1
        assert number < 200
    wait(lambda: 'the device is back' in d.text(), 'the device is back')
    wait(lambda: not port(d, 'eth0')['down'] and port(d, 'eth0')['entries'] > 0, 'it has rules')
    assert is_open(d, number - 1)
    assert port(d, 'eth1')['entries'] > 0


def resets(d, dir):
    """The card resets itself in the middle of a change: it is set up again, with all rules."""
    number = 81
    while 'the device is reset' not in d.text():
        write(dir, number)
        wait(lambda: is_open(d, number), f'port {number} is open')
        number += 1
        assert number < 200
    wait(lambda: 'the device is back' in d.text(), 'the device is back')
    wait(lambda: not port(d, 'eth0')['down'] and port(d, 'eth0')['entries'] > 0, 'it has rules')
    settled(d, number - 1)


def restarted(d, dir):
    entries = port(d, 'eth0')['entries']
    assert entries > 0
    d.ask('port/restart', 'eth0')
    assert port(d, 'eth0')['entries'] == entries
    assert d.refused('port/restart', 'eth9') == 'no interface eth9'
    settled(d, 80)


def by_templates(d, dir):
    """A NIC that takes rules by flow queues only, and is late to say how it went, is one like any other."""
    assert port(d, 'eth1')['entries'] > 0 and not port(d, 'eth1')['reject'], d.ask('status')
    write(dir, 81)
    settled(d, 81)
    entries = port(d, 'eth1')['entries']
    text = d.ask('flow/dump', '-m', 'type=offloaded')
    flows = [[line for line in text.splitlines() if f'in_port({name})' in line and 'offloaded:yes' in line]
             for name in ('eth0', 'eth1')]
    assert len(flows[0]) == len(flows[1]) > 0, text
    d.ask('port/restart', 'eth1')
    assert port(d, 'eth1')['entries'] == entries
    settled(d, 81)


def unanswered(d, dir):
    """A flow queue never says how an operation went: software does it, and a restart gets over that."""
    number = 80
    while 'no completion in' not in d.text():
        number += 1
        assert number < 120
        write(dir, number)
        wait(lambda: is_open(d, number, 'eth1', '192.0.2.11'), f'port {number} is open')  # noqa: B023
    assert 'eth1: not offloaded' in d.text() and 'eth0: not offloaded' not in d.text()
    d.ask('port/restart', 'eth1')
    settled(d, number)
    assert port(d, 'eth1')['entries'] > 0


def unanswered_for_good(d, dir):
    """With stuck: restart nobody has to be there for it."""
    number = 80
    while 'no completion in' not in d.text():
        number += 1
        assert number < 120
        write(dir, number)
        wait(lambda: is_open(d, number, 'eth1', '192.0.2.11'), f'port {number} is open')  # noqa: B023
    wait(lambda: 'rules do not go: the ports are restarted' in d.text(), 'a restart')
    settled(d, number)


def kept_for_good(d, dir):
    """The second uplink of the endpoint never takes the change: the first is as it was, and status says why."""
    before, entries = d.status()['generation'], port(d, 'eth0')['entries']
    write(dir, ', '.join(str(1000 + 2 * i) for i in range(45)))
    wait(lambda: d.text().count('stays in force: eth1: ') > 1, 'it is tried again, and refused')
    s = d.status()
    assert s['generation'] == before and 'eth1: ' in s['error'], s
    assert is_open(d, 80) and not is_open(d, 1000)
    assert port(d, 'eth0')['entries'] == entries and not port(d, 'eth0')['reject']
    assert 'dst=1000' not in d.ask('flow/dump', '-m'), 'nothing of the change is left in a NIC'
    write(dir, 81)
    settled(d, 81)


def slow(d, dir):
    """Five milliseconds for each operation: it takes its time, and is done."""
    write(dir, 81)
    settled(d, 81)


def down(d, dir):
    assert 'nothing passes: the link is down' in d.ask('status')
    write(dir, 81)
    settled(d, 81)


def undecided(d, dir):
    """A proof that takes too long refuses the change, if that is wanted, and says so."""
    before = d.status()['generation']
    with open(f'{dir}/policy/web.yaml', 'w') as f:
        f.write(POLICY.replace('PORT', '81'))
        for i in range(900):
            f.write(f'    - {{action: Deny, protocol: TCP, source: {{nets: [10.{i % 7}.{i % 250}.0/24]}}, '
                    f'destination: {{ports: [{1000 + i}]}}}}\n')
    wait(lambda: d.status()['error'], 'the change is refused')
    s = d.status()
    assert 'not proven, so not put in force: eth0' in s['error'], s['error']
    assert s['proof']['answer'] == 'undecided' and s['generation'] == before
    assert is_open(d, 80) and not is_open(d, 81)


def stubborn(d, dir):
    """A rule that does not go is hidden; counters that cannot be read are unknown, not zero."""
    write(dir, 81)
    wait(lambda: 'cannot remove a rule' in d.text(), 'a rule does not go')
    settled(d, 81)


def killed(dir):
    """kill -9 in every stage of a start and of a change; the next one starts as if nothing was."""
    world(dir, fault0='delay=create:3000;destroy:3000')
    for moment in ('proof: generation 1: proven', 'engine: generation 1 in force',
                   'proof: generation 2: proven', 'engine: generation 2 in force'):
        write(dir, 80)
        with open(f'{dir}/killed.log', 'w') as log:
            p = subprocess.Popen([DAEMON, '--config', f'{dir}/hepflow.yaml'], stderr=log)
        seen = lambda text: text in open(f'{dir}/killed.log').read()  # noqa: E731
        try:
            if 'generation 2' in moment:
                wait(lambda: seen('main: ready'), 'the daemon is ready')
                write(dir, 81)
            wait(lambda: seen(moment), moment)  # noqa: B023
        finally:
            p.kill()
            p.wait()
        with Daemon(dir) as d:
            settled(d, 81 if 'generation 2' in moment else 80)
            d.stop()


def turned(dir):
    """The time of day jumps by years, both ways: nothing that waits is late, nothing is done early."""
    world(dir)
    path = f'{dir}/walltime'

    def turn(years):
        with open(path, 'r+b') as f:
            f.write(struct.pack('q', years * 365 * 86400))

    def seconds(d):
        return int(re.search(r'looked for (\d+) s ago', d.ask('status')).group(1))

    with open(path, 'wb') as f:
        f.write(struct.pack('q', 0))
    lib = f'{BUILD}/tests/libhf_walltime.so'
    def applied(d):
        return int(re.search(r'applied (\d+)-', d.ask('status')).group(1))

    with Daemon(dir, starter=('env', f'LD_PRELOAD={lib}', f'HF_WALLTIME={path}')) as d:
        year = applied(d)
        for number, years in ((81, 10), (82, -20), (83, 0)):
            turn(years)
            write(dir, number)
            settled(d, number)
            assert abs(applied(d) - year - years) <= 1, d.ask('status')
            assert seconds(d) < 60, d.ask('status')
        # A minute to confirm is a minute, whatever the wall says.
        write(dir, 84)
        wait(lambda: is_open(d, 84), 'port 84 is open')
        d.ask('apply', '--confirm', '60')
        for years in (10, -20):
            turn(years)
            time.sleep(1.2)  # more than a turn of the daemon's timer
            assert d.status()['unconfirmed'], d.text()
        d.ask('confirm')
        d.ask('apply', '--confirm', '1')
        turn(-30)
        wait(lambda: not d.status()['unconfirmed'], 'it is undone')
        d.ask('apply')
        settled(d, 84)
        d.stop()


LATER = 'fail=create:60:ENOSPC'  # the start makes 58
STEPS = (
    (restarted, {}),
    (refused_once, {'fault1': LATER, 'profile1': 'mlx5-cx6dx'}),
    (refused_and_kept, {'fault1': LATER, 'profile1': 'mlx5-cx6dx', 'changes': '{refused: keep}'}),
    (refused_for_good, {'fault1': 'capacity=5'}),
    (kept_for_good, {'fault1': 'capacity=70', 'profile1': 'mlx5-cx6dx', 'changes': '{refused: keep}'}),
    (stubborn, {'fault0': 'fail=destroy:1:EIO;query:3:EIO;query:80:EIO'}),
    (lost, {'fault0': 'lose=20'}),
    (removed, {'fault0': 'event=remove:300'}),
    (resets, {'fault0': 'event=reset:300'}),
    (resets, {'profile0': 'mlx5-cx7-hws', 'fault0': 'event=reset:300'}),
    (by_templates, {'profile1': 'mlx5-cx7-hws', 'fault1': 'pull=late:3'}),
    (refused_once, {'profile1': 'mlx5-cx7-hws', 'fault1': LATER}),
    (unanswered, {'profile1': 'mlx5-cx7-hws', 'fault1': 'pull=lost:150'}),
    (unanswered_for_good, {'profile1': 'mlx5-cx7-hws', 'fault1': 'pull=lost:150', 'changes': '{stuck: restart}'}),
    (removed, {'profile0': 'mlx5-cx7-hws', 'fault0': 'event=remove:300'}),
    (slow, {'fault0': 'delay=create:5000;destroy:5000'}),
    (down, {'fault0': 'link=down'}),
    (undecided, {'changes': '{proof: {budget: 1, undecided: refuse}}'}),
)


def main():
    for step, world in STEPS:
        with tempfile.TemporaryDirectory() as dir:
            each(dir, step, **world)
    with tempfile.TemporaryDirectory() as dir:
        killed(dir)
    with tempfile.TemporaryDirectory() as dir:
        turned(dir)
    print(f'{len(STEPS)} faults, a clock that jumps, and 4 moments to be killed in')


if __name__ == '__main__':
    main()
