#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Speed of the compiler, in one run: from policy to plan, from a change to operations, and the same
rules given to nft -f. All times are CPU time (user and system) of one process; docs/performance.md
says what they mean. As root, for nft needs a network namespace; without, that column is empty.

  compile.py [--smoke]        --smoke: small inputs, to see that everything works

HF_BUILD is the build folder; HEPFLOW_CLASSBENCH a folder of ClassBench files to measure as well."""

import glob
import os
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get('HF_BUILD', os.path.join(HERE, '../../build'))
SMOKE = '--smoke' in sys.argv[1:]
PROFILES = ('mlx5-cx6dx', 'i40e-x710')
BEST_OF = 1 if SMOKE else 3


def program(name):
    return os.path.join(BUILD, 'tests', 'bench-' + name)


def run(*args):
    """The "name value" pairs a program prints."""
    words = subprocess.run(args, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    return {name: float(value) for name, value in zip(words[::2], words[1::2])}


def best(*args):
    """The run of several that took least."""
    return min((run(*args) for _ in range(BEST_OF)), key=lambda r: r['plan'])


def cpu_of(*args):
    """Milliseconds of CPU, or None if it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = sum(getattr(after, k) - getattr(before, k) for k in ('ru_utime', 'ru_stime'))
    return spent * 1000 if done.returncode == 0 else None


def nft(folder):
    if os.geteuid() != 0 or not shutil.which('nft') or not shutil.which('unshare'):
        return None
    times = [cpu_of('unshare', '-n', 'nft', '-f', os.path.join(folder, 'rules.nft'))
             for _ in range(BEST_OF)]
    return None if None in times else min(times)


def files(folder):
    return [os.path.join(folder, n + '.yaml') for n in ('host', 'sets', 'policy')]


def generate(folder, shape, *args, **options):
    extra = [w for k, v in options.items() for w in ('--' + k.replace('_', '-'), str(v))]
    subprocess.run([os.path.join(HERE, 'gen.py'), shape, *map(str, args), folder, *extra],
                   check=True)


def compile_row(name, folder, n):
    other = nft(folder)
    for profile in PROFILES:
        r = best(program('compile'), profile, *files(folder))
        work = (r['model'] + r['rules'] + r['plan']) / 1000
        read = r['read'] / 1000
        ratios = f'{work / other:6.2f} {(work + read) / other:6.2f}' if other else '     -      -'
        print(f'{name:12} {profile:11} {read:8.1f} {r["model"] / 1000:8.1f} '
              f'{r["rules"] / 1000:8.1f} {r["plan"] / 1000:8.1f} {work * 1000 / n:8.2f} '
              f'{other or 0:8.1f} {ratios} {r["entries"]:8.0f} {r["memory"] / 1024:7.0f}')


def compile_table(root):
    print('full compile, milliseconds; us = microseconds a rule without reading; ratios to nft -f '
          'without and with reading')
    print(f'{"input":12} {"profile":11} {"read":>8} {"model":>8} {"rules":>8} {"plan":>8} {"us":>8} '
          f'{"nft":>8} {"ratio":>6} {"+read":>6} {"entries":>8} {"MiB":>7}')
    for n in (100,) if SMOKE else (1000, 10000, 100000):
        folder = os.path.join(root, f'rules{n}')
        generate(folder, 'rules', n, updates=5 if SMOKE else 200)
        compile_row(f'rules {n}', folder, n)
    shape = (20, 10, 20, 5) if SMOKE else (2000, 100, 2000, 10)
    folder = os.path.join(root, 'sets')
    generate(folder, 'sets', *shape, updates=5 if SMOKE else 10)
    compile_row('sets', folder, shape[2] * shape[3])
    for path in sorted(glob.glob(os.path.join(os.environ.get('HEPFLOW_CLASSBENCH', '/nowhere'), '*_1*'))):
        name = os.path.basename(path).split('.')[0]
        folder = os.path.join(root, name)
        generate(folder, 'classbench', path)
        with open(os.path.join(folder, 'info.json'), encoding='ascii') as file:
            rules = int(file.read().split('"rules": ')[1].split(',')[0])
        compile_row(name, folder, rules)


def update_table(root):
    print('\none thing changed, microseconds; differ: entries that differ, priorities aside')
    print(f'{"input":12} {"profile":11} {"read":>8} {"model":>8} {"rules":>8} {"plan":>8} {"diff":>8} '
          f'{"p50":>8} {"p99":>8} {"ops":>7} {"differ":>7} {"unchanged":>10} {"ops":>4}')
    for name in (('rules100',) if SMOKE else ('rules1000', 'rules10000')) + ('sets',):
        folder = os.path.join(root, name)
        changed = sorted(glob.glob(os.path.join(folder, 'updates', '*')))
        for profile in PROFILES[:1] if name == 'sets' else PROFILES:
            r = run(program('update'), profile, *files(folder), '--', *changed)
            print(f'{name:12} {profile:11} {r["read"]:8.0f} {r["model"]:8.0f} {r["rules"]:8.0f} '
                  f'{r["plan"]:8.0f} {r["diff"]:8.0f} {r["all"]:8.0f} {r["p99"]:8.0f} '
                  f'{r["ops"]:7.0f} {r["differ"]:7.0f} {r["unchanged"]:10.0f} '
                  f'{r["unchanged-ops"]:4.0f}')
            if r['unchanged-ops']:
                sys.exit('operations although nothing changed')


def classes_table(root):
    r = run(program('classes'), '100' if SMOKE else '20000', *files(os.path.join(root, 'sets')))
    print(f'\nclasses of addresses, input sets: made in {r["build"] / 1000:.1f} ms, '
          f'{r["classes"]:.0f} of them; a member more or less: p50 {r["p50"]:.1f} us, '
          f'p99 {r["p99"]:.1f} us, {r["entries"] / r["changes"]:.2f} entries of the table, '
          f'{100 * r["new-classes"] / r["changes"]:.1f} % need a new class')


def main():
    with tempfile.TemporaryDirectory() as root:
        compile_table(root)
        update_table(root)
        classes_table(root)


if __name__ == '__main__':
    main()
