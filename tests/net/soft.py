# SPDX-License-Identifier: BSD-3-Clause
"""hepflowd between two namespaces, see soft.sh and lab.py.

The ports are net_pcap and not net_af_packet, which asks the kernel to put fragments together.
"""

import json
import os
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../lib')
import hepflowd

from lab import HOST, OUT, inside, make_net, run

DEADLINE = 20
MAX = 1024

POLICY = hepflowd.HOST + '''---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: has(host)
  types: [Ingress, Egress]
  ingress:
    - {action: Log, protocol: UDP, destination: {ports: [5002]}}
    - {action: Allow, protocol: UDP, destination: {ports: [5000]}}
    - {action: Allow, protocol: TCP, destination: {ports: [8000]}}
    - {action: Allow, protocol: ICMP}
  egress:
    - {action: Allow}
'''

LOG_CONFIG = '''
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {logPrefix: "%t/%k:%n%", logActionRateLimit: 1/hour, logActionRateLimitBurst: 3}
'''

CONFIG = '''
apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy.yaml]
  rundir: %s/run
  poll: adaptive
  connections: {max: %d}
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_pcap0,rx_iface_in=up0,tx_iface=up0", profile: none}
    - {name: eth0, role: host, devargs: "net_pcap1,rx_iface_in=hs0,tx_iface=hs0"}
'''

failed = False


def bad(*what):
    global failed
    failed = True
    print('FAIL:', *what)


class Daemon(hepflowd.Daemon):
    def waits_for(self, pattern):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and self.process.poll() is None:
            if re.search(pattern, self.text()):
                return True
            time.sleep(0.05)
        return False

    def counters(self):
        return json.loads(self.ask('--format', 'json', 'counters'))


def receiver(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HOST, port))
    s.settimeout(2)
    return s


def received(s):
    try:
        return s.recv(70000)
    except socket.timeout:
        return None


def checksum(data):
    data += b'\0' * (len(data) % 2)
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    s = (s >> 16) + (s & 0xFFFF)
    return ~(s + (s >> 16)) & 0xFFFF


def ip4(proto, payload, src=OUT, ident=0, off=0, more=False):
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), ident,
                       (0x2000 if more else 0) | off // 8, 64, proto, 0, socket.inet_aton(src),
                       socket.inet_aton(HOST))
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def raw():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def datagram(port, text, ident):
    """Pieces of a UDP datagram, (offset, bytes) each; no checksum."""
    whole = struct.pack('!HHHH', 4000, port, 8 + len(text), 0) + text
    return [(i, whole[i:i + 800]) for i in range(0, len(whole), 800)], len(whole)


def send_pieces(pieces, total, ident, order):
    s = raw()
    for i in order:
        off, data = pieces[i]
        s.sendto(ip4(17, data, ident=ident, off=off, more=off + len(data) < total), (HOST, 0))


def fragments(d):
    run('ip', 'netns', 'exec', 'out', 'ping', '-qc2', '-i0.2', '-W5', '-s', '5000', HOST)
    run('ip', 'netns', 'exec', 'host', 'ping', '-qc2', '-i0.2', '-W5', '-s', '5000', OUT)
    open_, shut = inside('host', receiver, 5000), inside('host', receiver, 5001)
    text = bytes(range(256)) * 12
    for name, order in ('in order', [0, 1, 2, 3]), ('backwards', [3, 2, 1, 0]), (
            'shuffled', [2, 0, 3, 1]), ('twice', [0, 0, 1, 1, 2, 2, 3, 3]):
        for port, s, want in (5000, open_, text), (5001, shut, None):
            ident = random.randrange(1, 65536)
            pieces, total = datagram(port, text, ident)
            inside('out', send_pieces, pieces, total, ident, order)
            if received(s) != want:
                bad('fragments', name, 'to port', port)
    # The ports of a shut port under those of an open one.
    ident = random.randrange(1, 65536)
    pieces, total = datagram(5000, text, ident)
    evil, _ = datagram(5001, text, ident)
    whole = b''.join(data for _, data in evil)
    inside('out', send_pieces, [pieces[0], (0, whole[:16]), (8, whole[8:816])] + pieces[1:], total,
           ident, [0, 1, 2, 3, 4, 5])
    if received(shut) is not None or received(open_) is not None:
        bad('overlapping fragments get through')
    ident += 1
    inside('out', send_pieces, [(0, evil[0][1][:8]), (8, evil[0][1][8:])] + evil[1:], total, ident,
           [1, 2, 3, 4, 0])
    if received(shut) is not None:
        bad('small fragments get through')
    r = d.counters()['reasons']
    for name in 'fragment', 'fragment-deny', 'fragment-overlap', 'fragment-duplicate':
        if r[name]['packets'] == 0:
            bad('nothing is counted as', name)


def send_udp(port, n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(n):
        s.sendto(b'%d' % i, (HOST, port))


def logs(d):
    inside('out', send_udp, 5002, 1)
    want = (r'packet: calico-packet: IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.10 LEN=\d+ PROTO=udp '
            r'SPT=\d+ DPT=5002 RULE=default/gnp:web/ingress/0')
    if not d.waits_for(want):
        bad('no log line')
    inside('out', send_udp, 5002, 400)
    if not d.waits_for(r'packet: \d+ lines suppressed'):
        bad('400 lines a second are all logged')
    p = d.counters()['packets']
    if p['logged'] + p['suppressed'] + p['logLost'] < 300 or p['suppressed'] == 0:
        bad('lines are not counted:', p)
    with open(d.dir + '/policy.yaml', 'a') as f:
        f.write(LOG_CONFIG)
    if not d.waits_for('generation 2 in force'):
        bad('the policy files are not watched')
    inside('out', send_udp, 5002, 50)
    if not d.waits_for(r'packet: default/gnp:web%: IN=eth0'):
        bad('no line with a prefix of its own')
    time.sleep(1.5)  # whatever else is logged has been by then
    if len(re.findall('packet: default/gnp:web%:', d.text())) != 3:
        bad('the limit of a rule is not kept')


def read_pcapng(path):
    """[(interface name, flags, comment, bytes)]"""
    data, names, packets = open(path, 'rb').read(), [], []
    while data:
        kind, size = struct.unpack_from('=II', data)
        assert struct.unpack_from('=I', data, size - 4)[0] == size and size % 4 == 0
        body, options = data[8:size - 4], {}
        at = {0x0A0D0D0A: 16, 1: 8, 6: 20}[kind]
        if kind == 6:
            number, _, _, kept, length = struct.unpack_from('=IIIII', body)
            assert kept <= length
            frame = body[20:20 + kept]
            at += kept + -kept % 4
        while at < len(body):
            code, n = struct.unpack_from('=HH', body, at)
            options[code] = body[at + 4:at + 4 + n]
            at += 4 + n + -n % 4
        if kind == 1:
            names.append(options[2].decode())
        elif kind == 6:
            packets.append((names[number], options[2][0], options[1].decode(), frame))
        data = data[size:]
    return packets


def captures(d):
    path = d.dir + '/denied.pcapng'
    for args in ((path, 'reason=bogus'), (path, 'wire=bogus'), (path, 'count=0'), ('x', ), (path, 'y')):
        if d.run('capture', *args).returncode != 2:
            bad('capture', *args)
    if os.path.exists(path):
        bad('a refused capture leaves a file')
    r = d.run('capture', path, 'reason=deny', 'wire=eth0', 'count=3')
    if r.returncode:
        bad('capture:', r.stderr)
    if d.run('capture', path + '2').returncode != 2:
        bad('two captures at a time')
    inside('out', send_udp, 5000, 2)
    inside('out', send_udp, 5001, 5)
    if not d.waits_for('capture: .*3 packets; count reached'):
        bad('the capture does not end')
    packets = read_pcapng(path)
    if len(packets) != 3:
        bad(len(packets), 'packets are captured, not 3')
    for i, (name, flags, comment, frame) in enumerate(packets):
        if name != 'eth0' or flags != 1 or comment != 'deny tier-default:default' or \
                frame[23] != 17 or frame[36:38] != struct.pack('!H', 5001) or \
                frame[42:] != b'%d' % i:
            bad('captured:', name, flags, comment, frame)
    if os.stat(path).st_mode & 0o777 != 0o600:
        bad('others may read the capture')
    if d.run('capture', path).returncode != 2:
        bad('a file is written over')
    d.ask('capture', path + '2')
    inside('out', send_udp, 5001, 1)
    time.sleep(0.2)
    if 'stopped' not in d.ask('capture/stop') or len(read_pcapng(path + '2')) != 1:
        bad('capture/stop')


def echo_server():
    s = socket.create_server((HOST, 8000), backlog=64)

    def serve():
        while True:
            c, _ = s.accept()
            threading.Thread(target=talk, args=(c, ), daemon=True).start()

    def talk(c):
        while True:
            data = c.recv(100)
            if not data:
                return
            c.sendall(data)

    threading.Thread(target=serve, daemon=True).start()


def call():
    c = socket.create_connection((HOST, 8000), timeout=DEADLINE)
    return c if echoes(c) else None


def echoes(c):
    try:
        c.sendall(b'hello')
        return c.recv(100) == b'hello'
    except OSError:
        return False


def flood(n, source):
    s = raw()
    for i in range(n):
        src = source or '198.18.%d.%d' % (random.randrange(256), random.randrange(1, 255))
        seg = struct.pack('!HHIIBBHHH', random.randrange(1024, 65536), 8000,
                          random.randrange(2**32), 0, 5 << 4, 2, 8192, 0, 0)
        pseudo = socket.inet_aton(src) + socket.inet_aton(HOST) + struct.pack('!BBH', 0, 6, 20)
        seg = seg[:16] + struct.pack('!H', checksum(pseudo + seg)) + seg[18:]
        try:
            s.sendto(ip4(6, seg, src=src), (HOST, 0))
        except OSError:
            pass
        if i % 50 == 0:
            time.sleep(0.001)


def floods(d):
    inside('host', echo_server)
    friends = [inside('out', call) for _ in range(8)]
    if None in friends:
        bad('connections before the flood')
    before = d.counters()
    inside('out', flood, 3000, None)
    if not all(inside('out', echoes, c) for c in friends):
        bad('established connections die in a flood of many sources')
    c = d.counters()['connections']
    if c['used'] > 2 * MAX or c['used'] < MAX / 2:
        bad('the table is not at its limit:', c)
    if c['evicted'] == 0:
        bad('nothing was evicted:', c)
    if inside('out', call) is None:
        bad('nobody can call after the flood')
    inside('out', flood, 3000, '198.18.7.7')
    after = d.counters()
    if after['reasons']['source-full']['packets'] == before['reasons']['source-full']['packets']:
        bad('one source takes all:', after['connections'])
    if not all(inside('out', echoes, c) for c in friends):
        bad('established connections die in a flood of one source')
    if inside('out', call) is None:
        bad('nobody can call while one source floods')
    text = d.ask('conntrack/dump', 'dport=8000', 'src=192.0.2.1')
    if text.count('ESTABLISHED') < 8 or '198.18.' in text:
        bad('conntrack/dump with a filter:', text)
    d.ask('conntrack/flush', 'src=198.18.0.0/15')
    if '198.18.' in d.ask('conntrack/dump'):
        bad('conntrack/flush with a filter leaves something')
    if not all(inside('out', echoes, c) for c in friends):
        bad('conntrack/flush with a filter takes too much')
    print('flood:', {k: after['connections'][k] for k in (
        'used', 'max', 'made', 'evicted', 'refused', 'refusedByShare')})


def main():
    make_net()
    with tempfile.TemporaryDirectory() as dir:
        with open(dir + '/policy.yaml', 'w') as f:
            f.write(POLICY)
        with open(dir + '/hepflow.yaml', 'w') as f:
            f.write(CONFIG % (dir, MAX))
        with Daemon(dir) as d:
            for test in fragments, logs, captures, floods:
                test(d)
            d.stop()
            if failed:
                print(d.text())
    sys.exit(failed)


main()
