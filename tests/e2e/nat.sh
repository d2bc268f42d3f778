#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nat: private instances reach the internet through a NAT gateway by TCP, UDP, ping and traceroute, a thousand
# connections at once; outside only its elastic IPs are seen, and nobody comes in that way.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hops() { at a traceroute -n -q1 -w2 -m6 "$@" 2>&1 | awk 'NR > 1 { print $2 }' | paste -sd' '; }
WAY='10.0.1.1 198.51.100.1 198.51.100.129'
large() { head -c 4000 /dev/zero | tr '\0' x | at a timeout 10 socat -t3 -b8192 - UDP4:198.51.100.1:54,readbytes=4000 | wc -c; }
gre_is_dropped() { (($(dropped NAT_PROTOCOL) == 1)); }

story() { # HOOK
	gateway_up "$1" '.elastic_ips["nat-2"] = { address: "203.0.113.21" } | .nat_gateways.nat.elastic_ips += ["nat-2"]
		| .route_tables.private.routes += [{ to: "64:ff9b::/96", via: "nat_gateway/nat" }]' --far 1500
	serve_many internet 80
	serve_many far 80
	serve tcp internet 81
	serve tcp far 81
	serve udp internet 54
	serve tcp a 80
	serve udp a 53

	# ---- out: many at once ----
	many a http 198.51.100.1 80 1000 >"$WORK/http.a" &
	many b http 198.51.100.1 80 999 >"$WORK/http.b"
	wait "$!"
	is "$(jq -c '[.answered, .ports]' "$WORK/http.a")" '[1000,1000]' "1,000 HTTP connections that are open at once are answered, each seen with a port of its own"
	is "$(jq -c '[.answered, .ports]' "$WORK/http.b")" '[999,999]' "and so are 999 of another instance's at the same time"
	is "$(jq -s 'map(.sources | length) | max' "$WORK"/http.?)" 1 "outside each instance has one address"
	is "$(jq -sc '[.[].sources[]] - ["203.0.113.20", "203.0.113.21"]' "$WORK"/http.?)" '[]' "and that is an elastic IP of the NAT gateway"
	diag "seen: $(cat "$WORK/http.a")"$'\n'"seen: $(cat "$WORK/http.b")"
	OWN=$(jq -r '.sources[0]' "$WORK/http.a")
	many a dns 198.51.100.1 80 1000 >"$WORK/dns"
	is "$(jq -c '[.answered, .sources]' "$WORK/dns")" "[1000,[\"$OWN\"]]" "1,000 DNS questions are answered, to the same address"
	is "$(seen_as a 198.51.100.129 80)" "$OWN" "another server sees the same address"
	is "$(many a http 2001:db8:100::1 80 1000 | jq -c '[.answered, .sources]')" '[1000,["fd00:10:0:1::10"]]' "1,000 HTTP connections over IPv6 keep their address"
	at b ip addr add 10.0.2.77/24 dev eth0
	is "$(seen_as b 198.51.100.1 80 10.0.2.77 | grep -cE '^203\.0\.113\.2[01]$')" 1 "a host that no rule set declares is translated, too"

	is "$(many a http 64:ff9b::c633:6401 80 200 | jq -c '[.answered, .sources]')" "[200,[\"$OWN\"]]" "NAT64: 200 IPv6 connections reach a server that has IPv4 only"
	is "$(many a dns 64:ff9b::c633:6401 80 200 | jq -c '[.answered, .sources]')" "[200,[\"$OWN\"]]" "NAT64: so do DNS questions"

	talks <<-ROWS
		answer  ping a 64:ff9b::c633:6401 56 | NAT64: ping is answered
		refused tcp  a 64:ff9b::c633:6401 9  | NAT64: a reset comes back
		refused udp  a 64:ff9b::c633:6401 9  | NAT64: a port unreachable comes back, translated
		answer  tcp  a 198.51.100.1 81    | TCP goes out
		answer  udp  a 198.51.100.1 54    | UDP goes out and its answer comes back
		answer  ping a 198.51.100.1 56    | ping goes out and its answer comes back
		answer  tcp  b 198.51.100.129 81  | so it does to another hop
		answer  ping b 198.51.100.129 56  | so does ping
		answer  udp  a 2001:db8:100::1 54 | UDP over IPv6 goes out
		answer  ping a 2001:db8:101::1 56 | ping over IPv6 goes out
		refused tcp  a 198.51.100.1 9     | a reset comes back
		refused udp  a 198.51.100.1 9     | a port unreachable comes back, rewritten
		refused udp  a 2001:db8:100::1 9  | and over IPv6
		answer  ping a 10.0.1.1 56        | the subnet's router answers ping
		answer  ping a fd00:10:0:1::1 56  | and over IPv6
	ROWS

	is "$(hops 198.51.100.129)" "$WAY" "traceroute by UDP sees the router, the internet and the end"
	is "$(hops -I 198.51.100.129)" "$WAY" "so does one by ICMP"
	is "$(hops -T -p 80 198.51.100.129)" "$WAY" "so does one by TCP"
	is "$(hops -6 2001:db8:101::1)" 'fd00:10:0:1::1 2001:db8:100::1 2001:db8:101::1' "so does one over IPv6"
	is "$(hops -6 64:ff9b::c633:6481)" 'fd00:10:0:1::1 64:ff9b::c633:6401 64:ff9b::c633:6481' "NAT64: traceroute sees the hops of the other family"
	is "$(hops -6 -I 64:ff9b::c633:6481)" 'fd00:10:0:1::1 64:ff9b::c633:6401 64:ff9b::c633:6481' "NAT64: so does one by ICMP"

	# ---- fragments and other protocols ----
	is "$(large)" 4000 "a datagram of three fragments goes out, and its answer comes back"
	talks <<-ROWS
		FRAGMENT            ping a 198.51.100.1 4000 | a ping of three fragments does not
		PRIVATE_DESTINATION tcp  a 192.168.7.7 80    | a private address is not in the internet
		NAT_UNSOLICITED     ping a 10.0.0.5 56       | the NAT gateway itself answers nobody
	ROWS
	is "$(dropped NAT_PROTOCOL)" 0 "no other protocol was dropped so far"
	echo x | at a socat -u - IP4-SENDTO:198.51.100.1:47
	check "GRE is" within 5 gre_is_dropped

	# ---- in: nothing ----
	force_in 203.0.113.20 203.0.113.21 10.0.1.10 10.0.0.5
	hold "out-$1" udp a 198.51.100.1 54 10.0.1.10,sourceport=40000 || diag "the flow of port 40000 did not open"
	talks <<-ROWS
		NAT_UNSOLICITED tcp  internet 203.0.113.20 80      | a SYN to an elastic IP of the NAT gateway is met with silence
		NAT_UNSOLICITED tcp  internet 203.0.113.21 81      | so is one to the other
		NAT_UNSOLICITED udp  internet 203.0.113.20 53      | so is a datagram
		NAT_UNSOLICITED ping internet 203.0.113.20 56      | so is a ping
		NAT_UNSOLICITED udp  internet%198.51.100.2 $OWN 40000 | so is a stranger's datagram to a port that a client has open to somebody else
		NAT_UNSOLICITED tcp  internet $OWN 40000           | and a SYN to a port that is open for UDP
		NO_ROUTE        tcp  internet 10.0.1.10 80         | a SYN to a private address does not come in
		NO_ROUTE        ping internet 10.0.1.10 56         | nor does a ping
		NO_ROUTE        tcp  internet 10.0.0.5 80          | nor anything to the NAT gateway's private address
		EGRESS_ONLY     tcp  internet fd00:10:0:1::10 80   | a SYN over IPv6 does not come in by the egress-only gateway
		EGRESS_ONLY     udp  internet fd00:10:0:1::10 53   | nor does a datagram
		EGRESS_ONLY     ping internet fd00:10:0:1::10 56   | nor does a ping
	ROWS
	check "the client's flow goes on" held "out-$1" 5
	check "every packet is counted once" adds_up
}

for hook in tc xdp; do
	story "$hook"
	lab down
	LAB=''
done
finish
