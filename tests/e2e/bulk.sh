#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bulk: a gigabyte of TCP, byte for byte, through the port role with either hook and through the host role, with
# security groups in force; a quarter of it over IPv6 and at MTU 9000. With the TC hook every offload is left as the
# kernel sets it.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

write_rules() { # HOOK
	cat >"$RULES" <<-JSON
	{ "headgate": 1,
	  "vpcs": { "prod": { "cidrs": ["10.0.0.0/16", "fd00:10::/56"] } },
	  "subnets": { "a": { "vpc": "prod", "cidrs": ["10.0.1.0/24", "fd00:10:0:1::/64"] },
	               "b": { "vpc": "prod", "cidrs": ["10.0.2.0/24", "fd00:10:0:2::/64"] } },
	  "security_groups": {
	    "client": { "vpc": "prod", "ingress": [], "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
	    "server": { "vpc": "prod", "ingress": [ { "protocol": "tcp", "ports": "5000-5099", "peers": ["security_group/client"] } ], "egress": [] },
	    "host":   { "vpc": "prod", "ingress": [ { "protocol": "tcp", "ports": "5000-5099", "peers": ["203.0.113.0/24"] } ], "egress": [] } },
	  "interfaces": {
	    "client": { "subnet": "a", "addresses": ["10.0.1.10", "fd00:10:0:1::10"], "security_groups": ["client"], "device": "vclient", "hook": "$1" },
	    "server": { "subnet": "b", "addresses": ["10.0.2.10", "fd00:10:0:2::10"], "security_groups": ["server"], "device": "vserver", "hook": "$1" },
	    "host":   { "attach": "local", "subnet": "b", "addresses": ["10.0.2.5"], "security_groups": ["host"], "device": "wan0", "hook": "$1" } } }
	JSON
}

established() { # SERVER-PORT: as the flow table has it
	hg --json flows | jq -e --argjson port "$1" 'map(select(.destination_port == $port)) | length == 1 and .[0].bytes > 1073741824' >"$WORK/flow"
}

write_rules tc
lab_up
agent_up
check "tc: a gigabyte passes from instance to instance, every byte as sent" transfer 16 client server 10.0.2.10 5000
check "tc: the flow table has counted that gigabyte" established 5000
check "tc: a quarter of it passes over IPv6" transfer 4 client server fd00:10:0:2::10 5001
check "tc: a gigabyte passes from the world into the host role" transfer 16 world host 10.0.2.5 5002 203.0.113.10
is "$(hg --json show devices | jq -r 'map(.ingress) | unique | join(",")')" tc "tc: every device is on the TC hook"
lab down

lab_up --mtu 9000
agent_up
check "tc: a quarter of it passes at MTU 9000" transfer 4 client server 10.0.2.10 5000
is "$(talk ping client 10.0.2.10 8972 5)" silent "tc: at MTU 9000 a ping that no group admits is silent"
is "$(dropped MALFORMED)" 0 "tc: no jumbo frame was taken for malformed"
lab down

write_rules xdp
lab_up --xdp
agent_up
check "xdp: a gigabyte passes from instance to instance, every byte as sent" transfer 16 client server 10.0.2.10 5000
check "xdp: a gigabyte passes from the world into the host role" transfer 16 world host 10.0.2.5 5002 203.0.113.10
is "$(hg --json show devices | jq -r 'map(.ingress) | unique | join(",")')" xdp "xdp: every device is on the XDP hook"
lab down

lab_up --xdp --mtu 9000
agent_up
check "xdp: a quarter of it passes at MTU 9000" transfer 4 client server 10.0.2.10 5000
is "$(dropped MALFORMED)" 0 "xdp: no jumbo frame was taken for malformed"
finish
