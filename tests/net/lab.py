# SPDX-License-Identifier: BSD-3-Clause
"""Two namespaces with hepflowd to be put in between.

  out: eth0 192.0.2.1 <-> up0 [hepflowd] hs0 <-> eth0 192.0.2.10 :host
"""

import ctypes
import os
import socket
import subprocess
import threading

PATIENCE = 80  # seconds that anything in a namespace may take
OUT, HOST = '192.0.2.1', '192.0.2.10'


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def inside(ns, function, *args):
    """Runs the function in another namespace, in a thread, and gives what it returns."""
    result = []

    def body():
        fd = os.open('/run/netns/' + ns, os.O_RDONLY)
        setns(fd)
        os.close(fd)
        result.append(function(*args))

    t = threading.Thread(target=body)
    t.start()
    t.join(PATIENCE)
    return result[0] if result else None


def setns(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), 'setns')


def serve_echo(addr, port):
    """From then on all that is said there comes back."""
    listener = socket.create_server((addr, port), backlog=64)

    def talk(c):
        try:
            while data := c.recv(100):
                c.sendall(data)
        except OSError:
            pass
        c.close()

    def accept():
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0], ), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def echo(c, n=1):
    """Talks to a server that says everything back."""
    for _ in range(n):
        c.sendall(b'hello')
        assert c.recv(100) == b'hello'


def is_silent(c):
    """Within a second: with retransmissions a packet would have come."""
    before = c.gettimeout()
    c.settimeout(1)
    try:
        c.sendall(b'hello')
        return c.recv(100) is None
    except socket.timeout:
        return True
    finally:
        c.settimeout(before)


def make_net():
    run('mount', '-t', 'tmpfs', 'none', '/run')
    for ns in 'out', 'host':
        run('ip', 'netns', 'add', ns)
        # What IPv6 says by itself would be denied, logged and captured as well.
        subprocess.run(['ip', 'netns', 'exec', ns, 'sysctl', '-qw',
                        'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1'],
                       capture_output=True)
    run('ip', 'link', 'set', 'lo', 'up')
    for end, ns in ('up0', 'out'), ('hs0', 'host'):
        run('ip', 'link', 'add', end, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', ns)
        run('ip', 'link', 'set', end, 'up')
        run('ip', 'netns', 'exec', ns, 'ethtool', '-K', 'eth0', 'tx', 'off')
        run('ip', '-n', ns, 'link', 'set', 'lo', 'up')
        run('ip', '-n', ns, 'link', 'set', 'eth0', 'up')
    run('ip', '-n', 'out', 'addr', 'add', OUT + '/24', 'dev', 'eth0')
    run('ip', '-n', 'host', 'addr', 'add', HOST + '/24', 'dev', 'eth0')
    run('ip', '-n', 'host', 'route', 'add', 'default', 'via', OUT)
    run('ip', 'netns', 'exec', 'host', 'sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0',
        'net.ipv4.conf.eth0.rp_filter=0', 'net.ipv4.tcp_syncookies=1')
