#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""appliance: an appliance behind a gateway load balancer.

  appliance.py LOG [forge]    takes packets out of GENEVE, writes down what they are, and sends them back

Packets to port 666 are kept. "forge" sends all of them back with another cookie. One line of LOG for each
packet: its source, its destination, and their ports where it has some.
"""
import ipaddress
import socket
import sys

HEADERS = 40  # GENEVE and its options
RCVBUFFORCE = 33  # asm-generic/socket.h


def ends(packet):
    if packet[0] >> 4 == 4:
        at, protocol, a = (packet[0] & 15) * 4, packet[9], packet[12:20]
    else:
        at, protocol, a = 40, packet[6], packet[8:40]
    n = len(a) // 2
    names = [str(ipaddress.ip_address(a[:n])), str(ipaddress.ip_address(a[n:]))]
    ports = []
    if protocol in (6, 17):
        ports = [int.from_bytes(packet[at + i:at + i + 2], "big") for i in (0, 2)]
    return names, ports


def main():
    log = open(sys.argv[1], "w", buffering=1)
    forges = "forge" in sys.argv[2:]
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 16 << 20)
    s.bind(("0.0.0.0", 6081))
    while True:
        data, (gateway, _) = s.recvfrom(65536)
        names, ports = ends(data[HEADERS:])
        print(*names, *ports, file=log)
        if ports and ports[1] == 666:
            continue
        if forges:
            data = data[:HEADERS - 1] + bytes([data[HEADERS - 1] ^ 1]) + data[HEADERS:]
        s.sendto(data, (gateway, 6081))


main()
