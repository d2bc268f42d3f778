#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# vpcs: two VPCs with the same CIDR, the same addresses and one uplink never mix; VPCs that are peered talk, know each
# other's groups, and carry nobody else's traffic.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# red and blue are alike to the last address, but for the IPv6 that the internet has to tell apart. red - hub - other are peered.
cat >"$RULES" <<'JSON'
{ "headgate": 1,
  "vpcs": {
    "red":   { "cidrs": ["10.0.0.0/16", "fd00:10::/56"] },
    "blue":  { "cidrs": ["10.0.0.0/16", "fd00:20::/56"] },
    "hub":   { "cidrs": ["10.2.0.0/16", "fd00:2::/56"] },
    "other": { "cidrs": ["10.3.0.0/16", "fd00:3::/56"] } },
  "subnets": {
    "red":      { "vpc": "red",  "cidrs": ["10.0.1.0/24", "fd00:10:0:1::/64"], "device": "br-red" },
    "red-nat":  { "vpc": "red",  "cidrs": ["10.0.0.0/24"], "route_table": "red-nat" },
    "blue":     { "vpc": "blue", "cidrs": ["10.0.1.0/24", "fd00:20:0:1::/64"], "device": "br-blue" },
    "blue-nat": { "vpc": "blue", "cidrs": ["10.0.0.0/24"], "route_table": "blue-nat" },
    "hub":      { "vpc": "hub",  "cidrs": ["10.2.1.0/24", "fd00:2:0:1::/64"], "device": "br-hub" },
    "other":    { "vpc": "other", "cidrs": ["10.3.1.0/24", "fd00:3:0:1::/64"], "device": "br-other" } },
  "security_groups": {
    "red-client": { "vpc": "red", "ingress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ],
                    "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
    "red-guest":  { "vpc": "red", "ingress": [], "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
    "blue":       { "vpc": "blue", "ingress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ],
                    "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
    "hub":        { "vpc": "hub", "ingress": [ { "protocol": "all", "peers": ["security_group/red-client"] } ],
                    "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
    "other":      { "vpc": "other", "ingress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ],
                    "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] } },
  "interfaces": {
    "red":   { "subnet": "red",   "addresses": ["10.0.1.10", "fd00:10:0:1::10"], "security_groups": ["red-client"] },
    "guest": { "subnet": "red",   "addresses": ["10.0.1.11", "fd00:10:0:1::11"], "security_groups": ["red-guest"] },
    "blue":  { "subnet": "blue",  "addresses": ["10.0.1.10", "fd00:20:0:1::10"], "security_groups": ["blue"] },
    "hub":   { "subnet": "hub",   "addresses": ["10.2.1.10", "fd00:2:0:1::10"], "security_groups": ["hub"] },
    "other": { "subnet": "other", "addresses": ["10.3.1.10", "fd00:3:0:1::10"], "security_groups": ["other"] } },
  "internet_gateways": {
    "red":  { "vpc": "red",  "device": "uplink", "next_hop": ["203.0.113.1", "2001:db8:ff::1"] },
    "blue": { "vpc": "blue", "device": "uplink", "next_hop": ["203.0.113.1", "2001:db8:ff::1"] } },
  "egress_only_gateways": {
    "red":  { "vpc": "red",  "device": "uplink", "next_hop": ["2001:db8:ff::1"] },
    "blue": { "vpc": "blue", "device": "uplink", "next_hop": ["2001:db8:ff::1"] } },
  "elastic_ips": { "red": { "address": "203.0.113.20" }, "blue": { "address": "203.0.113.30" } },
  "nat_gateways": {
    "red":  { "subnet": "red-nat",  "private_address": "10.0.0.5", "elastic_ips": ["red"] },
    "blue": { "subnet": "blue-nat", "private_address": "10.0.0.5", "elastic_ips": ["blue"] } },
  "peerings": { "red-hub": { "vpcs": ["red", "hub"] }, "hub-other": { "vpcs": ["hub", "other"] } },
  "route_tables": {
    "red-nat":  { "vpc": "red",  "routes": [ { "to": "0.0.0.0/0", "via": "internet_gateway/red" } ] },
    "blue-nat": { "vpc": "blue", "routes": [ { "to": "0.0.0.0/0", "via": "internet_gateway/blue" } ] },
    "red":  { "vpc": "red", "main": true, "routes": [
      { "to": "0.0.0.0/0", "via": "nat_gateway/red" }, { "to": "::/0", "via": "egress_only_gateway/red" },
      { "to": "10.2.0.0/16", "via": "peering/red-hub" }, { "to": "fd00:2::/56", "via": "peering/red-hub" },
      { "to": "10.3.0.0/16", "via": "peering/red-hub" }, { "to": "fd00:3::/56", "via": "peering/red-hub" },
      { "to": "198.51.100.2/32", "via": "peering/red-hub" } ] },
    "blue": { "vpc": "blue", "main": true, "routes": [
      { "to": "0.0.0.0/0", "via": "nat_gateway/blue" }, { "to": "::/0", "via": "egress_only_gateway/blue" } ] },
    "hub":  { "vpc": "hub", "main": true, "routes": [
      { "to": "10.0.0.0/16", "via": "peering/red-hub" }, { "to": "fd00:10::/56", "via": "peering/red-hub" },
      { "to": "10.3.0.0/16", "via": "peering/hub-other" }, { "to": "fd00:3::/56", "via": "peering/hub-other" } ] },
    "other": { "vpc": "other", "main": true, "routes": [
      { "to": "10.2.0.0/16", "via": "peering/hub-other" }, { "to": "fd00:2::/56", "via": "peering/hub-other" },
      { "to": "10.0.0.0/16", "via": "peering/hub-other" } ] } } }
JSON
lab_up
agent_up
serve_many internet 80
serve tcp internet 81
for machine in red blue hub other guest; do serve_many "$machine" 80; done
serve tcp red 90
serve tcp blue 91

# ---- alike, and apart ----
many red http 198.51.100.1 80 1000 >"$WORK/red" &
many blue http 198.51.100.1 80 999 >"$WORK/blue"
wait "$!"
is "$(jq -c '[.answered, .ports, .sources]' "$WORK/red")" '[1000,1000,["203.0.113.20"]]' "1,000 connections of one VPC go out by its own NAT gateway"
is "$(jq -c '[.answered, .ports, .sources]' "$WORK/blue")" '[999,999,["203.0.113.30"]]' "999 of the other, from the same private address and at once, by the other's"
is "$(many red dns 198.51.100.1 80 200 | jq -c '[.answered, .sources]')" '[200,["203.0.113.20"]]' "so do datagrams of the one"
is "$(many blue dns 198.51.100.1 80 200 | jq -c '[.answered, .sources]')" '[200,["203.0.113.30"]]' "and of the other"
check "a connection of the one opens from port 40000" hold red tcp red 198.51.100.1 81 10.0.1.10,sourceport=40000
check "the same connection of the other opens beside it" hold blue tcp blue 198.51.100.1 81 10.0.1.10,sourceport=40000
check "the first goes on" held red 5
check "the second goes on" held blue 5
is "$(hg --json flows | jq '[.[] | select(.destination_port == 81)] | length')" 2 "they are two flows"
is "$(seen_as blue 2001:db8:100::1 80)" fd00:20:0:1::10 "over IPv6 the other is seen as itself"

# ---- peered ----
row() { # SEEN FROM ADDRESS SENTENCE
	is "$(seen_as "$2" "$3" 80)" "$1" "$4"
}
row 10.0.1.10 red 10.2.1.10             "peering: a member of the group that the other VPC's rule names is let in"
row fd00:10:0:1::10 red fd00:2:0:1::10  "peering: and over IPv6"
row 10.2.1.10 hub 10.0.1.10             "peering: and back"
row fd00:2:0:1::10 hub fd00:10:0:1::10  "peering: and back over IPv6"
row 10.2.1.10 hub 10.3.1.10             "peering: the third VPC is reached from the second"
row fd00:2:0:1::10 hub fd00:3:0:1::10   "peering: and over IPv6"
talks <<-ROWS
	answer  tcp  hub 10.0.1.10 90          | peering leads to the VPC that is peered,
	refused tcp  hub 10.0.1.10 91          | not to the one that looks like it
	answer  ping red 10.2.1.10 56          | ping passes the peering
	answer  ping red fd00:2:0:1::10 4000   | and one of three fragments over IPv6
	SG_INGRESS tcp  guest 10.2.1.10 80     | who is no member of the group is not let in
	SG_INGRESS ping guest fd00:2:0:1::10 56 | nor over IPv6
	SG_INGRESS tcp  other 10.2.1.10 80     | the third VPC has no such member
	SG_INGRESS tcp  hub 10.0.1.11 80       | groups hold on both sides
	PEERING tcp  red 10.3.1.10 80          | peering is not transitive, whatever the routes say
	PEERING ping red fd00:3:0:1::10 56     | nor over IPv6
	PEERING tcp  other 10.0.1.10 80        | nor the other way
	PEERING tcp  red 198.51.100.2 80       | nor is it a way to the internet
	PRIVATE_DESTINATION tcp blue 10.2.1.10 80 | a VPC that is not peered does not reach one
	NO_ROUTE tcp hub 198.51.100.1 80       | a VPC without a gateway reaches no internet
	SOURCE_CHECK tcp blue fd00:10:0:1::10 80 | nor do VPCs reach each other by way of the internet
ROWS

# ---- a peering ends ----
edit 'del(.peerings["red-hub"]) | .route_tables |= map_values(.routes |= map(select(.via != "peering/red-hub")))'
hg check "$RULES" >"$WORK/out" 2>&1
is "$(grep -ci 'stale' "$WORK/out")" 1 "without the peering the group reference is called stale"
check "and the rule set applies" apply
talks <<-ROWS
	PRIVATE_DESTINATION tcp red 10.2.1.10 80 | what was peered is not reached any more
	NO_ROUTE tcp hub 10.0.1.10 90            | nor from there
	answer   tcp red 198.51.100.1 81         | the internet is
ROWS
check "every packet is counted once" adds_up
finish
