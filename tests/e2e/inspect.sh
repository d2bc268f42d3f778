#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# inspect: everything that an instance says and hears goes through an appliance, a program with a socket in a
# machine of its own; what that keeps does not arrive, nor what it changes the options of.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

APPLIANCE=''
appliance_up() { # OPTION...
	[[ -z $APPLIANCE ]] || kill "$APPLIANCE" 2>/dev/null
	nsenter --net="$(ns_of ids)" -- "$ROOT/tools/lab/appliance.py" "$WORK/seen" "$@" 2>"$WORK/appliance.log" &
	APPLIANCE=$!
	disown
	within 5 is_served udp ids 6081 || bail "the appliance does not run: $(cat "$WORK/appliance.log")"
}
seen() { grep -cF "$1" "$WORK/seen"; }
is_seen() { (($(seen "$1") > 0)); }

story() { # HOOK
	gateway_up "$1" '.subnets.tools = { vpc: "prod", cidrs: ["10.0.3.0/24"], device: "br-tools" }
		| .interfaces.ids = { subnet: "tools", addresses: ["10.0.3.10"], security_groups: ["private"] }
		| .target_groups.ids = { vpc: "prod", protocol: "geneve", port: 6081, targets: [{ address: "10.0.3.10" }],
			health_check: { interval: 5, timeout: 2, healthy_threshold: 2 } }
		| .gateway_load_balancers.see = { vpc: "prod", target_group: "ids" }
		| .route_tables.private.routes += [
			{ to: "0.0.0.0/1", via: "gateway_load_balancer/see" }, { to: "128.0.0.0/1", via: "gateway_load_balancer/see" },
			{ to: "2000::/3", via: "gateway_load_balancer/see" }, { to: "10.0.2.0/24", via: "gateway_load_balancer/see" }]' --checks
	# Segments are cut and sums made before they are put into a socket; and 68 bytes more must fit.
	at host ethtool -K br-tools tx off gso off >/dev/null
	at a ip link set eth0 mtu 1400
	at b ip link set eth0 mtu 1400
	serve tcp ids 80
	serve tcp internet 81
	serve udp internet 54
	serve udp internet 666
	serve tcp b 80
	appliance_up
	healthy() { hg --json show targets | grep -q '"healthy"'; }
	check "an appliance that is checked is healthy" within 15 healthy

	talks <<-ROWS
		answer tcp  a 198.51.100.1 81    | TCP goes out and its answer comes back
		answer udp  a 198.51.100.1 54    | so does UDP
		answer ping a 198.51.100.1 56    | and ping
		answer tcp  a 2001:db8:100::1 81 | TCP over IPv6
		answer ping a 2001:db8:100::1 56 | and ping
		answer tcp  a 10.0.2.10 80       | and what goes to another subnet
		silent udp  a 198.51.100.1 666   | what the appliance keeps does not arrive
	ROWS
	check "the appliance has seen a question" is_seen '10.0.1.10 198.51.100.1'
	check "and its answer, as it is inside" is_seen '198.51.100.1 10.0.1.10'
	check "and those of IPv6" is_seen 'fd00:10:0:1::10 2001:db8:100::1'
	check "and those answers" is_seen '2001:db8:100::1 fd00:10:0:1::10'
	check "those of another subnet" is_seen '10.0.2.10 10.0.1.10'
	check "64 MiB go out through it, byte for byte" transfer 1 a internet 198.51.100.1 82
	check "and 64 MiB come in" fetch 1 a internet 198.51.100.1 83

	appliance_up forge
	talks <<-ROWS
		GENEVE udp a 198.51.100.1 54 | an appliance that changes options is heard by nobody, and counted
	ROWS
	kill "$APPLIANCE"
	APPLIANCE=''
	talks <<-ROWS
		silent udp a 198.51.100.1 54 | without an appliance nothing passes it
	ROWS
	check "every frame is accounted for" within 5 adds_up
	agent_stop
	"$ROOT/tools/lab/lab" down "$LAB"
	LAB=''
}

story tc
story xdp
finish
