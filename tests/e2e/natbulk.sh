#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# natbulk: a gigabyte each way across a NAT gateway, by TCP and by UDP, arrives byte for byte and, by UDP, without a
# single loss; every offload is left as the kernel sets it. Less across a 1:1 address, untranslated, and by XDP.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

gateway_up tc .
check "TCP: a gigabyte goes out through the NAT gateway, every byte as sent" transfer 16 a internet 198.51.100.1 5000
check "TCP: a gigabyte is fetched through it" fetch 16 a internet 198.51.100.1 5001
check "UDP: a gigabyte of segments that the kernel cuts goes out, none is lost" datagrams up 16 a internet 198.51.100.1 5002
check "UDP: a gigabyte of them is fetched, none is lost" datagrams down 16 a internet 198.51.100.1 5003
check "UDP: 128 MiB go out a datagram at a time" datagrams up 2 a internet 198.51.100.1 5004 plain
check "UDP: and are fetched so" datagrams down 2 a internet 198.51.100.1 5005 plain
check "1:1: 128 MiB go out from an elastic IP" transfer 2 web internet 198.51.100.1 5006
check "1:1: and come in to one" transfer 2 internet web 203.0.113.10 8080
check "1:1: UDP goes out from one" datagrams up 2 web internet 198.51.100.1 5007
check "IPv6: 128 MiB go out through the egress-only gateway" transfer 2 a internet 2001:db8:100::1 5008
check "IPv6: UDP is fetched through it" datagrams down 2 a internet 2001:db8:100::1 5009
for port in 5000 5001 5002 5003; do
	is "$(hg --json flows | jq -c --argjson port "$port" '[.[] | select(.destination_port == $port) | [.bytes, .reply_bytes] | max > 1073741824]')" '[true]' \
		"the one flow to port $port has counted its gigabyte"
done
is "$(dropped)" 0 "nothing was dropped"
check "every packet is counted once" adds_up
lab down

gateway_up xdp .
check "TCP: 128 MiB go out through the NAT gateway" transfer 2 a internet 198.51.100.1 5000
check "TCP: and are fetched" fetch 2 a internet 198.51.100.1 5001
check "UDP: 128 MiB go out" datagrams up 2 a internet 198.51.100.1 5002
check "UDP: and are fetched" datagrams down 2 a internet 198.51.100.1 5003
check "1:1: 128 MiB come in to an elastic IP" transfer 2 internet web 203.0.113.10 8080
check "IPv6: 128 MiB are fetched" fetch 2 a internet 2001:db8:100::1 5004
finish
