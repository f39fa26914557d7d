#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One host of the demo, run inside its network namespace.

Answers TCP and UDP on the ports given as arguments, and makes connections on demand: a line
"tcp|udp|icmp ADDRESS PORT SECONDS" on standard input is answered by a line "open", "silent" or
"error TEXT".
"""

import select
import socket
import subprocess
import sys
import threading

GREETING = b"hepflow demo\n"


def answer_tcp(listener):
    while True:
        conn, _ = listener.accept()
        with conn:
            conn.settimeout(5)
            try:
                conn.sendall(conn.recv(64))
            except OSError:
                pass


def answer_udp(sock):
    while True:
        data, peer = sock.recvfrom(64)
        sock.sendto(data, peer)


def listen(port):
    for family in (socket.AF_INET, socket.AF_INET6):
        tcp = socket.socket(family, socket.SOCK_STREAM)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        for sock in (tcp, udp):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("", port))
        tcp.listen(64)
        threading.Thread(target=answer_tcp, args=(tcp,), daemon=True).start()
        threading.Thread(target=answer_udp, args=(udp,), daemon=True).start()


def talk(kind, address, port, seconds):
    """Opens a connection, sends a line and waits for it to come back."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as sock:
        sock.settimeout(seconds)
        sock.connect((address, port))
        sock.sendall(GREETING)
        ready, _, _ = select.select([sock], [], [], seconds)
        if not ready:
            return "silent"
        return "open" if sock.recv(64) == GREETING else "error another answer"


def ping(address, seconds):
    rc = subprocess.run(["ping", "-n", "-q", "-c", "1", "-W", str(seconds), address],
                        stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode
    return {0: "open", 1: "silent"}.get(rc, f"error ping exits {rc}")


def probe(kind, address, port, seconds):
    try:
        if kind == "icmp":
            return ping(address, seconds)
        kind = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
        return talk(kind, address, int(port), seconds)
    except (TimeoutError, socket.timeout):
        return "silent"
    except OSError as e:
        return f"error {e}"


def main():
    for port in sys.argv[1:]:
        listen(int(port))
    print("ready", flush=True)
    for line in sys.stdin:
        kind, address, port, seconds = line.split()
        print(probe(kind, address, port, float(seconds)), flush=True)


main()
