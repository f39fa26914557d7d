#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Policy enforced on real packets by a virtual SmartNIC; see tests/demo.sh.

For each NIC profile one hepflowd runs between four network namespaces. The situations of
situations.txt are applied to it in turn; in each, real connections are tried, and what decided about
them is read from the daemon's own counters.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import lab

HERE = os.path.dirname(os.path.abspath(__file__))
ALLOW_SECONDS = 3    # a connection that should open gets this long
DENY_SECONDS = 0.4   # one that should not is given up after this
START_SECONDS = 30
DEVICES = {  # our interface, and the namespace's end of it
    "eth0": ("uplink", "up0", "hk0"),
    "cali1": ("workload", "pw0", "pk0"),
}


class Daemon:
    """hepflowd in the namespace "nic", and hepflowctl talking to it."""

    def __init__(self, world, build, profile, tmp):
        self.build, self.tmp, self.profile = build, tmp, profile
        self.policy = os.path.join(tmp, "policy")
        os.makedirs(self.policy, exist_ok=True)
        self.netns = world.netns("nic")
        self.log = open(os.path.join(tmp, "hepflowd.log"), "w", encoding="utf-8")
        self.proc = None

    def write_config(self):
        lines = ["apiVersion: hepflow/v1", "kind: Config", "spec:", f"  policy: [{self.policy}]",
                 f"  rundir: {self.tmp}", "  poll: adaptive", "  watch: false",
                 "  eal: [--no-huge, --no-pci, --no-shconf, -m, '512']", "  workers: 2", "  ports:"]
        n = 0
        for name, (role, outer, inner) in DEVICES.items():
            dev = f"net_af_packet{n},iface={outer}"
            if role == "uplink":
                dev = f"net_vnic0,profile={self.profile},dev={dev}"
            lines.append(f'    - {{name: {name}, role: {role}, devargs: "{dev}"}}')
            lines.append(f'    - {{name: {name}, role: host, devargs: "net_af_packet{n + 1},iface={inner}"}}')
            n += 2
        path = os.path.join(self.tmp, "hepflowd.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def start(self):
        self.proc = subprocess.Popen(
            ["ip", "netns", "exec", self.netns, os.path.join(self.build, "driver", "daemon", "hepflowd"),
             "--config", self.write_config()],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise lab.LabError("hepflowd does not start:\n" + self.tail())
            if self.ask("status", check=False) is not None:
                return
            time.sleep(0.05)
        raise lab.LabError("hepflowd does not answer:\n" + self.tail())

    def tail(self):
        with open(self.log.name, encoding="utf-8") as f:
            return "".join(f.readlines()[-15:])

    def ask(self, *words, check=True):
        env = dict(os.environ, HEPFLOW_RUNDIR=self.tmp)
        done = subprocess.run([os.path.join(self.build, "driver", "ctl", "hepflowctl"), *words], text=True,
                              env=env, capture_output=True, check=False)
        if done.returncode and check:
            raise lab.LabError(f"hepflowctl {' '.join(words)}: {done.stderr.strip()}")
        return None if done.returncode else done.stdout

    def json(self, *words):
        return json.loads(self.ask(*words, "--format=json"))

    def write_policy(self, files):
        for name in os.listdir(self.policy):
            os.unlink(os.path.join(self.policy, name))
        for name in files:
            shutil.copy(os.path.join(HERE, name), self.policy)

    def apply(self, files):
        self.write_policy(files)
        self.ask("apply")

    def stop(self):
        """Ends the daemon; True if it stopped by itself and left no rule behind."""
        if not self.proc:
            return False
        self.proc.send_signal(signal.SIGTERM)
        try:
            clean = self.proc.wait(START_SECONDS) == 0
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            clean = False
        self.log.close()
        return clean


def read_situations():
    """[(title, [file], [(from, to, proto, port, expected)])]"""
    situations = []
    with open(os.path.join(HERE, "situations.txt"), encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "=":
                title, _, files = line[1:].partition(" :")
                situations.append((title.strip(), files.split(), []))
            else:
                source, _, target, what, expected = words
                proto, _, port = what.partition("/")
                situations[-1][2].append((source, target, proto, port or "0", expected))
    return situations


def policy_files(files):
    facts = [f for f in files if f.startswith("facts")] or ["facts.yaml"]
    return facts + ["pod.yaml"] + [f for f in files if not f.startswith("facts")]


def packet_line(source, address, proto, port, v6):
    src = lab.ADDRESSES[source][v6]
    where = {"outside": "in=eth0 ", "pod": "in=cali1 ", "host": ""}[source]
    if proto == "icmp":
        return f"{where}src={src} dst={address} proto=icmp" + ("v6 type=128" if v6 else " type=8")
    return f"{where}src={src} dst={address} proto={proto} sport=50000 dport={port}"


class Counts:
    """What the daemon has counted: packets per hardware entry, and packets that the rules judged."""

    JUDGED = ("allow", "allow-untracked", "kernel-allow", "dnat-ambiguous", "deny", "kernel-deny")

    def __init__(self, daemon):
        flows = daemon.json("flow/dump")["flows"]
        reasons = daemon.json("counters")["reasons"]
        self.entries = [f["packets"] for f in flows if f["offloaded"] != "no"]
        self.marked = sum(reasons[r]["packets"] for r in ("marked", "marked-untracked"))
        self.judged = sum(reasons[r]["packets"] for r in self.JUDGED)


def decided(answer, before, after):
    """Who decided, by what was counted, and why, in the daemon's own words (explain)."""
    said = dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line)
    origin = said["origin"]
    hardware = said.get("hardware", "")
    if hardware.startswith("entry "):
        n = int(hardware.split()[1])
        if after.entries[n] is not None:  # this NIC counts
            ok = after.entries[n] > before.entries[n]
        elif hardware.endswith("-> deny"):
            ok = after.judged == before.judged
        else:
            ok = after.marked > before.marked
        return ("hardware", f"rule {n} {origin}") if ok else ("?", f"hardware rule {n} did not count")
    if after.judged == before.judged:
        return "?", f"software did not count, {origin}"
    return "software", f"{said['software'].split(';')[0]}, {origin}"



class Demo:
    def __init__(self, build):
        self.build = build
        self.failed = 0
        self.rows = 0
        self.places = {"hardware": 0, "software": 0}

    def probe(self, world, daemon, row, v6):
        source, target, proto, port, expected = row
        address = lab.ADDRESSES["host" if target == "nodeport" else target][v6]
        before = Counts(daemon)
        seconds = ALLOW_SECONDS if expected == "allow" else DENY_SECONDS
        seen = world.agents[source].probe(proto, address, port, seconds)
        seen = {"open": "allow", "silent": "deny"}.get(seen, seen)
        line = packet_line(source, address, proto, port, v6)
        where, why = decided(daemon.ask("explain", line), before, Counts(daemon))
        ok = seen == expected and where != "?"
        self.rows += 1
        self.failed += not ok
        self.places[where] = self.places.get(where, 0) + 1
        what = f"{source} -> {target} {proto}{'/' + port if port != '0' else ''} IPv{'6' if v6 else '4'}"
        print(f"  {what:<38} {expected:<9}{seen:<9}{where}: {why}{'' if ok else '   <-- differs'}", flush=True)

    def profile(self, name, tmp):
        print(f"\nNIC profile {name}")
        with lab.Lab() as world:
            daemon = Daemon(world, self.build, name, tmp)
            try:
                daemon.write_policy(policy_files([]))
                daemon.start()
                for title, files, rows in read_situations():
                    daemon.apply(policy_files(files))
                    print(f" {title}")
                    for row in rows:
                        self.probe(world, daemon, row, 0)
                        self.probe(world, daemon, row, 1)
            finally:
                if not daemon.stop():
                    self.failed += 1
                    print("hepflowd did not stop cleanly:\n" + daemon.tail())


def main():
    build, profiles = sys.argv[1], sys.argv[2:]
    demo = Demo(build)
    print(f"  {'probe':<38} {'expected':<9}{'seen':<9}decided by")
    try:
        for name in profiles:
            with tempfile.TemporaryDirectory(prefix="hepflow-demo-") as tmp:
                demo.profile(name, tmp)
    except (lab.LabError, OSError) as e:
        sys.exit(f"demo: {e}")
    print(f"\n{demo.rows} connections tried, {demo.failed} not as expected; decided in "
          + ", ".join(f"{k} {v}" for k, v in demo.places.items()))
    sys.exit(1 if demo.failed else 0)


main()
