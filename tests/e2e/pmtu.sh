#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pmtu: a TCP connection learns of a smaller MTU on its way and goes on: behind a NAT gateway, a 1:1 address and an
# egress-only gateway when a router outside says so, and when the gateway itself does for a subnet's device.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# What a machine has learnt of a destination. Without it the bytes came through for another reason.
learnt() { # MACHINE ADDRESS
	at "$1" ip -j "$(if [[ $2 == *:* ]]; then echo -6; else echo -4; fi)" route get "$2" | jq -r '.[0].metrics[0].mtu // "nothing"'
}
told() { # fetch|transfer FROM TO ADDRESS PORT TELLER DESTINATION SENTENCE: TELLER is who has to send less
	local sentence=${*:8}
	is "$(learnt "$6" "$7")" nothing "$sentence: the sender does not know beforehand"
	check "$sentence: 64 MiB arrive" "$1" 1 "${@:2:4}"
	is "$(learnt "$6" "$7")" 1400 "$sentence: it has learnt 1400"
}
pinged() { # MACHINE ADDRESS SIZE SENTENCE: too large a ping is answered with the MTU
	is "$(at "$1" ping -nc1 -W5 -Mdo -s"$3" "$2" 2>&1 | grep -ciE 'mtu *= *1400')" 1 "$4"
}
mtu_is() { hg --json show devices | jq -e --arg d "$1" --argjson mtu "$2" 'any(.[]; .device == $d and .mtu == $mtu)'; }

for hook in tc xdp; do
	gateway_up "$hook" '.route_tables.private.routes += [{ to: "64:ff9b::/96", via: "nat_gateway/nat" }]' --far 1400
	pinged a 198.51.100.129 1450 "NAT: a ping that is too large for a router outside is answered with the MTU"
	pinged web 198.51.100.129 1450 "1:1: so is one"
	pinged a 2001:db8:101::1 1440 "egress-only: so is one over IPv6"
	is "$(at a ping -nc1 -W5 -Mdo -s1440 64:ff9b::c633:6481 2>&1 | grep -ciE 'mtu *= *1420')" 1 "NAT64: so is one, with 20 bytes more for the other header"
	at a ip route flush cache && at web ip route flush cache && at a ip -6 route flush cache
	told transfer a far 198.51.100.129 5000 a 198.51.100.129     "NAT, a router outside has MTU 1400"
	is "$(learnt a 64:ff9b::c633:6481)" nothing "NAT64: the sender does not know beforehand"
	check "NAT64, a router outside has MTU 1400: 64 MiB arrive" transfer 1 a far 64:ff9b::c633:6481 5004
	is "$(learnt a 64:ff9b::c633:6481)" 1420 "NAT64, a router outside has MTU 1400: it has learnt 1420"
	told transfer web far 198.51.100.129 5001 web 198.51.100.129 "1:1, a router outside has MTU 1400"
	told transfer a far 2001:db8:101::1 5002 a 2001:db8:101::1   "egress-only, a router outside has MTU 1400"
	told transfer web far 2001:db8:101::1 5003 web 2001:db8:101::1 "IPv6, a router outside has MTU 1400"
	check "every packet is counted once" adds_up
	lab down

	gateway_up "$hook" .
	at host ip link set dev br-private mtu 1400
	check "a device's new MTU is seen" within 5 mtu_is br-private 1400
	pinged web 10.0.1.10 1450 "subnet device: a ping that is too large for it is answered with the MTU"
	pinged web fd00:10:0:1::10 1440 "subnet device: so is one over IPv6"
	at web ip route flush cache && at web ip -6 route flush cache
	told transfer web a 10.0.1.10 5000 web 10.0.1.10              "subnet device of MTU 1400, from another subnet"
	told transfer web a fd00:10:0:1::10 5001 web fd00:10:0:1::10  "subnet device of MTU 1400, from another subnet over IPv6"
	told fetch a internet 198.51.100.1 5002 internet 203.0.113.20 "subnet device of MTU 1400, NAT, from outside"
	told fetch a internet 2001:db8:100::1 5003 internet fd00:10:0:1::10 "subnet device of MTU 1400, egress-only, from outside"
	is "$(hg --json stats | jq '.dropped.TOO_BIG > 0')" true "what was too big is counted"
	check "every packet is counted once" adds_up
	lab down
	LAB=''
done
finish
