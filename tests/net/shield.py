#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""hepflowd with fallback kernel; see shield.sh.

  outside: eth0 198.18.0.2 <-> up0 [card: net_vnic in hepflowd, and a bridge] k0 <-> eth0 198.18.0.1 :host
"""

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))

HOST, ALLOWED, DENIED, UNTRACKED = '198.18.0.1', 8000, 3000, 4000
PATIENCE = 5  # seconds that an allowed connection may take: what is lost on the way is sent again
DENY_WAIT = 0.3  # seconds after which a denied one is given up

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy.yaml]
  rundir: DIR/run
  watch: false
  fallback: kernel
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - name: eth0
      role: uplink
      devargs: "net_vnic0,profile=mlx5-cx6dx,kernel=net_af_packet1;iface=k0,dev=net_af_packet0,iface=up0,qpairs=2"
      fail-mode: open
'''

# With the failsafe ports that hosts have: what comes from them is not dropped.
POLICY = '''apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [198.18.0.1/24]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0, labels: {host: eth0}}
spec: {node: n0, interfaceName: eth0}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: flood}
spec:
  selector: has(host)
  order: 1
  doNotTrack: true
  applyOnForward: true
  types: [Ingress]
  ingress:
    - {action: Deny, protocol: UDP, destination: {ports: [4000]}}
    - {action: Deny, protocol: TCP, destination: {ports: [DENIED]}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: has(host)
  types: [Ingress]
  ingress:
    - {action: Allow}
'''

# What Felix would have put there: the kernel's own word on the same.
KERNEL = f'''table ip own {{
    chain input {{
        type filter hook input priority 0; policy accept;
        tcp dport {DENIED} counter drop
        udp dport {UNTRACKED} counter drop
    }}
}}
'''


def serve():
    """In the host: "ok" to whoever connects or asks, and an echo for who stays."""
    sel = selectors.DefaultSelector()
    for port in (ALLOWED, DENIED):
        s = socket.create_server((HOST, port))
        sel.register(s, selectors.EVENT_READ, 'accept')
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind((HOST, UNTRACKED))
    sel.register(u, selectors.EVENT_READ, 'udp')
    print('ready', flush=True)
    while True:
        for key, _ in sel.select():
            s = key.fileobj
            if key.data == 'accept':
                c, _ = s.accept()
                c.sendall(b'ok')
                sel.register(c, selectors.EVENT_READ, 'echo')
            elif key.data == 'udp':
                s.sendto(b'ok', s.recvfrom(64)[1])
            else:
                data = s.recv(4096)
                if data:
                    s.sendall(data)
                else:
                    sel.unregister(s)
                    s.close()


def connects(port, patience):
    try:
        with socket.create_connection((HOST, port), timeout=patience) as s:
            return s.recv(2) == b'ok'
    except OSError:
        return False


def answers():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(DENY_WAIT)
        s.sendto(b'x', (HOST, UNTRACKED))
        try:
            return s.recv(2) == b'ok'
        except OSError:
            return False


def traffic():
    """Outside, until standard input ends: how often what was allowed was not, and the other way round."""
    said = {'allowed': 0, 'cut': 0, 'denied': 0, 'leaked': 0, 'echoes': 0}
    sel = selectors.DefaultSelector()
    sel.register(sys.stdin, selectors.EVENT_READ)
    stays = socket.create_connection((HOST, ALLOWED), timeout=PATIENCE)
    assert stays.recv(2) == b'ok'
    print('ready', flush=True)
    while not sel.select(0):
        for _ in range(10):
            said['allowed' if connects(ALLOWED, PATIENCE) else 'cut'] += 1
        said['leaked' if connects(DENIED, 0.1) else 'denied'] += 1
        said['leaked' if answers() else 'denied'] += 1
        stays.sendall(b'still there')
        said['echoes'] += stays.recv(64) == b'still there'
    print(json.dumps(said))


def sh(text):
    subprocess.run(text, shell=True, check=True)


def make_net():
    sh('mount -t tmpfs none /run && mkdir -p /run/netns && ip link set lo up')
    sh('ip link add card type bridge && sysctl -q net.ipv6.conf.card.disable_ipv6=1')
    for ns, address, plug in (('outside', '198.18.0.2', 'up0'), ('host', HOST, 'k0')):
        sh(f'ip netns add {ns}')
        sh(f'ip link add {plug} type veth peer name eth0 netns {ns}')
        sh(f'sysctl -q net.ipv6.conf.{plug}.disable_ipv6=1')
        sh(f'ip link set {plug} up && ip link set {plug} master card')
        sh(f'ip -n {ns} addr add {address}/24 dev eth0')
        sh(f'ip -n {ns} link set lo up && ip -n {ns} link set eth0 up')
        sh(f'ip netns exec {ns} ethtool -K eth0 tx off >/dev/null')
    sh('ip link set card up')


def run_in(ns, what, **more):
    child = subprocess.Popen(['ip', 'netns', 'exec', ns, sys.executable, __file__, what],
                             stdout=subprocess.PIPE, text=True, **more)
    assert child.stdout.readline() == 'ready\n', what
    return child


def seen(what):
    """Once, from outside: is there an answer?"""
    return subprocess.run(['ip', 'netns', 'exec', 'outside', sys.executable, __file__, what]).returncode == 0


def write(dir, denied):
    with open(f'{dir}/policy.yaml', 'w') as f:
        f.write(POLICY.replace('DENIED', str(denied)))


def shielded(d):
    """Only drops are in the NIC, and hepflowd has not seen a packet."""
    status = d.status()
    assert status['fallback'] == 'kernel' and status['ports'][0]['failMode'] == 'open', status
    assert status['ports'][0]['inner'] == 'kernel' and status['ports'][0]['entries'] > 0, status
    flows = [line for line in d.ask('flow/dump', '-m').splitlines() if ', dp:dpdk' in line]
    assert flows and all(line.endswith('actions:drop') for line in flows), flows
    rows = {r['origin']: r for r in json.loads(d.ask('policy/dump', '--format=json'))['policies']}
    assert rows['default/gnp:web/ingress/0']['reason'] == 'left-to-kernel', rows
    assert re.search(r'^kernel: left-to-kernel; ', d.ask('explain', *packet(ALLOWED)), re.M)
    assert re.search(r'^hardware: entry ', d.ask('explain', *packet(DENIED)), re.M)
    assert re.fullmatch(r'(.*: proven\n)+(.*, all of them in the NIC\n)+', d.ask('verify'))
    counters = json.loads(d.ask('counters', '--format=json'))
    assert counters['wires'] == [] and 'strays 0' in d.ask('counters'), counters
    assert counters['connections']['made'] == 0, counters
    return rows


def packet(port):
    return f'in=eth0 src=198.18.0.2 dst={HOST} proto=tcp dport={port}'.split()


def one_life(dir, Daemon):
    """Without rules in the kernel: all that is denied is denied by the NIC, as long as it is there."""
    assert seen('allowed') and seen('denied') and seen('untracked'), 'nothing is filtered yet'
    with Daemon(dir) as d:
        assert seen('allowed') and not seen('denied') and not seen('untracked')
        rows = shielded(d)
        assert rows['default/gnp:flood/ingress/0']['hwPackets'] > 0, rows
        assert rows['default/gnp:flood/ingress/1']['hwPackets'] > 0, rows
        write(dir, DENIED + 1)
        d.ask('apply')
        assert seen('allowed') and seen('denied') and not seen('untracked')
        write(dir, DENIED)
        d.ask('apply')
        assert seen('allowed') and not seen('denied')
        d.kill()
        # Fail-mode open: nothing but the kernel decides now.
        assert seen('allowed') and seen('denied') and seen('untracked')


def many_lives(dir, Daemon, wait):
    """With the kernel's own rules behind: nothing allowed is cut, and nothing denied gets through,
    whatever happens to the daemon."""
    subprocess.run(['ip', 'netns', 'exec', 'host', 'nft', '-f', '-'], input=KERNEL, text=True, check=True)
    client = run_in('outside', 'traffic', stdin=subprocess.PIPE)
    for end in ('stop', 'kill') * int(os.environ.get('HF_LIVES', '2')):
        with Daemon(dir) as d:
            wait(lambda: [r for r in json.loads(d.ask('policy/dump', '--format=json'))['policies']
                          if r['hwPackets'] and r['origin'] == 'default/gnp:flood/ingress/1'],
                 'the NIC drops something')
            shielded(d)
            d.stop() if end == 'stop' else d.kill()
        time.sleep(0.5)  # the kernel alone
    client.stdin.close()
    said = json.loads(client.stdout.readline())
    assert client.wait() == 0
    assert said['cut'] == said['leaked'] == 0, said
    assert said['allowed'] == 10 * said['echoes'] >= 50 and said['denied'] >= 10, said
    return said


def refused(dir):
    """What cannot be so is an error before anything is opened."""
    from hepflowd import DAEMON

    def check(old, new, want):
        with open(f'{dir}/bad.yaml', 'w') as f:
            f.write(CONFIG.replace('DIR', dir).replace(old, new))
        got = subprocess.run([DAEMON, '--check', '--config', f'{dir}/bad.yaml'],
                             capture_output=True, text=True)
        assert got.returncode == 2 and want in got.stderr and got.stderr.count('\n') == 1, got

    check('profile=mlx5-cx6dx', 'profile=ice-e810', 'fallback kernel needs a NIC that the kernel keeps using')
    check('fail-mode: open', 'fail-mode: closed', 'fail-mode is closed, but a NIC with profile mlx5-cx6dx fails open')
    check('role: uplink', 'role: workload', 'only an uplink has a fail-mode')
    check('      fail-mode: open\n', '    - {name: a, role: host, devargs: net_null0}\n', 'with fallback kernel there are uplinks only')


def main():
    from hepflowd import Daemon, wait
    make_net()
    server = run_in('host', 'serve')
    try:
        with tempfile.TemporaryDirectory() as dir:
            write(dir, DENIED)
            with open(f'{dir}/hepflow.yaml', 'w') as f:
                f.write(CONFIG.replace('DIR', dir))
            refused(dir)
            one_life(dir, Daemon)
            said = many_lives(dir, Daemon, wait)
    finally:
        server.kill()
    print(f'dropped by the NIC, left to the kernel; through restarts and kills: {said}')


if __name__ == '__main__':
    ONCE = {'allowed': lambda: connects(ALLOWED, PATIENCE), 'denied': lambda: connects(DENIED, DENY_WAIT),
            'untracked': answers}
    what = sys.argv[1] if len(sys.argv) > 1 else ''
    if what in ONCE:
        sys.exit(0 if ONCE[what]() else 1)
    {'serve': serve, 'traffic': traffic}.get(what, main)()
