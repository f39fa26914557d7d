#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who may include whom (docs/style.md, "Floors"). The compiler cannot see a wrong #include between
two folders of one library, nor the order of the stages; this table can."""

import fnmatch
import os
import re
import sys

from files import files, lines

# Folders whose headers are found from anywhere, and which this check covers.
TOPS = ('include', 'flowgen', 'hw-profiles', 'driver')

# Libraries that only some may use; everything else is free.
LIBS = {'dpdk': 'rte_*', 'dpdk-driver': '*_driver.h', 'vdev': 'ethdev_*.h', 'yaml': 'yaml.h',
        'bdd': 'bdd*', 'event': 'event2/*', 'verbs': 'infiniband/*', 'mnl': 'libmnl/*', 'protobuf': 'protobuf-c/*'}
DPDK = {'dpdk'}
PMD = {'dpdk', 'dpdk-driver', 'vdev'}

BASE = {'err', 'net', 'field', 'facts', 'base/*'}
ANY = {'*'}
DPDK_HEADERS = {'rteflow'}

# Longest match wins: folder or file: (public headers, headers inside other folders, libraries).
# A folder may always use its own headers.
FLOORS = {
    'include/hepflow': (ANY, [], set()),
    'include/hepflow/rteflow.h': (ANY, [], DPDK),
    'flowgen/base': (BASE, [], {'yaml'}),
    'flowgen/policy': (BASE | {'policy'}, [], set()),
    'flowgen/felix': (BASE | {'policy', 'felix'},
                      ['flowgen/policy/objects.h', 'flowgen/policy/set.h', 'flowgen/policy/read.h'],
                      {'protobuf'}),
    'flowgen/model': (BASE | {'policy', 'model'},
                      ['flowgen/policy/objects.h', 'flowgen/policy/selector.h'], set()),
    # The oracle and what it judges: they share the model, never each other's code. Both speak of
    # verdicts, and those are declared in rules.h.
    'flowgen/ref': (BASE | {'model', 'ref', 'rules'}, ['flowgen/model/model.h'], set()),
    'flowgen/rules': (BASE | {'model', 'rules', 'classes'}, ['flowgen/model/model.h'], set()),
    'flowgen/plan': (BASE | {'rules', 'classes', 'nic', 'plan', 'diff'}, ['flowgen/rules/algebra.h'], set()),
    'flowgen/flows': (BASE | {'rules', 'nic', 'plan', 'flows'}, [], set()),
    'flowgen/flows/rte_flow.': (BASE | {'rules', 'nic', 'plan', 'flows', 'rteflow'}, [], DPDK),
    'flowgen/flows/rte_flow_': (BASE | {'rules', 'nic', 'plan', 'flows', 'rteflow'}, [], DPDK),
    'flowgen/flows/template.': (BASE | {'rules', 'nic', 'plan', 'flows', 'rteflow'}, [], DPDK),
    'flowgen/check': (BASE | {'model', 'ref', 'rules', 'nic', 'plan', 'check'},
                      ['flowgen/model/model.h'], {'bdd'}),
    'flowgen/witness': (BASE | {'model', 'ref', 'rules', 'witness'}, [], set()),
    'flowgen/validate': (BASE | {'frames'}, [], set()),
    'hw-profiles': (BASE | {'nic', 'profile', 'accept', 'testpmd_child', 'testpmd_rule',
                            'micro', 'detect'}, [], {'yaml', 'verbs'}),
    'driver/port': (ANY, [], DPDK),
    'driver/flow': (ANY, ['driver/port/*'], DPDK),
    'driver/soft': (ANY, ['driver/port/*'], DPDK),
    'driver/vnic': (ANY, [], PMD | {'mnl'}),
    'driver/txn.': (BASE | {'plan'}, [], set()),
    'driver/daemon': (ANY, ['driver/*'], DPDK | {'event', 'verbs', 'mnl'}),
    # Programs are users like any other: public headers only.
    'flowgen/main.c': (ANY, ['flowgen/cli.h'], set()),
    'flowgen/cli.': (ANY, [], set()),
    'flowgen/cli_': (ANY, ['flowgen/cli.h'], set()),
    'hw-profiles/main.c': (ANY, ['hw-profiles/cmd.h'], set()),
    'hw-profiles/cmd.': (ANY, [], set()),
    'hw-profiles/cmd_': (ANY, ['hw-profiles/cmd.h'], set()),
    'driver/ctl': (ANY, [], {'event'}),
    'driver/felix': (ANY, [], {'event', 'protobuf'}),
}
PROGRAMS = ('flowgen/main.c', 'hw-profiles/main.c', 'driver/ctl/main.c', 'driver/felix/main.c')

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def floor_of(path):
    fits = [k for k in FLOORS
            if path == k or path.startswith(k + '/') or
            (k.endswith(('.', '_')) and path.startswith(k))]
    return max(fits, key=len, default=None)


def resolve(path, name):
    """The file in our tree that the name means, or None if it is somebody else's."""
    for folder in (os.path.dirname(path), '.') + TOPS:
        file = os.path.normpath(os.path.join(folder, name))
        if file.startswith(TOPS) and os.path.isfile(file):
            return file
    return None


def any_match(name, patterns):
    return any(fnmatch.fnmatch(name, p) for p in patterns)


def complaint(path, floor, name):
    public, inside, libs = FLOORS[floor]
    if name.startswith('hepflow/'):
        header = name[len('hepflow/'):-len('.h')]
        if header in DPDK_HEADERS and 'dpdk' not in libs:
            return f'{floor} may not use dpdk, which this header brings along'
        return None if any_match(header, public) else f'{floor} may not use this public header'
    target = resolve(path, name)
    if target is None:
        lib = next((k for k, p in LIBS.items() if fnmatch.fnmatch(name, p)), None)
        return None if lib is None or lib in libs else f'{floor} may not use {lib}'
    if path in PROGRAMS and not any_match(target, inside):
        return 'a program uses public headers only'
    own = floor_of(target) == floor or os.path.dirname(target) == os.path.dirname(path)
    return None if own or any_match(target, inside) else f'{floor} may not use {target}'


def main():
    bad = []
    for path in files('.c', '.h'):
        if not path.startswith(tuple(t + '/' for t in TOPS)):
            continue
        floor = floor_of(path)
        if floor is None:
            bad.append(f'{path}: stands on no floor; see the table in tests/lint/floors.py')
            continue
        for n, line in enumerate(lines(path), 1):
            m = INCLUDE.match(line)
            why = complaint(path, floor, m.group(1)) if m else None
            if why:
                bad.append(f'{path}:{n}: {m.group(1)}: {why}')
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
