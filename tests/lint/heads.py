#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How a file begins: the licence in the first line (second in scripts); in a .c file the header
that declares it is included first, which proves that the header needs no other before it. And C
comments are /* */ only."""

import os
import re
import sys

from files import files, lines

C_LICENCE = '/* SPDX-License-Identifier: BSD-3-Clause */'
LICENCE = '# SPDX-License-Identifier: BSD-3-Clause'
INCLUDE = re.compile(r'^#include [<"]([^>"]+)[>"]')


def own_headers(path):
    folder, file = os.path.split(path)
    stem = file[:-2]
    if os.path.isfile(f'{folder}/{stem}.h'):
        return [f'{stem}.h', f'{folder}/{stem}.h', f"{folder.partition('/')[2]}/{stem}.h"]
    return [f'hepflow/{p}{stem}.h' for p in ('', 'base/')
            if os.path.isfile(f'include/hepflow/{p}{stem}.h')]


def complaints(path):
    text = lines(path)
    if not path.endswith(('.c', '.h')):
        if LICENCE not in text[:2]:
            yield f'{path}:1: no licence line: {LICENCE}'
        return
    if text[:1] != [C_LICENCE]:
        yield f'{path}:1: must be {C_LICENCE}'
    for n, line in enumerate(text, 1):
        if re.match(r'^\s*//', line):
            yield f'{path}:{n}: comments are /* */'
    if path.endswith('.h'):
        if '#pragma once' not in text:
            yield f'{path}: no #pragma once'
        return
    own = own_headers(path)
    first = next(filter(None, map(INCLUDE.match, text)), None)
    if own and (first is None or first.group(1) not in own):
        yield f'{path}: the first #include must be {own[0]}'


def main():
    bad = [c for path in files('.c', '.h', '.sh', '.py', '.ci/run') for c in complaints(path)]
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
