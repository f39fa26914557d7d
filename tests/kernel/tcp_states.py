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


def attribute(kind, data, nested=False):
    return struct.pack('=HH', 4 + len(data), kind | (0x8000 if nested else 0)) + data + \
        b'\0' * (-len(data) % 4)


class Kernel:
    """proto: as in the IP header; names: of its states; info: which CTA_PROTOINFO has them."""

    def __init__(self, proto=6, names=TCP, info=1):
        self.proto, self.names, self.info = proto, names, info
        run('ip', 'link', 'set', 'lo', 'up')
        self.fds = tun('tun0', '10.1.0.1/24'), tun('tun1', '10.2.0.1/24')
        for key in ('net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0',
                    'net.ipv4.conf.tun0.rp_filter=0', 'net.ipv4.conf.tun1.rp_filter=0'):
            run('sysctl', '-qw', key)
        run('nft', '-f', '-', input=RULES)
        run('sysctl', '-qw', 'net.netfilter.nf_conntrack_checksum=1')

    def send(self, raw, reply, ports):
        os.write(self.fds[reply], raw)
        while True:
            if not select.select([self.fds[not reply]], [], [], 5)[0]:
                raise SystemExit('FAIL: the kernel does not forward a segment')
            got = os.read(self.fds[not reply], 4000)
            if got[0] >> 4 == 4 and got[9] == self.proto and got[12:20] == raw[12:20]:
                return STATES[got[1] >> 2] + ' ' + self.entry(ports)

    def ask(self, kind, flags, ports):
        """One request of ctnetlink about one connection: the attributes of the answer, or None."""
        ends = attribute(1, b''.join(attribute(i + 1, socket.inet_aton(a))
                                     for i, a in enumerate(ENDS)), True)
        proto = attribute(2, attribute(1, bytes([self.proto])) + b''.join(
            attribute(i + 2, struct.pack('!H', p)) for i, p in enumerate(ports)), True)
        body = b'\2\0\0\0' + attribute(1, ends + proto, True)  # CTA_TUPLE_ORIG
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:  # NETLINK_NETFILTER
            s.send(struct.pack('=IHHII', 16 + len(body), 1 << 8 | kind, flags, 1, 0) + body)
            data = s.recv(1 << 16)
            size, what = struct.unpack_from('=IH', data)
            return None if what == 2 else attributes(data[20:size])  # NLMSG_ERROR

    def forget(self, ports):
        self.ask(2, 5, ports)  # IPCTNL_MSG_CT_DELETE; NLM_F_REQUEST, NLM_F_ACK

    def entry(self, ports):
        a = self.ask(1, 1, ports)  # IPCTNL_MSG_CT_GET; NLM_F_REQUEST
        if not a:
            return '- -'
        status = struct.unpack('!I', a[3])[0]
        state = attributes(attributes(a[4])[self.info])[1][0]
        return self.names[state] + ' ' + ('assured' if status & 4 else
                                          'replied' if status & 2 else 'unreplied')


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


def play(both, segs, ports, make=packet):
    """What kernel and ours say of each segment, up to the first they differ on."""
    kernel, ours = both
    results = []
    kernel.forget(ports)
    ours.next()
    for seg in segs:
        raw = make(seg, ports)
        results.append((kernel.send(raw, seg[0], ports), ours.send(raw)))
        if results[-1][0] != results[-1][1]:
            break
    return results


def compare(both, seed, n, begin, make, describe, meant=lambda segs: False):
    """n seeded conversations through both. begin(rng): their segments, of which the first member is
    whether the called end sends it; make: a segment as a packet; meant: may the last one be another
    thing here? Returns whether all is the same."""
    differ = segments = traces = excused = 0
    seen = {}
    for i in range(n):
        segs, about = begin(random.Random(seed * 1000003 + i))
        ports = (1024 + i % 60000, 80)
        results = play(both, segs, ports, make)
        segments += len(results)
        for want, _ in results:
            seen[want] = seen.get(want, 0) + 1
        if results[-1][0] == results[-1][1]:
            continue
        valid = [s for s, (w, g) in zip(segs, results) if not w[0] == g[0] == 'i']
        again = play(both, valid, ports, make)
        if again[-1][0] == again[-1][1]:
            traces += 1
            continue
        if meant(valid[:len(again)]):
            excused += 1
            continue
        differ += 1
        print('connection %d of seed %d:' % (i, seed))
        for s, (want, got) in zip(valid, again):
            print('  %-70s kernel: %-34s ours: %s' % (describe(s, about), want, got))
    print('%d connections, %d segments: %d differ; %d others after an invalid segment only, '
          '%d as is meant' % (n, segments, differ, traces, excused))
    print('seen:', ', '.join('%s: %d' % kv for kv in sorted(seen.items())))
    if excused > 1 + n / 100:
        sys.exit('FAIL: too many differ as is meant')
    if traces > n / 10:
        sys.exit('FAIL: too many differ after an invalid segment')
    if len(seen) < 8:
        sys.exit('FAIL: hardly anything was tried')
    return differ == 0


def begin(rng):
    talk = Talk(rng)
    base = list(talk.next)
    return [talk.step() for _ in range(rng.randrange(4, 16))], base


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    kernel = Kernel()
    for key, want in (('tcp_be_liberal', '0'), ('tcp_loose', '1')):
        if run('sysctl', '-n', 'net.netfilter.nf_conntrack_' + key).strip() != want:
            raise SystemExit('SKIP: this kernel has another nf_conntrack_' + key)
    same = compare((kernel, Track(sys.argv[1])), seed, n, begin, packet, show)
    sys.exit(not same)


if __name__ == '__main__':
    main()
