# SPDX-License-Identifier: BSD-3-Clause
"""The demo's four network namespaces and what runs in them.

    outside ----- up0 [nic] hk0 ----- eth0 [host]
                       [nic] pk0 ----- cali1 [host]
                       [nic] pw0 ----- eth0 [pod]

"nic" is where hepflowd stands: the wire to the outside and to the pod on one side, the host's eth0
and cali1 on the other. The host routes between eth0 and cali1 and translates nodePorts. Neighbours
are fixed, because an empty host endpoint denies IPv6 neighbour discovery (docs/semantics.md 10).
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PORTS = ["22", "53", "80", "3000", "8000"]
ADDRESSES = {
    "outside": ("192.0.2.7", "2001:db8::7"),
    "host": ("192.0.2.10", "2001:db8::10"),
    "pod": ("10.65.0.2", "fd00:65::2"),
}

# Names of the namespaces are prefixed with the process id, so that labs do not meet.
WIRES = [  # (namespace, interface, MAC) at both ends
    (("outside", "eth0", "02:00:00:00:00:07"), ("nic", "up0", "02:00:00:00:01:01")),
    (("host", "eth0", "02:00:00:00:00:10"), ("nic", "hk0", "02:00:00:00:01:02")),
    (("host", "cali1", "02:00:00:00:00:65"), ("nic", "pk0", "02:00:00:00:01:03")),
    (("pod", "eth0", "02:00:00:00:00:02"), ("nic", "pw0", "02:00:00:00:01:04")),
]

SETUP = {
    "outside": """
        addr add 192.0.2.7/24 dev eth0
        addr add 2001:db8::7/64 dev eth0 nodad
        route add 10.65.0.0/24 via 192.0.2.10
        -6 route add fd00:65::/64 via 2001:db8::10
        neigh add 192.0.2.10 lladdr 02:00:00:00:00:10 dev eth0 nud permanent
        neigh add 2001:db8::10 lladdr 02:00:00:00:00:10 dev eth0 nud permanent""",
    "host": """
        addr add 192.0.2.10/24 dev eth0
        addr add 2001:db8::10/64 dev eth0 nodad
        addr add fe80::1/64 dev cali1 nodad
        route add 10.65.0.2 dev cali1
        -6 route add fd00:65::2 dev cali1
        neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev eth0 nud permanent
        neigh add 2001:db8::7 lladdr 02:00:00:00:00:07 dev eth0 nud permanent
        neigh add 10.65.0.2 lladdr 02:00:00:00:00:02 dev cali1 nud permanent
        neigh add fd00:65::2 lladdr 02:00:00:00:00:02 dev cali1 nud permanent""",
    "pod": """
        addr add 10.65.0.2/32 dev eth0
        addr add fd00:65::2/128 dev eth0 nodad
        route add 169.254.1.1 dev eth0 scope link
        route add default via 169.254.1.1 dev eth0
        -6 route add default via fe80::1 dev eth0
        neigh add 169.254.1.1 lladdr 02:00:00:00:00:65 dev eth0 nud permanent
        neigh add fe80::1 lladdr 02:00:00:00:00:65 dev eth0 nud permanent""",
}

NODE_PORTS = """
table ip nat {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr 192.0.2.10 tcp dport 30001 dnat to 10.65.0.2:3000
    ip daddr 192.0.2.10 tcp dport 30002 dnat to 10.65.0.2:80
  }
}
table ip6 nat {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip6 daddr 2001:db8::10 tcp dport 30001 dnat to [fd00:65::2]:3000
    ip6 daddr 2001:db8::10 tcp dport 30002 dnat to [fd00:65::2]:80
  }
}
"""


class LabError(Exception):
    """Something the demo needs is not there or does not work."""


def run(*args, stdin=None):
    done = subprocess.run(args, input=stdin, text=True, capture_output=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Agent:
    """A host that answers and makes connections (agent.py in its namespace)."""

    def __init__(self, netns):
        self.proc = subprocess.Popen(
            ["ip", "netns", "exec", netns, sys.executable, os.path.join(HERE, "agent.py"), *PORTS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        if self.proc.stdout.readline() != "ready\n":
            raise LabError(f"the host in {netns} does not start")

    def probe(self, proto, address, port, seconds):
        self.proc.stdin.write(f"{proto} {address} {port} {seconds}\n")
        return self.proc.stdout.readline().strip()

    def stop(self):
        self.proc.stdin.close()
        self.proc.kill()
        self.proc.wait()


class Lab:
    def __init__(self):
        self.prefix = f"hepflow{os.getpid()}-"
        self.agents = {}

    def netns(self, name):
        return self.prefix + name

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for agent in self.agents.values():
            agent.stop()
        for name in ("outside", "host", "pod", "nic"):
            subprocess.run(["ip", "netns", "del", self.netns(name)], capture_output=True, check=False)

    def ip(self, name, words):
        run("ip", "-n", self.netns(name), *words.split())

    def sysctl(self, name, *settings):
        run("ip", "netns", "exec", self.netns(name), "sysctl", "-q", "-w", *settings)

    def build(self):
        for name in ("outside", "host", "pod", "nic"):
            run("ip", "netns", "add", self.netns(name))
            # Duplicate detection and router advertisements would only add noise.
            self.sysctl(name, "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0",
                        "net.ipv6.conf.default.router_solicitations=0")
            self.ip(name, "link set lo up")
        # The NIC's side is no host: the kernel must not take part there.
        self.sysctl("nic", "net.ipv6.conf.default.disable_ipv6=1")
        for (ns1, if1, mac1), (ns2, if2, mac2) in WIRES:
            run("ip", "link", "add", if1, "netns", self.netns(ns1), "address", mac1, "type", "veth",
                "peer", if2, "netns", self.netns(ns2), "address", mac2)
            for ns, iface in ((ns1, if1), (ns2, if2)):
                # What leaves a veth must have its checksums: it is a wire here.
                run("ip", "netns", "exec", self.netns(ns), "ethtool", "-K", iface, "tx", "off", "gro", "off")
                self.ip(ns, f"link set {iface} up")
        for name, lines in SETUP.items():
            for line in lines.strip().splitlines():
                self.ip(name, line)
        self.sysctl("host", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        run("ip", "netns", "exec", self.netns("host"), "nft", "-f", "-", stdin=NODE_PORTS)
        for name in ADDRESSES:
            self.agents[name] = Agent(self.netns(name))
