#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Packets through a gateway, explained without an agent: there, and back from where they were
# translated to.
set -eu

# shellcheck source=tests/unit/cli/typed
. "$(dirname "$0")/typed"

cat >rules.json <<'RULES'
{
  "headgate": 1,
  "vpcs": { "prod": { "cidrs": ["10.0.0.0/16", "fd00:10::/56"] },
            "dev": { "cidrs": ["10.99.0.0/16"] }, "twin": { "cidrs": ["10.0.0.0/16"] } },
  "prefix_lists": { "dead": { "max_entries": 5, "entries": ["192.0.2.0/24"] } },
  "subnets": {
    "dev": { "vpc": "dev", "cidrs": ["10.99.1.0/24"], "device": "br-dev" },
    "pub": { "vpc": "prod", "cidrs": ["10.0.0.0/24"], "device": "br-pub", "route_table": "pub" },
    "twin": { "vpc": "twin", "cidrs": ["10.0.7.0/24"], "device": "br-twin" },
    "web": { "vpc": "prod", "cidrs": ["10.0.1.0/24", "10.0.7.0/24", "fd00:10:0:1::/64"], "device": "br-web" } },
  "security_groups": {
    "dev": { "vpc": "dev", "egress": [],
      "ingress": [ { "protocol": "tcp", "ports": 443, "peers": ["security_group/web"] } ] },
    "open": { "vpc": "prod", "ingress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ], "egress": [] },
    "web": { "vpc": "prod", "ingress": [], "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] } },
  "interfaces": {
    "dev-1": { "subnet": "dev", "addresses": ["10.99.1.10"], "security_groups": ["dev"] },
    "pub-1": { "subnet": "pub", "addresses": ["10.0.0.10"], "security_groups": ["open"] },
    "web-1": { "subnet": "web", "addresses": ["10.0.1.10", "fd00:10:0:1::10"], "security_groups": ["web"] } },
  "internet_gateways": { "igw": { "vpc": "prod", "device": "eth0", "next_hop": ["203.0.113.1"] } },
  "egress_only_gateways": { "eigw": { "vpc": "prod", "device": "eth0", "next_hop": ["fe80::1"] } },
  "elastic_ips": { "nat": { "address": "203.0.113.20" }, "nobody": { "address": "203.0.113.30" },
                   "pub": { "address": "203.0.113.10", "interface": "pub-1" } },
  "nat_gateways": { "nat": { "subnet": "pub", "private_address": "10.0.0.5", "elastic_ips": ["nat"] } },
  "peerings": { "both": { "vpcs": ["prod", "dev"] } },
  "route_tables": {
    "dev": { "vpc": "dev", "main": true, "routes": [ { "to": "10.0.0.0/16", "via": "peering/both" } ] },
    "priv": { "vpc": "prod", "main": true, "routes": [
      { "to": "0.0.0.0/0", "via": "nat_gateway/nat" }, { "to": "::/0", "via": "egress_only_gateway/eigw" },
      { "to": "prefix_list/dead", "via": "blackhole" }, { "to": "10.99.0.0/16", "via": "peering/both" } ] },
    "pub": { "vpc": "prod", "routes": [ { "to": "0.0.0.0/0", "via": "internet_gateway/igw" } ] } }
}
RULES

ask() { # CODE SENTENCE FROM TO PROTOCOL ...
	want=$1 sentence=$2 from=$3 to=$4 protocol=$5
	shift 5
	run "$want" "$sentence" explain --config rules.json --from "$from" --to "$to" -p "$protocol" "$@"
}

json2() { # EXPRESSION SENTENCE; of both ways
	json "(lambda f, r: $1)(d['forward'], d['return'])" "$2"
}

ask 0 "from inside out through the NAT gateway and back" 10.0.1.10:40000 198.51.100.7:443 tcp --return --json
json2 'f["rewrite"] == {"source": "203.0.113.20:40000", "destination": None}' "the source becomes the elastic IP"
json2 'f["next_hop"] == {"device": "eth0", "address": "203.0.113.1"}' "the next hop is the gateway's"
json2 '[s["stage"] for s in f["steps"] if s.get("at") == "nat_gateway/nat"] ==
["nacl_ingress", "nacl_egress", "route"]' "what is asked at the NAT gateway's border says so"
json2 '[s["rule"] for s in f["steps"] if s["stage"] == "route"] == ["0.0.0.0/0", "0.0.0.0/0"]' \
	"routes are called by their destination"
json2 'r["rewrite"] == {"source": None, "destination": "10.0.1.10:40000"}' "the answer is translated back"
json2 'r["next_hop"] == {"device": "br-web", "address": "10.0.1.10"} and r["tracked"]' "and delivered inside"
ask 0 "the same for those who read" 10.0.1.10:40000 198.51.100.7:443 tcp --return
says out '^tcp \[SA\] 198.51.100.7:443 > 203.0.113.20:40000$' "the packet of the way back is the translated one"
ask 0 "an echo finds back by the id that it got" 10.0.1.10 198.51.100.7 icmp --return --json
json2 'r["rewrite"]["destination"] == "10.0.1.10"' "to who sent it"
ask 1 "a NAT gateway is not reached from outside" 198.51.100.7:9999 203.0.113.20:443 tcp --json
json 'd["reason"] == "NAT_UNSOLICITED" and d["steps"][-1]["object"] == "nat_gateway/nat"' "it says who refused"

ask 0 "from outside to an elastic IP and back" 198.51.100.7:9999 203.0.113.10:443 tcp --return --json
json2 'f["rewrite"] == {"source": None, "destination": "10.0.0.10:443"} and
f["next_hop"] == {"device": "br-pub", "address": "10.0.0.10"}' "it comes in by the uplink to the private address"
json2 'r["rewrite"] == {"source": "203.0.113.10:443", "destination": None} and
r["next_hop"]["device"] == "eth0"' "and the answer has the elastic IP again"
ask 1 "an elastic IP that nobody has" 198.51.100.7:9999 203.0.113.30:443 tcp --json
json 'd["reason"] == "NO_PUBLIC_ADDRESS" and
d["aws_reason"] == "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"' "is refused in AWS's words"
ask 1 "who has none does not get out by an internet gateway" 10.0.0.77:9999 198.51.100.7:443 tcp --json
json 'd["aws_reason"] == "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"' "in AWS's words, too"
ask 1 "an inside source does not come from outside" 10.0.1.10:9999 203.0.113.10:443 tcp --in eth0 --json
json 'd["aws_reason"] == "GATEWAY_REJECTS_SPOOFED_TRAFFIC"' "that is spoofed"

ask 0 "IPv6 leaves by the egress-only gateway and is answered" fd00:10:0:1::10 2001:db8::1 icmp --return --json
json2 'f["rewrite"] == {"source": None, "destination": None} and
f["next_hop"] == {"device": "eth0", "address": "fe80::1"}' "untranslated"
ask 1 "but not spoken to first" 2001:db8::1 fd00:10:0:1::10 icmp --json
json 'd["reason"] == "EGRESS_ONLY"' "by its name"

ask 0 "across a peering a group of the other side is known" 10.0.1.10:9999 10.99.1.10:443 tcp --return --json
json2 'f["steps"][-1]["object"] == "security_group/dev"' "and admits"
ask 1 "and another port is not" 10.0.1.10:9999 10.99.1.10:444 tcp
says out 'no rule of security_group/dev' "the groups asked are the other side's"

ask 1 "a blackhole of a prefix list" 10.0.1.10:9999 192.0.2.9:443 tcp --json
json 'd["steps"][-1]["rule"] == "prefix_list/dead" and d["aws_reason"] == "BAD_STATE_ROUTE"' "names the list"

ask 2 "an address of two VPCs is no question" 10.0.7.9:9999 198.51.100.7:443 tcp
says err 'could come in by br-.* or by br-' "both devices are named"
says err '^--in DEVICE' "and what helps"
ask 1 "the device says which VPC is meant" 10.0.7.9:9999 198.51.100.7:443 tcp --in br-twin --json
json 'd["reason"] == "NO_ROUTE" and d["aws_reason"] == "NO_ROUTE_TO_DESTINATION"' "which has no way out"

plan
