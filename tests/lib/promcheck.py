#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What promtool check metrics asks of a page in Prometheus' text format (0.0.4), and a bit more. As a
program it tries itself on pages that are wrong in one way each."""

import re
import sys

NAME = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
VALUE = re.compile(r'[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|Inf|NaN)$')
KINDS = ('counter', 'gauge', 'histogram', 'summary', 'untyped')
# promtool: "use base unit"; units have their full names, and are plural.
UNITS = re.compile(r'_(ms|us|ns|milliseconds|microseconds|minutes|hours|kilobytes|kb|mb|percent)(_|$)')


class Wrong(Exception):
    pass


def labels(text, line):
    """As a tuple of pairs, in the order of their names."""
    found, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        if not m:
            raise Wrong(f'labels: {line}')
        if m.group(1) in found or m.group(1).startswith('__'):
            raise Wrong(f'label {m.group(1)}: {line}')
        found[m.group(1)] = m.group(2)
        at = m.end()
    return tuple(sorted(found.items()))


def sample(line):
    m = re.match(r'([^\s{]+)(?:\{(.*)\})? (\S+)$', line)
    if not m or not NAME.match(m.group(1)) or not VALUE.match(m.group(3)):
        raise Wrong(f'no sample: {line!r}')
    return m.group(1), labels(m.group(2) or '', line), float(m.group(3))


def check_name(name, kind):
    if (kind == 'counter') != name.endswith('_total'):
        raise Wrong(f'{name} is a {kind}')
    if UNITS.search(name):
        raise Wrong(f'{name}: not a base unit')


def parse(text):
    """{(name, labels): value}; kinds as {name: kind}. Raises Wrong."""
    found, kinds, help_of, now = {}, {}, None, None
    if not text.endswith('\n'):
        raise Wrong('the last line does not end')
    for line in text[:-1].split('\n'):
        if line.startswith('# HELP '):
            parts = line.split(' ', 3)
            if len(parts) < 4 or not parts[3].strip() or parts[2] in kinds:
                raise Wrong(f'help: {line}')
            help_of, now = parts[2], None
        elif line.startswith('# TYPE '):
            parts = line.split(' ')
            if len(parts) != 4 or parts[3] not in KINDS or parts[2] != help_of:
                raise Wrong(f'type: {line}')
            now = parts[2]
            kinds[now] = parts[3]
            check_name(now, parts[3])
        else:
            name, pairs, value = sample(line)
            if name != now:
                raise Wrong(f'does not stand with its kind: {line}')
            if (name, pairs) in found:
                raise Wrong(f'twice: {line}')
            if kinds[name] == 'counter' and not value >= 0:
                raise Wrong(f'a counter below 0: {line}')
            found[name, pairs] = value
    return found, kinds


def went_back(before, after):
    """Counters of one page that are lower, with the same labels, in a later one."""
    kinds = after[1]
    return [(key, value, after[0][key]) for key, value in before[0].items()
            if kinds.get(key[0]) == 'counter' and key in after[0] and after[0][key] < value]


GOOD = '# HELP a_total All.\n# TYPE a_total counter\na_total{x="1",y="q\\"\\\\"} 1\na_total{x="2"} 0\n' \
       '# HELP b_seconds Since.\n# TYPE b_seconds gauge\nb_seconds 1.5e3\n'
BAD = [
    (GOOD[:-1], 'does not end'), (GOOD + '\n', 'no sample'), (GOOD + 'b_seconds 2\n', 'twice'),
    (GOOD + 'c 1\n', 'does not stand'), (GOOD.replace(' 1\n', '\n'), 'no sample'),
    (GOOD.replace('a_total{x="2"} 0', 'a_total{x="2"} -1'), 'below 0'),
    (GOOD.replace('counter', 'count'), 'type:'), (GOOD.replace('# HELP a_total All.\n', ''), 'type:'),
    (GOOD.replace('a_total', 'a'), 'is a counter'), (GOOD.replace('b_seconds', 'b_total'), 'is a gauge'),
    (GOOD.replace('b_seconds', 'b_ms'), 'base unit'), (GOOD.replace('x="2"', 'x="2",x="3"'), 'label x'),
    (GOOD.replace('x="2"', 'x=2'), 'labels:'), (GOOD.replace('"q\\"', '"q"'), 'labels:'),
    (GOOD.replace('# TYPE b_seconds gauge\n', ''), 'does not stand'),
    (GOOD.replace('All.', ''), 'help:'), (GOOD.replace('1.5e3', 'many'), 'no sample'),
    (GOOD + '# HELP a_total Again.\n', 'help:'),
]


def main():
    found, _ = parse(GOOD)
    assert found['a_total', (('x', '1'), ('y', 'q\\"\\\\'))] == 1 and found['b_seconds', ()] == 1500
    for page, want in BAD:
        try:
            parse(page)
        except Wrong as e:
            assert want in str(e), (want, str(e))
        else:
            sys.exit(f'taken, but should be refused ({want}):\n{page}')
    low = GOOD.replace('a_total{x="1",y="q\\"\\\\"} 1', 'a_total{x="1",y="q\\"\\\\"} 0')
    assert went_back(parse(GOOD), parse(low)) and not went_back(parse(low), parse(GOOD))
    print(f'{len(BAD)} wrong pages refused')


if __name__ == '__main__':
    main()
