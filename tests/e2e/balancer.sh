#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# balancer: five servers behind a load balancer take thousands of connections by their weights, over both families,
# from outside and inside; they see whom they should see, and bulk, errors and fragments pass.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

WEIGHTS='{"s1":1,"s2":1,"s3":1,"s4":2,"s5":3}'

# A count is off by chance, too: four degrees of freedom leave 23.5 to one run in 10,000, two leave 18.4.
by_weights() { # ASKED WEIGHTS FILE
	jq -e --argjson n "$1" --argjson w "$2" '
		($w | [.[]] | add) as $sum | .by as $by
		| ([$w | to_entries[] | (.value / $sum * $n) as $e | (($by[.key] // 0) - $e) | . * . / $e] | add) as $x
		| .answered == $n and ($by | keys) - ($w | keys) == [] and $x < (if ($w | length) == 5 then 23.5 else 18.4 end)' "$3" >/dev/null
}
shares() { # WEIGHTS MACHINE PROTOCOL ADDRESS PORT N SOURCE SEEN-SOURCE SENTENCE
	local n=$(($6 / FEWER))
	spread "${@:2:4}" "$n" "$7" >"$WORK/spread"
	by_weights "$n" "$1" "$WORK/spread" && [[ $(jq -c .sources "$WORK/spread") == "[\"${8:-$7}\"]" ]]
	ok $? "$9"
	diag "$(cat "$WORK/spread")"
}
large() { # MACHINE UDP4:ADDRESS:PORT: bytes that come back of 4,000
	head -c 4000 /dev/zero | tr '\0' x | at "$1" timeout 10 socat -t1 -b8192 - "$2" | tr -dc x | wc -c
}

story() { # HOOK
	# shellcheck disable=SC2016 # jq's variables
	local edited='
		.target_groups.hidden = (.target_groups.web | .preserve_client_ip = false)
		| .target_groups.sticky = (.target_groups.web | .stickiness = "source_ip")
		| .target_groups.names = (.target_groups.web | .protocol = "tcp_udp" | .port = 5353 | .health_check.port = 8080)
		| .target_groups.heavy = (.target_groups.web | .targets |= .[:2])
		| .target_groups.light = (.target_groups.web | .targets |= .[2:3])
		| .target_groups.bulk = (.target_groups.web | .targets |= .[:1] | .port = 5001 | .health_check.port = 8080)
		| .target_groups.masked = (.target_groups.bulk | .preserve_client_ip = false | .port = 5002)
		| .target_groups.deaf = (.target_groups.bulk | .protocol = "tcp_udp" | .port = 9)
		| def to($groups): [$groups[] | { target_group: . }];
		.load_balancers.edge.listeners += [
			{ protocol: "tcp", port: 81, forward: to(["hidden"]) },
			{ protocol: "tcp", port: 82, forward: to(["sticky"]) },
			{ protocol: "tcp_udp", port: 53, forward: to(["names"]) },
			{ protocol: "tcp", port: 83, forward: [{ target_group: "heavy", weight: 3 }, { target_group: "light", weight: 1 }] },
			{ protocol: "tcp", port: 5001, forward: to(["bulk"]) },
			{ protocol: "tcp", port: 5002, forward: to(["masked"]) },
			{ protocol: "tcp_udp", port: 84, forward: to(["deaf"]) }]
		| .load_balancers.node = { listeners: .load_balancers.edge.listeners, nodes: [
			{ subnet: "public", address: "10.0.0.100", elastic_ip: "edge" }, { subnet: "public", address: "fd00:10::100" }] }'
	balancer_up "$1" "$edited" --far 1400
	check "all targets become healthy" within 15 targets_are healthy "$(jq '[.target_groups[].targets | length] | add' "$RULES")"

	# One client that speaks from one port to two of a balancer's addresses may meet one server twice: answers could not be
	# told apart. Each has a source of its own here.
	ip -n "$LAB-internet" -batch - < <(
		for i in {1..50}; do echo "addr add 198.51.100.$((i + 10))/32 dev up"; done
		echo addr add 2001:db8:100::11/128 dev up nodad
	)
	at c ip addr add 10.0.1.11/24 dev eth0

	# ---- weights ----
	shares "$WEIGHTS" internet tcp 203.0.113.30 80 3000 198.51.100.1 '' "3,000 connections from outside go to five servers by their weights, which see the client"
	shares "$WEIGHTS" internet tcp 2001:db8:200::30 80 1000 2001:db8:100::1 '' "so do 1,000 over IPv6"
	shares "$WEIGHTS" internet tcp 203.0.113.31 80 500 198.51.100.11 '' "so do 500 by a node's elastic IP"
	shares "$WEIGHTS" c tcp 203.0.113.30 80 1000 10.0.1.10 '' "so do 1,000 from inside"
	shares "$WEIGHTS" c tcp 10.0.0.100 80 500 10.0.1.11 '' "from inside, to a node's own address"
	shares "$WEIGHTS" c tcp fd00:10::100 80 500 fd00:10:0:1::10 '' "from inside, over IPv6"
	shares '{"s1":3,"s2":3,"s3":2}' internet tcp 203.0.113.30 83 1000 198.51.100.12 '' "a listener forwards to groups by their weights"
	shares "$WEIGHTS" internet udp 203.0.113.30 53 1000 198.51.100.1 '' "1,000 datagrams, each of a socket of its own, are answered"
	shares "$WEIGHTS" c udp 2001:db8:200::30 53 500 fd00:10:0:1::10 '' "and over IPv6 from inside"

	# ---- whom servers see ----
	shares "$WEIGHTS" internet tcp 203.0.113.30 81 1000 198.51.100.1 203.0.113.30 "where the client is not preserved, servers see the balancer"
	shares "$WEIGHTS" c tcp 2001:db8:200::30 81 500 fd00:10:0:1::10 2001:db8:200::30 "and over IPv6"
	shares "$WEIGHTS" internet tcp 203.0.113.31 81 500 198.51.100.1 10.0.0.100 "of a node, its address in the subnet"
	shares "$WEIGHTS" s1 tcp 203.0.113.30 81 500 10.0.11.10 203.0.113.30 "a server is a client of its own balancer then, and of itself"

	# ---- stickiness ----
	spread internet tcp 203.0.113.30 82 1000 198.51.100.21+40 >"$WORK/sticky"
	is "$(jq -c '[.answered, .pairs, (.by | length)]' "$WORK/sticky")" '[1000,40,5]' "with stickiness each of 40 clients has one server, and all servers have clients"

	# ---- errors, fragments, bulk ----
	talks <<-ROWS
		NO_LISTENER tcp  internet 203.0.113.30 9    | a port without a listener is met with silence
		NO_LISTENER udp  c 10.0.0.100 80            | so is one that listens to TCP alone
		NO_LISTENER ping internet 203.0.113.30 56   | and a ping
		refused     tcp  internet 203.0.113.30 84   | a server's reset comes back
		refused     udp  internet 203.0.113.30 84   | so does its ICMP error
		refused     udp  c 2001:db8:200::30 84      | and over IPv6
		answer      tcp  far 203.0.113.30 53        | the far end of the internet is answered
	ROWS
	is "$(large internet UDP4:203.0.113.30:53)" 4000 "a datagram in fragments comes there and back"
	is "$(large c 'UDP6:[2001:db8:200::30]:53')" 4000 "and over IPv6"
	check "64 MiB go in, byte for byte" transfer 1 internet s1 203.0.113.30 5001
	check "and come out on a narrow way, which the server learns of through the balancer" fetch 1 far s1 203.0.113.30 5001
	check "so they do where the client is not preserved" fetch 1 far s1 203.0.113.31 5002
	check "and over IPv6" fetch 1 far s1 2001:db8:200::30 5002

	check "every packet is counted once" adds_up
	is "$(hg --json show load-balancers | jq -c '[.[].metrics | .NewFlowCount_TCP > 150 and .RejectedFlowCount == 0]')" '[true,true]' "each balancer counts its connections"
}

FEWER=1 # than the sentences say; the second time it is the same with other programs
for hook in tc xdp; do
	story "$hook"
	lab down
	LAB='' FEWER=5
done
finish
