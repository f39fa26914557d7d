# SPDX-License-Identifier: BSD-3-Clause
"""Connections of real sockets: the host, its pods, a second node and others, each a living system.

    [host] eth0 ----- [far]    198.51.100.7 outside, and the second node 192.0.2.20 with a pod of its
           vxlan.calico - - -  own behind a real VXLAN tunnel
    [host] eth1 ----- [far]    198.18.5.5, behind the host
    [host] cali1 ---- [pod]

Both ends of a wire have the same address and ask for no neighbours. A connection is up if TCP has
shaken hands or a datagram has come back; it should be if eval allows its first packet and the answer,
and, through the tunnel, what carries them.
"""

import select
import socket
import struct

from lab import Lab, Tap, SETTINGS, CONNTRACK_SETTINGS, enter, run, sysctl

TUNNEL = "vxlan.calico"
NODES = {4: ("192.0.2.10", "192.0.2.20"), 6: ("2001:db8::10", "2001:db8::20")}
# Who lives where: actor -> (wire, addresses).
ACTORS = {"host": ("", {4: "192.0.2.10", 6: "2001:db8::10"}),
          "outside": ("eth0", {4: "198.51.100.7", 6: "2001:db8:99::7"}),
          "node": ("eth0", {4: "192.0.2.20", 6: "2001:db8::20"}),
          "behind": ("eth1", {4: "198.18.5.5", 6: "2001:db8:18:5::5"}),
          "pod": ("cali1", {4: "10.65.0.2", 6: "fd00:65::2"}),
          "far pod": (TUNNEL, {4: "10.65.1.5", 6: "fd00:65:1::5"})}
NODE_PORTS = (30001, 30002)
PORTS = (80, 3000)
PAIRS = [("outside", "host"), ("outside", "pod"), ("outside", "behind"), ("behind", "outside"),
         ("behind", "host"), ("host", "outside"), ("host", "behind"), ("host", "pod"),
         ("host", "host"), ("node", "host"), ("pod", "host"), ("pod", "outside"),
         ("pod", "behind"), ("pod", "far pod"), ("far pod", "pod"), ("far pod", "host"),
         ("host", "far pod")]
PLUS = [("outside", "host", 22), ("outside", "host", 179), ("host", "outside", 53),
        ("host", "outside", 179)]
KINDS = (("tcp", 0), ("udp", 8), ("udp", 3000))  # the last one in fragments
# So that what a tunnel adds finds room, and nobody need be told of a smaller one.
INSIDE_MTU, OUTSIDE_MTU = 1300, 1400
SETTLED = 16  # a handshake through the host and a tunnel
FIRST_PORT = 20000


def forget_at_close(s):
    """A reset instead of a farewell: what policy may hold up must not keep the ports in use."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Living(Lab):
    """The lab with living far ends."""

    def build(self):
        host = self.add_space("host")
        enter(host)
        sysctl(SETTINGS)
        run("ip", "link", "set", "lo", "up")
        names = [i["name"] for i in self.model["interfaces"] if i["name"] not in ("", "lo")]
        for iface in self.model["interfaces"]:
            if iface["name"] in names and iface["name"] != TUNNEL:
                self.add_end(iface, self.add_space(iface["name"]))
        if TUNNEL in names:
            self.add_tunnel(next(i for i in self.model["interfaces"] if i["name"] == TUNNEL))
        self.add_routes()
        first = next(n for n in names if n != TUNNEL)
        self.inside(first)
        self.taps[first] = Tap(first, 0)
        self.inside("")
        self.add_barrier(first)

    def inside(self, name):
        enter(f"{self.prefix}{name or 'host'}")

    def alike(self, far, name):
        """One address for both ends, which ask for no neighbours."""
        mac = f"02:00:00:00:{len(self.spaces):02x}:01"
        for where in ([], ["-n", far]):
            run("ip", *where, "link", "set", name, "address", mac, "arp", "off", "up")

    def add_end(self, iface, far):
        name = iface["name"]
        run("ip", "link", "add", name, "type", "veth", "peer", name, "netns", far)
        run("ethtool", "-K", name, "tx", "off", "gro", "off")
        self.alike(far, name)
        for a in iface["addresses"]:
            run("ip", "addr", "add", a, "dev", name, *(["nodad"] if ":" in a else ["brd", "+"]))
        self.inside(name)
        sysctl({k: v for k, v in SETTINGS.items() if "rp_filter" in k or "accept_dad" in k})
        run("ethtool", "-K", name, "tx", "off", "gro", "off")
        run("ip", "link", "set", "lo", "up")
        for wire, addrs in ACTORS.values():
            for fam, addr in addrs.items() if wire == name else ():
                run("ip", "addr", "add", f"{addr}/{32 if fam == 4 else 128}", "dev", name,
                    *(["nodad"] if fam == 6 else []))
        for fam in "46":
            run("ip", f"-{fam}", "route", "add", "default", "dev", name, "mtu",
                str(INSIDE_MTU if name.startswith("cali") else OUTSIDE_MTU))
        self.inside("")

    def add_tunnel(self, iface):
        """Its ends take no frames from their own address, so they are told of their neighbours."""
        far = f"{self.prefix}eth0"
        pod = ACTORS["far pod"][1]
        ends = (([], "02:00:00:01:00:01", *NODES[4]),
                (["-n", far], "02:00:00:01:00:02", *reversed(NODES[4])))
        for where, mac, mine, other in ends:
            run("ip", *where, "link", "add", TUNNEL, "address", mac, "type", "vxlan", "id", "4096",
                "local", mine, "remote", other, "dstport", "4789")
            run("ip", *where, "link", "set", TUNNEL, "up", "mtu", str(INSIDE_MTU))
        for a in iface["addresses"]:
            run("ip", "addr", "add", a, "dev", TUNNEL, *(["nodad"] if ":" in a else []))
        for fam, addr in pod.items():
            run("ip", "-n", far, "addr", "add", f"{addr}/{32 if fam == 4 else 128}", "dev", TUNNEL,
                *(["nodad"] if fam == 6 else []))
            run("ip", "-n", far, f"-{fam}", "rule", "add", "from", addr, "lookup", "100")
            run("ip", "-n", far, f"-{fam}", "route", "add", "default", "dev", TUNNEL, "table",
                "100")
            run("ip", "neigh", "add", addr, "lladdr", ends[1][1], "dev", TUNNEL)
            for actor in ("host", "pod"):
                run("ip", "-n", far, "neigh", "add", ACTORS[actor][1][fam], "lladdr", ends[0][1],
                    "dev", TUNNEL)

    def has(self, actor):
        wire = ACTORS[actor][0]
        return wire == "" or any(i["name"] == wire for i in self.model["interfaces"])

    def socket(self, actor, fam, kind, port):
        """Bound to the actor's address; not blocking."""
        wire, addrs = ACTORS[actor]
        self.inside("eth0" if wire == TUNNEL else wire)
        s = socket.socket(socket.AF_INET if fam == 4 else socket.AF_INET6,
                          socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        self.inside("")
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == "tcp":
            forget_at_close(s)
        s.bind((addrs[fam], port))
        return s


class Connection:
    def __init__(self, client, server, fam, kind, size, port, dport):
        self.client, self.server, self.fam, self.kind, self.size = client, server, fam, kind, size
        self.port, self.dport = port, dport

    def where(self, actor):
        wire = ACTORS[actor][0]
        return f"in={wire} " if wire else ""

    def lines(self, trial):
        """Of the first packet, the answer in each state that it can have, and of the tunnel."""
        src, dst = ACTORS[self.client][1][self.fam], ACTORS[self.server][1][self.fam]
        first = (f"{self.where(self.client)}src={src} dst={dst} proto={self.kind} "
                 f"sport={self.port} dport={self.dport}")
        to, port = trial.rewritten({"dst": dst, "dport": self.dport,
                                    "proto": 6 if self.kind == "tcp" else 17})
        self.answerer = next(a for a, (_, addrs) in ACTORS.items() if to in addrs.values())
        flags = " flags=SA" if self.kind == "tcp" else ""
        back = (f"{self.where(self.answerer)}src={to} dst={src} proto={self.kind} sport={port} "
                f"dport={self.port}{flags} ct=")
        lost = "invalid" if self.kind == "tcp" else "new"
        lines = [first, f"{back}established", f"{back}{lost}"]
        if TUNNEL in (ACTORS[self.client][0], ACTORS[self.answerer][0]):
            here, there = NODES[4]
            outer = "proto=udp sport=50000 dport=4789"
            lines += [f"src={here} dst={there} {outer}", f"in=eth0 src={there} dst={here} {outer}"]
        return lines

    def should(self, trial, lines, answers):
        """Whether it comes up; None: the lines leave it open."""
        def passes(i):
            verdict, path, _ = answers[i]
            moved = i == 0 and self.answerer != self.server
            return trial.delivered(verdict, path, moved, lines[i].startswith("in="))

        reply = 2 if answers[0][0] == "allow-untracked" else 1
        parts = [passes(0), passes(reply)] + [passes(i) for i in range(3, len(lines))]
        if False in parts:
            return False
        return None if None in parts else True


def connections(lab):
    made = []
    port = FIRST_PORT
    tries = [(c, s, p) for c, s in PAIRS for p in PORTS] + PLUS
    tries += [(c, "host", p) for c in ("outside", "behind", "host") for p in NODE_PORTS]
    for client, server, dport in tries:
        for fam in (4, 6):
            for kind, size in KINDS:
                if lab.has(client) and lab.has(server):
                    made.append(Connection(client, server, fam, kind, size, port, dport))
                    port += 1
    return made


class Sockets:
    """All connections under one policy at a time."""

    def __init__(self, lab):
        self.lab = lab
        self.servers = []

    def serve(self, wanted):
        for actor, fam, kind, port in sorted(wanted):
            s = self.lab.socket(actor, fam, kind, port)
            if kind == "tcp":
                s.listen(1024)
            self.servers.append((kind, s))

    def answer(self):
        for kind, s in self.servers:
            while True:
                try:
                    if kind == "tcp":
                        made = s.accept()[0]
                        forget_at_close(made)
                        made.close()
                    else:
                        data, addr = s.recvfrom(65536)
                        s.sendto(data, addr)
                except BlockingIOError:
                    break
                except PermissionError:
                    pass  # a drop of the answer in OUTPUT

    def start(self, c):
        s = self.lab.socket(c.client, c.fam, c.kind, c.port)
        to = (ACTORS[c.server][1][c.fam], c.dport)
        try:
            if c.kind == "tcp":
                s.connect(to)
            else:
                s.sendto(bytes(c.size), to)
        except (BlockingIOError, PermissionError):
            pass
        return s

    @staticmethod
    def is_up(c, s):
        if c.kind == "udp":
            try:
                return len(s.recv(65536)) == c.size
            except (BlockingIOError, ConnectionRefusedError):
                return False
        ready = select.select([], [s], [], 0)[1]
        return bool(ready) and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

    def observe(self, made):
        """Whether each comes up."""
        started = [self.start(c) for c in made]
        self.lab.settle(SETTLED)
        up = {}
        for c, s in zip(made, started):
            if c.kind == "tcp":
                up[c] = self.is_up(c, s)
        self.answer()
        self.lab.settle(SETTLED)
        for c, s in zip(made, started):
            if c.kind == "udp":
                up[c] = self.is_up(c, s)
            s.close()
        for _, s in self.servers:
            s.close()
        self.servers = []
        self.lab.settle(SETTLED)
        return up


def compare(lab, trial, policy, count):
    """Differences as text."""
    made = [(c, c.lines(trial)) for c in connections(lab)]
    made, lines = zip(*((c, some) for c, some in made if all(
        lab.has(a) and trial.exit(ACTORS[a][1][c.fam]) == ACTORS[a][0]
        for a in (c.client, c.server, c.answerer))))
    answers = iter(policy.eval([line for some in lines for line in some]))
    answers = [[next(answers) for _ in some] for some in lines]
    run("ipset", "restore", stdin=trial.rules["ipset"])
    trial.load(trial.rules)
    sysctl(CONNTRACK_SETTINGS)
    trial.forget()
    sockets = Sockets(lab)
    sockets.serve({(c.answerer, c.fam, c.kind,
                    int(lines[i][1].split("sport=")[1].split()[0])) for i, c in enumerate(made)})
    up = sockets.observe(made)
    trial.unload()
    found = []
    for c, some, said in zip(made, lines, answers):
        want = c.should(trial, some, said)
        if want is None:
            count.skipped["connections that their lines leave open"] += 1
            continue
        count.connections += 1
        count.up += up[c]
        if want != up[c]:
            judged = "\n".join(f"    {line}: {' '.join(a)}" for line, a in zip(some, said))
            found.append(f"{c.client} to {c.server}, {c.size} bytes, is "
                         f"{'up' if up[c] else 'not up'}, but\n{judged}")
    return found
