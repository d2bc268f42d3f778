#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""speak: many conversations at once, and bulk by datagrams, for the demo and the tests.

What shell and socat cannot do: a thousand HTTP connections that are all open at one moment,
questions by UDP whose answers say from where they were seen to come, and a gigabyte of
datagrams of which none may be lost.

  speak.py serve PORT   HTTP and DNS on PORT, both families, until killed
  speak.py http ADDRESS PORT N [SOURCE [FIRST-PORT]]  N connections at once; the server answers none before all
                        have asked
  speak.py dns  ADDRESS PORT N [SOURCE [FIRST-PORT]]  N questions, each by a socket of its own
  speak.py take PORT BYTES   one datagram transfer, either way
  speak.py give up|down ADDRESS PORT BYTES [plain]

http and dns print, as JSON: how many were answered, and the sources that the server saw.
take and give print the SHA-256 of what came or went; 1 is the exit code when something was
lost. give sends segments for the kernel to cut (UDP GSO) unless it is told "plain".
"""
import asyncio
import hashlib
import ipaddress
import json
import random
import resource
import socket
import struct
import sys

QUESTION = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + b"\x06whoami\x07example\x00\x00\x10\x00\x01"
SEGMENT = 1400  # bytes of UDP payload: a number and the data
DATA = SEGMENT - 8
BATCH = 40  # segments in one call
WINDOW = 480  # segments that may be on their way: fewer than any queue between the two holds
SILENCE = 5  # seconds without progress after which a segment is lost
UDP_SEGMENT, UDP_GRO = 103, 104
SO_RCVBUFFORCE = 33


def plain(address):
    """An IPv4 address in IPv6 clothes is an IPv4 address."""
    a = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(a, "ipv4_mapped", None) or a)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# ---- many at once ----


class Server:
    """Answers "GET /N" when N such requests are waiting, with where each came from."""

    def __init__(self):
        self.waiting = {}

    async def http(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            n = int(head.split(b" ")[1].strip(b"/") or b"1")
            together = self.waiting.setdefault(n, [])
            come = asyncio.get_running_loop().create_future()
            together.append(come)
            if len(together) == n:
                del self.waiting[n]
                for one in together:
                    if not one.done():
                        one.set_result(True)
            await come
            peer = writer.get_extra_info("peername")
            body = json.dumps([plain(peer[0]), peer[1]]).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()


class Names(asyncio.DatagramProtocol):
    """A DNS server that knows one thing: a TXT record with the address of who asks."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        if data[2:] == QUESTION:
            said = plain(peer[0]).encode()
            answer = b"\xc0\x0c" + struct.pack("!HHIHB", 16, 1, 0, len(said) + 1, len(said)) + said
            self.transport.sendto(data[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + QUESTION[10:] + answer, peer)


async def serve(port):
    loop = asyncio.get_running_loop()
    tcp = socket.socket(socket.AF_INET6)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for s in tcp, udp:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        s.bind(("::", port))
    await loop.create_datagram_endpoint(Names, sock=udp)
    server = await asyncio.start_server(Server().http, sock=tcp, backlog=4096)
    await server.serve_forever()


async def ask_http(address, port, n, source):
    reader, writer = await asyncio.open_connection(address, port, local_addr=source)
    writer.write(b"GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n" % (n, address.encode()))
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read()
    writer.close()
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(head)
    return json.loads(body)


async def ask_dns(address, port, _, source):
    loop = asyncio.get_running_loop()
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        if source:
            s.bind(source)
        s.connect((address, port))
        number = struct.pack("!H", random.randrange(65536))
        await loop.sock_sendall(s, number + QUESTION)
        answer = await loop.sock_recv(s, 512)
        if answer[:2] != number:
            raise ConnectionError("an answer to another question")
        return [answer[12 + len(QUESTION) - 10 + 13 :].decode(), s.getsockname()[1]]


AT_ONCE = {ask_http: 4000, ask_dns: 200}
PATIENCE = {ask_http: 20, ask_dns: 4}  # seconds for one conversation


async def ask(how, address, port, n, source=None, first=0):
    gate = asyncio.Semaphore(AT_ONCE[how])

    async def one(i):
        async with gate:
            return await asyncio.wait_for(how(address, port, n, source and (source, int(first) and int(first) + i)), PATIENCE[how])

    answers = await asyncio.gather(*(one(i) for i in range(n)), return_exceptions=True)
    good = [a for a in answers if not isinstance(a, BaseException)]
    said = {"asked": n, "answered": len(good), "sources": sorted({a[0] for a in good})}
    if how is ask_http:
        said["ports"] = len({tuple(a) for a in good})
    wrong = sorted({repr(a) for a in answers if isinstance(a, BaseException)})
    if wrong:
        said["wrong"] = wrong[:3]
    print(json.dumps(said))
    return 0 if len(good) == n else 1


# ---- bulk ----
#
# A segment is a number and its data; the last number says, with no data, that all is sent.
# The taker answers with the number of segments that it has. Nothing is sent again: what is
# lost stays lost, and ends the transfer.


def segments_of(size):
    return (size + DATA - 1) // DATA


def tune(s):
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
    s.settimeout(SILENCE)
    return s


def send_all(s, n, batch):
    """Returns the hash of what was sent; s is connected."""
    # Any seed will do: the taker need not know it.
    piece = random.Random(1).randbytes(DATA * BATCH)
    sums = hashlib.sha256()
    buffer = bytearray(SEGMENT * batch)
    for i in range(batch):
        buffer[i * SEGMENT + 8 : (i + 1) * SEGMENT] = piece[i * DATA : (i + 1) * DATA]
    if batch > 1:
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT)
    number = struct.Struct("!Q")
    sent = had = 0
    while had < n:
        while sent < n and sent - had <= WINDOW - batch:
            k = min(batch, n - sent)
            for i in range(k):
                number.pack_into(buffer, i * SEGMENT, sent + i)
            s.send(memoryview(buffer)[: k * SEGMENT])
            sums.update(piece[: k * DATA])
            sent += k
        try:
            had = max(had, number.unpack(s.recv(8))[0])
        except TimeoutError:
            raise SystemExit(f"lost: {sent} segments went out, {had} arrived")
    return sums.hexdigest()


def take_all(s, n, first=b""):
    """Returns the hash of what came, in the order in which it was sent; s is connected."""
    s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    sums = hashlib.sha256()
    early = {}
    want = told = 0
    number = struct.Struct("!Q")
    data = first
    while True:
        for at in range(0, len(data), SEGMENT):
            one = data[at : at + SEGMENT]
            if len(one) != SEGMENT:
                raise SystemExit(f"a segment of {len(one)} bytes")
            i = number.unpack_from(one)[0]
            if i < want or i in early:
                raise SystemExit(f"segment {i} came twice")
            early[i] = one[8:]
            while want in early:
                sums.update(early.pop(want))
                want += 1
        if want - told >= WINDOW // 4 or want == n:
            s.send(number.pack(want))
            told = want
        if want == n:
            return sums.hexdigest()
        try:
            data = s.recv(1 << 16)
        except TimeoutError:
            if told < want:
                s.send(number.pack(want))
                told, data = want, b""
                continue
            raise SystemExit(f"lost: {want} of {n} segments came")


def take(port, size):
    """The first datagram says which way: it is a segment, or the word "down"."""
    s = tune(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    s.bind(("::", port))
    s.settimeout(30)
    data, peer = s.recvfrom(1 << 16)
    s.settimeout(SILENCE)
    s.connect(peer)
    n = segments_of(size)
    if data.startswith(b"down"):
        return send_all(s, n, 1 if data == b"down plain" else BATCH)
    return take_all(s, n, data)


def give(way, address, port, size, *how):
    s = tune(socket.socket(family_of(address), socket.SOCK_DGRAM))
    s.connect((address, port))
    n = segments_of(size)
    if way == "down":
        s.send(b" ".join([b"down", *(h.encode() for h in how)]))
        return take_all(s, n)
    return send_all(s, n, 1 if "plain" in how else BATCH)


def main(what, *args):
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    if what == "serve":
        return asyncio.run(serve(int(args[0])))
    if what in ("http", "dns"):
        how = ask_http if what == "http" else ask_dns
        return asyncio.run(ask(how, args[0], int(args[1]), int(args[2]), *args[3:]))
    if what == "take":
        print(take(int(args[0]), int(args[1])))
    elif what == "give":
        print(give(args[0], args[1], int(args[2]), int(args[3]), *args[4:]))
    else:
        raise SystemExit(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (TypeError, IndexError):
        sys.exit(__doc__)
    except KeyboardInterrupt:
        sys.exit(130)
