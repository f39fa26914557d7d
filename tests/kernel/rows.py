# SPDX-License-Identifier: BSD-3-Clause
"""The tables of docs/semantics.md 5.2 and 5.3 as scenarios: what must have been compared.

Each row is a case of tests/cases whose packets went through the kernel; here stands what the row
says, in words of its own. `missing` lists what no compared packet has shown.
"""

LEFT, ALLOW, DENY, RAW = "no-decision", "allow", "deny", "allow-untracked"
COLUMNS = ("terminated", "made here", "forwarded in", "forwarded out")
HEP = "eth0"  # whose endpoint the rows are about

# 5.2: (case, what decides, the four columns); None: the row says nothing there.
DEFAULTS = [
    ("no-hep", "no-endpoint", LEFT, LEFT, LEFT, LEFT),
    ("empty-hep", "", DENY, DENY, ALLOW, ALLOW),
    ("hep-profile-allow", "", ALLOW, ALLOW, ALLOW, ALLOW),
    ("ingress-only", "gnp:", ALLOW, None, None, None),
    ("ingress-only", "-", DENY, DENY, ALLOW, ALLOW),
    ("egress-only", "gnp:", None, ALLOW, None, None),
    ("egress-only", "-", DENY, DENY, ALLOW, ALLOW),
    ("aof-ingress-only", "gnp:", ALLOW, None, None, None),
    ("aof-ingress-only", "-", DENY, DENY, DENY, LEFT),
    ("aof-ingress-only-v3.28", "-", DENY, DENY, DENY, ALLOW),
    ("aof-egress-only", "gnp:", None, ALLOW, None, ALLOW),
    ("aof-egress-only", "-", DENY, DENY, LEFT, DENY),
    ("aof-egress-only-v3.28", "-", DENY, DENY, ALLOW, DENY),
    ("aof-both", "gnp:", ALLOW, ALLOW, ALLOW, ALLOW),
    ("aof-both", "-", DENY, DENY, DENY, DENY),
    ("prednat", "-", DENY, DENY, ALLOW, ALLOW),
    ("prednat", "gnp:", ALLOW, None, ALLOW, None),
    ("prednat", "gnp:", DENY, None, DENY, None),
    ("untracked", "-", DENY, DENY, ALLOW, ALLOW),
    ("untracked", "gnp:", RAW, RAW, RAW, None),
    ("staged", "-", DENY, DENY, LEFT, LEFT),
    ("last-tier-pass", "-", DENY, DENY, LEFT, LEFT),
    ("tier-pass", "-", DENY, DENY, LEFT, LEFT),
]

# 5.3: (case, verdict, words of the packet)
EXAMPLES = [
    ("deny-3000", DENY, "in=eth0 dst=192.0.2.10 proto=tcp dport=3000"),
    ("deny-3000", DENY, "in=eth0 dst=192.0.2.10 proto=tcp dport=80"),
    ("deny-3000", ALLOW, "in=eth0 dst=10.65.0.2 proto=tcp dport=3000"),
    ("deny-3000-aof", DENY, "in=eth0 dst=10.65.0.2 proto=tcp dport=3000"),
    ("deny-3000-aof", DENY, "in=eth0 dst=192.0.2.10 proto=tcp dport=30001"),
    ("deny-3000-aof", DENY, "in=eth0 dst=10.65.0.2 proto=tcp dport=80"),
    ("tier-pass", ALLOW, "in=eth0 dst=10.65.0.2 proto=tcp dport=80"),
    ("tier-pass", DENY, "in=eth0 dst=192.0.2.10 proto=tcp dport=80"),
    ("tier-pass", LEFT, "in=eth0 dst=198.18.5.5 proto=tcp dport=80"),
    ("prednat-nodeport", ALLOW, "in=eth0 dst=192.0.2.10 proto=tcp dport=30001"),
    ("prednat-nodeport", DENY, "in=eth0 dst=192.0.2.10 proto=tcp dport=30002"),
    ("prednat-nodeport", ALLOW, "in=eth0 dst=192.0.2.10 proto=tcp dport=22"),
    ("empty-hep", ALLOW, "dst=198.51.100.7 proto=udp dport=53"),
    ("empty-hep", ALLOW, "in=eth0 dst=10.65.0.2 proto=tcp dport=80"),
    ("encap-vxlan", ALLOW, "dst=192.0.2.20 proto=udp dport=4789"),
    ("encap-vxlan", ALLOW, "in=cali1 dst=10.65.1.2 proto=tcp dport=80"),
    ("empty-hep", DENY, "dst=10.65.1.2 proto=tcp dport=80"),
]


class Rows:
    """What has been compared with the kernel, by case."""

    def __init__(self):
        self.seen = {}

    def of(self, case):
        """Takes (packet, answer, leaves); the last is "" for this host."""
        return lambda *seen: self.seen.setdefault(case, []).append(seen)

    def has_default(self, case, by, column, verdict):
        for packet, answer, leaves in self.seen.get(case, []):
            p, (said, path, origin) = packet.pkt, answer
            kind = ("terminated" if path == "uplink->host" and p["in"] == HEP else
                    "made here" if path == "host->remote" and leaves == HEP else
                    "forwarded in" if p["in"] == HEP and leaves != "" else
                    "forwarded out" if p["in"] not in ("", HEP) and leaves == HEP else None)
            ruled = "/gnp:" in origin
            if kind == column and said == verdict and p["ct"] == "new" and \
                    origin not in ("failsafe", "no-endpoint" if by == "-" else "") and \
                    ruled == (by == "gnp:"):
                return True
        return False

    def has_example(self, case, verdict, words):
        wanted = set(words.split())
        return any(wanted <= set(packet.line.split()) and answer[0] == verdict and
                   ("in=" in words) == ("in=" in packet.line) and packet.pkt["ct"] == "new"
                   for packet, answer, _ in self.seen.get(case, []))

    def missing(self):
        found = []
        for case, by, *verdicts in DEFAULTS:
            found += [f"5.2 {case}: no packet {column} with {verdict} by "
                      f"{'a rule' if by == 'gnp:' else 'default'}"
                      for column, verdict in zip(COLUMNS, verdicts)
                      if verdict and not self.has_default(case, by, column, verdict)]
        return found + [f"5.3 {case}: no packet {words} with {verdict}"
                        for case, verdict, words in EXAMPLES
                        if not self.has_example(case, verdict, words)]
