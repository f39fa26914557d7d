#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts test results, one line each: RESULT<TAB>NAME<TAB>WHY, RESULT one of pass, fail, skip.

tally.py meson LOG [PREFIX]   prints such lines for a meson testlog.json
tally.py sum FILE             the final report; exits 1 if anything failed or nothing ran
"""

import json
import re
import sys

TAP_LINE = re.compile(r'^(not )?ok\b[ \d]*-?\s*(.*?)(?:\s*\(\d+\.\d+s\))?$')
TAP_SKIP = re.compile(r'^(.*?)\s*#\s*skip\S*\s*(.*)$', re.I)
# Criterion's word on stderr for a test that said ok and then died, of a leak for example.
DIED = re.compile(r'The test `(\S+?)` crashed during its setup or teardown')
NO_REASON = 'skipped without saying why'


def last_line(run):
    text = (run.get('stdout', '') + run.get('stderr', '')).strip()
    return text.splitlines()[-1].strip() if text else ''


def tap(run):
    """The subtests of one TAP program, or None if it printed no TAP."""
    out = run.get('stdout', '').splitlines()
    if not any(line.startswith('TAP version') for line in out):
        return None
    results, died = [], set(DIED.findall(run.get('stderr', '')))
    for line in out:
        m = TAP_LINE.match(line)
        if not m:
            continue
        name, skip = m.group(2), TAP_SKIP.match(m.group(2))
        if m.group(1):
            results.append(('fail', name, ''))
        elif name in died:
            results.append(('fail', name, 'died after its last line; a leak?'))
        elif skip:
            results.append(skipped(skip.group(1), skip.group(2)))
        else:
            results.append(('pass', name, ''))
    return results


def skipped(name, why):
    return ('skip', name, why) if why else ('fail', name, NO_REASON)


def results_of(run):
    """A program counts by its subtests; what befell it as a whole counts once more if it is bad."""
    name, result = run['name'].split(' / ')[-1], run['result']
    bad = result not in ('OK', 'SKIP', 'EXPECTEDFAIL')
    subtests = tap(run)
    if subtests is None:
        if result == 'SKIP':
            why = last_line(run)
            return [skipped(name, why[5:].strip() if why.startswith('SKIP:') else '')]
        return [('fail', name, f'{result.lower()}: {last_line(run)}') if bad else ('pass', name, '')]
    results = [(r, f'{name}: {sub}', why) for r, sub, why in subtests]
    if bad and not any(r == 'fail' for r, _, _ in results):
        results.append(('fail', name, f'{result.lower()}: {last_line(run)}'))
    if not results:
        results.append(('fail', name, 'has no tests'))
    return results


def meson(path, prefix=''):
    with open(path, encoding='utf-8') as log:
        for line in log:
            for r in results_of(json.loads(line)):
                print('\t'.join((r[0], prefix + r[1], r[2])))


def total(path):
    count = {'pass': 0, 'fail': 0, 'skip': 0}
    with open(path, encoding='utf-8') as f:
        lines = [line.rstrip('\n').split('\t') for line in f if line.strip()]
    for result, _, _ in lines:
        count[result] += 1
    for kind, title in (('skip', 'Skipped:'), ('fail', 'Failed:')):
        if count[kind]:
            print(title)
        for result, name, why in lines:
            if result == kind:
                print(f'  {name}' + (f': {why}' if why else ''))
    ok = count['fail'] == 0 and count['pass'] > 0
    if count['pass'] + count['fail'] == 0:
        print('No test ran.')
    print(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped")
    return 0 if ok else 1


def main(args):
    if args[:1] == ['meson'] and len(args) in (2, 3):
        return meson(*args[1:])
    if args[:1] == ['sum'] and len(args) == 2:
        return total(args[1])
    sys.exit(__doc__)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
