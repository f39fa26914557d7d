#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Facts of the kernel, live; see facts.sh."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from hepflowd import Daemon, wait  # noqa: E402

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  node: n0
  policy: [policy.yaml]
  facts: kernel
  rundir: DIR/run
  poll: adaptive
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: up0, role: uplink, devargs: "net_vnic0,profile=mlx5-cx6dx,dev=net_null0,no-rx=1"}
    - {name: up0, role: host, devargs: "net_null1,no-rx=1"}
'''

# What the kernel does not tell stays as the file has it; its interfaces do not count.
POLICY = '''apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: nonsense0, addresses: [203.0.113.1/24]}
  dnat:
    - {proto: tcp, dst: 192.0.2.10, port: 30001, to: ["10.65.0.2:3000"]}
  kernelPolicy: {input: drop}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: up0, labels: {host: up0}}
spec: {node: n0, interfaceName: up0}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: by-address, labels: {host: x}}
spec: {node: n0, expectedIPs: [198.51.100.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  selector: has(host)
  applyOnForward: true
  types: [Ingress]
  ingress:
    - {action: Allow, protocol: TCP, destination: {ports: [80]}}
'''


def ip(*words):
    subprocess.run(['ip', *words], check=True)


def explain(d, dst, iface='up0', port=80):
    text = d.ask('explain', f'in={iface}', 'src=198.51.100.7', f'dst={dst}', 'proto=tcp',
                 f'dport={port}')
    return text


def main():
    with tempfile.TemporaryDirectory() as dir:
        for name, text in (('policy.yaml', POLICY), ('hepflow.yaml', CONFIG.replace('DIR', dir))):
            with open(f'{dir}/{name}', 'w') as f:
                f.write(text)
        ip('link', 'set', 'lo', 'up')
        ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'peer0')
        ip('link', 'set', 'up0', 'up')
        ip('link', 'set', 'peer0', 'up')
        ip('addr', 'add', '192.0.2.10/24', 'dev', 'up0')
        with Daemon(dir) as d:
            first = explain(d, '192.0.2.10')
            other = explain(d, '192.0.2.11')
            assert first != other, first
            assert 'default/gnp:web/ingress/0' in first, first
            # By the file's own words, which are still there.
            assert 'destination rewritten' in explain(d, '192.0.2.10', port=30001)
            assert 'destination rewritten' not in explain(d, '192.0.2.10', port=30002)
            # The address of a file's interface is none of this kernel's.
            assert 'origin' in explain(d, '203.0.113.1')
            assert d.run('explain', 'in=nonsense0', 'src=198.51.100.7', 'dst=192.0.2.10',
                         'proto=tcp', 'dport=80').returncode == 2

            n = d.inserted()
            ip('addr', 'add', '192.0.2.11/24', 'dev', 'up0')
            wait(lambda: explain(d, '192.0.2.11').replace('.11', '.10') == first,
                 'the new address is one of the host')
            assert d.inserted() > n
            ip('addr', 'del', '192.0.2.11/24', 'dev', 'up0')
            wait(lambda: explain(d, '192.0.2.11') == other, 'it is none any more')

            # A new interface, governed by its address alone.
            ip('link', 'add', 'x0', 'type', 'dummy') if have_dummy() else ip(
                'link', 'add', 'x0', 'type', 'veth', 'peer', 'name', 'x1')
            ip('link', 'set', 'x0', 'up')
            ip('addr', 'add', '198.51.100.1/24', 'dev', 'x0')
            wait(lambda: d.run('explain', 'in=x0', 'src=203.0.113.9', 'dst=198.51.100.1',
                               'proto=tcp', 'dport=81').returncode == 0, 'x0 is known')
            assert d.verdict('in=x0 src=203.0.113.9 dst=198.51.100.1 proto=tcp dport=81')[0] == 'deny'

            # Nothing new: no operation, no generation.
            generation = d.status()['generation']
            ip('route', 'add', '10.9.0.0/16', 'dev', 'x0')
            wait(lambda: d.status()['generation'] > generation, 'a route is news')
            d.stop()
    print('interfaces, addresses and routes of the kernel, live')


def have_dummy():
    return subprocess.run(['ip', 'link', 'add', 'hfdummy', 'type', 'dummy'],
                          capture_output=True).returncode == 0 and subprocess.run(
        ['ip', 'link', 'del', 'hfdummy']).returncode == 0


if __name__ == '__main__':
    main()
