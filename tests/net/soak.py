#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""See soak.sh.

  out: eth0 192.0.2.1 <-> up0 [hepflowd, net_vnic] hs0 <-> eth0 192.0.2.10 :host
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))

SECONDS = int(os.environ.get('HF_SOAK_SECONDS', '12'))
SEED = os.environ.get('HF_SEED', '1')
HOST = '192.0.2.10'
PORTS = list(range(8000, 8012))
GROWTH_KB = 6144  # between the first third and the end; a generation of this size has some hundred KB

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy]
  rundir: DIR/run
  metrics: METRICS
  telemetry: true
  poll: adaptive
  connections: {max: 16384, timeouts: {udp: 1, tcp-time-wait: 1, tcp-close: 1, tcp-syn-sent: 1}}
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_vnic0,profile=PROFILE,delay=create:50,dev=net_af_packet0,iface=up0"}
    - {name: eth0, role: host, devargs: "net_af_packet1,iface=hs0"}
'''

BASE = '''apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [192.0.2.10/24]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0, labels: {host: eth0}}
spec: {node: n0, interfaceName: eth0}
'''


def policy(rng):
    """Some rules, and the ports among PORTS that they open to everybody."""
    text, is_open, decided = '', set(), set()
    for _ in range(rng.randint(1, 12)):
        action = rng.choice(('Allow', 'Deny'))
        ports = rng.sample(PORTS, rng.randint(1, 4))
        nets = rng.random() < 0.3
        text += f'    - {{action: {action}, protocol: TCP, ' + (
            f'source: {{nets: [198.51.100.{rng.randint(0, 255)}/32, 203.0.113.0/{rng.randint(24, 32)}]}}, '
            if nets else '') + f'destination: {{ports: {ports}}}}}\n'
        if not nets:
            if action == 'Allow':
                is_open |= set(ports) - decided
            decided |= set(ports)
    if rng.random() < 0.3:
        text += '    - {action: Log}\n'
    return ('apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: web}\nspec:\n'
            '  selector: has(host)\n  types: [Ingress]\n  ingress:\n' + text, is_open)


def serve():
    socks = []
    for port in PORTS:
        s = socket.create_server((HOST, port))
        s.setblocking(False)
        socks.append(s)
    print('ready', flush=True)
    import select
    while True:
        for s in select.select(socks, [], [])[0]:
            c, _ = s.accept()
            c.sendall(b'ok')
            c.close()


def flood():
    """Packets of all sorts that nobody waits for, until standard input ends."""
    import select
    rng = random.Random(SEED)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        print('ready', flush=True)
        while not select.select([sys.stdin], [], [], 0.002)[0]:
            for _ in range(8):
                s.sendto(os.urandom(rng.randint(1, 1400)), (HOST, rng.randint(1, 65535)))
            t = socket.socket()
            t.setblocking(False)
            t.connect_ex((HOST, rng.choice(PORTS)))
            t.close()


def knock():
    """For each port number on standard input: is it open?"""
    print('ready', flush=True)
    for line in sys.stdin:
        try:
            with socket.create_connection((HOST, int(line)), timeout=0.7) as s:
                print('yes' if s.recv(2) == b'ok' else 'no', flush=True)
        except OSError:
            print('no', flush=True)


def sh(text):
    subprocess.run(text, shell=True, check=True)


def make_net():
    sh('mount -t tmpfs none /run && mkdir -p /run/netns && ip link set lo up')
    for ns, address, plug in (('out', '192.0.2.1', 'up0'), ('host', HOST, 'hs0')):
        sh(f'ip netns add {ns} && ip link add {plug} type veth peer name eth0 netns {ns}')
        sh(f'sysctl -q net.ipv6.conf.{plug}.disable_ipv6=1; ip link set {plug} up')
        sh(f'ip -n {ns} addr add {address}/24 dev eth0')
        sh(f'ip -n {ns} link set lo up && ip -n {ns} link set eth0 up')
        sh(f'ip netns exec {ns} ethtool -K eth0 tx off >/dev/null')


def run_in(ns, what):
    child = subprocess.Popen(['ip', 'netns', 'exec', ns, sys.executable, __file__, what],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == 'ready\n', what
    return child


class Ctl:
    """One connection to the control socket."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(path)

    def ask(self, method, *params):
        self.s.sendall(json.dumps({'id': 0, 'method': method, 'params': list(params)}).encode())
        text = b''
        while True:
            got = self.s.recv(1 << 20)
            assert got, f'{method}: hung up'
            text += got
            if text.endswith(b'}'):
                try:
                    return json.loads(text)
                except ValueError:
                    pass


ASKED = [('status',), ('status', '--format=json'), ('flow/dump', '-m'), ('policy/dump',), ('plan',),
         ('conntrack/dump',), ('counters', '--format=json'), ('offload/stats-show',), ('memory/show',),
         ('coverage/show',), ('failsafe/check',), ('profile/show',), ('conntrack/flush',), ('bogus',),
         ('explain', 'in=eth0', 'src=192.0.2.1', f'dst={HOST}', 'proto=tcp', 'dport=8000'),
         ('vlog/set', 'warn'), ('vlog/set', 'info'), ('rollback', '99999'), ('confirm',),
         ('profile/probe',)]


class Askers:
    """Clients that come, ask, stay or hang up in the middle of a word."""

    def __init__(self, path, metrics):
        self.path, self.metrics = path, metrics
        self.end, self.n, self.wrong, self.page = threading.Event(), 0, [], None
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(3)]
        for t in self.threads:
            t.start()

    def run(self, number):
        rng = random.Random(f'{SEED} {number}')
        try:
            while not self.end.is_set():
                c = Ctl(self.path)
                for _ in range(rng.randint(0, 20)):
                    words = rng.choice(ASKED)
                    got = c.ask(*words)
                    assert (got['error'] is None) != (got['result'] is None), got
                    self.n += 1
                if rng.random() < 0.3:
                    c.s.sendall(b'{"id":0,"meth')
                c.s.close()
                if number == 0:
                    self.scrape()
                time.sleep(0.02)
        except Exception as e:  # told at the end, by whoever waits
            self.wrong.append(repr(e))

    def scrape(self):
        import promcheck
        with urllib.request.urlopen(f'http://127.0.0.1:{self.metrics}/metrics', timeout=60) as r:
            page = promcheck.parse(r.read().decode())
        if self.page:
            back = promcheck.went_back(self.page, page)
            assert not back, f'counters went back: {back[:5]}'
        self.page = page

    def stop(self):
        self.end.set()
        for t in self.threads:
            t.join()
        assert not self.wrong, self.wrong


def change(rng, ctl, path):
    """One change, by whatever way; the ports that are open afterwards, or None if it was taken back."""
    text, is_open = policy(rng)
    way = rng.random()
    if way < 0.15:  # half a file first
        with open(path, 'w') as f:
            f.write(text[:rng.randint(1, len(text) - 1)])
        time.sleep(rng.random() * 0.1)
    with open(path + '.tmp~', 'w') as f:
        f.write(text)
    os.rename(path + '.tmp~', path)
    if way > 0.8:
        ctl.ask('rollback')
        ctl.ask('apply', '--confirm=60')
        ctl.ask('confirm')
    got = ctl.ask('apply')
    while got['error'] and 'confirmed' in got['error']:
        got = ctl.ask('apply')
    assert got['error'] is None, got
    return is_open


def resident_kb(d):
    with open(f'/proc/{d.process.pid}/status') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))


def fds(d):
    return len(os.listdir(f'/proc/{d.process.pid}/fd'))


def opens(door, port):
    door.stdin.write(f'{port}\n')
    door.stdin.flush()
    return door.stdout.readline() == 'yes\n'


def soak(d, dir, metrics, wait):
    rng = random.Random(SEED)
    path = f'{dir}/run/hepflowd.{d.process.pid}.ctl'
    ctl, door = Ctl(path), run_in('out', 'knock')
    base, n, knocks, lost, seen = fds(d), 0, 0, 0, []
    traffic, askers = run_in('out', 'flood'), Askers(path, metrics)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not askers.wrong:
        is_open = change(rng, ctl, f'{dir}/policy/web.yaml')
        n += 1
        if n % 4 == 0:
            for port in rng.sample(PORTS, 2):
                # A busy machine may lose a packet; a closed port that answers is wrong at once.
                got = [opens(door, port)]
                while port in is_open and not got[-1] and len(got) < 4:
                    got.append(opens(door, port))
                lost += len(got) - 1
                assert got[-1] == (port in is_open), (port, got, sorted(is_open), ctl.ask('counters')['result'])
                knocks += 1
        seen.append((time.monotonic(), resident_kb(d)))
    traffic.stdin.close()
    door.stdin.close()
    askers.stop()
    assert d.process.poll() is None, 'the daemon has ended'
    wait(lambda: fds(d) <= base, f'descriptors are {base} again')
    third = [kb for at, kb in seen if at > end - SECONDS * 2 / 3]
    quarter = len(third) // 4 or 1
    first, last = max(third[:quarter]), min(third[-quarter:])
    print(f'{SECONDS} s: {n} changes, {knocks} ports tried ({lost} times again), {askers.n} questions, resident '
          f'{seen[0][1]} kB at first, {first} kB after a third, {last} kB at the end; {fds(d)} descriptors')
    assert last - first < GROWTH_KB, f'memory grows: {third[::len(third) // 20 or 1]}'
    assert n >= 10 and askers.n >= 100 and knocks >= 4, 'too little has happened'
    ctl.s.close()


def main():
    from hepflowd import Daemon, wait
    make_net()
    server = run_in('host', 'serve')
    try:
        with tempfile.TemporaryDirectory() as dir:
            os.mkdir(f'{dir}/policy')
            os.environ['RUNTIME_DIRECTORY'] = dir
            metrics = 9099  # in a network namespace of its own
            for name, text in (('policy/base.yaml', BASE), ('policy/web.yaml', policy(random.Random(0))[0]),
                               ('hepflow.yaml', CONFIG.replace('DIR', dir).replace('METRICS', str(metrics))
                                .replace('PROFILE', os.environ.get('HF_PROFILE', 'mlx5-cx6dx')))):
                with open(f'{dir}/{name}', 'w') as f:
                    f.write(text)
            with Daemon(dir) as d:
                soak(d, dir, metrics, wait)
                d.stop()
    finally:
        server.kill()


if __name__ == '__main__':
    what = sys.argv[1] if len(sys.argv) > 1 else ''
    {'serve': serve, 'flood': flood, 'knock': knock}.get(what, main)()
