#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""See sandbox.sh. `sandbox.py run FILTER PROGRAM...` is how it starts what is to be confined."""

import ctypes
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
UNIT = os.path.join(HERE, '..', '..', 'docs', 'deploy', 'hepflowd.service')
NUMBERS = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2  # prctl(2)
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
KILL, ALLOW, X86_64 = 0x80000000, 0x7fff0000, 0xc000003e

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  policy: [policy]
  rundir: DIR/run
  statedir: DIR/state
  felix: true
  facts: kernel
  node: n0
  metrics: 9099
  telemetry: true
  poll: adaptive
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: lo, role: uplink, devargs: "net_vnic0,profile=mlx5-cx6dx,dev=net_null0,no-rx=1"}
    - {name: lo, role: host, devargs: "net_null1,no-rx=1"}
'''


def members(group, seen=None):
    """Names of the system calls of a systemd group, and of those that it names."""
    seen = seen if seen is not None else set()
    for line in subprocess.run(['systemd-analyze', 'syscall-filter', group], check=True,
                               capture_output=True, text=True).stdout.splitlines():
        word = line.strip()
        if not line.startswith('    ') or word.startswith('#') or word in seen:
            continue
        seen.add(word)
        if word.startswith('@'):
            members(word, seen)
    return seen


def allowed():
    with open(UNIT) as f:
        words = re.search(r'^SystemCallFilter=(.*)$', f.read(), re.M).group(1).split()
    names = set()
    for word in words:
        names |= members(word) if word.startswith('@') else {word}
    with open(NUMBERS) as f:
        numbers = dict(re.findall(r'#define __NR_(\w+) (\d+)', f.read()))
    return {name: int(numbers[name]) for name in names if name in numbers}


def program(numbers):
    """Other architectures and other calls end the process, as systemd has it."""
    code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, X86_64), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    for n in sorted(numbers):
        code += [(EQUAL, 0, 1, n), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, KILL))
    return b''.join(struct.pack('HBBI', *c) for c in code)


def confine(path, argv):
    with open(path, 'rb') as f:
        code = f.read()
    libc = ctypes.CDLL(None, use_errno=True)
    buf = ctypes.create_string_buffer(code, len(code))
    prog = struct.pack('HxxxxxxP', len(code) // 8, ctypes.addressof(buf))
    for args in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prog, 0, 0)):
        if libc.prctl(*args):
            raise OSError(ctypes.get_errno(), 'prctl')
    os.execv(argv[0], argv)


def write_filter(dir, name, numbers):
    with open(f'{dir}/{name}', 'wb') as f:
        f.write(program(numbers))
    return [sys.executable, __file__, 'run', f'{dir}/{name}']


def work(d, dir):
    """What it does in a day."""
    policy = f'{dir}/policy/p.yaml'
    for words in (['status'], ['flow/dump', '-m'], ['policy/dump'], ['plan'], ['profile/probe'], ['verify'],
                  ['conntrack/flush'], ['memory/show'], ['capture', f'{dir}/c.pcapng'], ['capture/stop'],
                  ['apply', '--confirm=60'], ['confirm'], ['rollback'], ['apply']):
        got = d.run(*words)
        assert got.returncode in (0, 3), (words, got, d.text()[-2000:])
    with open(policy, 'a') as f:
        f.write('# changed\n')
    import time
    time.sleep(1.5)  # a tick, and the watch
    subprocess.run(['python3', '-c', 'import urllib.request as u; u.urlopen("http://127.0.0.1:9099/metrics")'],
                   check=True)
    assert d.process.poll() is None, d.text()


def main():
    import hepflowd
    calls = allowed()
    assert len(calls) > 100 and 'read' in calls and 'ptrace' not in calls and 'mount' not in calls, len(calls)
    with tempfile.TemporaryDirectory() as dir:
        os.mkdir(f'{dir}/policy')
        os.environ['RUNTIME_DIRECTORY'] = dir
        with open(f'{dir}/hepflow.yaml', 'w') as f:
            f.write(CONFIG.replace('DIR', dir))
        with open(f'{dir}/policy/p.yaml', 'w') as f:
            f.write('apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: lo}\n'
                    'spec: {node: n0, interfaceName: lo}\n')
        with hepflowd.Daemon(dir, write_filter(dir, 'filter', calls.values())) as d:
            work(d, dir)
            d.stop()
        # A filter that lacks something it needs does end it, so the one above is in force.
        less = [n for name, n in calls.items() if name not in ('eventfd2', 'epoll_create1', 'epoll_create')]
        got = subprocess.run(write_filter(dir, 'less', less) +
                             [hepflowd.DAEMON, '--config', f'{dir}/hepflow.yaml'], capture_output=True)
        assert got.returncode == -signal.SIGSYS, got
    print(f'{len(calls)} system calls are enough')


if __name__ == '__main__':
    if sys.argv[1:2] == ['run']:
        confine(sys.argv[2], sys.argv[3:])
    main()
