# SPDX-License-Identifier: BSD-3-Clause
"""Calls to services through hepflowd, see services.sh and lab.py.

The host's kernel rewrites them as kube-proxy would: to either backend with the same probability.
Both are on the host itself, so that nobody can look again where they leave for the backend.
"""

import json
import os
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../lib')
import hepflowd

from lab import HOST, inside, make_net, run

CALLS = 24  # that all of them go the same way by chance: one in 8 million
TCP, UDP, DEAF = 31000, 31001, 31002
GOOD, BAD, NOBODY = 8000, 8001, 8002

POLICY = '''
apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [192.0.2.10/24]}
  dnat:
    - {proto: tcp, dst: 192.0.2.10, port: 31000, to: ['192.0.2.10:8000', '192.0.2.10:8001']}
    - {proto: udp, dst: 192.0.2.10, port: 31001, to: ['192.0.2.10:8000', '192.0.2.10:8001']}
    - {proto: udp, dst: 192.0.2.10, port: 31002, to: ['192.0.2.10:8002', '192.0.2.10:8001']}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0, labels: {host: eth0}}
spec: {node: n0, interfaceName: eth0}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: backends}
spec:
  selector: has(host)
  types: [Ingress]
  ingress:
    - {action: Deny, protocol: TCP, destination: {ports: [%(deny)d]}}
    - {action: Deny, protocol: UDP, destination: {ports: [%(deny)d]}}
    - {action: Allow}
'''

CONFIG = '''
apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy.yaml]
  rundir: %s/run
  poll: adaptive
  watch: false
  services: {ambiguous: %s}
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_pcap0,rx_iface_in=up0,tx_iface=up0", profile: none}
    - {name: eth0, role: host, devargs: "net_pcap1,rx_iface_in=hs0,tx_iface=hs0"}
'''

PATIENCE = 5


class Daemon(hepflowd.Daemon):
    def __init__(self, dir, mode):
        with open(dir + '/hepflow.yaml', 'w') as f:
            f.write(CONFIG % (dir, mode))
        write_policy(dir, BAD)
        super().__init__(dir)

    def deny(self, port):
        write_policy(self.dir, port)
        self.ask('apply')

    def reason(self, name):
        return json.loads(self.ask('--format', 'json', 'counters'))['reasons'][name]['packets']


def write_policy(dir, deny):
    with open(dir + '/policy.yaml', 'w') as f:
        f.write(POLICY % {'deny': deny})


def rewrite(*args):
    run('ip', 'netns', 'exec', 'host', 'iptables', '-t', 'nat', '-A', 'PREROUTING', *args)


def kernel_services():
    for proto, port, first in ('tcp', TCP, GOOD), ('udp', UDP, GOOD), ('udp', DEAF, NOBODY):
        match = '-p', proto, '--dport', str(port)
        rewrite(*match, '-m', 'statistic', '--mode', 'random', '--probability', '0.5', '-j',
                'REDIRECT', '--to-ports', str(first))
        rewrite(*match, '-j', 'REDIRECT', '--to-ports', str(BAD))


def serve_tcp(port):
    listener = socket.create_server(('', port), backlog=64)

    def talk(c):
        c.sendall(b'%d\n' % port)
        while data := c.recv(65536):
            c.sendall(data)

    def accept():
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0], ), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def serve_udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('', port))

    def answer():
        while True:
            data, who = s.recvfrom(65536)
            s.sendto(b'%d\n' % port + data, who)

    threading.Thread(target=answer, daemon=True).start()


def read(c, n):
    data = b''
    while len(data) < n and (piece := c.recv(n - len(data))):
        data += piece
    return data


def call_tcp():
    """Who answers, once what was sent has come back whole."""
    text = os.urandom(100000)
    with socket.create_connection((HOST, TCP), timeout=PATIENCE) as c:
        who = int(read(c, 5))
        sender = threading.Thread(target=c.sendall, args=(text, ))
        sender.start()
        assert read(c, len(text)) == text
        sender.join()
    return who


def call_udp(port, size):
    """Who answers, or the error."""
    text = os.urandom(size)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect((HOST, port))
        try:
            s.send(text)
            data = s.recv(65536)
        except OSError as e:
            return type(e).__name__
    assert data[5:] == text
    return int(data[:4])


def who_answers(function, *args):
    return {inside('out', function, *args) for _ in range(CALLS)}


def translated(d):
    assert who_answers(call_tcp) == {GOOD}, 'TCP'
    # In fragments, there and back.
    assert who_answers(call_udp, UDP, 4000) == {GOOD}, 'UDP'
    assert inside('out', call_udp, DEAF, 10) == 'ConnectionRefusedError', 'an ICMP error'
    assert d.reason('dnat-translated') >= 2 * CALLS
    lines = d.ask('conntrack/dump', f'dport={TCP}').splitlines()
    assert lines and all(f'reply=(src={HOST},dst=192.0.2.1,sport={GOOD}' in x for x in lines), lines
    # With both allowed it is the kernel's choice: this test can see the difference.
    d.deny(9)
    assert who_answers(call_tcp) == {GOOD, BAD}


def dropped(d):
    before = d.reason('dnat-refused')
    assert inside('out', call_udp, UDP, 10) == 'TimeoutError'
    assert d.reason('dnat-refused') == before + 1


def main():
    global PATIENCE
    make_net()
    kernel_services()
    for port in GOOD, BAD:
        inside('host', serve_tcp, port)
        inside('host', serve_udp, port)
    with tempfile.TemporaryDirectory() as dir:
        for mode in 'recheck', 'translate':
            with Daemon(dir, mode) as d:
                translated(d)
                d.stop()
        PATIENCE = 1
        with Daemon(dir, 'drop') as d:
            dropped(d)
            d.stop()


main()
