# SPDX-License-Identifier: BSD-3-Clause
"""Differential test against the kernel: tests/kernel.sh runs it."""

import argparse
import collections
import glob
import json
import os
import sys

from lab import Lab, LabError
from trial import Flowgen, Packet, Tools, Trial

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
        if text:
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
        policy = os.path.join(folder, "policy.yaml")
        model = flowgen.model(policy, args)
        trial = Trial(labs.get(model), tools, model)
        found = compare(trial, flowgen, policy, args, read_lines(path), count)
        for _, text in found:
            count.failed += 1
            print(f"{name}: {text}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("names", nargs="*")
    opts = parser.parse_args()
    flowgen, tools, labs, count = Flowgen(opts.build), Tools(), Labs(), Count()
    print(f"iptables: {tools.kind}")
    try:
        golden(flowgen, tools, labs, count, opts.names)
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
    sys.exit(main())
