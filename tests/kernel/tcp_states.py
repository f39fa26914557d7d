# SPDX-License-Identifier: BSD-3-Clause
"""TCP states of the software path against those of the kernel's conntrack.

Seeded random segments, with right and wrong numbers, go through both: through a network namespace
that forwards between two TUN devices, and through tests/kernel/track.c. After each segment what the
packet was (new, established, invalid), the state of the connection, and whether it is replied to or
assured must be the same.

One difference is meant: a segment that is invalid leaves no trace here, while Linux may have learnt
something of its sender before it finds out. So a connection that differs is played again without
its invalid segments, and only what still differs is a failure.

  unshare -n python3 tcp_states.py TRACK [SEED [CONNECTIONS]]
"""

import fcntl
import os
import random
import select
import socket
import struct
import subprocess
import sys

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ENDS = ('10.1.0.2', '10.2.0.2')
STATES = {0: 'none', 1: 'new', 2: 'established', 3: 'invalid'}

RULES = '''
table ip t {
  chain f {
    type filter hook forward priority 0; policy accept;
    ct state new ip dscp set 1 accept
    ct state established ip dscp set 2 accept
    ct state invalid ip dscp set 3 accept
  }
}
'''


def run(*args, **kw):
    return subprocess.run(args, check=True, capture_output=True, text=True, **kw).stdout


def tun(name, addr):
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack('16sH', name.encode(), 0x1001))  # IFF_TUN | IFF_NO_PI
    run('ip', 'link', 'set', name, 'up')
    run('ip', 'addr', 'add', addr, 'dev', name)
    return fd


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    s = (s >> 16) + (s & 0xFFFF)
    return ~(s + (s >> 16)) & 0xFFFF


def packet(seg, ports):
    """seg: (reply, flags, seq, ack, win, len, options)"""
    reply, flags, seq, ack, win, size, opts = seg
    src, dst = (socket.inet_aton(a) for a in (ENDS[::-1] if reply else ENDS))
    sport, dport = ports[::-1] if reply else ports
    opts += b'\1' * (-len(opts) % 4)
    data = b'x' * size
    head = struct.pack('!HHIIBBHHH', sport, dport, seq % 2**32, ack % 2**32,
                       (20 + len(opts)) // 4 << 4, flags, win, 0, 0) + opts + data
    pseudo = src + dst + struct.pack('!BBH', 0, 6, len(head))
    head = head[:16] + struct.pack('!H', checksum(pseudo + head)) + head[18:]
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(head), 1, 0x4000, 64, 6, 0) + src + dst
    return ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:] + head


TCP = ('NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE '
       'SYN_SENT2').split()


def attributes(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from('=HH', data)
        found[kind & 0x3FFF] = data[4:size]
        data = data[size + -size % 4:]
    return found


class Kernel:
    def __init__(self):
        run('ip', 'link', 'set', 'lo', 'up')
        self.fds = tun('tun0', '10.1.0.1/24'), tun('tun1', '10.2.0.1/24')
        for key in ('net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0',
                    'net.ipv4.conf.tun0.rp_filter=0', 'net.ipv4.conf.tun1.rp_filter=0'):
            run('sysctl', '-qw', key)
        run('nft', '-f', '-', input=RULES)
        run('sysctl', '-qw', 'net.netfilter.nf_conntrack_checksum=1')
        for key, want in (('tcp_be_liberal', '0'), ('tcp_loose', '1')):
            if run('sysctl', '-n', 'net.netfilter.nf_conntrack_' + key).strip() != want:
                raise SystemExit('SKIP: this kernel has another nf_conntrack_' + key)

    def send(self, raw, reply, ports):
        os.write(self.fds[reply], raw)
        while True:
            if not select.select([self.fds[not reply]], [], [], 5)[0]:
                raise SystemExit('FAIL: the kernel does not forward a segment')
            got = os.read(self.fds[not reply], 4000)
            if got[0] >> 4 == 4 and got[9] == 6 and got[12:20] == raw[12:20]:
                return STATES[got[1] >> 2] + ' ' + self.entry(ports)

    def ask(self, kind, flags):
        """One request of ctnetlink; yields the attributes of what it answers."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:  # NETLINK_NETFILTER
            s.send(struct.pack('=IHHII', 20, 1 << 8 | kind, flags, 1, 0) + b'\2\0\0\0')
            while True:
                data = s.recv(1 << 16)
                while data:
                    size, what = struct.unpack_from('=IH', data)
                    if what in (2, 3):  # NLMSG_ERROR, NLMSG_DONE
                        return
                    yield attributes(data[20:size])
                    data = data[size + -size % 4:]

    def flush(self):
        for _ in self.ask(2, 5):  # IPCTNL_MSG_CT_DELETE; NLM_F_REQUEST, NLM_F_ACK
            pass

    def entry(self, ports):
        for a in self.ask(1, 0x301):  # IPCTNL_MSG_CT_GET; NLM_F_REQUEST, NLM_F_DUMP
            proto = attributes(attributes(a[1])[2])
            if proto[1] != b'\6' or ports[0] not in struct.unpack('!HH', proto[2] + proto[3]):
                continue
            status = struct.unpack('!I', a[3])[0]
            state = attributes(attributes(a[4])[1])[1][0]
            return TCP[state] + ' ' + ('assured' if status & 4 else
                                       'replied' if status & 2 else 'unreplied')
        return '- -'


class Track:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, raw):
        self.p.stdin.write(raw.hex() + '\n')
        self.p.stdin.flush()
        return self.p.stdout.readline().strip()

    def next(self):
        self.p.stdin.write('-\n')
        self.p.stdin.flush()


OPTIONS = (b'', b'', b'\4\2', b'\3\3\7', b'\4\2\3\3\2', b'\3\3\16\4\2', b'\2\4\5\xb4\4\2\3\3\7')


class Talk:
    """Two ends that mostly do the right thing, and sometimes something else."""

    def __init__(self, rng):
        self.rng = rng
        self.next = [rng.randrange(2**32), rng.randrange(2**32)]
        self.acked = [self.next[1], self.next[0]]
        self.plan = [(False, SYN), (True, SYN | ACK), (False, ACK)]
        if rng.random() < 0.15:
            self.plan = rng.sample(self.plan, rng.randrange(3)) + [(True, SYN)] * rng.randrange(2)

    def number(self, right):
        r = self.rng.random()
        if r < 0.8:
            return right
        if r < 0.9:
            return right + self.rng.choice((-1, 1, -100, 100, 1000, -1000))
        return right + self.rng.choice((-70000, 70000, 66000, -66001, 10**6, -(10**6), 2**31, 0))

    def step(self):
        rng = self.rng
        if self.plan and rng.random() < 0.9:
            reply, flags = self.plan.pop(0)
        else:
            reply = rng.random() < 0.5
            flags = rng.choice((ACK,) * 6 + (ACK | PSH,) * 4 + (FIN | ACK,) * 4 + (
                SYN, SYN, SYN | ACK, RST, RST | ACK, FIN, SYN | FIN, 0, ACK | URG, FIN | ACK | URG))
        size = rng.choice((0, 0, 1, 10, 500)) if flags & ACK and not flags & (SYN | RST) else 0
        seq = self.number(self.next[reply])
        if flags == RST and rng.random() < 0.1:
            seq = 0
        ack = self.number(self.next[not reply]) if flags & ACK else 0
        win = rng.choice((0, 1, 1000, 1000, 8192, 65535))
        opts = rng.choice(OPTIONS) if flags & SYN else b''
        if flags & ACK and not flags & SYN and rng.random() < 0.1:
            edge = self.number(self.next[not reply])
            opts = b'\1\1\5\12' + struct.pack('!II', (edge - 10) % 2**32, edge % 2**32)
        if seq == self.next[reply]:
            self.next[reply] = seq + size + bool(flags & SYN) + bool(flags & FIN)
        return reply, flags, seq, ack, win, size, opts


def show(seg, base):
    reply, flags, seq, ack, win, size, opts = seg
    names = ''.join(n for n, b in zip('FSRPAU', (1, 2, 4, 8, 16, 32)) if flags & b)
    return '%s %-3s seq %+d ack %+d win %d len %d opts %s' % (
        'called' if reply else 'caller', names, seq - base[reply], ack - base[not reply], win, size,
        opts.hex() or '-')


def play(both, segs, ports):
    """What kernel and ours say of each segment, up to the first they differ on."""
    kernel, ours = both
    results = []
    kernel.flush()
    ours.next()
    for seg in segs:
        raw = packet(seg, ports)
        results.append((kernel.send(raw, seg[0], ports), ours.send(raw)))
        if results[-1][0] != results[-1][1]:
            break
    return results


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    both = Kernel(), Track(sys.argv[1])
    differ = segments = traces = 0
    seen = {}
    for i in range(n):
        rng = random.Random(seed * 1000003 + i)
        talk = Talk(rng)
        base, ports = list(talk.next), (1024 + i % 60000, 80)
        segs = [talk.step() for _ in range(rng.randrange(4, 16))]
        results = play(both, segs, ports)
        segments += len(results)
        for want, _ in results:
            seen[want] = seen.get(want, 0) + 1
        if results[-1][0] == results[-1][1]:
            continue
        valid = [s for s, (w, g) in zip(segs, results) if w[0] != 'i' or w != g]
        again = play(both, valid, ports)
        if again[-1][0] == again[-1][1]:
            traces += 1
            continue
        differ += 1
        print('connection %d of seed %d:' % (i, seed))
        for s, (want, got) in zip(valid, again):
            print('  %-70s kernel: %-34s ours: %s' % (show(s, base), want, got))
    print('%d connections, %d segments: %d differ; %d others after an invalid segment only' % (
        n, segments, differ, traces))
    print('seen:', ', '.join('%s: %d' % kv for kv in sorted(seen.items())))
    if traces > n / 10:
        sys.exit('FAIL: too many differ after an invalid segment')
    if len(seen) < 8:
        sys.exit('FAIL: hardly anything was tried')
    sys.exit(differ > 0)


main()
