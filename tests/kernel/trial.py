# SPDX-License-Identifier: BSD-3-Clause
"""One policy with its packets: what `flowgen eval` says and what the kernel does."""

import ipaddress
import json
import os
import shutil
import subprocess

import render
import wire
from lab import CONNTRACK_SETTINGS, LabError, run, sysctl

# Without answers of the host, which would disturb connections while they are made. The rule in
# filter makes the kernel track connections at all.
OPENING = """*raw
-A OUTPUT -p 6 --tcp-flags RST RST -j DROP
-A OUTPUT -p {icmp} -m {name} --{name}-type {unreachable} -j DROP
COMMIT
*mangle
COMMIT
{nat}*filter
-A INPUT -m conntrack --ctstate NEW
COMMIT
"""
ECHO = {1: (8, 0), 58: (128, 129)}
# Types that never open a connection: answers and errors (nf_conntrack_proto_icmp.c, ..._icmpv6.c).
NEVER_NEW = {1: set(range(256)) - {8, 13, 15, 17},
             58: set(range(256)) - {128, 139, *range(130, 138), 143}}
FIRST_PORT = 20000  # source ports of packets that name none


class Flowgen:
    def __init__(self, build):
        self.path = os.path.join(build, "flowgen", "flowgen")

    def run(self, *args, stdin=None):
        done = subprocess.run([self.path, *args], input=stdin, text=True, capture_output=True,
                              check=False)
        if done.returncode:
            raise LabError(f"flowgen {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def model(self, policy, args):
        return json.loads(self.run("model", "-q", "--format", "json", *args, policy))

    def eval(self, policy, args, lines):
        out = self.run("eval", "-q", *args, "--packets", "/dev/stdin", policy,
                       stdin="".join(f"{line}\n" for line in lines))
        return [line.split("\t") for line in out.splitlines()]


class Tools:
    """iptables over nf_tables or the older one, whichever this kernel has."""

    def __init__(self):
        wanted = [os.environ[k] for k in ("HF_IPTABLES",) if k in os.environ] or ["nft", "legacy"]
        for kind in wanted:
            self.kind = kind
            if all(shutil.which(f"{t}-{kind}-restore") for t in ("iptables", "ip6tables")) and \
                    self.works():
                return
        raise LabError(f"no iptables of kind {' or '.join(wanted)} works here")

    def works(self):
        probe = "*{}\n-A {} {} -j {}\nCOMMIT\n"
        return all(self.quietly(fam, probe.format(*words)) for fam in (4, 6) for words in (
            ("raw", "PREROUTING", "-m rpfilter --validmark --invert", "CT --notrack"),
            ("mangle", "PREROUTING", "-m conntrack --ctstate DNAT", "MARK --set-xmark 1/1"),
            ("nat", "PREROUTING", "-m addrtype --dst-type LOCAL", "ACCEPT"),
            ("filter", "FORWARD", "-m mark --mark 1/1", "ACCEPT")))

    def command(self, fam):
        return f"{'iptables' if fam == 4 else 'ip6tables'}-{self.kind}-restore"

    def quietly(self, fam, text):
        return subprocess.run([self.command(fam), "--test"], input=text, text=True,
                              capture_output=True, check=False).returncode == 0

    def load(self, fam, text):
        run(self.command(fam), stdin=text)


def nat_only(rendered):
    at = rendered.index("*nat")
    return rendered[at:rendered.index("*filter")]


class Packet:
    """A packet line on its way through the lab."""

    def __init__(self, line, index):
        self.line = line
        self.pkt = wire.parse(line)
        if self.pkt["proto"] in wire.HEADER and self.pkt["proto"] not in (1, 58) and \
                "sport=" not in line:
            self.line += f" sport={FIRST_PORT + index}"
            self.pkt["sport"] = FIRST_PORT + index
        self.pkt["icmp_id"] = 1 + index
        self.ident = index

    def tuple(self, dst=None, dport=None):
        p = self.pkt
        if p["proto"] in (1, 58):
            return (p["proto"], p["icmp_id"])
        return (p["proto"], frozenset(((p["src"], p["sport"]),
                                       (dst or p["dst"], p["dport"] if dport is None else dport))))


class Trial:
    def __init__(self, lab, tools, model):
        self.lab = lab
        self.tools = tools
        self.model = model
        self.rules = render.render(model)
        self.local = {a.split("/")[0] for i in model["interfaces"] for a in i["addresses"]}

    # What the lab can express.

    def why_not(self, packet):
        """Reason why the lab cannot make this packet, or None."""
        p, words = packet.pkt, packet.line.split()
        if any(w.split("=")[0] in ("vlan", "dnat", "out") for w in words):
            return "words vlan, dnat, out"
        if p["in"] and p["in"] != "lo" and (p["src"] in self.local or ipaddress.ip_address(p["src"]).is_loopback or
                        ipaddress.ip_address(p["dst"]).is_loopback):
            return "the kernel takes no such source or destination from a wire"
        if p["in"] == "lo" and self.exit(self.rewritten(p)[0]) != "":
            return "arrives by lo, but is for somebody else"
        if p["src"] == p["dst"] and (p["ct"] != "new" or p["sport"] == p["dport"]):
            return "from an address to itself: both directions are one connection"
        if p["ct"] == "related" and p["type"] not in wire.ERRORS.get(p["proto"], ()):
            return "related, but no ICMP error"
        if p["proto"] == (1 if ":" in p["src"] else 58) and p["ct"] != "invalid":
            return "ICMP of the other family is always invalid"
        if p["ct"] == "new" and p["type"] in NEVER_NEW.get(p["proto"], ()):
            return "new, but ICMP that opens no connection"
        if p["ct"] == "untracked" and not (p["proto"] == 58 and 133 <= p["type"] <= 137):
            return "untracked for no reason"
        if p["ct"] == "invalid" and p["proto"] not in (1, 6, 17, 58, 132):
            return "the kernel calls no packet of that protocol invalid"
        if p["ct"] == "invalid" and p["proto"] == 17 and not p["in"]:
            return "the kernel trusts checksums of its own"
        if p["proto"] == 136:
            return "UDPLite, whose checksums conntrack finds wrong"
        if p["ct"] in ("established", "invalid") and p["proto"] in (1, 58) and \
                p["type"] not in ECHO[p["proto"]]:
            return "not an echo"
        return None

    # Where packets go: DNAT and routes of the model.

    def rewritten(self, pkt):
        for d in self.model["dnat"]:
            if d["address"] != pkt["dst"] or not d["to"]:
                continue
            if "proto" not in d:
                return d["to"][0].strip("[]"), pkt["dport"]
            if render.number(d["proto"]) == pkt["proto"] and d["port"] == pkt["dport"]:
                addr, port = d["to"][0].rsplit(":", 1)
                return addr.strip("[]"), int(port)
        return pkt["dst"], pkt["dport"]

    def exit(self, dst):
        """Interface that dst is reached by; "" for this host."""
        best = None
        addr = ipaddress.ip_address(dst)
        for d in self.model["destinations"]:
            net = ipaddress.ip_network(d["net"])
            if net.version == addr.version and addr in net and \
                    (best is None or net.prefixlen > best[0]):
                best = (net.prefixlen, d.get("out", ""))
        return best[1]

    # States: a connection is made before the policy is there.

    def open(self, packet):
        p = packet.pkt
        if p["ct"] == "established":
            self.open_established(p)
        elif p["ct"] == "related":
            # The error is about a packet that went the other way.
            quoted = {"in": "", "src": p["dst"], "dst": p["src"], "proto": 17, "ct": "new",
                      "sport": 30000 + packet.ident, "dport": 9, "type": 0, "code": 0,
                      "flags": "", "frag": False}
            self.send_all(self.exit(quoted["src"]), quoted)
            p["quoted"] = quoted

    def open_established(self, p):
        first = dict(p, ct="new", flags="S", frag=False)
        dst, dport = self.rewritten(p)
        back = dict(first, src=dst, dst=p["src"], sport=dport, dport=p["sport"], flags="SA",
                    seq=5000, ack=1001)
        if p["proto"] in (1, 58):
            request, reply = ECHO[p["proto"]]
            if p["type"] == reply:  # it answers the other side
                self.send_all(self.exit(dst), dict(back, type=request))
                return
            back["type"] = reply
        if p["proto"] == 132:
            self.open_sctp(p, first, back)
            return
        self.send_all(p["in"], first)
        self.send_all(self.exit(dst), back)
        p["seq"], p["ack"] = 1001, 5001

    def open_sctp(self, p, first, back):
        """The four packets of a start, by which conntrack learns the tags of both sides."""
        ours, theirs = 7, 9
        for there, chunk, tag in ((True, "init", 0), (False, "init-ack", ours),
                                  (True, "cookie-echo", theirs), (False, "cookie-ack", ours)):
            pkt = dict(first if there else back, chunk=chunk, vtag=tag,
                       init_tag=ours if there else theirs)
            self.send_all(p["in"] if there else self.exit(back["src"]), pkt)
        p["chunk"], p["vtag"] = "data", theirs

    def send_all(self, iface, pkt, ident=None, broken=False):
        return all([self.lab.send(iface, data) for data in wire.build(pkt, ident, broken)])

    def load(self, rules):
        for fam in (4, 6):
            self.tools.load(fam, rules[fam])

    def opening_rules(self):
        words = {4: ("icmp", "icmp", 3), 6: ("58", "icmpv6", 1)}
        rules = {}
        for fam, (icmp, name, unreachable) in words.items():
            text = OPENING.format(icmp=icmp, name=name, unreachable=unreachable,
                                  nat=nat_only(self.rules[fam]))
            rules[fam] = text.replace("-m icmpv6", "-m icmp6")
        return rules

    def forget(self):
        run("conntrack", "-F")

    def batches(self, packets):
        """Packets of one connection do not meet."""
        batches = []
        for packet in packets:
            used = {packet.tuple(), packet.tuple(*self.rewritten(packet.pkt))}
            for batch, taken in batches:
                if not used & taken:
                    batch.append(packet)
                    taken |= used
                    break
            else:
                batches.append(([packet], used))
        return [b for b, _ in batches]

    def observe(self, packets):
        """{packet: set of places where it arrived}; None: the host cannot send it."""
        self.load({4: "*filter\nCOMMIT\n*raw\nCOMMIT\n", 6: "*filter\nCOMMIT\n*raw\nCOMMIT\n"})
        seen = {}
        loaded = False
        subprocess.run(["ipset", "destroy"], capture_output=True, check=False)
        run("ipset", "restore", stdin=self.rules["ipset"])
        for batch in self.batches(packets):
            self.forget()
            if any(p.pkt["ct"] in ("established", "related") for p in batch):
                self.load(self.opening_rules())
                sysctl(CONNTRACK_SETTINGS)
                for packet in batch:
                    self.open(packet)
                self.lab.arrivals()
                loaded = False
            if not loaded:
                self.load(self.rules)
                sysctl(CONNTRACK_SETTINGS)
                loaded = True
            sent = {}
            for p in batch:
                broken = p.pkt["ct"] == "invalid" and p.pkt["proto"] in (17,)
                if p.pkt["ct"] == "invalid":
                    p.pkt["chunk"] = "data"  # SCTP: of no connection
                sent[p] = self.send_all(p.pkt["in"], p.pkt, p.ident, broken)
            found = self.lab.arrivals()
            for p in batch:
                seen[p] = found.get(p.ident, set()) if sent[p] else None
        self.unload()
        return seen

    def unload(self):
        empty = "".join(f"*{t}\nCOMMIT\n" for t in ("raw", "mangle", "nat"))
        empty += "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"
        self.load({4: empty, 6: empty})
        run("ipset", "destroy")

    # What it should be.

    def delivered(self, verdict, path, rewritten, arrives):
        """True, False, or None when the line leaves it open."""
        kernel = self.model["config"]["kernel"]
        source, owner = path.split("->")
        if verdict == "allow" and source == "host" and owner != "host" and rewritten:
            return kernel["output"] == "accept"  # docs/semantics.md 20.5
        if verdict != "no-decision":
            return verdict != "deny"
        if arrives:
            return kernel["input" if owner == "host" else "forward"] == "accept"
        if owner != "host":
            return kernel["output"] == "accept"
        if kernel["input"] == kernel["output"]:
            return kernel["input"] == "accept"
        return None

    def may_stay(self, p):
        """Whether Linux may leave alone what a service rewrites: docs/semantics.md 20.1."""
        if self.rewritten(p) == (p["dst"], p["dport"]):
            return False
        name = p["in"] or self.exit(p["dst"])
        hep = [i.get("host_endpoint") for i in self.model["interfaces"] if i["name"] == name]
        return p["ct"] == "invalid" or any(
            e["untracked"] for e in self.model["endpoints"]
            if e["kind"] == "host" and e["name"] in hep)

    def many(self, dst):
        """Broadcast and multicast go out and come in."""
        addr = ipaddress.ip_address(dst)
        return addr.is_multicast or (self.exit(dst) == "" and dst not in self.local and
                                     not addr.is_loopback)

    def difference(self, packet, answer, places, services=True):
        """Text, or None when kernel and answer agree; services: as if there were some."""
        verdict, path, origin = answer
        p = packet.pkt
        dst, dport = self.rewritten(p) if services else (p["dst"], p["dport"])
        want = self.delivered(verdict, path, (dst, dport) != (p["dst"], p["dport"]),
                              p["in"] != "")
        if want is None or places is None:
            return None
        owner = path.split("->")[1]
        good = (owner == "host") == ("host" in places) and len(places) == 1
        if self.many(dst):
            good = bool(places)
        if (want and good) or (not want and not places):
            return None
        where = " ".join(sorted(places)) or "nowhere"
        return (f"{packet.line}\n    flowgen eval: {verdict} {path} {origin}\n"
                f"    kernel: arrived {where} (destination {dst})")
