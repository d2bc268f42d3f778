#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# onearm: a host balances for its neighbours by the one device that it has: their answers come back because it is the
# source that they see, or because it is their router. A second host takes over, and chooses as the first did.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

onearm_up() { # HOOK
	jq -n --arg hook "$1" '{ headgate: 1,
		vpcs: { lan: { cidrs: ["10.1.0.0/24", "fd00:1::/64"] } },
		subnets: { lan: { cidrs: ["10.1.0.0/24", "fd00:1::/64"] } },
		security_groups: { all: { ingress: [{ protocol: "all", peers: ["0.0.0.0/0", "::/0"] }],
			egress: [{ protocol: "all", peers: ["0.0.0.0/0", "::/0"] }] } },
		interfaces: { host: { subnet: "lan", attach: "local", device: "eth0", hook: $hook,
			addresses: ["10.1.0.5", "fd00:1::5"], security_groups: ["all"] } },
		target_groups: { masked: { protocol: "tcp", port: 8080, preserve_client_ip: false,
			targets: [(11, 12, 13) | { address: "10.1.0.\(.)" }, { address: "fd00:1::\(.)" }],
			health_check: { protocol: "http", path: "/healthz", interval: 1, timeout: 1, healthy_threshold: 2, unhealthy_threshold: 2 } } },
		load_balancers: { edge: { addresses: ["10.1.0.100", "fd00:1::100"], listeners: [
			{ protocol: "tcp", port: 80, forward: [{ target_group: "masked" }] },
			{ protocol: "tcp", port: 81, forward: [{ target_group: "plain" }] },
			{ protocol: "tcp_udp", port: 53, forward: [{ target_group: "names" }] }] } },
		settings: { tcp_loose: true } }
		| .target_groups.plain = (.target_groups.masked | .preserve_client_ip = true)
		| .target_groups.names = (.target_groups.plain | .protocol = "tcp_udp" | .port = 5353 | .health_check.port = 8080)' >"$RULES"
	TAG="$1: "
	# shellcheck disable=SC2046 # no word or one
	lab_up $(if [[ $1 == xdp ]]; then echo --xdp; fi) --host c=10.1.0.20,fd00:1::20 --host twin=10.1.0.6,fd00:1::6 \
		--host s1=10.1.0.11,fd00:1::11 --host s2=10.1.0.12,fd00:1::12 --host s3=10.1.0.13,fd00:1::13
	for server in s1 s2 s3; do serve_crowd "$server" 5353 8080; done
	agent_up
	# ARP and neighbour discovery of a host are its kernel's.
	at host ip addr add 10.1.0.100/32 dev eth0
	at host ip addr add fd00:1::100/128 dev eth0 nodad preferred_lft 0
}
answers() { # PROTOCOL ADDRESS PORT N: how many, of how many servers, seen as whom
	spread c "$@" | jq -c '[.answered, (.by | keys | length), .sources[]]'
}
by_way_of() { # HOST-ADDRESSES: who answers sends it there
	local server
	for server in s1 s2 s3; do
		at "$server" ip route replace default via "$1"
		at "$server" ip -6 route replace default via "$2"
		at "$server" ip route replace 10.1.0.20 via "$1"
		at "$server" ip -6 route replace fd00:1::20 via "$2"
	done
}

for hook in tc xdp; do
	onearm_up "$hook"
	check "targets become healthy" within 15 targets_are healthy 18
	is "$(answers tcp 10.1.0.100 80 300)" '[300,3,"10.1.0.100"]' "300 connections of a neighbour go to three others, who see the balancer"
	is "$(answers tcp fd00:1::100 80 300)" '[300,3,"fd00:1::100"]' "and over IPv6"
	is "$(spread s1 tcp 10.1.0.100 80 100 | jq -c '[.answered, (.by | keys | length)]')" '[100,3]' "a server reaches all three by it, itself included"
	talks <<-ROWS
		NO_LISTENER tcp c 10.1.0.100 9 | a port without a listener is met with silence
	ROWS
	by_way_of 10.1.0.5 fd00:1::5
	is "$(answers tcp 10.1.0.100 81 300)" '[300,3,"10.1.0.20"]' "where the balancer is their router they see the client"
	is "$(answers tcp fd00:1::100 81 300)" '[300,3,"fd00:1::20"]' "and over IPv6"
	is "$(answers udp 10.1.0.100 53 300)" '[300,3,"10.1.0.20"]' "and by datagrams"
	is "$(answers udp fd00:1::100 53 300)" '[300,3,"fd00:1::20"]' "and over IPv6"
	check "every packet is counted once" adds_up
	[[ $hook == xdp ]] || lab down
done
TAG=''

# ---- two hosts, one rule set ----
# It names no address of either: a host's are what its kernel has.
TWIN=$DIR/twin.sock
twin() { "$BUILD/headgate" --socket "$TWIN" "$@"; }
twin_is_up() { curl -sf --unix-socket "$TWIN" http://headgate/healthz && twin --json show targets | jq -e 'all(.[]; .state == "healthy")'; }
reached_by() { # HOST-ADDRESSES
	at c ip route replace 10.1.0.100 via "$1"
	at c ip -6 route replace fd00:1::100 via "$2"
	by_way_of "$1" "$2"
}
opens() { kept "$1" '.open | with_entries(select(.value > 0))'; }
at host ip addr del 10.1.0.100/32 dev eth0
at host ip addr del fd00:1::100/128 dev eth0
reached_by 10.1.0.5 fd00:1::5
edit 'del(.interfaces.host.addresses)'
check "a rule set without addresses of the host" apply
nsenter --net="$(ns_of twin)" -- "$BUILD/headgated" --socket "$TWIN" --state-dir "$WORK/twin" --bpf-dir "$DIR/bpf/twin" 2>"$WORK/twin.log" &
disown
within 15 twin version
check "is another host's, too" twin apply "$RULES"
check "which finds the targets by itself" within 15 twin_is_up
check "60 connections are kept by way of the first" keep four c 10.1.0.100 81 60
check "and 60 over IPv6" keep six c fd00:1::100 81 60
had=$(opens four)$(opens six)
diag "connections: $had"
agent_stop
at host ip link set dev eth0 down
reached_by 10.1.0.6 fd00:1::6
check "the first is gone, and they go on by way of the second" comes_on four
check "so do those over IPv6" comes_on six
is "$(opens four)$(opens six)" "$had" "each with the server that it had"
is "$(kept four .ended)$(kept six .ended)" '{}{}' "none of them ended"
is "$(twin --json flows | jq '[.[] | select(.balancer != null and .state == "established")] | length')" 120 "the second knows them all"
is "$(answers tcp 10.1.0.100 81 300)" '[300,3,"10.1.0.20"]' "and takes new ones"
finish
