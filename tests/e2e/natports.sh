#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# natports: a NAT gateway has 55,000 ports for a destination and not one more; as an instance it forwards some.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

metric() { hg --json show nat | jq -r --arg m "$1" '.[] | select(.name == "nat") | .metrics[$m]'; }

# ---- 55,000 ports for a destination ----
# In a table of the default size so many flows meet full sets now and then (docs/operations.md).
gateway_up tc '.settings.max_flows = 1048576' --far 1500
TAG=''
serve_many internet 80
serve_many far 80
half() { many "$1" dns 198.51.100.1 80 27500 "$2" 10536 | jq .answered; }
is "$(half a 10.0.1.10)" 27500 "27,500 flows of one client find ports towards one destination"
is "$(half b 10.0.2.10)" 27500 "27,500 of another's, from the same ports, find the rest"
is "$(many b dns 198.51.100.1 80 1 10.0.2.10 40000 | jq .answered)" 0 "flow 55,001 is refused"
is "$(dropped NAT_NO_PORT)" 1 "and is counted as NAT_NO_PORT"
is "$(metric ErrorPortAllocation)" 1 "and as ErrorPortAllocation"
is "$(many b dns 198.51.100.129 80 1 | jq .answered)" 1 "another destination still has ports"
is "$(many b http 198.51.100.1 80 1 | jq .answered)" 1 "so has another protocol"

# ---- mode instance: forwards ----
edit '.security_groups.gate = .security_groups.private
	| .nat_gateways.nat += { mode: "instance", security_groups: ["gate"], forwards: [{ protocol: "tcp", port: 8080, to: "10.0.1.10:80" }] }'
serve_many a 80
check "the NAT gateway becomes an instance that forwards a port" apply
is "$(seen_as internet 203.0.113.20 8080 198.51.100.2)" 198.51.100.2 "who comes by it is seen as who it is"
talks <<-ROWS
	NAT_UNSOLICITED tcp internet 203.0.113.20 80 | no other port is forwarded
	refused         tcp a 198.51.100.129 9       | what goes out goes on
ROWS
edit '.security_groups.gate.ingress = []'
check "its group shuts" apply
talks <<-ROWS
	SG_INGRESS tcp internet 203.0.113.20 8080 | and nobody comes in
ROWS
check "every packet is counted once" adds_up
finish
