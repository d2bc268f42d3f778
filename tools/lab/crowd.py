#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crowd: servers that say who they are, and the many clients of a load balancer.

  crowd.py serve NAME PORT...   TCP and UDP on each PORT, both families, until killed
  crowd.py spread tcp|udp ADDRESS PORT N [SOURCE[+COUNT]]
                                N connections or questions, some at a time; from COUNT addresses in turn
  crowd.py keep FILE ADDRESS PORT N [SOURCE]   N connections that talk without end
  crowd.py knock FILE ADDRESS PORT MS          a new connection every MS milliseconds, without end

A server answers "GET" with the JSON of who asks and of itself, closes, and repeats every other
line behind its name. From SIGUSR1 on it answers "GET /healthz" with 503, from SIGUSR2 on as before.

spread prints, as JSON, how many were answered, by whom, the sources that the servers saw, and how
many pairs of source and server there were. keep talks all the time and keeps FILE up to date, as
JSON: what each server answers for, what ended and how ("reset", "closed", "silent", "wrong": an
answer to another question, or another's), and how many lines came back. knock writes a line each:
when it was (seconds since 1970), and by whom it was answered or "refused", "reset", "silent".
"""
import asyncio
import ipaddress
import json
import os
import resource
import signal
import socket
import sys
import time

AT_ONCE = 64
PATIENCE = 5  # seconds for one answer
PATIENCE_KEPT = 12  # seconds for one line of a connection that is kept: some retransmissions
PAUSE = 0.1  # seconds between two lines of a connection
SO_RCVBUFFORCE = 33


def plain(address):
    """An IPv4 address in IPv6 clothes is an IPv4 address."""
    a = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(a, "ipv4_mapped", None) or a)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def who(name, peer):
    return json.dumps({"by": name, "source": plain(peer[0]), "port": peer[1]}).encode()


# ---- servers ----


well = True


def become(is_well):
    global well
    well = is_well


async def converse(name, reader, writer):
    try:
        while line := await reader.readline():
            if not line.startswith(b"GET "):
                writer.write(name.encode() + b" " + line)
                continue
            while (await reader.readline()).strip():
                pass
            body = who(name, writer.get_extra_info("peername"))
            status = b"200 OK" if well or not line.startswith(b"GET /healthz ") else b"503 Unwell"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            await writer.drain()
            break
    except ConnectionError:
        pass
    finally:
        writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, name):
        self.name = name

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(who(self.name, peer) + b"\n" + data, peer)


async def serve(name, *ports):
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, become, False)
    loop.add_signal_handler(signal.SIGUSR2, become, True)
    for port in map(int, ports):
        tcp = socket.socket(socket.AF_INET6)
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        for s in tcp, udp:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
            s.bind(("::", port))
        await loop.create_datagram_endpoint(lambda: Datagrams(name), sock=udp)
        await asyncio.start_server(lambda r, w: converse(name, r, w), sock=tcp, backlog=4096)
    await asyncio.Event().wait()


# ---- clients ----


async def ask_tcp(address, port, source=None):
    reader, writer = await asyncio.open_connection(address, port, local_addr=source)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % address.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(head)
        return json.loads(await reader.read())
    finally:
        writer.close()


async def ask_udp(address, port, source=None):
    loop = asyncio.get_running_loop()
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        if source:
            s.bind(source)
        s.connect((address, port))
        question = os.urandom(16)
        await loop.sock_sendall(s, question)
        said, echo = (await loop.sock_recv(s, 512)).split(b"\n", 1)
        if echo != question:
            raise ConnectionError("an answer to another question")
        return json.loads(said)


async def spread(protocol, address, port, n, source=None):
    source, _, count = (source or "").partition("+")
    gate = asyncio.Semaphore(AT_ONCE)
    ask = {"tcp": ask_tcp, "udp": ask_udp}[protocol]

    async def one(i):
        async with gate:
            local = (source or None) and (str(ipaddress.ip_address(source) + i % int(count or 1)), 0)
            return await asyncio.wait_for(ask(address, int(port), local), PATIENCE)

    answers = await asyncio.gather(*map(one, range(int(n))), return_exceptions=True)
    good = [a for a in answers if not isinstance(a, BaseException)]
    by = {}
    for a in good:
        by[a["by"]] = by.get(a["by"], 0) + 1
    said = {"asked": int(n), "answered": len(good), "by": by, "sources": sorted({a["source"] for a in good})}
    said["pairs"] = len({(a["source"], a["by"]) for a in good})
    wrong = sorted({repr(a) for a in answers if isinstance(a, BaseException)})
    if wrong:
        said["wrong"] = wrong[:3]
    print(json.dumps(said))
    return 0 if len(good) == int(n) else 1


def ending(e):
    if isinstance(e, ConnectionRefusedError):
        return "refused"
    if isinstance(e, ConnectionError):
        return "reset"
    if isinstance(e, asyncio.TimeoutError):
        return "silent"
    if isinstance(e, asyncio.IncompleteReadError):
        return "closed"
    return repr(e)


class Kept:
    """What is known of all connections of keep."""

    def __init__(self):
        self.open, self.ended, self.lines = {}, {}, 0

    def write(self, path):
        with open(path + ".new", "w") as f:
            json.dump({"open": self.open, "ended": self.ended, "lines": self.lines}, f)
        os.rename(path + ".new", path)

    async def talk(self, address, port, source, number):
        name, end, speaker = None, "closed", None
        try:
            opening = asyncio.open_connection(address, port, local_addr=source)
            reader, writer = await asyncio.wait_for(opening, PATIENCE)
            speaker = asyncio.create_task(self.speak(writer, number))
            while answer := await asyncio.wait_for(reader.readline(), PATIENCE_KEPT):
                by, said = answer.decode().split()
                if name is None:
                    name = by
                    self.open[name] = self.open.get(name, 0) + 1
                if (by, said) != (name, str(number)):
                    end = "wrong"
                    break
                self.lines += 1
                number += 1
        except (OSError, asyncio.TimeoutError, ValueError) as e:
            end = ending(e)
        if speaker:
            speaker.cancel()
        if name:
            self.open[name] -= 1
        of = self.ended.setdefault(name or "nobody", {})
        of[end] = of.get(end, 0) + 1

    async def speak(self, writer, number):
        while True:
            writer.write(b"%d\n" % number)
            number += 1
            await asyncio.sleep(PAUSE)


async def keep(path, address, port, n, source=None):
    kept = Kept()
    talks = []
    for i in range(int(n)):
        talks.append(asyncio.create_task(kept.talk(address, int(port), source and (source, 0), i * 1000000)))
        if i % AT_ONCE == 0:
            await asyncio.sleep(0.01)
    while True:
        kept.write(path)
        await asyncio.sleep(PAUSE / 2)


async def knock(path, address, port, ms):
    running = set()
    with open(path, "w", buffering=1) as f:

        async def one():
            started = time.time()
            try:
                by = (await asyncio.wait_for(ask_tcp(address, int(port)), PATIENCE))["by"]
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as e:
                by = ending(e)
            f.write(f"{started:.6f} {by}\n")

        while True:
            task = asyncio.create_task(one())
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.sleep(float(ms) / 1000)


def main(what, *args):
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    how = {"serve": serve, "spread": spread, "keep": keep, "knock": knock}.get(what)
    if not how:
        raise SystemExit(__doc__)
    return asyncio.run(how(*args))


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (TypeError, IndexError):
        sys.exit(__doc__)
    except KeyboardInterrupt:
        sys.exit(130)
