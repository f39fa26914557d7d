# SPDX-License-Identifier: BSD-3-Clause
"""The model of one host as Linux rules: what Felix would write for it (docs/semantics.md 3 to 10).

Input is what `flowgen model --format json` prints; neither the reference nor the rules stage has a
part in this. Output is text for ipset and, for each family, for iptables-restore.

Two bits of the packet mark carry decisions between chains: ACCEPT (bit A of docs/semantics.md 3)
and PASS (bit P). SCRATCH belongs to whoever runs. A rule with alternatives becomes a chain of its
own that returns as soon as one criterion fails.
"""

ACCEPT, PASS, SCRATCH, FROM_POD = 0x10000, 0x20000, 0x40000, 0x80000
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132, "udplite": 136}
IPIP = 4
POD_ICMPV6 = (130, 131, 132, 133, 135, 136)
NO_SET = 0xffffffff

KNOWN = "-m conntrack --ctstate RELATED,ESTABLISHED"
INVALID = "-m conntrack --ctstate INVALID"


def number(proto):
    return PROTOCOLS[proto] if proto in PROTOCOLS else int(proto)


def family(net):
    return 6 if ":" in net else 4


def has(bit):
    return f"-m mark --mark {bit:#x}/{bit:#x}"


def lacks(bit):
    return f"-m mark --mark 0/{bit:#x}"


def put(bit):
    return f"-j MARK --set-xmark {bit:#x}/{bit:#x}"


def clear(bits):
    return f"-j MARK --set-xmark 0/{bits:#x}"


class Table:
    """The chains of one table, in the order they were made."""

    def __init__(self, name, fam):
        self.name = name
        self.fam = fam
        self.chains = {}
        self.policy = {}

    def base(self, chain, policy="ACCEPT"):
        self.policy[chain] = policy
        self.chains.setdefault(chain, [])

    def add(self, chain, *lines):
        self.chains.setdefault(chain, []).extend(" ".join(line.split()) for line in lines)

    def text(self):
        out = [f"*{self.name}"]
        out += [f":{c} {self.policy.get(c, '-')} [0:0]" for c in self.chains]
        out += [f"-A {c} {line}" for c, lines in self.chains.items() for line in lines]
        return "\n".join(out + ["COMMIT", ""])


class Sides:
    """Words for the two ends of a packet."""

    def __init__(self, source):
        self.net, self.port = ("-s", "--sport") if source else ("-d", "--dport")
        self.set, self.member = ("src", "src,src") if source else ("dst", "dst,dst")


class Rules:
    """Chains for policies and profiles: the matching of docs/semantics.md 11."""

    def __init__(self, table):
        self.t = table
        self.fam = table.fam

    def nets(self, side, words):
        """(wanted, unwanted) matches, or None when this family has no such rule (11.2)."""
        found = []
        for key in ("nets", "not_nets"):
            given = side.get(key, [])
            mine = [n for n in given if family(n) == self.fam]
            if given and not mine:
                return None
            if key == "not_nets" and any(n.endswith("/0") for n in mine):
                return None
            found.append([f"{words.net} {n}" for n in mine])
        return found

    def ports(self, given, words, proto):
        found = [f"-p {proto} {words.port} {lo}:{hi}" for lo, hi in given.get("ranges", [])]
        return found + [self.set_match(s, "m", words.member) for s in given.get("sets", [])]

    def set_match(self, index, kind, words):
        return f"-m set --match-set s{index}{kind}{self.fam} {words}"

    def icmp(self, given):
        if "type" not in given:
            return f"-p {1 if self.fam == 4 else 58}"
        kind = f"{given['type']}/{given['code']}" if "code" in given else str(given["type"])
        if self.fam == 4:
            return f"-p 1 -m icmp --icmp-type {kind}"
        return f"-p 58 -m icmp6 --icmpv6-type {kind}"

    def criteria(self, rule):
        """(lists of which one must match, matches of which none may), or None: not for us."""
        if rule.get("ip_version", self.fam) != self.fam:
            return None
        proto = number(rule["proto"]) if "proto" in rule else None
        wanted, unwanted = [], []
        if proto is not None:
            wanted.append([f"-p {proto}"])
        if "not_proto" in rule:
            unwanted.append(f"-p {number(rule['not_proto'])}")
        if "icmp" in rule:
            wanted.append([self.icmp(rule["icmp"])])
        if "not_icmp" in rule:
            unwanted.append(self.icmp(rule["not_icmp"]))
        for side, words in ((rule["source"], Sides(True)), (rule["destination"], Sides(False))):
            nets = self.nets(side, words)
            if nets is None:
                return None
            if nets[0]:
                wanted.append(nets[0])
            unwanted += nets[1]
            if "set" in side:
                wanted.append([self.set_match(side["set"], "n", words.set)])
            if "not_set" in side:
                unwanted.append(self.set_match(side["not_set"], "n", words.set))
            if "service" in side:
                wanted.append([self.set_match(side["service"], "m", words.member)])
            if "ports" in side:
                wanted.append(self.ports(side["ports"], words, proto))
            if "not_ports" in side:
                unwanted += self.ports(side["not_ports"], words, proto)
        return wanted, unwanted

    def rule(self, chain, index, rule):
        criteria = self.criteria(rule)
        if criteria is None or rule["action"] == "log":
            return
        name = f"{chain}r{index}"
        for alternatives in criteria[0]:
            self.t.add(name, clear(SCRATCH))
            self.t.add(name, *(f"{a} {put(SCRATCH)}" for a in alternatives))
            self.t.add(name, f"{lacks(SCRATCH)} -j RETURN")
        self.t.add(name, *(f"{match} -j RETURN" for match in criteria[1]))
        action = {"allow": put(ACCEPT), "deny": "-j DROP", "pass": put(PASS)}[rule["action"]]
        self.t.add(name, action)
        self.t.add(chain, f"-j {name}")
        if rule["action"] != "deny":
            self.t.add(chain, f"{has(ACCEPT if rule['action'] == 'allow' else PASS)} -j RETURN")

    def chain(self, name, rules):
        self.t.chains[name] = []
        for i, rule in enumerate(rules):
            self.rule(name, i, rule)


class Family:
    """All tables of one family."""

    def __init__(self, model, fam):
        self.model = model
        self.fam = fam
        self.config = model["config"]
        self.tables = {n: Table(n, fam) for n in ("raw", "mangle", "nat", "filter")}
        self.policies = {(p["tier"], p["policy"], p["direction"]): p["rules"]
                         for p in model["policies"]}
        self.profiles = {p["name"]: p for p in model["profiles"]}
        self.ifaces = [i for i in model["interfaces"] if i["name"]]
        self.pods = [i for i in self.ifaces if i["from"] == "workload"]
        self.hosts = {e["name"]: e for e in model["endpoints"] if e["kind"] == "host"}
        self.weps = {e["name"]: e for e in model["endpoints"] if e["kind"] == "workload"}
        stars = [e for e in self.hosts.values() if e["wildcard"] and e["status"] == "up"]
        self.star = stars[0] if stars else None
        self.filter_allow = "RETURN" if self.config["filter_allow"] == "return" else "ACCEPT"
        self.mangle_allow = "RETURN" if self.config["mangle_allow"] == "return" else "ACCEPT"
        self.done = {}

    # Endpoint chains: docs/semantics.md 4.

    def conntrack(self, table, chain, allow):
        if allow == "RETURN":
            table.add(chain, f"{KNOWN} {put(ACCEPT)}")
        table.add(chain, f"{KNOWN} -j {allow}")
        if self.config["deny_invalid"]:
            table.add(chain, f"{INVALID} -j DROP")

    def failsafe(self, table, chain, egress, replies):
        """docs/semantics.md 6; replies: the other list by source port, in raw only."""
        lists = [(self.config["failsafe_out" if egress else "failsafe_in"], "--dport")]
        if replies:
            lists.append((self.config["failsafe_in" if egress else "failsafe_out"], "--sport"))
        for entries, port in lists:
            for f in entries:
                if "net" in f and family(f["net"]) != self.fam:
                    continue
                net = f"{'-d' if egress else '-s'} {f['net']}" if "net" in f else ""
                table.add(chain, f"-p {number(f['proto'])} {net} {port} {f['port']} -j ACCEPT")

    def tiers(self, table, chain, tiers, egress, untracked, drops):
        direction = "egress" if egress else "ingress"
        for tier in tiers:
            if not tier[direction]:
                continue
            table.add(chain, clear(PASS))
            enforced = [p["policy"] for p in tier[direction] if not p["staged"]]
            for policy in enforced:
                name = self.policy_chain(table, tier["name"], policy, direction)
                table.add(chain, f"{lacks(PASS)} -j {name}")
                if untracked:
                    table.add(chain, f"{has(ACCEPT)} -j CT --notrack")
                table.add(chain, f"{has(ACCEPT)} -j RETURN")
            if drops and enforced and tier["default"] != "pass":
                table.add(chain, f"{lacks(PASS)} -j DROP")

    def policy_chain(self, table, tier, policy, direction):
        key = (table.name, tier, policy, direction)
        if key not in self.done:
            self.done[key] = f"p{direction[0]}{len(self.done)}"
            Rules(table).chain(self.done[key], self.policies[key[1:]])
        return self.done[key]

    def profile_chain(self, table, name, direction):
        key = (table.name, "profile", name, direction)
        if key not in self.done:
            self.done[key] = f"f{direction[0]}{len(self.done)}"
            profile = self.profiles[name]
            Rules(table).chain(self.done[key], profile[direction])
            if profile["missing"]:
                table.add(self.done[key], "-j DROP")
        return self.done[key]

    def no_pod_tunnels(self, table, chain):
        if not self.config["vxlan_from_workloads"]:
            table.add(chain, f"-p 17 --dport {self.config['vxlan_port']} -j DROP")
        if not self.config["ipip_from_workloads"]:
            table.add(chain, f"-p {IPIP} -j DROP")

    def endpoint(self, table, ep, kind, egress):
        """One chain: the algorithm of docs/semantics.md 4. Returns its name."""
        key = (table.name, ep["name"], ep["kind"], kind, egress)
        if key in self.done:
            return self.done[key]
        chain = self.done[key] = f"{ep['kind'][0]}{kind[0]}{'o' if egress else 'i'}{len(self.done)}"
        table.chains[chain] = []
        tiers = ep[kind]
        if kind != "untracked":
            self.conntrack(table, chain, {"filter": self.filter_allow,
                                          "mangle": self.mangle_allow}[table.name])
        if ep["kind"] == "host" and kind != "forward":
            self.failsafe(table, chain, egress, kind == "untracked")
        table.add(chain, clear(ACCEPT | PASS))
        if ep["kind"] == "workload" and egress:
            self.no_pod_tunnels(table, chain)
        self.tiers(table, chain, tiers, egress, kind == "untracked", kind in ("normal", "forward"))
        if kind == "forward" and not self.has_forward(tiers, egress):
            table.add(chain, put(ACCEPT), "-j RETURN")
        if kind == "normal":
            # A Pass of the last tier would leave profiles with a Pass rule early; the law has each
            # profile begin anew (docs/semantics.md 20.6).
            for name in ep["profiles"]:
                table.add(chain, clear(PASS))
                profile = self.profile_chain(table, name, "egress" if egress else "ingress")
                table.add(chain, f"-j {profile}", f"{has(ACCEPT)} -j RETURN")
            table.add(chain, "-j DROP")
        return chain

    def has_forward(self, tiers, egress):
        if self.config["calico"] >= 329:
            return bool(tiers)
        return any(t["egress" if egress else "ingress"] for t in tiers)

    # Dispatch: docs/semantics.md 3.2.

    def dispatch(self, table, chain, kind, egress, wildcard, owners_only=False):
        table.chains[chain] = []
        for iface in self.ifaces:
            ep = self.hosts.get(iface.get("host_endpoint"))
            if ep and (ep[kind] or not owners_only):
                table.add(chain, f"{'-o' if egress else '-i'} {iface['name']} "
                                 f"-g {self.endpoint(table, ep, kind, egress)}")
        if wildcard and self.star and (self.star[kind] or not owners_only):
            table.add(chain, f"-g {self.endpoint(table, self.star, kind, egress)}")

    def pod_dispatch(self, table, chain, egress):
        """egress: of the pod, so by the interface it comes in by. A pod nobody knows is cut off."""
        table.chains[chain] = []
        for iface in self.pods:
            name = f"{'-i' if egress else '-o'} {iface['name']}"
            ep = self.weps.get(iface.get("workload_endpoint"))
            if ep:
                table.add(chain, f"{name} -g {self.endpoint(table, ep, 'normal', egress)}")
            else:
                table.add(chain, f"{name} -j DROP")

    def vxlan_on(self):
        return self.config["vxlan" if self.fam == 4 else "vxlan6"]

    # Hooks: docs/semantics.md 3.1, by step.

    def raw(self):
        t = self.tables["raw"]
        vxlan = f"-p 17 --dport {self.config['vxlan_port']} -j CT --notrack"
        t.base("PREROUTING")
        t.base("OUTPUT")
        t.add("PREROUTING", clear(ACCEPT | PASS | SCRATCH | FROM_POD))
        if self.vxlan_on():
            t.add("PREROUTING", vxlan)
        t.add("PREROUTING", *(f"-i {i['name']} {put(FROM_POD)}" for i in self.pods))
        t.add("PREROUTING", f"{has(FROM_POD)} -m rpfilter --validmark --invert -j DROP",
              f"{lacks(FROM_POD)} -j untracked-in", f"{has(ACCEPT)} -j ACCEPT")
        self.dispatch(t, "untracked-in", "untracked", False, False, True)
        t.add("OUTPUT", clear(ACCEPT | PASS | SCRATCH | FROM_POD), "-j untracked-out")
        if self.vxlan_on():
            t.add("OUTPUT", vxlan)
        t.add("OUTPUT", f"{has(ACCEPT)} -j ACCEPT")
        self.dispatch(t, "untracked-out", "untracked", True, False, True)

    def mangle(self):
        t = self.tables["mangle"]
        t.base("PREROUTING")
        t.base("POSTROUTING")
        t.add("PREROUTING", f"{KNOWN} -j {self.mangle_allow}",
              f"{has(ACCEPT)} -j {self.mangle_allow}", "-j prednat-in",
              f"{has(ACCEPT)} -j {self.mangle_allow}")
        self.dispatch(t, "prednat-in", "prednat", False, True, True)
        t.add("POSTROUTING", f"{has(ACCEPT)} -j RETURN",
              *(f"-o {i['name']} -j RETURN" for i in self.pods),
              "-m conntrack --ctstate DNAT -j rewritten-out")
        self.dispatch(t, "rewritten-out", "normal", True, True)

    def nat(self):
        t = self.tables["nat"]
        for chain in ("PREROUTING", "OUTPUT"):
            t.base(chain)
            for d in self.model["dnat"]:
                if family(d["address"]) != self.fam or not d["to"]:
                    continue
                match = f"-p {number(d['proto'])} --dport {d['port']}" if "proto" in d else ""
                t.add(chain, f"-d {d['address']} {match} -j DNAT --to-destination {d['to'][0]}")

    def peers(self, words):
        return f"-m set --match-set s{self.config['peers']}n{self.fam} {words}"

    def encap_in(self, t):
        c, local = self.config, "-m addrtype --dst-type LOCAL"
        known = c["peers"] != NO_SET
        if c["ipip"] and self.fam == 4:
            if known:
                t.add("INPUT", f"-p {IPIP} {self.peers('src')} {local} -j {self.filter_allow}")
            t.add("INPUT", f"-p {IPIP} -j DROP")
        if self.vxlan_on():
            udp = f"-p 17 --dport {c['vxlan_port']}"
            if known:
                t.add("INPUT", f"{udp} {self.peers('src')} {local} -j {self.filter_allow}")
            t.add("INPUT", f"{udp} {local} -j DROP")
        port = self.wireguard_port()
        if port:
            t.add("INPUT", f"-p 17 --dport {port} {local} -j {self.filter_allow}")

    def encap_out(self, t):
        c, local = self.config, "-m addrtype --src-type LOCAL"
        known = c["peers"] != NO_SET
        if c["ipip"] and self.fam == 4 and known:
            t.add("OUTPUT", f"-p {IPIP} {self.peers('dst')} {local} -j {self.filter_allow}")
        if self.vxlan_on() and known:
            t.add("OUTPUT", f"-p 17 --dport {c['vxlan_port']} {self.peers('dst')} {local} "
                            f"-j {self.filter_allow}")
        port = self.wireguard_port()
        if port:
            t.add("OUTPUT", f"-p 17 --dport {port} {local} -j {self.filter_allow}")

    def wireguard_port(self):
        six = "6" if self.fam == 6 else ""
        return self.config["wireguard_port" + six] if self.config["wireguard" + six] else None

    def input(self, t):
        t.base("INPUT", self.config["kernel"]["input"].upper())
        self.encap_in(t)
        t.add("INPUT", *(f"-i {i['name']} -g pod-to-host" for i in self.pods),
              f"{has(ACCEPT)} -j {self.filter_allow}", clear(ACCEPT | PASS), "-j host-in",
              f"{has(ACCEPT)} -j {self.filter_allow}")
        t.chains["pod-to-host"] = []
        if self.fam == 6:
            t.add("pod-to-host", *(f"-p 58 -m icmp6 --icmpv6-type {n} -j {self.filter_allow}"
                                   for n in POD_ICMPV6))
        t.add("pod-to-host", "-j from-pod", f"-j {self.config['endpoint_to_host'].upper()}")

    def forward(self, t):
        t.base("FORWARD", self.config["kernel"]["forward"].upper())
        t.add("FORWARD", f"{lacks(ACCEPT)} -j forward-in",
              *(f"-i {i['name']} -j from-pod" for i in self.pods),
              *(f"-o {i['name']} -j to-pod" for i in self.pods), "-j forward-out")
        if self.config["service_loop_guard"] and self.config["service_nets"] != NO_SET:
            t.add("FORWARD",
                  f"-m set --match-set s{self.config['service_nets']}n{self.fam} dst -j DROP")
        t.add("FORWARD", f"{has(ACCEPT)} -j {self.filter_allow}", put(ACCEPT))

    def output(self, t):
        t.base("OUTPUT", self.config["kernel"]["output"].upper())
        t.add("OUTPUT", f"{has(ACCEPT)} -j {self.filter_allow}",
              *(f"-o {i['name']} -j RETURN" for i in self.pods))
        self.encap_out(t)
        t.add("OUTPUT", "-m conntrack ! --ctstate DNAT -j host-out",
              f"{has(ACCEPT)} -j {self.filter_allow}")

    def filter(self):
        t = self.tables["filter"]
        self.pod_dispatch(t, "from-pod", True)
        self.pod_dispatch(t, "to-pod", False)
        self.dispatch(t, "host-in", "normal", False, True)
        self.dispatch(t, "host-out", "normal", True, True)
        self.dispatch(t, "forward-in", "forward", False, True)
        self.dispatch(t, "forward-out", "forward", True, True)
        self.input(t)
        self.forward(t)
        self.output(t)

    def text(self):
        self.raw()
        self.mangle()
        self.nat()
        self.filter()
        return "".join(t.text() for t in self.tables.values())


def halves(net):
    """hash:net has no place for everything at once."""
    if not net.endswith("/0"):
        return [net]
    return ["0.0.0.0/1", "128.0.0.0/1"] if family(net) == 4 else ["::/1", "8000::/1"]


def ipsets(model):
    lines = []
    for i, s in enumerate(model["sets"]):
        for fam in (4, 6):
            inet = "inet" if fam == 4 else "inet6"
            lines.append(f"create s{i}n{fam} hash:net family {inet}")
            lines += [f"add s{i}n{fam} {part}" for n in s["nets"] if family(n) == fam
                      for part in halves(n)]
            lines.append(f"create s{i}m{fam} hash:ip,port family {inet}")
            lines += [f"add s{i}m{fam} {m['address']},{m['proto']}:{m['port']}"
                      for m in s["members"] if family(m["address"]) == fam]
    return "\n".join(lines) + "\n"


def render(model):
    """{"ipset": text, 4: text, 6: text}"""
    return {"ipset": ipsets(model), 4: Family(model, 4).text(), 6: Family(model, 6).text()}
