# SPDX-License-Identifier: BSD-3-Clause
"""Packets as bytes, made from packet lines (docs/packet-line.md) and recognised by a number."""

import ipaddress
import struct

MAGIC, MAGIC_QUOTED = b"hfK1", b"hfK2"
NAMES = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132, "udplite": 136}
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
# Bytes between the IP header and the payload.
HEADER = {1: 8, 6: 20, 17: 8, 58: 8, 132: 12, 136: 8}
ERRORS = {1: (3, 11, 12), 58: (1, 2, 3, 4)}
FRAGMENT = 44
CHUNKS = {"data": 0, "init": 1, "init-ack": 2, "cookie-echo": 10, "cookie-ack": 11}  # SCTP


def parse(line):
    words = dict(word.split("=", 1) for word in line.split())
    proto = words["proto"]
    pkt = {"in": words.get("in", ""), "src": words["src"], "dst": words["dst"],
           "proto": NAMES[proto] if proto in NAMES else int(proto), "ct": words.get("ct", "new")}
    for key in ("sport", "dport", "type", "code"):
        pkt[key] = int(words.get(key, 0))
    pkt["flags"] = words.get("flags", "S" if pkt["ct"] == "new" else "A")
    pkt["frag"] = words.get("frag", "no") != "no"
    return pkt


def packed(addr):
    return ipaddress.ip_address(addr).packed


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(pkt, length):
    src, dst = packed(pkt["src"]), packed(pkt["dst"])
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, pkt["proto"], length)
    return src + dst + struct.pack("!II", length, pkt["proto"])


CRC32C = [0] * 256
for _n in range(256):
    _c = _n
    for _ in range(8):
        _c = (_c >> 1) ^ (0x82f63b78 if _c & 1 else 0)
    CRC32C[_n] = _c


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 255] ^ (crc >> 8)
    return struct.pack("<I", crc ^ 0xffffffff)


def sctp(pkt, payload):
    """One chunk: INIT unless the packet says another; 20 bytes before the payload in all of them."""
    kind = pkt.get("chunk", "init")
    if kind.startswith("init"):
        rest = struct.pack("!IIHHI", pkt.get("init_tag", 7), 65535, 1, 1, 1)
    else:
        rest = bytes(16)
    chunk = struct.pack("!BBH", CHUNKS[kind], 3, 20 + len(payload)) + rest + payload
    head = struct.pack("!HHII", pkt["sport"], pkt["dport"], pkt.get("vtag", 0), 0)
    return head[:8] + crc32c(head + chunk) + chunk


def transport(pkt, payload, broken):
    proto, at, sums = pkt["proto"], None, True
    if proto == 6:
        bits = sum(FLAGS[f] for f in pkt["flags"])
        head = struct.pack("!HHIIBBHHH", pkt["sport"], pkt["dport"], pkt.get("seq", 1000),
                           pkt.get("ack", 0), 0x50, bits, 65535, 0, 0)
        at = 16
    elif proto in (17, 136):
        length = 8 + len(payload)
        head, at = struct.pack("!HHHH", pkt["sport"], pkt["dport"], length, 0), 6
    elif proto in (1, 58):
        head = struct.pack("!BBHHH", pkt["type"], pkt["code"], 0, pkt.get("icmp_id", 0), 1)
        at, sums = 2, proto == 58
    elif proto == 132:
        return sctp(pkt, payload)
    else:
        return payload
    data = bytearray(head + payload)
    value = checksum((pseudo(pkt, len(data)) if sums else b"") + bytes(data))
    if broken:
        value ^= 0x5555
    data[at:at + 2] = struct.pack("!H", value or 0xffff)
    return bytes(data)


def ip(pkt, body, ident=0, offset=0, more=False):
    """offset in bytes."""
    src, dst, proto = packed(pkt["src"]), packed(pkt["dst"]), pkt["proto"]
    hops = 255
    if len(src) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident & 0xffff,
                           (0x2000 if more else 0) | offset >> 3, hops, proto, 0) + src + dst
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
    if offset or more:
        body = struct.pack("!BBHI", proto, 0, offset | more, ident) + body
        proto = FRAGMENT
    return struct.pack("!IHBB", 0x60000000, len(body), proto, hops) + src + dst + body


def build(pkt, ident=None, broken=False):
    """The packet as IP packets: one, or two when it is a fragment's. ident None: nobody looks."""
    payload = b"" if ident is None else MAGIC + struct.pack("!I", ident) + bytes(8)
    if "quoted" in pkt:
        quoted = dict(pkt["quoted"])
        payload = ip(quoted, transport(quoted, MAGIC_QUOTED + struct.pack("!I", ident), False))
    if not pkt["frag"]:
        return [ip(pkt, transport(pkt, payload, broken))]
    body = transport(pkt, payload + bytes(72), broken)
    return [ip(pkt, body[:48], ident, 0, True), ip(pkt, body[48:], ident, 48, False)]


def find_id(fam, proto, data):
    """The number of a packet whose IP header is taken off, or None."""
    if proto in ERRORS and data and data[0] in ERRORS[proto]:
        quoted, skip = data[8:], 20 if fam == 4 else 40
        if len(quoted) < skip:
            return None
        inner = quoted[9 if fam == 4 else 6]
        at, magic = 8 + skip + HEADER.get(inner, 0), MAGIC_QUOTED
    else:
        at, magic = HEADER.get(proto, 0) + (20 if proto == 132 else 0), MAGIC
    if data[at:at + 4] != magic or len(data) < at + 8:
        return None
    return struct.unpack("!I", data[at + 4:at + 8])[0]


def packet_id(packet):
    if packet[0] >> 4 == 4:
        if struct.unpack("!H", packet[6:8])[0] & 0x1fff:
            return None
        return find_id(4, packet[9], packet[(packet[0] & 15) * 4:])
    if packet[6] != FRAGMENT:
        return find_id(6, packet[6], packet[40:])
    if struct.unpack("!H", packet[42:44])[0] & 0xfff8:
        return None
    return find_id(6, packet[40], packet[48:])
