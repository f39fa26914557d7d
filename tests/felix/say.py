#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Messages that Felix sends to an external dataplane driver (docs/felix.md), from Python values:
enough of protobuf for tests. A message is a dict of field number to value: int, str, bytes, dict
(a message), or a list of these (repeated)."""

import struct


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while True:
        out.append(n & 0x7f | (0x80 if n > 0x7f else 0))
        n >>= 7
        if not n:
            return bytes(out)


def encode(message):
    out = bytearray()
    for number, value in message.items():
        for v in value if isinstance(value, list) else [value]:
            if isinstance(v, (bool, int)):
                out += varint(number << 3) + varint(int(v))
                continue
            data = encode(v) if isinstance(v, dict) else v.encode() if isinstance(v, str) else v
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return bytes(out)


def frame(payload, sequence=0):
    """One frame; payload: {number: message} as in ToDataplane."""
    data = encode(payload | ({15: sequence} if sequence else {}))
    return struct.pack('<Q', len(data)) + data


def decode(data):
    """The fields of a message: {number: [int or bytes, ...]}."""
    out, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return n
    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        elif tag & 7 == 1:
            value, at = data[at:at + 8], at + 8
        else:
            size = number()
            value, at = data[at:at + size], at + size
        out.setdefault(tag >> 3, []).append(value)
    return out


IN_SYNC = {1: {}}


def config(**params):
    return {13: {1: [{1: k, 2: v} for k, v in params.items()]}}


def ipset(name, members, kind=2):
    return {2: {1: name, 2: list(members), 3: kind}}


def ipset_delta(name, added=(), removed=()):
    return {3: {1: name, 2: list(added), 3: list(removed)}}


def rule(action, **fields):
    """fields: proto, ports=[(first, last)], src_sets, src_nets."""
    r = {1: action}
    if 'proto' in fields:
        r[3] = {2: fields['proto']}
    r[4] = fields.get('src_nets', [])
    r[7] = [{1: a, 2: b} for a, b in fields.get('ports', [])]
    r[10] = fields.get('src_sets', [])
    return r


def policy_id(name, new, tier='default'):
    """Both wire forms: a PolicyID message of today, or names as up to v3.31."""
    return {2: name, 4: 'GlobalNetworkPolicy'} if new else {1: tier, 2: f'{tier}.{name}'}


def policy(name, ingress=(), egress=(), new=True, tier='default', **flags):
    body = {1: list(ingress), 2: list(egress), 3: flags.get('untracked', False),
            4: flags.get('pre_dnat', False)}
    if new:
        body[8] = tier
    return {7: {1: policy_id(name, new, tier), 2: body}}


def policy_remove(name, new=True, tier='default'):
    return {8: {1: policy_id(name, new, tier)}}


def tier(name, ingress=(), egress=(), new=True, default='Deny'):
    def ref(p):
        return encode(policy_id(p, True)) if new else f'{name}.{p}'
    return {1: name, 2: [ref(p) for p in ingress], 3: [ref(p) for p in egress], 4: default}


def host_endpoint(name, iface, tiers=(), forward=(), untracked=(), pre_dnat=(), profiles=(),
                  expected=()):
    return {9: {1: {2: name}, 3: {1: iface, 2: list(profiles), 3: list(tiers), 4: list(expected),
                                  6: list(untracked), 7: list(pre_dnat), 8: list(forward)}}}


def host_endpoint_remove(name):
    return {10: {1: {2: name}}}


def workload(pod, iface, nets, tiers=(), profiles=('projectcalico-default-allow',)):
    return {11: {1: {2: 'k8s', 3: pod, 4: 'eth0'},
                 5: {1: 'active', 2: iface, 4: list(profiles), 5: list(nets), 7: list(tiers)}}}


def profile(name, ingress=(), egress=()):
    return {5: {1: {1: name}, 2: {1: list(ingress), 2: list(egress)}}}


def host(name, addr):
    return {14: {1: name, 2: addr}}


def encapsulation(ipip=False, vxlan=False):
    return {30: {1: ipip, 2: vxlan}}
