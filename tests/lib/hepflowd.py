# SPDX-License-Identifier: BSD-3-Clause
"""A hepflowd for tests: started with DIR/hepflow.yaml (rundir DIR/run), asked by hepflowctl."""

import json
import os
import re
import signal
import subprocess
import sys
import time

BUILD = os.environ['HF_BUILD']
DAEMON = f'{BUILD}/driver/daemon/hepflowd'
CTL = f'{BUILD}/driver/ctl/hepflowctl'
DEADLINE = 30  # seconds that any one thing may take

# A host of one uplink, governed by an endpoint.
HOST = '''apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [192.0.2.10/24]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: eth0, labels: {host: eth0}}
spec: {node: n0, interfaceName: eth0}
'''


class Daemon:
    def __init__(self, dir, starter=()):
        """starter: words in front of the daemon's own."""
        self.dir = dir
        self.log = f'{dir}/daemon.log'
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen([*starter, DAEMON, '--config', f'{dir}/hepflow.yaml'], stderr=log)
        wait(lambda: 'main: ready' in self.text() or self.process.poll() is not None,
             'the daemon is ready')
        assert self.process.poll() is None, self.text()

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        """Whatever went wrong, its log says more, and it does not outlive the test."""
        if error:
            sys.stderr.write(self.text())
            if self.process.poll() is None:
                self.process.kill()

    def text(self):
        with open(self.log) as log:
            return log.read()

    def run(self, *words):
        return subprocess.run([CTL, *words], capture_output=True, text=True,
                              env=os.environ | {'HEPFLOW_RUNDIR': f'{self.dir}/run'})

    def ask(self, *words):
        got = self.run(*words)
        assert got.returncode == 0, (words, got.stderr)
        return got.stdout

    def refused(self, *words):
        """The daemon's own words of why not."""
        got = self.run(*words)
        assert got.returncode == 2 and got.stdout == '', (words, got)
        return got.stderr.splitlines()[0]

    def verdict(self, packet):
        text = self.ask('explain', *packet.split())
        return (re.search('^verdict: (.*)$', text, re.M).group(1),
                re.search('^origin: (.*)$', text, re.M).group(1))

    def status(self):
        return json.loads(self.ask('status', '--format=json'))

    def inserted(self):
        return int(re.search(r'Enqueued offloads\s*:\s*(\d+)',
                             self.ask('offload/stats-show')).group(1))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE)

    def stop(self):
        self.ask('exit')
        assert self.process.wait(DEADLINE) == 0, self.text()


def wait(true, what):
    end = time.monotonic() + DEADLINE
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f'not within {DEADLINE} s: {what}')
        time.sleep(0.02)
