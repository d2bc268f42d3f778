#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# eip: an elastic IP is an instance's address outside, both ways and for those inside who write to it; IPv6 is
# nobody's but its own. What has no elastic IP, or is one that nobody has, gets nowhere.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# web has two addresses with an elastic IP each, mail has one, mute has none. guarded is in a
# subnet that leaves otherwise: only its groups are of interest.
gateway_up tc '
	.interfaces.web.addresses += ["10.0.0.11"]
	| .interfaces.mail = { subnet: "public", addresses: ["10.0.0.20", "fd00:10::20"], security_groups: ["web"] }
	| .interfaces.mute = { subnet: "public", addresses: ["10.0.0.30"], security_groups: ["web"] }
	| .interfaces.guarded = { subnet: "private", addresses: ["10.0.1.40"], security_groups: ["members"] }
	| .security_groups.members = { vpc: "prod", ingress: [{ protocol: "tcp", ports: 80, peers: ["security_group/web"] }], egress: [] }
	| .elastic_ips += {
		"web-2": { address: "203.0.113.11", interface: "web", private_address: "10.0.0.11" },
		"mail": { address: "203.0.113.12", interface: "mail" },
		"guarded": { address: "203.0.113.13", interface: "guarded" },
		"free": { address: "203.0.113.19" } }'
for machine in web mail mute guarded; do serve_many "$machine" 80; done
for machine in web mail internet; do serve tcp "$machine" 8080 && serve udp "$machine" 53; done
serve tcp web 81
serve_many internet 80
force_in 203.0.113.12 203.0.113.19 10.0.0.10 10.0.0.30

# ---- who is seen as whom ----
row() { # SEEN FROM ADDRESS SENTENCE [SOURCE]
	is "$(seen_as "$2" "$3" 80 "${@:5}")" "$1" "$4"
}
row 203.0.113.10 web 198.51.100.1      "an instance is seen outside as its elastic IP"
row 203.0.113.11 web 198.51.100.1      "its second address is seen as that one's" 10.0.0.11
row 198.51.100.2 internet 203.0.113.10 "who comes from outside is seen as who it is" 198.51.100.2
row 203.0.113.20 a 203.0.113.10        "a private instance that writes to an elastic IP comes as its NAT gateway's"
row 203.0.113.10 web 203.0.113.12      "hairpin: a neighbour that is reached by its elastic IP sees one"
row 203.0.113.12 mail 203.0.113.11     "hairpin: and answers the same way, to a second address"
row 203.0.113.10 web 203.0.113.10      "hairpin: an instance reaches itself"
row 203.0.113.10 web 203.0.113.11      "hairpin: by either of its addresses"
row 10.0.0.10 web 10.0.0.20            "a neighbour that is reached by its private address sees that"
row fd00:10::10 web 2001:db8:100::1    "over IPv6 an instance is seen as itself"
row 2001:db8:100::2 internet fd00:10::10 "and sees who comes from outside" 2001:db8:100::2
is "$(many internet http 203.0.113.10 80 1000 | jq -c '[.answered, .ports]')" '[1000,1000]' "1,000 connections come in to an elastic IP, ports as they are"

talks <<-ROWS
	answer  udp  internet 203.0.113.10 53   | a datagram comes in, its answer goes out
	answer  ping internet 203.0.113.10 56   | ping is answered
	answer  ping internet 203.0.113.10 4000 | so is one of three fragments
	answer  ping web 198.51.100.1 4000      | and one of three fragments goes out
	answer  udp  web 198.51.100.1 53        | a datagram goes out
	refused udp  web 198.51.100.1 9         | a port unreachable comes in, rewritten
	refused tcp  web 198.51.100.1 9         | so does a reset
	answer  udp  web 203.0.113.12 53        | hairpin: a datagram and its answer
	answer  ping mail 203.0.113.10 56       | hairpin: ping
	answer  tcp  internet fd00:10::20 8080  | TCP over IPv6 comes in
	answer  udp  internet fd00:10::10 53    | UDP over IPv6 comes in
	answer  ping internet fd00:10::10 56    | ping over IPv6 comes in
	answer  ping web 2001:db8:100::1 4000   | a ping of three fragments goes out over IPv6
ROWS
at internet ip addr add 10.0.0.99/32 dev lo
at internet ip addr add 192.168.9.9/32 dev lo
talks <<-ROWS
	SG_INGRESS          tcp  internet 203.0.113.10 81 | the instance's groups judge what comes in by its elastic IP
	SG_INGRESS          tcp  web 203.0.113.13 80      | a group reference does not know a member by its elastic IP
	NO_PUBLIC_ADDRESS   tcp  internet 203.0.113.19 80 | an elastic IP that nobody has is dropped
	NO_PUBLIC_ADDRESS   tcp  web 203.0.113.19 80      | from inside, too
	NO_PUBLIC_ADDRESS   tcp  mute 198.51.100.1 8080   | without an elastic IP nothing goes out
	NO_PUBLIC_ADDRESS   ping mute 203.0.113.10 56     | nor to a neighbour's
	NAT_UNSOLICITED     tcp  web 203.0.113.20 80      | the NAT gateway's elastic IP lets nobody in from inside
	PRIVATE_DESTINATION tcp  web 192.168.7.7 80       | a private address is not in the internet
	NO_ROUTE            tcp  internet 10.0.0.10 80    | an instance is not reached by its private address
	SOURCE_CHECK        tcp  internet%10.0.0.99 203.0.113.10 80   | the internet does not speak with an address of the VPC
	SOURCE_CHECK        tcp  internet%192.168.9.9 203.0.113.10 80 | nor with a private one
	EGRESS_ONLY         tcp  internet fd00:10:0:1::10 80 | what leaves by an egress-only gateway is not reached
ROWS
is "$(seen_as web 10.0.1.40 80)" 10.0.0.10 "by its private address the group reference knows it"

# ---- elastic IPs move ----
check "a connection comes in" hold old tcp internet 203.0.113.10 8080
edit '.elastic_ips.web.interface = "mail" | .elastic_ips.web.private_address = "10.0.0.20" | .elastic_ips.mail = { address: "203.0.113.12" }
	| .elastic_ips.free = { address: "203.0.113.19", interface: "mute" }'
check "an apply moves elastic IPs" apply
row 203.0.113.10 mail 198.51.100.1 "one that has moved is its new owner's"
row 203.0.113.19 mute 198.51.100.1 "one that was free is somebody's"
row 198.51.100.2 internet 203.0.113.19 "and lets in" 198.51.100.2
talks <<-ROWS
	NO_PUBLIC_ADDRESS tcp web 198.51.100.1 8080      | who lost it does not go out
	NO_PUBLIC_ADDRESS tcp internet 203.0.113.12 8080 | one that is free again is dropped
	answer tcp internet 203.0.113.10 8080            | the new owner is reached by it
ROWS
check_not "a connection of the old owner does not go on" held old 1
check "every packet is counted once" adds_up
lab down

# ---- gateways that name no next hop ----
gateway_up tc 'del(.internet_gateways.igw.next_hop, .egress_only_gateways.eigw.next_hop)'
serve_many internet 80
row 203.0.113.10 web 198.51.100.1      "without a next hop a destination is asked for on the uplink itself"
row 203.0.113.20 a 198.51.100.2        "by the NAT gateway, too"
row fd00:10::10 web 2001:db8:100::1    "over IPv6"
row fd00:10:0:1::10 a 2001:db8:100::2  "and by the egress-only gateway"
finish
