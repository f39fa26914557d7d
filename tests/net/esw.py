# SPDX-License-Identifier: BSD-3-Clause
"""An e-switch of the virtual SmartNIC, see esw.sh and lab.py.

up0 is the wire of net_vnic0; hs0, which leads to the host, is the function that net_vnic1 stands for.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.abspath(__file__)) + '/../..'
sys.path.insert(0, ROOT + '/tests/lib')
import hepflowd
from hepflowd import wait

from lab import HOST, OUT, echo, inside, is_silent, make_net, run, serve_echo

AFTER = 8  # packets before a connection is the NIC's
BOTH, NOBODY = 6000, 6001  # answers may leave as calls; and nobody listens
NEVER = 6002  # no rule is about it
RAW, WEB, SHUT, LATE = 7000, 80, 3000, 4000  # ports: untracked, allowed, denied, changed meanwhile

POLICY = '''
apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [192.0.2.10/24]}
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {failsafeInboundHostPorts: [], failsafeOutboundHostPorts: []}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0, labels: {host: eth0}}
spec: {node: n0, interfaceName: eth0}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: raw}
spec:
  selector: has(host)
  doNotTrack: true
  applyOnForward: true
  types: [Ingress, Egress]
  ingress:
    - {action: Allow, protocol: UDP, destination: {ports: [%d]}}
    - {action: Deny, protocol: TCP, destination: {ports: [%d]}}
  egress:
    - {action: Allow, protocol: UDP, source: {ports: [%d]}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: has(host)
  types: [Ingress, Egress]
  ingress:
    - {action: %s, protocol: UDP, destination: {ports: [%d]}}
    - {action: Deny, protocol: TCP, destination: {ports: [%d]}}
    - {action: Allow, protocol: TCP, destination: {ports: [%d]}}
    - {action: Allow, protocol: ICMP}
    - {action: Allow, protocol: TCP, destination: {ports: [%d, %d]}}
    - {action: Allow, protocol: UDP, destination: {ports: [%d, %d]}}
  egress:
    - {action: Allow, protocol: TCP, source: {ports: [%d]}}
    - {action: Allow, protocol: UDP, source: {ports: [%d, %d]}}
    - {action: Deny}
'''

CONFIG = '''
apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy.yaml]
  rundir: %s/run
  poll: adaptive
  watch: false
  metrics: 9095
  connections: {timeouts: {udp-stream: 4}, offload: {after: %d, max: 64, idle: 2}}
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - name: eth0
      role: uplink
      eswitch: true
      fail-mode: closed
      devargs: "net_vnic0,profile=%s,switch=1,%sdev=net_af_packet0,iface=up0,qpairs=2"
    - name: eth0
      role: host
      devargs: "net_vnic1,profile=%s,switch=1,representor=0,dev=net_af_packet1,iface=hs0,qpairs=2"
'''


class Daemon(hepflowd.Daemon):
    def __init__(self, dir, profile='mlx5-cx6dx-esw', faults=''):
        with open(dir + '/hepflow.yaml', 'w') as f:
            f.write(CONFIG % (dir, AFTER, profile, faults, profile))
        super().__init__(dir)

    def apply(self, late='Allow', cut=1):
        write_policy(self.dir, late, cut)
        self.ask('apply')

    def total(self, name):
        text = self.ask('offload/stats-show')
        return int(re.search(rf'Total +{name}: +(\d+)', text).group(1))

    def reason(self, name):
        return json.loads(self.ask('--format', 'json', 'counters'))['reasons'][name]['packets']

    def judged(self, origin):
        """By software, packets that this rule was about."""
        rows = json.loads(self.ask('--format', 'json', 'policy/dump'))['policies']
        return sum(r['swPackets'] for r in rows if r['origin'] == origin)

    def flow(self, *words):
        """The flows of the NIC that have all these words in their lines."""
        lines = self.ask('flow/dump', '-m', 'type=dpdk').splitlines()
        return [line for line in lines if all(w in line for w in words)]

    def packets(self, *words):
        return sum(int(re.search('packets:([0-9]+)', line).group(1)) for line in self.flow(*words))


def write_policy(dir, late='Allow', cut=1):
    """cut: port of which untracked policy denies all, calls and connections alike."""
    with open(dir + '/policy.yaml', 'w') as f:
        f.write(POLICY % (RAW, cut, RAW, late, LATE, SHUT, WEB, BOTH, BOTH, BOTH, NOBODY, BOTH, BOTH, NOBODY))


def echo_udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HOST, port))

    def talk():
        while True:
            data, peer = s.recvfrom(100)
            s.sendto(data, peer)

    threading.Thread(target=talk, daemon=True).start()


def serve():
    for port in RAW, LATE, BOTH, NEVER:
        echo_udp(port)
    for port in WEB, SHUT, BOTH:
        serve_echo(HOST, port)


def asks(port, n=1, patience=hepflowd.DEADLINE, sport=0):
    """How many of n datagrams are answered."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((OUT, sport))
    s.settimeout(patience)
    answers = 0
    for i in range(n):
        s.sendto(b'%d' % i, (HOST, port))
        try:
            answers += s.recv(100) == b'%d' % i
        except TimeoutError:
            pass
    s.close()
    return answers


def calls(port, patience=hepflowd.DEADLINE):
    try:
        c = socket.create_connection((HOST, port), timeout=patience)
    except TimeoutError:
        return False
    c.sendall(b'hello')
    answer = c.recv(100)
    c.close()
    return answer == b'hello'


def decided(d):
    """Each kind of packet by whom it should be."""
    delivered = d.flow('transfer:yes', 'delivered:yes')
    assert any('policy:default/gnp:raw/ingress/0' in x for x in delivered), delivered
    assert all(x.endswith('actions:host') for x in delivered), delivered
    soft = d.reason('marked-untracked')
    before = d.packets('delivered:yes')
    assert inside('out', asks, RAW, 20) == 20
    assert d.packets('delivered:yes') - before == 20, 'they are the rule\'s'
    assert d.reason('marked-untracked') == soft, 'and not software\'s'
    marked = d.reason('marked')
    assert inside('out', calls, WEB)
    assert d.reason('marked') > marked, 'software sees what it must track'
    denied = d.packets('gnp:web/ingress/1', 'actions:drop')
    assert inside('out', calls, SHUT, 0.5) is False
    assert d.packets('gnp:web/ingress/1', 'actions:drop') > denied, 'the NIC drops it'
    assert d.judged('default/gnp:web/ingress/1') == 0, 'software has not met it'
    packet = f'in=eth0 src={OUT} dst={HOST} proto=udp dport={RAW}'
    assert '-> allow-untracked (delivered)' in d.ask('explain', *packet.split())
    assert d.status()['ports'][0]['eswitch'] is True
    assert 'e-switch: rules between ports' in d.ask('status')


def call():
    c = socket.create_connection((HOST, WEB), timeout=hepflowd.DEADLINE)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return c


def busy(d, c):
    wait(lambda: echo(c, AFTER) or d.total('Connections') == 2, 'both directions are in the NIC')


def paired(d):
    """A connection that software has made goes to the NIC, both ways, and comes back when policy says so."""
    c = inside('out', call)
    echo(c, 2)
    assert d.total('Connections') == 0
    busy(d, c)
    echo(c, 2)  # what was under way
    seen = d.reason('marked') + d.reason('established')
    packets = d.total('Connection packets')
    echo(c, 50)
    assert d.reason('marked') + d.reason('established') - seen < 10, 'software sees none of it'
    wait(lambda: d.total('Connection packets') >= packets + 100, 'both directions are counted')
    assert d.ask('conntrack/dump', f'dport={WEB}').count('offloaded=(') == 2
    # Policy in front of conntrack comes to deny it: with the end of apply nothing passes any more.
    d.apply(cut=WEB)
    assert d.total('Connections') == 0
    assert is_silent(c), 'a connection outlives untracked policy in the NIC'
    d.apply()
    assert c.recv(100) == b'hello', 'TCP has kept it'
    busy(d, c)
    # Its end passes software, which takes the rules out.
    c.close()
    wait(lambda: d.total('Connections') == 0, 'the pair ends with it')


def lives_on(d):
    """Datagrams that only the NIC sees keep their connection alive; then it is idle."""
    s = inside('out', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    s.settimeout(hepflowd.DEADLINE)
    s.connect((HOST, LATE))

    def ask():
        s.send(b'hello')
        return s.recv(100) == b'hello'

    wait(lambda: ask() and d.total('Connections') == 2, 'it is in the NIC')
    for _ in range(50):
        assert ask()
        time.sleep(0.1)
        assert d.total('Connections') == 2
    wait(lambda: d.total('Connections') == 0, 'an idle pair leaves')
    assert d.total('Connections deleted, idle') > 0


def not_given_back(dir):
    """A pair that the NIC does not let go would outlive policy: the ports are restarted."""
    with Daemon(dir) as d:
        c = inside('out', call)
        busy(d, c)
        d.apply(cut=WEB)
        before = d.total('Deleted')
        d.stop()
    write_policy(dir)
    with Daemon(dir, faults=f'fail=destroy:{before + 1}:EBUSY,') as d:
        c = inside('out', call)
        busy(d, c)
        d.apply(cut=WEB)
        assert is_silent(c)
        assert '1 rules of connections cannot be removed: the ports are restarted' in d.text(), d.text()
        assert d.total('Connections') == 0
        d.apply()
        assert c.recv(100) == b'hello'
        busy(d, c)
        d.stop()


def changed(d):
    """Hundreds of datagrams while policy changes: answered if all policies allow them, and never if none does."""
    answers, slips = [], []
    t = threading.Thread(target=lambda: answers.append(inside('out', asks, RAW, 600, 3)))
    never = threading.Thread(target=lambda: slips.append(inside('out', asks, NEVER, 60, 0.05)))
    t.start()
    never.start()
    for i in range(12):
        d.apply('Deny' if i % 2 == 0 else 'Allow')
    t.join()
    never.join()
    assert answers == [600] and slips == [0], (answers, slips)
    d.apply('Deny')
    assert inside('out', asks, LATE, 3, 0.2) == 0, 'denied, so it does not get there'
    d.apply('Allow')
    assert inside('out', asks, LATE, 3) == 3
    # The mark's packets are software's, which tracks them: the answers pass a policy that denies calls.
    assert not d.flow('delivered:yes', 'gnp:web/ingress/0'), 'the host may not call back'


def answered(d):
    """Tracked, and delivered all the same: software sees nothing but answers, and takes them for such."""
    origin = 'gnp:web/ingress/4', 'gnp:web/ingress/5'
    assert all(d.flow('delivered:yes', o) for o in origin)
    marked = d.reason('marked')
    assert inside('out', asks, BOTH, 20) == 20
    assert inside('out', calls, BOTH)  # with a SYN-ACK that nobody has asked for
    assert d.reason('marked') == marked
    assert d.packets('delivered:yes', origin[1]) == 20
    assert d.packets('delivered:yes', origin[0]) >= 3
    text = urllib.request.urlopen('http://127.0.0.1:9095/metrics').read().decode()
    count = int(re.search(r'policy_delivered_packets_total{policy="default/gnp:web/ingress"} ([0-9]+)', text).group(1))
    assert count == sum(d.packets('delivered:yes', o) for o in origin), text
    assert 'policy_delivered_packets_total{policy="default/gnp:raw/ingress"} 20\n' in text, text
    # An error about a datagram of which software knows nothing.
    assert inside('out', refused), 'port unreachable gets back'


def refused():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(hepflowd.DEADLINE)
    s.connect((HOST, NOBODY))
    s.send(b'hello')
    try:
        return s.recv(100) is None
    except ConnectionRefusedError:
        return True


def killed(dir, d):
    """Nothing passes without hepflowd, and a new one begins where this one was."""
    rules = d.status()['ports'][0]['entries']
    d.kill()
    assert inside('out', asks, RAW, 1, 0.5) == 0, 'fail-mode closed'
    with Daemon(dir) as d:
        assert d.status()['ports'][0]['entries'] == rules
        decided(d)
        d.ask('port/restart', 'eth0')
        assert d.status()['ports'][0]['entries'] == rules
        decided(d)
        d.stop()


def removed(dir):
    """The wire's port goes during a change: nothing passes, status says so, and all is back by itself."""
    with Daemon(dir, faults='event=remove:400,') as d:
        late = 'Deny'
        while 'the device has been removed' not in d.text():
            d.apply(late)
            late = 'Allow' if late == 'Deny' else 'Deny'
            assert d.status()['generation'] < 300
        wait(lambda: 'the device is back' in d.text(), 'the device is back')
        d.apply('Allow')
        wait(lambda: not d.status()['ports'][0]['reject'], 'it has its rules')
        assert inside('out', asks, RAW, 5) == 5
        assert d.packets('delivered:yes') == 5
        d.stop()


def read_only(dir):
    """What the example of the documents says, and what cannot be."""
    with open(f'{ROOT}/docs/deploy/eswitch.yaml') as f:
        good = f.read().replace('/etc/hepflow/policy', f'{dir}/policy.yaml').replace('facts: kernel', 'facts: files')

    def check(old, new, want):
        assert old in good
        with open(dir + '/check.yaml', 'w') as f:
            f.write(good.replace(old, new))
        got = subprocess.run([hepflowd.DAEMON, '--config', dir + '/check.yaml', '--check'],
                             capture_output=True, text=True)
        assert got.returncode == (2 if want else 0) and want in got.stderr, got

    check('felix: true', 'felix: false', '')
    check('fail-mode: closed', 'fail-mode: open', 'fail-mode is open, but a NIC with profile mlx5-cx6dx-esw fails closed')
    check('mlx5-cx6dx-esw', 'mlx5-cx6dx', 'check.yaml:17:16: port eth0: eswitch needs a NIC that takes rules between ports')
    check('eswitch: true', 'eswitch: false', 'fails open')


def not_one_switch(dir):
    """The start ends where it becomes known, with the place."""
    with open(dir + '/hepflow.yaml', 'w') as f:
        f.write((CONFIG % (dir, AFTER, 'mlx5-cx6dx-esw', '', 'mlx5-cx6dx-esw')).replace('switch=1,representor=0', 'switch=2'))
    got = subprocess.run([hepflowd.DAEMON, '--config', dir + '/hepflow.yaml'], capture_output=True, text=True)
    assert got.returncode == 2 and re.search(
        'hepflow.yaml:[0-9]+:16: port eth0: net_vnic0 and net_vnic1 are not ports of one e-switch', got.stderr), got


def main():
    make_net()
    # libevent listens on IPv4 where IPv4 leads somewhere.
    run('ip', 'addr', 'add', '10.9.9.9/32', 'dev', 'lo')
    run('ip', 'route', 'add', 'default', 'dev', 'lo')
    inside('host', serve)
    with tempfile.TemporaryDirectory() as dir:
        write_policy(dir)
        read_only(dir)
        not_one_switch(dir)
        for profile in 'mlx5-cx7-hws-esw', 'mlx5-cx6dx-esw':
            with Daemon(dir, profile) as d:
                decided(d)
                answered(d)
                changed(d)
                paired(d)
                if 'hws' not in profile:
                    lives_on(d)
                    killed(dir, d)
                    continue
                d.stop()
                assert '0 rules left' in d.text(), d.text()
        not_given_back(dir)
        removed(dir)


main()
