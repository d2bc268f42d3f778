#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# neighbours: who is behind a gateway's devices is known before packets come, and stays known through what happens
# to devices, routes and the agent.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

device() { hg --json show devices | jq -r --arg d "$1" '.[] | select(.device == $d) | '"$2"; }
resolved() { [[ $(device "$1" .neighbours.resolved) == "$2" ]]; }
failed() { [[ $(hg --json stats | jq .neighbours.failed) == "$1" ]]; }
# What the kernel looks after because we asked it to.
managed() { at host ip -j neigh show proto 104 | jq -r '[.[].dst] | sort | join(" ")'; }
is_managed() { [[ $(managed) == "$1" ]]; }
doors() { # DEVICE: programs at ingress and egress
	local way
	for way in ingress egress; do
		at host tc filter show dev "$1" "$way" | grep -o 'hg_[a-z]*' | sort -u | paste -sd+
	done | paste -sd/
}
ALL='10.0.0.10 10.0.1.10 10.0.2.10 2001:db8:ff::1 203.0.113.1 fd00:10:0:1::10 fd00:10:0:2::10 fd00:10::10'

story() { # HOOK
	gateway_up "$1" .
	check "the instances of a subnet are found before anybody sends" within 8 resolved "$(device_of private)" 2
	check "and so are next hops" within 8 resolved uplink 2
	is "$(managed)" "$ALL" "the kernel looks after all that is declared, and nothing else"
	is "$(device uplink .ingress)" "$1" "the uplink is entered by $1"
	is "$(doors uplink)" hg_in/ "with the TC door in, and none out"
	is "$(doors "$(device_of public)")" hg_in/ "a subnet's device has the same"
	failed 0
	ok $? "nobody was asked in vain"

	agent_kill
	agent_start
	check "after a sudden death all is as it was" resolved "$(device_of private)" 2
	is "$(managed)" "$ALL" "in the kernel, too"

	at host ip link set dev "$(device_of private)" down
	check "a device that is down has no neighbours" within 5 resolved "$(device_of private)" 0
	at host ip link set dev "$(device_of private)" up
	check "they are found again when it is up" within 8 resolved "$(device_of private)" 2
	is "$(managed)" "$ALL" "all of them"
	at host ip link set dev uplink mtu 1400
	check "an MTU is followed" within 5 is_mtu uplink 1400

	edit 'del(.interfaces.b, .internet_gateways.igw.next_hop, .egress_only_gateways.eigw.next_hop)'
	check "an instance and the next hops leave the rule set" apply
	check "and the kernel looks after them no more" within 5 is_managed '10.0.0.10 10.0.1.10 fd00:10:0:1::10 fd00:10::10'
	at host ip route add default via 203.0.113.1 dev uplink onlink
	check "a default route names the next hop that the rule set does not" within 8 resolved uplink 1
	at host ip route replace default via 203.0.113.77 dev uplink onlink
	check "another takes its place" within 8 failed 1
	is "$(managed)" '10.0.0.10 10.0.1.10 203.0.113.77 fd00:10:0:1::10 fd00:10::10' "and only that"
	at host ip route del default
	check "without one there is none" within 5 is_managed '10.0.0.10 10.0.1.10 fd00:10:0:1::10 fd00:10::10'

	agent_stop
	check "--detach-all lets go" exits 0 at host "$BUILD/headgated" --bpf-dir "$BPF" --detach-all
	is "$(managed)" '' "of the kernel's neighbours"
	is "$(doors uplink)$(doors "$(device_of public)")" // "and of the devices"
	lab down
	LAB=''
}
device_of() { jq -r --arg s "$1" '.subnets[$s].device' "$RULES"; }
is_mtu() { [[ $(device "$1" .mtu) == "$2" ]]; }

story tc
story xdp
finish
