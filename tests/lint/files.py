# SPDX-License-Identifier: BSD-3-Clause
"""The files of a tree, for the checks written in Python: tracked ones and those about to be."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def root():
    return sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, '..', '..')


def files(*suffixes):
    """Paths relative to the tree's root, sorted; changes into that root."""
    os.chdir(root())
    if os.path.exists('.git'):
        names = subprocess.run(
            ['git', '-c', 'safe.directory=*', 'ls-files', '-co', '--exclude-standard'],
            check=True, capture_output=True, text=True).stdout.splitlines()
    else:
        names = [os.path.relpath(os.path.join(d, f)) for d, _, fs in os.walk('.') for f in fs]
        names = [n for n in names if not n.startswith(('build/', 'build-'))]
    return sorted(n for n in names if n.endswith(suffixes) and os.path.isfile(n))


def lines(path):
    with open(path, encoding='utf-8') as f:
        return f.read().splitlines()
