# SPDX-License-Identifier: BSD-3-Clause
"""Random policies for one fixed host, and packets that collide with them.

Addresses and ports of rules and packets come from the same small pools, so that most packets meet a
rule. Objects are plain data; JSON is YAML enough to be read.
"""

import json
import random

NETS = {
    4: ["10.65.0.0/24", "10.65.0.2/32", "10.65.0.0/16", "192.0.2.0/24", "192.0.2.10/32",
        "198.51.100.0/24", "198.51.100.7/32", "198.18.0.0/16", "198.18.5.5/32", "10.0.0.0/8",
        "0.0.0.0/1", "128.0.0.0/1", "10.96.0.0/16"],
    6: ["fd00:65::/64", "fd00:65::2/128", "fd00:65::/48", "2001:db8::/64", "2001:db8::10/128",
        "2001:db8:99::/48", "2001:db8:18:5::/64", "::/1", "8000::/1", "fd00:96::/112"],
}
OUTSIDE = {4: ["198.51.100.7", "198.51.100.200", "192.0.2.20", "203.0.113.9"],
           6: ["2001:db8:99::7", "2001:db8:99::77", "2001:db8::20", "2001:db8:77::9"]}
REMOTE = {4: ["198.18.5.5", "198.18.0.9"], 6: ["2001:db8:18:5::5", "2001:db8:18::9"]}
TUNNEL = {4: ["10.65.1.5"], 6: ["fd00:65:1::5"]}
HOST = {4: ["192.0.2.10", "198.18.0.1", "10.65.0.1"],
        6: ["2001:db8::10", "2001:db8:18::1", "fd00:65::1"]}
PODS = {4: ["10.65.0.2", "10.65.0.3"], 6: ["fd00:65::2", "fd00:65::3"]}
UNKNOWN = {4: ["10.65.0.4"], 6: ["fd00:65::4"]}
SERVICE = {4: ["10.96.0.10", "10.96.0.77"], 6: ["fd00:96::a", "fd00:96::77"]}
GROUPS = {4: ["224.0.0.1", "255.255.255.255", "192.0.2.255"], 6: ["ff02::1"]}
PORTS = [1, 22, 53, 68, 80, 443, 1024, 3000, 4789, 8080, 30001, 51820, 51821, 65535]
DNAT = [("tcp", "192.0.2.10", 30001, "10.65.0.2:3000"), ("udp", "10.96.0.10", 53, "198.18.5.5:53"),
        ("tcp", "10.96.0.10", 443, "192.0.2.10:8080"), ("tcp", "10.96.0.10", 80, "10.65.0.3:80"),
        ("tcp", "10.65.0.2", 8080, "198.51.100.7:80"), ("udp", "192.0.2.10", 443, "10.65.1.5:53"),
        ("tcp", "2001:db8::10", 30001, "[fd00:65::2]:3000"),
        ("udp", "fd00:96::a", 53, "[2001:db8:18:5::5]:53"),
        ("tcp", "fd00:96::a", 443, "[2001:db8::10]:8080"),
        ("tcp", "fd00:96::a", 80, "[fd00:65::3]:80")]
SELECTORS = ["role == 'a'", "role == 'b'", "has(role)", "all()", "all()", "all()", "role != 'a'",
             "role == 'none'", "role in {'a', 'c'}", "!has(role)"]
TIERS = ["first", "second", "default", "default", "ghost"]
NAMED = ["web", "dns", "nowhere"]
API, OUR_API = "projectcalico.org/v3", "hepflow/v1"
POLICIES = 10
RULES = 4


class World:
    """docs: what may be left out while shrinking; rest: what may not, because the lab is like it."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.rest, self.docs = [], []
        # Most versions behave as the newest one.
        self.args = ["--calico-version", "v3.28"] if self.chance(20) else []
        self.facts()
        self.pods()
        self.cluster()
        if self.chance(80):
            self.felix()
        for tier in TIERS[:2]:
            if self.chance(80):
                spec = {"order": self.r.randrange(3)}
                if self.chance(40):
                    spec["defaultAction"] = "Pass"
                self.doc("Tier", tier, spec)
        self.heps()
        for i in range(3):
            self.network_set(i)
        for i in range(2):
            self.doc("Profile", f"prof{i}", {"labelsToApply": {"prof": f"p{i}"},
                                             "ingress": self.rules("Ingress", False),
                                             "egress": self.rules("Egress", False)})
        for i in range(self.r.randrange(POLICIES)):
            self.policy(i)

    def chance(self, percent):
        return self.r.randrange(100) < percent

    def pick(self, pool):
        return self.r.choice(pool)

    def doc(self, kind, name, spec, api=API, to=None, namespace=None, labels=None, **more):
        meta = {"name": name}
        if namespace:
            meta["namespace"] = namespace
        if labels:
            meta["labels"] = labels
        doc = {"apiVersion": api, "kind": kind, "metadata": meta}
        if spec is not None:
            doc["spec"] = spec
        doc.update(more)
        (self.docs if to is None else to).append(doc)

    def facts(self):
        spec = {
            "interfaces": [
                {"name": "eth0", "addresses": ["192.0.2.10/24", "2001:db8::10/64"]},
                {"name": "eth1", "addresses": ["198.18.0.1/24", "2001:db8:18::1/64"]},
                {"name": "vxlan.calico", "addresses": ["10.65.0.1/32", "fd00:65::1/128"]},
                {"name": "cali3"}],  # a pod that nobody knows
            "routes": [
                {"dst": "10.65.0.4/32", "dev": "cali3"}, {"dst": "fd00:65::4/128", "dev": "cali3"},
                {"dst": "198.18.5.0/24", "dev": "eth1"},
                {"dst": "2001:db8:18:5::/64", "dev": "eth1"},
                {"dst": "10.65.1.0/24", "dev": "vxlan.calico"},
                {"dst": "fd00:65:1::/64", "dev": "vxlan.calico"}]}
        if self.chance(80):
            spec["dnat"] = [{"proto": p, "dst": d, "port": port, "to": [to]}
                            for p, d, port, to in DNAT]
        if self.chance(40):
            spec["kernelPolicy"] = {k: self.pick(["accept", "accept", "drop"])
                                    for k in ("input", "output", "forward")}
        self.doc("HostFacts", "n0", spec, OUR_API, self.rest)

    def role(self):
        return self.pick([{}, {"role": "a"}, {"role": "b"}, {"role": "a", "extra": "x"}])

    def profiles(self):
        return self.pick([[], ["prof0"], ["prof1", "prof0"], ["prof0", "missing"], ["missing"],
                          ["missing", "prof1"], ["projectcalico-default-allow"], ["prof1"],
                          ["projectcalico-default-allow"]])

    def pods(self):
        for i in (1, 2):
            self.doc("WorkloadEndpoint", f"n0-k8s-pod{i}-eth0", {
                "node": "n0", "orchestrator": "k8s", "pod": f"pod{i}", "endpoint": "eth0",
                "interfaceName": f"cali{i}", "profiles": self.profiles(),
                "ipNetworks": [f"10.65.0.{i + 1}/32", f"fd00:65::{i + 1}/128"],
                "ports": [{"name": "web", "protocol": "TCP", "port": 80 if i == 2 else 3000}]},
                to=self.rest, namespace="ns", labels=self.role())

    def cluster(self):
        for i, last in ((0, "10"), (1, "20")):
            self.doc("Node", f"n{i}", {"bgp": {"ipv4Address": f"192.0.2.{last}/24",
                                               "ipv6Address": f"2001:db8::{last}/64"}})
        if self.chance(40):
            self.doc("BGPConfiguration", "default", {
                "serviceClusterIPs": [{"cidr": "10.96.0.0/16"}, {"cidr": "fd00:96::/112"}]})
        if self.chance(50):
            self.doc("Namespace", "ns", None, "v1", labels={"team": "x"})
        if self.chance(70):
            self.doc("EndpointSlice", "svc-1", None, "discovery.k8s.io/v1", namespace="ns",
                     labels={"kubernetes.io/service-name": "svc"}, addressType="IPv4",
                     ports=[{"name": "w", "protocol": "TCP", "port": 3000}],
                     endpoints=[{"addresses": ["10.65.0.2"]}, {"addresses": ["198.51.100.7"]}])

    def failsafes(self):
        found = []
        for _ in range(self.r.randrange(4)):
            one = {"protocol": self.pick(["TCP", "UDP"]), "port": self.pick(PORTS)}
            if self.chance(50):
                one["net"] = self.pick(NETS[self.pick([4, 6])])
            found.append(one)
        return found

    def felix(self):
        spec = {"defaultEndpointToHostAction": self.pick(["Drop", "Accept", "Return"])}
        for key in ("disableConntrackInvalidCheck", "vxlanEnabled", "ipipEnabled",
                    "wireguardEnabled", "wireguardEnabledV6", "allowVXLANPacketsFromWorkloads",
                    "allowIPIPPacketsFromWorkloads"):
            spec[key] = self.chance(25)
        for key, value, percent in (("iptablesFilterAllowAction", "Return", 10),
                                    ("iptablesMangleAllowAction", "Return", 10),
                                    ("serviceLoopPrevention", "Disabled", 20)):
            if self.chance(percent):
                spec[key] = value
        for key in ("failsafeInboundHostPorts", "failsafeOutboundHostPorts"):
            if self.chance(50):
                spec[key] = self.failsafes()
        self.doc("FelixConfiguration", "default", spec)

    def heps(self):
        ports = [{"name": "web", "protocol": "TCP", "port": 80},
                 {"name": "dns", "protocol": "UDP", "port": 53}]
        for name, spec, percent in (
                ("eth0", {"interfaceName": "eth0", "expectedIPs": ["192.0.2.10", "2001:db8::10"],
                          "ports": ports}, 80),
                ("by-address", {"expectedIPs": ["198.18.0.1"]}, 40),
                ("star", {"interfaceName": "*"}, 45),
                ("loop", {"interfaceName": "lo"}, 10),
                ("tunnel", {"interfaceName": "vxlan.calico"}, 10)):
            if self.chance(percent):
                self.doc("HostEndpoint", name, dict(spec, node="n0", profiles=self.profiles()),
                         labels=self.role())

    def network_set(self, i):
        world = self.chance(60)
        spec = {"nets": self.nets(self.pick([4, 6]))} if self.chance(85) else {}
        self.doc("GlobalNetworkSet" if world else "NetworkSet", f"set{i}", spec,
                 namespace=None if world else "ns", labels=self.role())

    def nets(self, fam):
        return self.r.sample(NETS[fam], self.r.randint(1, 3))

    def ports(self, numbers):
        found = []
        for _ in range(self.r.randint(1, 3)):
            a, b = sorted((self.pick(PORTS), self.pick(PORTS)))
            if not numbers or self.chance(15):
                found.append(self.pick(NAMED))
            else:
                found.append(a if self.chance(50) else f"{a}:{b}")
        return found

    def entity(self, fam, named, numbers, service, own):
        if service:
            return {"services": {"name": "svc", "namespace": "ns"}}
        e = {}
        for key, percent, make in (
                ("nets", 25, lambda: self.nets(fam)), ("notNets", 12, lambda: self.nets(fam)),
                ("selector", 15, lambda: self.pick(SELECTORS)),
                ("notSelector", 12, lambda: self.pick(SELECTORS)),
                ("namespaceSelector", 8,
                 lambda: self.pick(["all()", "all()" if own else "team == 'x'", "global()"])),
                ("ports", 30 if numbers else 8 if named else 0, lambda: self.ports(numbers)),
                ("notPorts", 12 if numbers else 6 if named else 0, lambda: self.ports(numbers))):
            if self.chance(percent):
                e[key] = make()
        return e

    def icmp(self):
        one = {"type": self.pick([0, 8, 128, 129, 133, 135, 136])}
        if self.chance(40):
            one["code"] = self.pick([0, 1])
        return one

    def rule(self, direction, own):
        fam = self.pick([4, 4, 4, 6, 6])
        rule = {"action": self.pick(["Allow"] * 3 + ["Deny"] * 2 + ["Pass"] * 2 + ["Log"])}
        numbers = named = False
        kind = self.r.randrange(100)
        if kind < 15:
            rule["protocol"] = "ICMP" if fam == 4 else "ICMPv6"
            for key, percent in (("icmp", 50), ("notICMP", 30)):
                if self.chance(percent):
                    rule[key] = self.icmp()
        elif kind < 60:
            rule["protocol"], numbers = self.pick(["TCP", "TCP", "UDP", "SCTP"]), True
        elif kind < 68:
            rule["protocol"] = self.pick(["UDPLite", 4, 253, 89])
        else:
            named = True
            if kind < 80:
                rule["notProtocol"] = self.pick(["TCP", "UDP", 253])
        if self.chance(10):
            rule["ipVersion"] = fam
        service = self.chance(5)
        if self.chance(55):
            rule["source"] = self.entity(fam, named, numbers, service and direction == "Ingress",
                                         own)
        if self.chance(55):
            rule["destination"] = self.entity(fam, named, numbers,
                                              service and direction == "Egress", own)
        return rule

    def rules(self, direction, own):
        return [self.rule(direction, own) for _ in range(self.r.randrange(RULES + 1))]

    def policy(self, i):
        kind = self.r.randrange(10)
        own, staged = self.chance(20), self.chance(10)
        types = self.pick([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
        spec = {"tier": self.pick(TIERS), "selector": self.pick(SELECTORS)}
        if self.chance(80):
            spec["order"] = self.r.randrange(5)
        if not own:
            if kind < 2:
                spec["doNotTrack"] = True
            elif kind < 4:
                spec["preDNAT"], types = True, ["Ingress"]
            if kind < 7:
                spec["applyOnForward"] = True
        spec["types"] = types
        for direction in types:
            spec[direction.lower()] = self.rules(direction, own)
        self.doc(f"{'Staged' if staged else ''}{'' if own else 'Global'}NetworkPolicy", f"p{i}",
                 spec, namespace="ns" if own else None)

    def text(self, services=True):
        docs = self.rest + self.docs
        if not services:
            docs = [dict(d, spec={k: v for k, v in d["spec"].items() if k != "dnat"})
                    if d["kind"] == "HostFacts" else d for d in docs]
        return "".join(f"---\n{json.dumps(d)}\n" for d in docs)


PROTOS = ["tcp"] * 6 + ["udp"] * 4 + ["icmp"] * 2 + ["sctp", "4", "253", "89"]
LOCAL_GROUP_WIRE = "eth0"


def packet(r):
    """A packet line."""
    fam = r.choice([4, 4, 6])
    iface = r.choice(["eth0"] * 4 + ["", "", "", "cali1", "cali1", "cali2", "cali3", "eth1",
                      "vxlan.calico", "lo"])
    mine = {"": HOST[fam], "lo": HOST[fam], "eth0": OUTSIDE[fam], "eth1": REMOTE[fam],
            "cali1": PODS[fam][:1], "cali2": PODS[fam][1:], "cali3": UNKNOWN[fam],
            "vxlan.calico": TUNNEL[fam]}[iface]
    src = r.choice(mine)
    if iface not in ("", "lo") and r.randrange(100) < 6:
        src = r.choice(OUTSIDE[fam] + PODS[fam] + REMOTE[fam])
    pool = (OUTSIDE[fam] + REMOTE[fam] + TUNNEL[fam] + PODS[fam] * 2 + HOST[fam][:1] * 3 +
            HOST[fam][1:] + SERVICE[fam] + UNKNOWN[fam])
    if iface == "lo":
        pool = HOST[fam] + SERVICE[fam]
    dst = r.choice([addr for addr in pool if addr != src])
    if iface == LOCAL_GROUP_WIRE and r.randrange(100) < 4:
        dst = r.choice(GROUPS[fam])
    return line(r, fam, iface, src, dst)


def line(r, fam, iface, src, dst):
    proto = r.choice(PROTOS)
    state = r.choice(["new"] * 14 + ["established"] * 3 + ["invalid"] * 2 + ["related"])
    words = {"in": iface, "src": src, "dst": dst, "proto": proto}
    if state == "related":
        proto, words["type"] = "icmp", (3 if fam == 4 else 1)
    if proto == "icmp":
        words["proto"] = "icmp" if fam == 4 else "icmpv6"
        echo = (8, 0) if fam == 4 else (128, 129)
        kinds = (13, 17) if fam == 4 else (135, 133, 136)
        words.setdefault("type", echo[state in ("established", "invalid") and r.randrange(2)]
                         if state != "new" or r.randrange(4) else r.choice(kinds))
    elif proto in ("tcp", "udp", "sctp", "udplite"):
        words["dport"] = r.choice(PORTS)
        if r.randrange(100) < 30:
            words["sport"] = r.choice(PORTS)
    if state == "invalid" and proto == "icmp":
        words["type"] = echo[1]
    if state == "new" and proto in ("tcp", "udp") and r.randrange(100) < 5:
        words["frag"] = "first"
    if state != "new":
        words["ct"] = state
    return " ".join(f"{k}={v}" for k, v in words.items() if v != "")
