#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gate: a listener that is flooded with SYNs from sources that nobody hears is still reached by real clients,
# and its target and the flow table hardly see the flood.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

VIP=203.0.113.30 VIP6=2001:db8:30::1

flooded() { hg --json flows --from 20.0.0.0/8 | jq length; }
server_sees() { at a nft -j list table ip seen | jq '[.nftables[].rule.expr[]?.counter.packets? // empty] | add'; }
# How many of 20 clients, each from an address that was not heard of, connect.
strangers() {
	local i n=0
	local -a jobs=()
	for i in {1..20}; do
		at internet curl -s -o /dev/null --max-time 8 --interface "198.51.104.$i" "http://$VIP/" &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do wait "$i" && n=$((n + 1)); done
	echo "$n"
}

state_of() { hg --json show targets | jq -r '.[0].state'; }
is_healthy_target() { [[ $(state_of) == healthy ]]; }
flows() { hg flows | wc -l; }
# How long a connection takes, in ms; of 9 the middle one.
connect_ms() { # FROM URL
	for _ in {1..9}; do
		at "$1" curl -s -o /dev/null --max-time 8 -w '%{time_connect} %{http_code}\n' "$2" || echo "99 $?"
	done | sort -n | awk '{ t[NR] = $1 * 1000; bad += $2 != 200 } END { printf "%d %d\n", bad, t[5] }'
}
# SYNs of random sources, as fast as one raw socket sends.
flood() { # SECONDS [MOST]
	at internet python3 - "$VIP" "$1" "${2:-1000000000}" <<-'PYTHON'
		import os, random, socket, struct, sys, time
		vip, seconds, most = socket.inet_aton(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
		out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
		def total(b):
		    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
		    s = (s >> 16) + (s & 0xffff)
		    return ~(s + (s >> 16)) & 0xffff
		sent, end = 0, time.monotonic() + seconds
		while time.monotonic() < end and sent < most:
		    source = bytes((20, random.randrange(256), random.randrange(256), random.randrange(1, 255)))
		    port = random.randrange(1024, 65536)
		    tcp = struct.pack("!HHIIBBHHH", port, 80, random.randrange(1 << 32), 0, 80, 2, 1024, 0, 0)
		    check = total(source + vip + struct.pack("!HH", 6, 20) + tcp)
		    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
		    ip = struct.pack("!BBHHHBBH", 69, 0, 40, 0, 0, 64, 6, 0) + source + vip
		    out.sendto(ip + tcp, (sys.argv[1], 0))
		    sent += 1
		print(sent)
	PYTHON
}

story() { # HOOK
	local mac before n
	gateway_up "$1" '.target_groups.web = { vpc: "prod", protocol: "tcp", port: 80, targets: [{ interface: "a" }],
			health_check: { protocol: "tcp", interval: 5, timeout: 2, healthy_threshold: 2, unhealthy_threshold: 2 } }
		| .load_balancers.edge = { vpc: "prod", addresses: ["'$VIP'", "'$VIP6'"],
			listeners: [{ protocol: "tcp", port: 80, syn_protection: "always", forward: [{ target_group: "web" }] }] }'
	at host ip addr add 10.0.1.1/24 dev br-private
	mac=$(at host ip -j link show dev uplink | jq -r '.[0].address')
	force_in "$VIP"
	at internet ip -6 route replace "$VIP6" dev up
	at internet ip neigh replace "$VIP6" dev up lladdr "$mac" nud permanent
	serve_many a 80
	check "the target is healthy" within 25 is_healthy_target

	before=$(dropped RATE_LIMIT)
	check "a client that is not known connects" at internet curl -sf -o /dev/null --max-time 8 "http://$VIP/"
	ok $(($(dropped RATE_LIMIT) - before != 2)) "after one SYN and one reset were dropped"
	before=$(dropped RATE_LIMIT)
	check "then it is known, and connects at once" at internet curl -sf -o /dev/null --max-time 8 "http://$VIP/"
	is "$(dropped RATE_LIMIT)" "$before" "and nothing is dropped"
	check "so does one over IPv6" at internet curl -sf -g -o /dev/null --max-time 8 "http://[$VIP6]/"
	ok $(($(dropped RATE_LIMIT) - before != 2)) "after one SYN and one reset"
	check "and one inside" at b curl -sf -o /dev/null --max-time 8 "http://$VIP/"

	at internet ip route add local 198.51.104.0/24 dev lo
	at a nft -f - <<-'NFT'
		table ip seen {
			chain in { type filter hook prerouting priority -400; ip saddr 20.0.0.0/8 counter; }
		}
	NFT
	flood 60 50000 >"$WORK/sent" &
	is "$(strangers)" 20 "while 50,000 SYNs of random sources come, 20 clients connect that nobody has heard of"
	wait "$!"
	is "$(cat "$WORK/sent")" 50000 "all 50,000 were sent"
	is "$(flooded)" 0 "none of them has opened a connection"
	is "$(server_sees)" 0 "nor been seen by the server"

	edit '.load_balancers.edge.listeners[0].syn_protection = "auto"'
	check "protection only when it is needed" apply
	flood 6 >"$WORK/sent" &
	sleep 1 # the flood is the event, and its first second the threshold
	n=$(flows)
	diag "bad, median ms while flooded: $(connect_ms internet "http://$VIP/")"
	is "$(connect_ms b "http://$VIP/" | cut -d' ' -f1)" 0 "while it is flooded real clients connect"
	wait "$!"
	diag "$(cat "$WORK/sent") SYNs in 6 s; $n flows a second after the first, $(flows) at the end"
	ok $(($(cat "$WORK/sent") < 20000)) "it was a flood"
	ok $(($(flows) > 8000)) "and opened hardly any connection"
}

for hook in tc xdp; do
	story $hook
	lab down
	LAB=''
done
TAG=''
finish
