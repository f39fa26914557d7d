# SPDX-License-Identifier: BSD-3-Clause
"""One host with real interfaces, built from its model, and the far ends of all its wires.

    [host] eth0 ----- eth0 [far]        whoever is beyond: nobody lives there, packets are
    [host] cali1 ---- cali1 [far]       written to its wires by hand and read off them

This process enters the host's namespace, so that programs it starts act there. The far end has no
addresses: what it says is only what a test says. The host asks for no neighbours (NOARP), because
policies may deny neighbour discovery (docs/semantics.md 10).
"""

import ctypes
import os
import re
import socket
import struct
import subprocess

import wire

ETH_P_ALL = 3
ETH_P_BARRIER = 0x88b5  # IEEE 802: for local experiments
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
IPV6_HDRINCL = 36
PACKET_IGNORE_OUTGOING = 23
SOL_PACKET = 263
# A packet crosses at most two queues of the processor (into the host, out of it); lo adds one.
HOPS = 4
BARRIER_SECONDS = 20
CLONE_NEWNET = 0x40000000

SETTINGS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/lo/accept_local": 1,  # what a test sends on lo by hand
    "net/ipv4/conf/lo/route_localnet": 1,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv4/icmp_echo_ignore_all": 1,
    "net/ipv6/icmp/echo_ignore_all": 1,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/accept_ra": 0,
    "net/ipv6/conf/default/router_solicitations": 0,
}

# An ACK out of the blue is then no new connection, so that it makes state "invalid".
CONNTRACK_SETTINGS = {"net/netfilter/nf_conntrack_tcp_loose": 0}

libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab cannot be built or does not work."""


def run(*args, stdin=None):
    done = subprocess.run(args, input=stdin, text=True, capture_output=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def enter(name):
    with open(f"/run/netns/{name}", "rb") as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise LabError(f"setns {name}: {os.strerror(ctypes.get_errno())}")


def sysctl(settings):
    for name, value in settings.items():
        with open(f"/proc/sys/{name}", "w", encoding="ascii") as f:
            f.write(str(value))


class Tap:
    """One end of a wire: packets are written to it and read off it."""

    def __init__(self, iface, kind=ETH_P_ALL):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.sock.bind((iface, kind))
        self.sock.setblocking(False)

    def send(self, host_mac, packet):
        kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
        self.sock.send(host_mac + b"\x02\x00\x00\x00\x00\x01" + kind + packet)

    def read(self):
        """Packets (without the Ethernet header) that arrived since the last call."""
        found = []
        while True:
            try:
                frame, addr = self.sock.recvfrom(65536)
            except BlockingIOError:
                return found
            if addr[2] != PACKET_OUTGOING and addr[1] in (0x0800, 0x86dd):
                found.append(frame[14:])


class Sink:
    """What the host's own processes receive: raw sockets of every protocol that tests use."""

    PROTOCOLS = {fam: (1, 4, 6, 17, 58, 89, 132, 136, 253) for fam in (4, 6)}

    def __init__(self):
        self.socks = []
        for fam, protocols in self.PROTOCOLS.items():
            for proto in protocols:
                s = socket.socket(socket.AF_INET if fam == 4 else socket.AF_INET6,
                                  socket.SOCK_RAW, proto)
                s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
                s.setblocking(False)
                self.socks.append((fam, proto, s))

    def read(self):
        """(protocol, what follows the IP header)."""
        found = []
        for fam, proto, s in self.socks:
            while True:
                try:
                    data = s.recv(65536)
                except BlockingIOError:
                    break
                found.append((fam, proto, data[(data[0] & 15) * 4:] if fam == 4 else data))
        return found


class Lab:
    """A host as its model says. One process makes and uses it: packets stay in order then."""

    def __init__(self, model):
        self.model = model
        self.prefix = f"hepkern{os.getpid()}-"
        self.taps = {}
        self.macs = {}
        self.spaces = []
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)

    def __enter__(self):
        try:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        libc.setns(self.home, CLONE_NEWNET)
        os.close(self.home)
        for name in self.spaces:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def add_space(self, name):
        self.spaces.append(self.prefix + name)
        run("ip", "netns", "add", self.prefix + name)
        return self.prefix + name

    def build(self):
        host, far = self.add_space("host"), self.add_space("far")
        enter(far)
        sysctl({"net/ipv6/conf/default/disable_ipv6": 1})
        enter(host)
        sysctl(SETTINGS)
        run("ip", "link", "set", "lo", "up")
        for iface in self.model["interfaces"]:
            if iface["name"] not in ("", "lo"):
                self.add_wire(iface, far)
        self.add_routes()
        enter(far)
        for name in self.macs:
            self.taps[name] = Tap(name)
        enter(host)
        self.sink = Sink()
        self.raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.raw6.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        for s in (self.raw4, self.raw6):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.macs["lo"], self.taps["lo"] = bytes(6), Tap("lo", 0)  # reads nothing
        self.add_barrier(next(iter(self.macs)))

    def add_routes(self):
        for dest in reversed(self.model["destinations"]):
            if "out" in dest:
                run("ip", "-6" if ":" in dest["net"] else "-4", "route", "replace", dest["net"],
                    "dev", dest["out"])

    def add_barrier(self, first):
        self.barrier_in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.barrier_in.bind((first, ETH_P_BARRIER))
        self.barrier_in.settimeout(BARRIER_SECONDS)
        self.barrier_out = self.taps[first].sock
        self.barriers = 0

    def add_wire(self, iface, far):
        name = iface["name"]
        run("ip", "link", "add", name, "type", "veth", "peer", name, "netns", far)
        run("ethtool", "-K", name, "tx", "off", "gro", "off")
        run("ip", "link", "set", name, "arp", "off", "up")
        run("ip", "-n", far, "link", "set", name, "arp", "off", "up")
        for a in iface["addresses"]:
            run("ip", "addr", "add", a, "dev", name, *(["nodad"] if ":" in a else ["brd", "+"]))
        mac = re.search(r"link/ether (\S+)", run("ip", "link", "show", name)).group(1)
        self.macs[name] = bytes.fromhex(mac.replace(":", ""))

    def send(self, iface, packet):
        """Raw IP; iface "" is the host itself. False when the host cannot send it."""
        if iface:
            self.taps[iface].send(self.macs[iface], packet)
            return True
        try:
            if packet[0] >> 4 == 4:
                self.raw4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
            else:
                dst = socket.inet_ntop(socket.AF_INET6, packet[24:40])
                self.raw6.sendto(packet, (dst, 0))
        except PermissionError:
            pass  # that is how a drop in OUTPUT looks to the sender
        except OSError:
            return False
        return True

    def settle(self, hops=HOPS):
        """Returns when all that was sent has arrived or is gone.

        All packets wait in one queue of one processor, first come first served, and once more for
        each wire they cross; a frame that no rule looks at goes behind them, HOPS times.
        """
        for _ in range(hops):
            self.barriers += 1
            mark = struct.pack("!Q", self.barriers)
            self.barrier_out.send(b"\xff" * 6 + b"\x02" + bytes(5) + b"\x88\xb5" + mark)
            while self.barrier_in.recv(2048)[14:22] != mark:
                pass

    def arrivals(self):
        """{id: where} of what arrived; where is "host" or the wire's name."""
        self.settle()
        found = {}
        for fam, proto, data in self.sink.read():
            ident = wire.find_id(fam, proto, data)
            if ident is not None:
                found.setdefault(ident, set()).add("host")
        for name, tap in self.taps.items():
            for packet in tap.read():
                ident = wire.packet_id(packet)
                if ident is not None:
                    found.setdefault(ident, set()).add(name)
        return found
