# SPDX-License-Identifier: BSD-3-Clause
"""Differential test against the kernel: tests/kernel.sh runs it."""

import argparse
import collections
import glob
import json
import os
import random
import signal
import sys
import tempfile
import time

from lab import Lab, LabError
from trial import NOT_REWRITTEN, Flowgen, Packet, Tools, Trial
from world import World, packet as make_packet

SEED, SEEDS = 1, 200  # HF_SEED and HF_SEEDS, when nobody says otherwise
PACKETS = 50
SHOWN = 3
HERE = os.path.dirname(os.path.abspath(__file__))


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.split(" => ")[0].strip() for line in f]
    return [line for line in lines if line and not line.startswith("#")]


class Labs:
    """A lab is kept while the next policy is about the same host."""

    def __init__(self):
        self.lab = None
        self.key = None

    def get(self, model):
        key = json.dumps([model["interfaces"], model["destinations"]], sort_keys=True)
        key = key.replace("host_endpoint", "")
        if self.key != key:
            self.close()
            self.lab = Lab(model).__enter__()
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
        self.skipped = collections.Counter()


def compare(trial, flowgen, policy, args, lines, count):
    """Differences as text."""
    packets = []
    for i, line in enumerate(lines):
        packet = Packet(line, i)
        why = trial.why_not(packet)
        if why:
            count.skipped[why] += 1
        else:
            packets.append(packet)
    if not packets:
        return []
    answers = flowgen.eval(policy, args, [p.line for p in packets])
    seen = trial.observe(packets)
    found = []
    for packet, answer in zip(packets, answers):
        if seen[packet] is None:
            count.skipped["the host cannot send it"] += 1
            continue
        text = trial.difference(packet, answer, seen[packet])
        count.compared += 1
        count.delivered += bool(seen[packet])
        if text == NOT_REWRITTEN:
            count.skipped["a known difference, docs/semantics.md 20.1"] += 1
        elif text:
            found.append((packet, text))
    return found


def golden(flowgen, tools, labs, count, names):
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
        policy = os.path.join(folder, "policy.yaml")
        model = flowgen.model(policy, args)
        trial = Trial(labs.get(model), tools, model)
        found = compare(trial, flowgen, policy, args, read_lines(path), count)
        for _, text in found:
            count.failed += 1
            print(f"{name}: {text}")


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

    def differences(self, world, lines, count):
        return compare(self.trial(world), self.flowgen, self.file.name, world.args, lines, count)

    def still(self, world, line):
        """Whether the packet still differs; a world that flowgen refuses does not."""
        try:
            return self.differences(world, [line], Count())
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
        lines = [make_packet(r) for _ in range(PACKETS)]
        found = self.differences(world, lines, self.count)
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
    parser.add_argument("--random", action="store_true")
    parser.add_argument("names", nargs="*")
    opts = parser.parse_args()
    both = opts.cases == opts.random
    flowgen, tools, labs, count = Flowgen(opts.build), Tools(), Labs(), Count()
    print(f"iptables: {tools.kind}")
    try:
        if both or opts.cases:
            golden(flowgen, tools, labs, count, opts.names)
        if (both and not opts.names) or opts.random:
            random_worlds(flowgen, tools, labs, count)
    except LabError as e:
        print(f"error: {e}")
        return 1
    finally:
        labs.close()
    for why, n in sorted(count.skipped.items()):
        print(f"{n} packets left out: {why}")
    print(f"{count.compared} packets compared, {count.delivered} of them delivered, "
          f"{count.failed} differences")
    return 1 if count.failed or not count.compared else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
