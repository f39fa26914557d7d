# SPDX-License-Identifier: BSD-3-Clause
"""SCTP states of the software path against those of the kernel's conntrack, as tcp_states.py has it.

First each move of the table: every state that a few packets lead to, and from there every chunk of
either end; then seeded conversations, with right and wrong tags, bundles and broken chunks.

One difference is meant: which tag an INIT ACK may bring after an INIT within an association that is
known already has changed from kernel to kernel (6.6, and again in 2026, when an INIT that says what is
known began to count for nothing), and is the last one's word here.

  unshare -n python3 sctp_states.py TRACK [SEED [CONNECTIONS]]
"""

import os
import socket
import struct
import sys

import tcp_states
from tcp_states import ENDS, Kernel, Track, checksum, play

STATES = ('NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD '
          'SHUTDOWN_ACK_SENT HEARTBEAT_SENT').split()
NAMES = {0: 'DATA', 1: 'INIT', 2: 'INIT_ACK', 3: 'SACK', 4: 'HEARTBEAT', 5: 'HEARTBEAT_ACK',
         6: 'ABORT', 7: 'SHUTDOWN', 8: 'SHUTDOWN_ACK', 9: 'ERROR', 10: 'COOKIE_ECHO',
         11: 'COOKIE_ACK', 14: 'SHUTDOWN_COMPLETE', 0xC0: 'AUTH'}
DATA, INIT, INIT_ACK, SACK, BEAT, BEAT_ACK, ABORT, SHUT, SHUT_ACK, ERROR, ECHO, COOKIE_ACK, COMPLETE = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14)
TAGS = 0x11111111, 0x22222222  # that the caller, the called end want to see


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def chunk(kind, tag=0, flags=0, size=None):
    body = {INIT: 16, INIT_ACK: 16, ECHO: 8, BEAT: 8, BEAT_ACK: 8, SHUT: 4, DATA: 13, SACK: 12}
    n = body.get(kind, 0) if size is None else size
    data = (struct.pack('!I', tag) + b'\0' * 60)[:n]
    return kind, struct.pack('!BBH', kind, flags, 4 + n) + data + b'\0' * (-n % 4)


def packet(seg, ports):
    """seg: (reply, tag, chunks)"""
    reply, tag, chunks = seg
    src, dst = (socket.inet_aton(a) for a in (ENDS[::-1] if reply else ENDS))
    sport, dport = ports[::-1] if reply else ports
    body = b''.join(c for _, c in chunks)
    head = struct.pack('!HHI', sport, dport, tag)
    head += struct.pack('<I', crc32c(head + b'\0\0\0\0' + body))
    size = 20 + len(head) + len(body)
    ip = struct.pack('!BBHHHBBH', 0x45, 0, size, 1, 0x4000, 64, 132, 0) + src + dst
    return ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:] + head + body


def show(seg, _):
    reply, tag, chunks = seg
    return '%s tag %08x %s' % ('called' if reply else 'caller', tag, ' '.join(
        '%s/%s' % (NAMES.get(k, k), c.hex()[2:16]) for k, c in chunks))


def seg(reply, kind, tag=None, **kw):
    """With the right tag, if none is given."""
    right = 0 if kind == INIT else TAGS[not reply]
    init = TAGS[reply] if kind in (INIT, INIT_ACK) else 0
    return reply, right if tag is None else tag, [chunk(kind, init, **kw)]


CALL = [seg(False, INIT), seg(True, INIT_ACK), seg(False, ECHO), seg(True, COOKIE_ACK)]
WAYS = {
    'NONE': [],
    'CLOSED': CALL[:1],
    'COOKIE_WAIT': CALL[:2],
    'COOKIE_ECHOED': CALL[:3],
    'ESTABLISHED': CALL,
    'SHUTDOWN_SENT': CALL + [seg(False, SHUT)],
    'SHUTDOWN_RECD': CALL + [seg(True, SHUT)],
    'SHUTDOWN_ACK_SENT': CALL + [seg(False, SHUT), seg(True, SHUT_ACK)],
    'HEARTBEAT_SENT': [seg(False, BEAT)],
}


def table(both):
    bad = n = 0
    for state, way in WAYS.items():
        for reply in False, True:
            for kind in NAMES:
                segs = way + [seg(reply, kind)]
                results = play(both, segs, (1000 + n, 80), packet)
                n += 1
                if way and len(results) >= len(way) and state not in results[len(way) - 1][0]:
                    sys.exit('FAIL: the way to %s leads to %s' % (state, results[len(way) - 1]))
                if results[-1][0] != results[-1][1]:
                    bad += 1
                    print('from %s: %s: kernel: %s, ours: %s' % (
                        (state, show(segs[len(results) - 1], None)) + results[-1]))
    print('%d moves: %d differ' % (n, bad))
    return bad == 0


def begin(rng):
    plan = list(CALL)
    if rng.random() < 0.2:
        plan = rng.sample(plan, rng.randrange(1, 4))
    kinds = [k for k in NAMES for _ in range(3 if k in (DATA, SACK, BEAT, BEAT_ACK, SHUT) else 1)]
    segs = []
    for _ in range(rng.randrange(3, 14)):
        if plan and rng.random() < 0.85:
            segs.append(plan.pop(0))
            continue
        reply, kind = rng.random() < 0.5, rng.choice(kinds)
        tag = rng.choice((None,) * 8 + (0, 7, TAGS[0], TAGS[1]))
        one = seg(reply, kind, tag, flags=rng.random() < 0.2)
        more = [chunk(rng.choice(kinds), rng.choice(TAGS)) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        if kind in (INIT, INIT_ACK) and rng.random() < 0.3:
            one = one[0], one[1], [chunk(kind, rng.choice((5,) + TAGS), size=rng.choice((8, 16)))]
        if rng.random() < 0.04:
            more.append((kind, b'\0\0\0\0'))  # a chunk without length
        segs.append((one[0], one[1], one[2] + more))
    return segs, None


def collision(segs):
    """An INIT ACK that is not the answer to the first packet."""
    return segs[-1][2][0][0] == INIT_ACK and any(s[2][0][0] == INIT for s in segs[1:-1])


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    timeouts = '/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_'
    if not os.path.exists(timeouts + 'established'):
        raise SystemExit('SKIP: this kernel does not track SCTP')
    if os.path.exists(timeouts + 'heartbeat_acked'):
        raise SystemExit('SKIP: this kernel is older than 6.2 and has other SCTP states')
    both = Kernel(132, STATES, 3), Track(sys.argv[1])
    same = table(both)
    same = tcp_states.compare(both, seed, n, begin, packet, show, collision) and same
    sys.exit(not same)


if __name__ == '__main__':
    main()
