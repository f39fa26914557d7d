# SPDX-License-Identifier: BSD-3-Clause
"""json_keys.py BUILD: the keys that docs/flowgen-json.md names are exactly those that the programs print
for the golden cases and everything.yaml."""

import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, '..', '..')
# What is another's form: Calico's API, labels, and tables whose keys are data.
OPAQUE = ('objects[].spec', 'objects[].metadata.labels', 'objects[].metadata.annotations',
          'profiles[].engines[].fields')
# Forms that occur more than once, as the document calls them.
FORMS = (
    (r'^endpoints\[\]\.(normal|forward|prednat|untracked)\[\]', 'TIER'),
    (r'^(policies\[\]\.rules|profiles\[\]\.(in|e)gress)\[\]', 'RULE'),
    (r'^RULE\.(source|destination)\.', 'SIDE.'),
    (r'^config\.failsafe_(in|out)\[\]', 'FAILSAFE'),
)
PACKET = 'in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=80'


def keys(value, path, found):
    if path in OPAQUE:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            name = f'{path}.{key}' if path else key
            found.add(name)
            keys(item, name, found)
    elif isinstance(value, list):
        for item in value:
            keys(item, path + '[]', found)


def form(path, command):
    for pattern, name in FORMS if command == 'flowgen model' else ():
        path = re.sub(pattern, name, path)
    return path


def run(*args, folder='.'):
    out = subprocess.run(args, check=True, capture_output=True, text=True, cwd=folder).stdout
    value = json.loads(out)
    if value['schema'] != 1:
        sys.exit(f'{args}: schema {value["schema"]}')
    return value


def cases():
    yield [], os.path.join(HERE, 'everything.yaml')
    for path in sorted(glob.glob(os.path.join(TOP, 'tests', 'cases', '*', 'policy.yaml'))):
        args = os.path.join(os.path.dirname(path), 'args')
        words = []
        if os.path.exists(args):
            with open(args, encoding='utf-8') as f:
                words = f.read().split()
        yield words, path


WEIGHTS = os.path.join(HERE, 'weights.json')


def printed(build):
    flowgen = os.path.abspath(os.path.join(build, 'flowgen', 'flowgen'))
    tool = os.path.abspath(os.path.join(build, 'hw-profiles', 'hw-profile'))
    found = {}
    for args, path in cases():
        for stage, more in (('policy', []), ('model', []), ('rules', []), ('eval', []),
                            ('plan', ['-p', 'mlx5-cx6dx-esw', '--eswitch', '0:1', '--weights', WEIGHTS]),
                            ('plan', ['-p', 'igb-82576', '--reserve-queues']), ('flows', ['-p', 'mlx5-cx6dx'])):
            end = [PACKET] if stage == 'eval' else []
            value = run(flowgen, stage, '--format', 'json', *args, *more,
                        os.path.basename(path), *end, folder=os.path.dirname(path))
            keys(value, '', found.setdefault(f'flowgen {stage}', set()))
    keys(run(tool, 'list', '--format', 'json'), '', found.setdefault('hw-profile list', set()))
    return {c: {form(k, c) for k in ks} for c, ks in found.items()}


def documented():
    found, section = {}, None
    with open(os.path.join(TOP, 'docs', 'flowgen-json.md'), encoding='utf-8') as f:
        for line in f:
            if line.startswith('## '):
                section = found.setdefault(line[3:].strip(), set())
            cells = re.match(r'\| `([^`]+)` \|', line)
            if cells:
                section.add(cells.group(1))
    return found


def main(build):
    want, got = documented(), printed(build)
    wrong = 0
    for command in sorted(want.keys() | got.keys()):
        w, g = want.get(command, set()), got.get(command, set())
        for key in sorted(g - w):
            print(f'{command}: prints {key}, which docs/flowgen-json.md does not name')
        for key in sorted(w - g):
            print(f'{command}: docs/flowgen-json.md names {key}, which is never printed')
        wrong += len(w ^ g)
        print(f'{command}: {len(g)} keys')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
