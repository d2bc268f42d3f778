#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# flap: devices of the gateway go and come, instances are replaced, the agent is killed, rules change; connections
# that were translated go on, and what comes back is found within a second.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

gateway_up tc .
serve_many internet 80
serve tcp internet 81
serve tcp a 80
serve tcp web 80

everything_open() {
	hold nat tcp a 198.51.100.1 81 && hold in tcp internet 203.0.113.10 80 && hold across tcp web 10.0.1.10 80 && hold six tcp a 2001:db8:100::1 81
}
everything_goes_on() { # SECONDS
	local name
	for name in nat in across six; do
		held "$name" "$1" || { echo "connection $name is dead" && return 1; }
	done
}
has_state() { [[ $(hg --json show devices | jq -r --arg d "$1" '.[] | select(.device == $d) | .state') == "$2" ]]; }
check "connections open by NAT, to an elastic IP, between subnets and over IPv6" everything_open

# ---- devices ----
for device in br-private uplink br-public; do
	at host ip link set dev "$device" down
	check_not "$device is shut: what goes by it is not heard" held "$(if [[ $device == br-public ]]; then echo in; else echo nat; fi)" 1
	at host ip link set dev "$device" up
	check "$device is back: every connection goes on" everything_goes_on 8
done
at host ip link set dev br-private down
at host ip link set dev br-private name br-away
at host ip link set dev br-away up
check "a subnet's device that is renamed away is absent" within 5 has_state br-private absent
at host ip link set dev br-away down
at host ip link set dev br-away name br-private
at host ip link set dev br-private up
check "renamed back it is attached" within 5 has_state br-private attached
check "and every connection goes on" everything_goes_on 8

# ---- an instance is replaced: other MAC, same addresses ----
reaches() { at "$1" ping -nqc1 -W0.2 "$2"; }
replaced() { # what a new machine does first: it asks for its router
	lab unplug a && lab plug a && reaches a 10.0.1.1 && reaches a fd00:10:0:1::1
}
check "an instance is replaced and finds its router" replaced
check "within a second it is reached" within 1 reaches web 10.0.1.10
check "and over IPv6" within 1 reaches web fd00:10:0:1::10
check "and its connections go on" everything_goes_on 8
at a ip link set dev eth0 address 02:00:00:00:00:0a
check "an instance changes its MAC and finds its router" reaches a 10.0.1.1
check "over IPv6, too" reaches a fd00:10:0:1::1
check "within a second it is reached" within 1 reaches web 10.0.1.10
check "and over IPv6" within 1 reaches web fd00:10:0:1::10

# ---- the next hop changes its MAC, and announces it as routers do ----
at internet ip link set dev up address 02:00:00:00:00:01
check "a next hop that changes its MAC is followed within a second" within 1 reaches web 198.51.100.1
check "and by the NAT gateway" within 1 reaches a 198.51.100.1
check "and over IPv6" within 1 reaches a 2001:db8:100::1
check "every connection goes on" everything_goes_on 8

# ---- the agent is killed ----
rounds() { # N: of 200 connections each, in a row
	local i
	for ((i = 0; i < $1; i++)); do
		[[ $(many a http 198.51.100.1 80 200 | jq .answered) == 200 ]] || return 1
	done
}
rounds 12 &
clients=$!
sleep 0.5
agent_kill
check "while there is no agent every connection goes on" everything_goes_on 3
is "$(seen_as a 198.51.100.1 80)" 203.0.113.20 "and new ones are translated"
agent_start
check "the agent comes back healthy" within 10 is_healthy
check "2,400 connections were made meanwhile, none failed" wait "$clients"
check "every connection goes on" everything_goes_on 3
is "$(many a http 198.51.100.1 80 1000 | jq -c '[.answered, .ports]')" '[1000,1000]' "1,000 more find ports that nobody has"

# ---- the rules are applied anew, and again ----
rounds 8 &
clients=$!
applies() { # N
	local i
	for ((i = 0; i < $1; i++)); do
		# shellcheck disable=SC2016 # jq expands it
		edit --arg i "$i" '.description = "the same, " + $i | .security_groups["new-" + $i] = { vpc: "prod", ingress: [], egress: [] }'
		apply || return 1
	done
}
check "the rules are applied eight times under traffic" applies 8
check "1,600 connections were made meanwhile, none failed" wait "$clients"
check "and every connection goes on" everything_goes_on 3
check "every packet is counted once" adds_up
finish
