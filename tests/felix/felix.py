#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""hepflowd fed by a scripted Felix through hepflow-felix. No packets: ports are empty, verdicts are
asked for (explain), and what the NIC was told is counted (offload/stats-show)."""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile

import say

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from hepflowd import BUILD, DEADLINE, Daemon, wait  # noqa: E402

RELAY = f'{BUILD}/driver/felix/hepflow-felix'

HOST = '''apiVersion: hepflow/v1
kind: HostFacts
metadata: {name: n0}
spec:
  interfaces:
    - {name: eth0, addresses: [192.0.2.10/24]}
'''

CONFIG = '''apiVersion: hepflow/v1
kind: Config
spec:
  node: n0
  policy: [host.yaml]
  felix: true
  statedir: DIR/state
  rundir: DIR/run
  poll: adaptive
  eal: [--no-huge, --no-pci, -m, "256"]
  ports:
    - {name: eth0, role: uplink, devargs: "net_vnic0,profile=mlx5-cx6dx,dev=net_null0,no-rx=1"}
    - {name: eth0, role: host, devargs: "net_null1,no-rx=1"}
'''

TO_3000 = 'in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=3000'
TO_80 = 'in=eth0 src=198.51.100.7 dst=192.0.2.10 proto=tcp dport=80'
FROM_10 = 'in=eth0 src=10.1.2.3 dst=192.0.2.10 proto=tcp dport=80'


def stream(new, denied='3000', forward=False):
    """A node whose endpoint denies one port and everything from the set s:bad, and allows the
    rest."""
    port = int(denied)
    listed = [say.tier('default', ['deny'], new=new)]
    return [
        say.config(DefaultEndpointToHostAction='ACCEPT', FailsafeInboundHostPorts='tcp:22'),
        say.ipset('s:bad', ['10.0.0.0/8']),
        say.policy('deny', [say.rule('deny', src_sets=['s:bad']),
                            say.rule('deny', proto='tcp', ports=[(port, port)]),
                            say.rule('allow')], new=new),
        say.host_endpoint('node-eth0', 'eth0', tiers=listed, forward=listed if forward else []),
        say.IN_SYNC,
    ]


class Felix:
    """Starts a relay and speaks to it."""

    def __init__(self, dir):
        self.out_r, self.out_w = os.pipe()  # what Felix says
        self.in_r, self.in_w = os.pipe()    # what it hears

        def descriptors():
            # Duplicates first: one of ours may be 3 or 4 itself.
            a, b = os.dup2(self.out_r, 10), os.dup2(self.in_w, 11)
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)
        self.log = open(f'{dir}/relay.log', 'ab')
        self.process = subprocess.Popen(
            [RELAY], preexec_fn=descriptors, close_fds=False, stderr=self.log,
            env=os.environ | {'HEPFLOW_FELIX_SOCKET': f'{dir}/run/felix.sock'})
        os.close(self.out_r)
        os.close(self.in_w)
        os.set_blocking(self.in_r, False)
        self.heard = b''
        self.n = 0

    def say(self, messages):
        for m in messages:
            self.raw(say.frame(m, self.n))
            self.n += 1

    def raw(self, data):
        while data:
            data = data[os.write(self.out_w, data):]

    def reports(self):
        """Statuses of host endpoints heard so far: [(name, status)]."""
        try:
            while True:
                more = os.read(self.in_r, 65536)
                if not more:
                    break
                self.heard += more
        except BlockingIOError:
            pass
        at, found = 0, []
        while at + 8 <= len(self.heard):
            size = struct.unpack_from('<Q', self.heard, at)[0]
            message = say.decode(self.heard[at + 8:at + 8 + size])
            at += 8 + size
            for update in message.get(4, []):
                fields = say.decode(update)
                name = say.decode(fields[1][0])[2][0].decode()
                status = say.decode(fields[2][0])[1][0].decode()
                found.append((name, status))
        return found

    def close(self):
        os.close(self.out_w)
        code = self.process.wait(DEADLINE)
        os.close(self.in_r)
        self.log.close()
        return code


DENIED = ('deny', 'default/gnp:deny/ingress/1')
ALLOWED = ('allow', 'default/gnp:deny/ingress/2')


def in_force(d, packet, want):
    wait(lambda: d.verdict(packet) == want, f'{packet}: {want}')


def feed_and_report(d, dir, new):
    """Nothing before InSync; then all of it, and Felix hears that its endpoint is up."""
    f = Felix(dir)
    whole = stream(new)
    f.say(whole[:-1])
    wait(lambda: d.status()['felix']['messages'] >= len(whole) - 1, 'the messages have come')
    assert d.verdict(TO_3000)[0] == 'no-decision', d.verdict(TO_3000)
    f.say(whole[-1:])
    in_force(d, TO_3000, DENIED)
    assert d.verdict(TO_80) == ALLOWED
    assert d.verdict(FROM_10) == ('deny', 'default/gnp:deny/ingress/0')
    wait(lambda: ('node-eth0', 'up') in f.reports(), 'Felix hears that the endpoint is up')
    return f


def deltas(d, f, new):
    f.say([say.ipset_delta('s:bad', added=['198.51.100.0/24'], removed=['10.0.0.0/8'])])
    in_force(d, TO_80, ('deny', 'default/gnp:deny/ingress/0'))
    in_force(d, FROM_10, ALLOWED)
    f.say([say.ipset_delta('s:bad', added=['10.0.0.0/8'], removed=['198.51.100.0/24'])])
    in_force(d, TO_80, ALLOWED)
    # Strangers are ignored.
    f.say([say.policy_remove('nobody', new), say.host_endpoint_remove('nobody')])


def same_again(d, dir, f, new):
    """Felix and its relay end and begin anew: policy stays, and the NIC hears nothing."""
    before, n = d.inserted(), d.status()['generation']
    assert f.close() == 0
    assert d.verdict(TO_3000) == DENIED
    f = Felix(dir)
    f.say(stream(new))
    wait(lambda: d.status()['generation'] > n and d.status()['felix']['inSync'], 'a resync')
    assert d.inserted() == before, 'an identical resync is no work for the NIC'
    return f


def cut_in_mid_message(d, dir, f, new):
    frame = say.frame(say.policy('deny', [say.rule('allow')], new=new))
    f.raw(frame[:len(frame) // 2])
    assert f.close() == 0
    assert d.verdict(TO_3000) == DENIED
    # A resync that never ends, by a relay of our own.
    n = d.status()['felix']['connections']
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f'{dir}/run/felix.sock')
        for m in stream(new, denied='81')[:-1]:
            s.sendall(say.frame(m))
        wait(lambda: d.status()['felix']['connections'] > n, 'a connection')
    wait(lambda: not d.status()['felix']['connected'], 'its end')
    assert d.verdict(TO_3000) == DENIED
    assert d.verdict(TO_80) == ALLOWED


def is_let_go(s):
    """Whatever has been reported to it before."""
    s.settimeout(DEADLINE)
    while s.recv(4096):
        pass


def nonsense(d, dir):
    n = d.status()['felix']['connections']
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f'{dir}/run/felix.sock')
        s.sendall(struct.pack('<Q', 3) + b'\x0a\xff\xff')
        is_let_go(s)
    wait(lambda: d.status()['felix']['connections'] > n, 'a connection')
    assert 'that are no message' in d.status()['felix']['error']
    assert d.verdict(TO_3000) == DENIED
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f'{dir}/run/felix.sock')
        s.sendall(struct.pack('<Q', 1 << 40))
        is_let_go(s)  # nor is a frame that is too long waited for
    f = Felix(dir)
    f.raw(struct.pack('<Q', 3) + b'\x0a\xff\xff')
    assert f.process.wait(DEADLINE) == 1, 'the relay ends, so that Felix begins anew'
    f.close()


def bad_policy_keeps_the_last_good(d, f, new):
    f.say([say.policy('deny', [say.rule('allow', src_sets=['s:none'])], new=new)])
    wait(lambda: d.status()['error'], 'an error in status')
    assert "set 's:none' is not known" in d.status()['error'], d.status()['error']
    assert d.verdict(TO_3000) == DENIED
    f.say(stream(new)[2:3])
    wait(lambda: not d.status()['error'], 'no error in status')


def killed(d, dir, new):
    """kill -9 of the daemon: the relay waits, the next daemon begins where the last one was."""
    f = Felix(dir)
    f.say(stream(new))
    in_force(d, TO_3000, DENIED)
    wait(lambda: os.path.exists(f'{dir}/state/felix.state'), 'the state is on disk')
    os.kill(f.process.pid, signal.SIGSTOP)
    d.kill()
    d = Daemon(dir)
    status = d.status()['felix']
    assert status['adopted'] and not status['inSync'], status
    assert d.verdict(TO_3000) == DENIED
    os.kill(f.process.pid, signal.SIGCONT)
    wait(lambda: d.status()['felix']['inSync'], 'in sync again')
    assert not d.status()['felix']['adopted']
    f.say([say.policy('deny', [say.rule('allow')], new=new)])
    in_force(d, TO_3000, ('allow', 'default/gnp:deny/ingress/0'))
    assert f.process.poll() is None
    return d, f


def unwritable_state(d, dir, f, new):
    """The disk does not take the state: policy goes on, status says so, and it is made up for."""
    os.makedirs(f'{dir}/state/felix.state.new')
    f.say([say.policy('deny', [say.rule('allow')], new=new)])
    wait(lambda: 'a restart would not know this policy' in d.ask('status'), 'status says so')
    in_force(d, TO_3000, ('allow', 'default/gnp:deny/ingress/0'))
    os.rmdir(f'{dir}/state/felix.state.new')
    wait(lambda: 'would not know' not in d.ask('status'), 'it is saved')
    assert d.text().count('the state is not saved') == 1 and 'the state is saved again' in d.text()


def damaged_state(d, dir, f):
    d.stop()
    path = f'{dir}/state/felix.state'
    with open(path, 'r+b') as state:
        state.seek(40)
        byte = state.read(1)
        state.seek(40)
        state.write(bytes([byte[0] ^ 1]))
    os.kill(f.process.pid, signal.SIGSTOP)
    d = Daemon(dir)
    assert 'the saved state is not used' in d.text() and 'checksum' in d.text(), d.text()
    assert d.verdict(TO_3000)[0] == 'no-decision'
    os.kill(f.process.pid, signal.SIGCONT)
    in_force(d, TO_3000, ('allow', 'default/gnp:deny/ingress/0'))
    return d


def main():
    with tempfile.TemporaryDirectory() as dir:
        with open(f'{dir}/host.yaml', 'w') as f:
            f.write(HOST)
        with open(f'{dir}/hepflow.yaml', 'w') as f:
            f.write(CONFIG.replace('DIR', dir))
        d = None
        try:
            for new in (False, True):
                subprocess.run(['rm', '-rf', f'{dir}/state'], check=True)
                d = Daemon(dir)
                f = feed_and_report(d, dir, new)
                deltas(d, f, new)
                f = same_again(d, dir, f, new)
                bad_policy_keeps_the_last_good(d, f, new)
                cut_in_mid_message(d, dir, f, new)
                nonsense(d, dir)
                d, f = killed(d, dir, new)
                unwritable_state(d, dir, f, new)
                d = damaged_state(d, dir, f)
                d.stop()
                assert f.process.poll() is None, 'the relay outlives the daemon'
                assert f.close() == 0
        except BaseException:
            if d:
                sys.stderr.write(d.text())
                if d.process.poll() is None:
                    d.process.kill()
            raise
    print('both wire forms: fed, changed, cut, killed and damaged')


if __name__ == '__main__':
    main()
