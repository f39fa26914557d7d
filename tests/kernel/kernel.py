# SPDX-License-Identifier: BSD-3-Clause
"""Differential test against the kernel: tests/kernel.sh runs it."""

import argparse
import collections
import glob
import json
import os
import random
import re
import signal
import sys
import tempfile
import time

import sockets
from lab import Lab, LabError
from rows import Rows
from trial import Flowgen, Packet, Tools, Trial
from world import World, packet as make_packet

SEED, SEEDS = 1, 200  # HF_SEED and HF_SEEDS, when nobody says otherwise
PACKETS = 50
MOST = 500  # tries to draw them
SHOWN = 3
HERE = os.path.dirname(os.path.abspath(__file__))


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.split(" => ")[0].strip() for line in f]
    return [line for line in lines if line and not line.startswith("#")]


class Labs:
    """A lab is kept while the next policy is about the same host."""

    def __init__(self, kind=Lab):
        self.kind = kind
        self.lab = None
        self.key = None

    def get(self, model):
        key = json.dumps([model["interfaces"], model["destinations"]], sort_keys=True)
        key = key.replace("host_endpoint", "")
        if self.key != key:
            self.close()
            self.lab = self.kind(model).__enter__()
            self.key = key
        return self.lab

    def close(self):
        if self.lab:
            self.lab.__exit__()
        self.lab = self.key = None


class Count:
    def __init__(self):
        self.compared = 0
        self.delivered = 0
        self.failed = 0
        self.connections = 0
        self.up = 0
        self.stayed = 0
        self.states = collections.Counter()  # by protocol and state
        self.skipped = collections.Counter()
        self.rows = None


def without_services(path):
    """Text of a case without the services of its host."""
    with open(path, encoding="utf-8") as f:
        return re.sub(r"^  dnat:\n(    .*\n)+", "", f.read(), flags=re.MULTILINE)


class Policy:
    """A policy file; plain() is its text without the services of its host."""

    def __init__(self, flowgen, path, args, plain):
        self.flowgen, self.path, self.args, self.plain = flowgen, path, args, plain

    def eval(self, lines):
        return self.flowgen.eval(self.path, self.args, lines)

    def eval_plain(self, lines):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as f:
            f.write(self.plain())
            f.flush()
            return self.flowgen.eval(f.name, self.args, lines)


def able(trial, lines, count, wanted=None):
    """Packets of the lines that the lab can make, the first so many."""
    packets = []
    for line in lines:
        packet = Packet(line, len(packets))
        why = trial.why_not(packet)
        if why:
            count.skipped[why] += 1
        else:
            packets.append(packet)
        if len(packets) == wanted:
            break
    return packets


def compare(trial, policy, packets, count):
    """Differences as text."""
    if not packets:
        return []
    answers = policy.eval([p.line for p in packets])
    seen = trial.observe(packets)
    found, stayed = [], []
    for packet, answer in zip(packets, answers):
        if seen[packet] is None:
            count.skipped["the host cannot send it"] += 1
            continue
        text = trial.difference(packet, answer, seen[packet])
        count.compared += 1
        count.delivered += bool(seen[packet])
        count.states[packet.pkt["proto"], packet.pkt["ct"]] += 1
        if count.rows:
            count.rows(packet, answer, trial.exit(trial.rewritten(packet.pkt)[0]))
        if text and trial.may_stay(packet.pkt):
            stayed.append((packet, text))
        elif text:
            found.append((packet, text))
    if stayed:  # then eval must be right about the host without its services
        plain = policy.eval_plain([p.line for p, _ in stayed])
        for (packet, text), answer in zip(stayed, plain):
            if trial.difference(packet, answer, seen[packet], services=False):
                found.append((packet, text))
            else:
                count.stayed += 1
    return found


def cases(names):
    """(name, folder, options) of each case with packets."""
    for path in sorted(glob.glob(os.path.join(HERE, "..", "cases", "*", "packets.txt"))):
        folder = os.path.dirname(path)
        name = os.path.basename(folder)
        if names and name not in names:
            continue
        args = []
        if os.path.exists(os.path.join(folder, "args")):
            with open(os.path.join(folder, "args"), encoding="ascii") as f:
                args = [a for a in f.read().split() if a != "-q"]
            args = [os.path.join(folder, a) if a.endswith(".yaml") else a for a in args]
        yield name, folder, args


def case_policy(flowgen, folder, args):
    path = os.path.join(folder, "policy.yaml")
    return Policy(flowgen, path, args, lambda: without_services(path))


def golden(flowgen, tools, labs, count, names):
    rows = Rows()
    for name, folder, args in cases(names):
        policy = case_policy(flowgen, folder, args)
        model = flowgen.model(policy.path, args)
        trial = Trial(labs.get(model), tools, model)
        count.rows = rows.of(name)
        packets = able(trial, read_lines(os.path.join(folder, "packets.txt")), count)
        for _, text in compare(trial, policy, packets, count):
            count.failed += 1
            print(f"{name}: {text}")
    count.rows = None
    for text in [] if names else rows.missing():
        count.failed += 1
        print(text)


def real(flowgen, tools, count, names):
    """Sockets under the policies of the cases."""
    labs = Labs(sockets.Living)
    try:
        for name, folder, args in cases(names):
            policy = case_policy(flowgen, folder, args)
            model = flowgen.model(policy.path, args)
            lab = labs.get(model)
            for text in sockets.compare(lab, Trial(lab, tools, model), policy, count):
                count.failed += 1
                print(f"{name}: {text}")
    finally:
        labs.close()
    print(f"{count.connections} connections of sockets, {count.up} of them up")


class Random:
    """Seeded worlds; a failing one is made small before it is shown."""

    def __init__(self, flowgen, tools, labs, count):
        self.flowgen, self.tools, self.labs, self.count = flowgen, tools, labs, count
        self.file = tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8")

    def close(self):
        self.file.close()

    def trial(self, world):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(world.text())
        self.file.flush()
        model = self.flowgen.model(self.file.name, world.args)
        return Trial(self.labs.get(model), self.tools, model)

    def policy(self, world):
        return Policy(self.flowgen, self.file.name, world.args,
                      lambda: world.text(services=False))

    def still(self, world, line):
        """Whether the packet still differs; a world that flowgen refuses does not."""
        try:
            trial = self.trial(world)
            return compare(trial, self.policy(world), able(trial, [line], Count()), Count())
        except LabError:
            return []

    def shrink(self, world, line):
        """Leaves out objects, then rules, as long as the packet differs."""
        for holder in [world.docs] + [d["spec"][k] for d in world.docs if "spec" in d and d["spec"]
                                      for k in ("ingress", "egress") if k in d["spec"]]:
            for i in reversed(range(len(holder))):
                one = holder.pop(i)
                if not self.still(world, line):
                    holder.insert(i, one)

    def show(self, seed, world, packet):
        self.shrink(world, packet.line)
        found = self.still(world, packet.line)
        print(f"\nHF_SEED={seed} HF_SEEDS=1 repeats this:")
        print(found[0][1] if found else f"{packet.line}: differs only beside the others")
        print(f"flowgen {' '.join(world.args)} on\n{world.text()}")
        rules = self.trial(world).rules
        print(rules["ipset"] + rules[6 if ":" in packet.pkt["src"] else 4])

    def run(self, seed):
        world = World(seed)
        r = random.Random(seed + 1)
        trial = self.trial(world)
        packets = able(trial, (make_packet(r) for _ in range(MOST)), self.count, PACKETS)
        found = compare(trial, self.policy(world), packets, self.count)
        self.count.failed += len(found)
        if found:
            self.show(seed, world, found[0][0])
        return not found


def seeds():
    text = os.environ.get("HF_SEED", str(SEED))
    first = int(time.time()) if text == "time" else int(text, 0)
    return range(first, first + int(os.environ.get("HF_SEEDS", SEEDS)))


def random_worlds(flowgen, tools, labs, count):
    todo = seeds()
    print(f"random policies: HF_SEED={todo.start} HF_SEEDS={len(todo)}, {PACKETS} packets each")
    rand = Random(flowgen, tools, labs, count)
    failed = 0
    try:
        for seed in todo:
            failed += not rand.run(seed)
            if failed == SHOWN:
                print(f"{SHOWN} policies failed; the rest is not tried")
                return
    finally:
        rand.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--cases", action="store_true")
    parser.add_argument("--sockets", action="store_true")
    parser.add_argument("--random", action="store_true")
    parser.add_argument("names", nargs="*")
    opts = parser.parse_intermixed_args()
    every = not (opts.cases or opts.sockets or opts.random)
    flowgen, tools, labs, count = Flowgen(opts.build), Tools(), Labs(), Count()
    print(f"iptables: {tools.kind}")
    try:
        if every or opts.cases:
            golden(flowgen, tools, labs, count, opts.names)
        labs.close()
        if every or opts.sockets:
            real(flowgen, tools, count, opts.names)
        if (every and not opts.names) or opts.random:
            random_worlds(flowgen, tools, labs, count)
    except LabError as e:
        print(f"error: {e}")
        return 1
    finally:
        labs.close()
    for why, n in sorted(count.skipped.items()):
        print(f"{n} packets left out: {why}")
    if count.compared:
        print("compared by state: " + ", ".join(
            f"{n} {state} of protocol {proto}" for (proto, state), n in
            sorted(count.states.items())))
        print(f"{count.stayed} of those Linux did not rewrite, as docs/semantics.md 20.1 says")
    print(f"{count.compared} packets compared, {count.delivered} of them delivered, "
          f"{count.failed} differences")
    return 1 if count.failed or not count.compared + count.connections else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
