# SPDX-License-Identifier: BSD-3-Clause
"""Connections in the virtual SmartNIC, see conns.sh and lab.py.

The host calls an echo server outside. What comes back is punted by the plan (policy would not let
it in as a call), so that the connection is one for the NIC.
"""

import json
import os
import re
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../lib')
import hepflowd
from hepflowd import wait

from lab import HOST, OUT, echo, inside, is_silent, make_net, serve_echo

AFTER, MAX, IDLE = 8, 4, 3
PORT = 9000

POLICY = hepflowd.HOST + '''---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: calls}
spec:
  selector: has(host)
  types: [Ingress, Egress]
  egress:
    - {action: Deny, protocol: TCP, destination: {ports: [%d]}}
    - {action: Allow}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: raw}
spec:
  selector: has(host)
  doNotTrack: true
  applyOnForward: true
  types: [Ingress]
  ingress:
    - {action: Deny, protocol: TCP, source: {ports: [%d]}}
'''

CONFIG = '''
apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy.yaml]
  rundir: %s/run
  poll: adaptive
  watch: false
  connections: {reclassify: "%s", offload: {after: %d, max: %d, idle: %d}}
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - name: eth0
      role: uplink
      devargs: "net_vnic0,profile=%s,%sdev=net_af_packet0,iface=up0"
    - {name: eth0, role: host, devargs: "net_af_packet1,iface=hs0"}
'''


class Daemon(hepflowd.Daemon):
    def __init__(self, dir, faults='', reclassify='off', profile='mlx5-cx6dx'):
        with open(dir + '/hepflow.yaml', 'w') as f:
            f.write(CONFIG % (dir, reclassify, AFTER, MAX, IDLE, profile, faults))
        write_policy(dir)
        super().__init__(dir)

    def apply(self, **denied):
        write_policy(self.dir, **denied)
        self.ask('apply')

    def reason(self, name):
        return json.loads(self.ask('--format', 'json', 'counters'))['reasons'][name]['packets']

    def total(self, name):
        text = self.ask('offload/stats-show')
        return int(re.search(rf'Total +{name}: +(\d+)', text).group(1))

    def connections(self):
        return self.ask('conntrack/dump', f'dport={PORT}').splitlines()


def write_policy(dir, egress=1, untracked=1):
    """The ports that are denied."""
    with open(dir + '/policy.yaml', 'w') as f:
        f.write(POLICY % (egress, untracked))


def call():
    c = socket.create_connection((OUT, PORT), timeout=hepflowd.DEADLINE)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return c


def busy(d, c, n=1):
    """Goes on talking until so many connections are in the NIC."""
    wait(lambda: echo(c, AFTER) or d.total('Connections') - d.total('Connections waiting') >= n,
         f'{n} connections in the NIC')


def one(d):
    c = inside('host', call)
    echo(c, 3)
    assert d.total('Connections') == 0 and 'offloaded' not in d.ask('conntrack/dump')
    busy(d, c)
    before = d.reason('established')
    offloaded = d.reason('offloaded')
    echo(c, 50)
    assert d.reason('offloaded') >= offloaded + 50, 'the NIC marks what comes'
    assert d.reason('established') - before < 50 + 60, 'what leaves, and its acknowledgements'
    wait(lambda: re.search(r',offloaded=\(dir=reply,packets=[1-9]', d.connections()[0]),
         'the connection is shown, with its count')
    print('one:', d.connections()[0])
    # Policy in front of conntrack comes to deny it. The rule in the NIC is of older rules.
    d.apply(untracked=PORT)
    offloaded = d.reason('offloaded')
    assert is_silent(c), 'an offloaded connection outlives untracked policy'
    assert d.reason('offloaded') == offloaded
    wait(lambda: d.total('Connections') == 0, 'the rule of older rules goes')
    d.apply()
    c.settimeout(hepflowd.DEADLINE)
    assert c.recv(100) == b'hello', 'TCP has kept it'
    busy(d, c)
    ended = d.total('Connections deleted, ended')
    c.close()
    wait(lambda: d.total('Connections deleted, ended') == ended + 1, 'the rule ends with it')
    wait(lambda: d.total('Connections') == 0, 'and is gone')


def flushed(d):
    c = inside('host', call)
    busy(d, c)
    d.apply(egress=PORT)
    echo(c, 5)  # a change of tracked policy cuts nothing
    d.apply()
    d.ask('conntrack/flush', f'dport={PORT}')
    wait(lambda: d.total('Connections') == 0, 'a flushed connection leaves the NIC')
    echo(c)
    c.close()
    wait(lambda: d.total('Connections') == 0, 'nothing is left')


def many(d):
    calls = [inside('host', call) for _ in range(MAX + 3)]

    def round():
        for c in calls:
            echo(c, AFTER)
        assert d.total('Connections') <= MAX
        return d.total('Connections rejected by capacity') > 0 and d.total('Connections') == MAX

    wait(round, 'there are more than fit')
    # Those that have a place fall silent, others talk.
    evicted = d.total('Connections deleted, evicted')
    wait(lambda: [echo(c, AFTER) for c in calls[MAX:]] and
         d.total('Connections deleted, evicted') + d.total('Connections deleted, idle') > evicted,
         'silent ones make room')
    wait(lambda: d.total('Connections') == 0, 'idle ones go')
    for c in calls:
        echo(c)
        c.close()


def main():
    make_net()
    inside('out', serve_echo, OUT, PORT)
    with tempfile.TemporaryDirectory() as dir:
        with Daemon(dir) as d:
            for test in one, flushed, many:
                test(d)
            c = inside('host', call)
            busy(d, c)
            d.stop()
            assert 'connections left' not in d.text() and '0 rules left' in d.text(), d.text()
        # A card that takes rules by templates and flow queues, and tells the ends late.
        with Daemon(dir, 'pull=late:2,', profile='mlx5-cx7-hws') as d:
            for test in one, many:
                test(d)
            d.stop()
            assert 'connections left' not in d.text() and '0 rules left' in d.text(), d.text()
        # A card that is slow and forgets every second rule.
        with Daemon(dir, 'lose=2,delay=create:20000,') as d:
            calls = [inside('host', call) for _ in range(MAX)]
            for i, c in enumerate(calls):
                busy(d, c, i + 1)
            for c in calls:
                echo(c, 20)
            d.apply(untracked=PORT)
            assert all(is_silent(c) for c in calls)
            d.stop()
        with Daemon(dir, reclassify='deny-only') as d:
            c = inside('host', call)
            busy(d, c)
            d.apply(egress=PORT)
            assert d.total('Connections') == 0, 'it leaves the NIC before it says anything'
            assert is_silent(c), 'reclassify: a connection outlives a new deny'
            d.apply()
            c.settimeout(hepflowd.DEADLINE)
            assert c.recv(100) == b'hello', 'it goes on'
            d.stop()


main()
