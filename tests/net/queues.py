# SPDX-License-Identifier: BSD-3-Clause
"""Verdicts by receive queue, see queues.sh and lab.py: what the NIC has decided software need not
classify, and what it has not decided never counts as decided."""

import json
import os
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../lib')
import hepflowd
from hepflowd import wait

from lab import HOST, inside, make_net

POLICY = hepflowd.HOST + '''---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {failsafeInboundHostPorts: [], failsafeOutboundHostPorts: []}
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
    - {action: Allow, protocol: UDP, destination: {ports: [%d]}}
    - {action: Deny, protocol: UDP, destination: {ports: [%d]}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: rest}
spec:
  selector: has(host)
  applyOnForward: true
  types: [Ingress]
  ingress:
    - {action: Allow, protocol: UDP, destination: {ports: [7000]}}
'''

CONFIG = '''
apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy.yaml]
  rundir: %s/run
  poll: adaptive
  watch: false
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - name: eth0
      role: uplink
      queues: %d
      reserve-queues: true
      devargs: "net_vnic0,profile=igb-82576,%sdev=net_af_packet0,iface=up0,qpairs=%d"
    - {name: eth0, role: host, devargs: "net_af_packet1,iface=hs0"}
'''

SOURCES = 64  # ports: enough for RSS to try every queue


def write(dir, allowed, denied):
    with open(f'{dir}/policy.yaml', 'w') as f:
        f.write(POLICY % (allowed, denied))


def reasons(d):
    counted = json.loads(d.ask('--format', 'json', 'counters'))['reasons']
    return {name: counted[name]['packets'] for name in
            ('marked', 'marked-untracked', 'marked-deny', 'allow', 'allow-untracked', 'deny')}


def send(port):
    for i in range(SOURCES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(('', 20000 + i))
            s.sendto(b'x', (HOST, port))


def receive(s):
    n = 0
    try:
        while s.recv(10):
            n += 1
    except TimeoutError:
        return n


def listen(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HOST, port))
    s.settimeout(0.3)
    return s


def meets(d, port, reason, arrives):
    """All of them meet this reason and nothing else, and come through or do not."""
    before, s = reasons(d), inside('host', listen, port)
    inside('out', send, port)
    wait(lambda: reasons(d)[reason] - before[reason] >= SOURCES, f'port {port}: {reason}')
    after = reasons(d)
    # What IPv6 says by itself is denied as well.
    met = {k for k in after if after[k] != before[k]}
    assert met - {'deny'} == {reason} - {'deny'}, (before, after)
    assert reason == 'deny' or after[reason] - before[reason] == SOURCES, (before, after)
    assert receive(s) == (SOURCES if arrives else 0), port
    s.close()


def judged(dir, queues, faults=''):
    write(dir, 53, 69)
    with open(f'{dir}/hepflow.yaml', 'w') as f:
        f.write(CONFIG % (dir, queues, faults, queues))
    with hepflowd.Daemon(dir) as d:
        text = d.ask('flow/dump', '-m')
        assert f'policy:default/gnp:raw/ingress/1, actions:queue({queues + 2})' in text, text
        meets(d, 7000, 'marked', True)
        meets(d, 69, 'marked-deny', False)
        # What the engine cannot hold for hosts and forwarded packets alike, or the policy leaves to others.
        meets(d, 53, 'allow-untracked', True)
        meets(d, 7001, 'deny', False)
        # The two change places, and the NIC with them.
        write(dir, 69, 7000)
        d.ask('apply')
        meets(d, 7000, 'marked-deny', False)
        meets(d, 69, 'allow-untracked', True)
        # Stopped and started: RSS is kept away from the reserved queues again.
        d.ask('port/restart', 'eth0')
        meets(d, 7001, 'deny', False)
        meets(d, 7000, 'marked-deny', False)
        assert 'all of them in the NIC' in d.ask('verify')
        d.stop()


def main():
    make_net()
    for queues in 1, 2:
        with tempfile.TemporaryDirectory() as dir:
            judged(dir, queues)
    # A NIC that refuses its rules: nothing is taken for decided.
    with tempfile.TemporaryDirectory() as dir:
        write(dir, 53, 69)
        with open(f'{dir}/hepflow.yaml', 'w') as f:
            f.write(CONFIG % (dir, 1, 'capacity=1,', 1))
        with hepflowd.Daemon(dir) as d:
            assert 'actions:queue' not in d.ask('flow/dump', '-m')
            meets(d, 7000, 'allow', True)
            meets(d, 69, 'deny', False)
            d.stop()
    print('verdicts by queue')


main()
