#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# tests/unit/health/server.py PORT LOG [CERTIFICATE KEY]: a server of many manners, by path.
#
# Listens on all addresses, says "ready" and serves until it is killed. What it is asked goes to
# LOG: "GET PATH HOST".
import socket
import ssl
import sys
import threading
import time


def answer(c, path):
    if path == "/slow":  # the head at once, of the body a byte a second
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            time.sleep(1)
            c.sendall(b"x")
    elif path == "/drip":  # a head that takes for ever
        c.sendall(b"HTTP/1.1 200 OK\r\n")
        for i in range(1000):
            time.sleep(0.2)
            c.sendall(b"X-%d: y\r\n" % i)
    elif path == "/silent":
        time.sleep(1000)
    elif path == "/huge":  # a head of 16 MiB
        c.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(4096):
            c.sendall(b"X-Long: " + b"y" * 4086 + b"\r\n")
        c.sendall(b"\r\n")
    elif path == "/long":
        c.sendall(b"HTTP/1.1 200 OK\r\n" + (b"X-Long: " + b"y" * 4086 + b"\r\n") * 32 + b"\r\n")
    elif path == "/body":
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
        for _ in range(1024):
            c.sendall(b"x" * 65536)
    elif path == "/continue":
        c.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n\r\n")
    elif path == "/redirect":
        c.sendall(b"HTTP/1.1 302 There\r\nLocation: /500\r\nContent-Length: 0\r\n\r\n")
    elif path == "/nonsense":
        c.sendall(b"\x00\x01\x02 nonsense\r\n\r\n")
    elif path == "/close":
        pass
    else:
        status = int(path[1:4]) if path[1:4].isdigit() else 200
        c.sendall(b"HTTP/1.1 %d S\r\nContent-Length: 0\r\n\r\n" % status)


def serve(c, context):
    try:
        if context:
            c = context.wrap_socket(c, server_side=True)
        text = b""
        while b"\r\n\r\n" not in text:
            more = c.recv(4096)
            if not more:
                return
            text += more
        lines = text.decode().split("\r\n")
        host = [line[6:] for line in lines if line.lower().startswith("host: ")]
        print("GET", lines[0].split()[1], *host, file=log, flush=True)
        answer(c, lines[0].split()[1])
    except (OSError, ValueError):
        pass
    finally:
        c.close()


def listen(family, address, port, context):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, port))
    s.listen(1024)

    def loop():
        while True:
            c, _ = s.accept()
            threading.Thread(target=serve, args=(c, context), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


tls = None
log = open(sys.argv[2], "a")
if len(sys.argv) > 3:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[3], sys.argv[4])
listen(socket.AF_INET, "0.0.0.0", int(sys.argv[1]), tls)
listen(socket.AF_INET6, "::", int(sys.argv[1]), tls)
print("ready", flush=True)
while True:
    time.sleep(1000)
