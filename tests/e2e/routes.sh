#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# routes: what a gateway's routes lead to: an appliance that everything between two subnets passes and that is itself
# a NAT, instances on devices of their own beside a bridge, black holes and nowhere.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# own is a port beside web on its bridge. box is an appliance: b's packets to a and to the internet pass it.
gateway_up tc '
	.subnets.box = { vpc: "prod", cidrs: ["10.0.3.0/24", "fd00:10:0:3::/64"], route_table: "public" }
	| .interfaces.own = { subnet: "public", addresses: ["10.0.0.20", "fd00:10::20"], security_groups: ["web"], device: "vown" }
	| .interfaces.box = { subnet: "box", addresses: ["10.0.3.10", "fd00:10:0:3::10"], security_groups: ["private"], device: "vbox", source_dest_check: false }
	| .elastic_ips += { own: { address: "203.0.113.12", interface: "own" }, box: { address: "203.0.113.13", interface: "box" } }
	| .prefix_lists.holes = { max_entries: 2, entries: ["192.0.2.64/26"] }
	| .subnets.other.route_table = "by-box"
	| .route_tables["by-box"] = { vpc: "prod", routes: [
		{ to: "0.0.0.0/0", via: "interface/box" },
		{ to: "10.0.1.0/24", via: "interface/box" }, { to: "fd00:10:0:1::/64", via: "interface/box" },
		{ to: "198.51.100.2/32", via: "blackhole" }, { to: "prefix_list/holes", via: "blackhole" } ] }
	| .route_tables.private.routes += [
		{ to: "10.0.2.0/24", via: "interface/box" }, { to: "fd00:10:0:2::/64", via: "interface/box" } ]' --far 1500
forwards() { # 0|1
	at box sysctl -qw "net.ipv4.ip_forward=$1" "net.ipv6.conf.all.forwarding=$1"
}
at box sysctl -qw net.ipv4.conf.{all,default,eth0}.send_redirects=0
at box nft 'add table ip box; add chain ip box out { type nat hook postrouting priority srcnat; };
	add rule ip box out ip saddr 10.0.2.0/24 ip daddr != 10.0.0.0/16 masquerade'
forwards 1
for machine in web own a internet; do serve_many "$machine" 80; done
for machine in web own a b; do serve tcp "$machine" 8080 && serve udp "$machine" 53; done
row() { # SEEN FROM ADDRESS SENTENCE
	is "$(seen_as "$2" "$3" 80)" "$1" "$4"
}

# ---- a port and a bridge in one subnet ----
row 203.0.113.12 own 198.51.100.1  "an instance on a device of its own is seen outside as its elastic IP"
row 198.51.100.1 internet 203.0.113.12 "and reached by it"
row 10.0.0.20 own 10.0.0.10        "it reaches one of its subnet that is on the bridge"
row 10.0.0.10 web 10.0.0.20        "and is reached by that one"
row fd00:10::20 own fd00:10::10    "over IPv6, too"
row fd00:10::10 web fd00:10::20    "both ways"
row 10.0.0.20 own 10.0.1.10        "it reaches another subnet"
row fd00:10::20 own 2001:db8:100::1 "and the internet over IPv6"

# ---- an appliance on the way ----
row 10.0.2.10 b 10.0.1.10          "appliance: a route more specific than local leads through it, and back"
row fd00:10:0:2::10 b fd00:10:0:1::10 "appliance: and over IPv6"
row 203.0.113.13 b 198.51.100.1    "appliance: what it translates is seen outside as its elastic IP"
is "$(many b http 198.51.100.1 80 1000 | jq -c '[.answered, .ports]')" '[1000,1000]' "appliance: 1,000 connections at once"
is "$(many b http 10.0.1.10 80 1000 | jq -c '[.answered, .ports]')" '[1000,1000]' "appliance: 1,000 to another subnet"
hops() { at b traceroute -n -q1 -w2 -m8 "$@" 2>&1 | awk 'NR > 1 { print $2 }' | paste -sd' '; }
is "$(hops 10.0.1.10)" '10.0.2.1 10.0.3.10 10.0.3.1 10.0.1.10' "appliance: traceroute sees the router, it, and the router again"
is "$(hops -6 fd00:10:0:1::10)" 'fd00:10:0:2::1 fd00:10:0:3::10 fd00:10:0:3::1 fd00:10:0:1::10' "appliance: and over IPv6"
check "appliance: a connection through it" hold through tcp b 10.0.1.10 8080
talks <<-ROWS
	answer  udp  a 10.0.2.10 53         | appliance: datagrams pass it the other way
	answer  ping a fd00:10:0:2::10 4000 | appliance: so does a ping of three fragments over IPv6
	refused udp  b 10.0.1.10 9          | appliance: a port unreachable comes back
	BLACKHOLE tcp  b 198.51.100.2 80    | a black hole in a wider route is one
	BLACKHOLE ping b 192.0.2.70 56      | so is one of a prefix list
	NO_ROUTE  ping b 2001:db8:100::1 56 | without a route nothing goes out
	SG_INGRESS tcp web 10.0.0.20 22     | groups hold within the subnet of a port
ROWS

# ---- who may speak as whom ----
at web ip addr add 10.0.0.20/32 dev eth0
at own ip addr add 10.0.0.99/32 dev eth0
talks <<-ROWS
	SOURCE_CHECK ping web%10.0.0.20 10.0.1.10 56 | a host on the bridge does not speak as the port
	SOURCE_CHECK ping own%10.0.0.99 10.0.1.10 56 | the port does not speak as another host
ROWS
at web ip addr del 10.0.0.20/32 dev eth0

# ---- the appliance fails ----
forwards 0
check_not "appliance: where it does not forward nothing passes" held through 1
forwards 1
check "appliance: when it does the connection goes on" held through 8
at host ip link set dev vbox down
check_not "appliance: while its device is down nothing does" held through 1
at host ip link set dev vbox up
check "appliance: when it is up the connection goes on" held through 8
lab unplug box
has_state() { [[ $(hg --json show devices | jq -r --arg d "$1" '.[] | select(.device == $d) | .state') == "$2" ]]; }
check "appliance: its device is gone" within 5 has_state vbox absent
talks <<-ROWS
	NO_NEIGHBOUR tcp  b 10.0.1.10 8080   | appliance: what would pass it is dropped
	NO_NEIGHBOUR tcp  a fd00:10:0:2::10 8080 | appliance: over IPv6, too
ROWS
lab plug box
check "appliance: its device is back" within 5 has_state vbox attached
check "appliance: the connection goes on" held through 8
edit '.interfaces.box.source_dest_check = true'
check "appliance: an apply makes it check what it gets" apply
talks <<-ROWS
	DEST_CHECK tcp b 198.51.100.1 81 | appliance: then it gets only what is for it
ROWS
check "every packet is counted once" adds_up
finish
