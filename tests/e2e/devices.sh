#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# devices: they come late, go, come back, change their names and addresses, and the agent follows.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

cat >"$RULES" <<'JSON'
{ "headgate": 1,
  "vpcs": { "prod": { "cidrs": ["10.0.0.0/16"] } },
  "subnets": { "a": { "vpc": "prod", "cidrs": ["10.0.1.0/24"] } },
  "security_groups": {
    "client": { "vpc": "prod", "ingress": [], "egress": [ { "protocol": "all", "peers": ["10.0.0.0/16"] } ] },
    "server": { "vpc": "prod", "ingress": [ { "protocol": "tcp", "ports": 80, "peers": ["security_group/client"] } ], "egress": [] },
    "host": { "ingress": [ { "protocol": "tcp", "ports": 80, "peers": ["203.0.113.0/24", "2001:db8:113::/48"] } ], "egress": [] } },
  "interfaces": {
    "client": { "subnet": "a", "addresses": ["10.0.1.10"], "security_groups": ["client"], "device": "vclient" },
    "server": { "subnet": "a", "addresses": ["10.0.1.20"], "security_groups": ["server"], "device": "vserver" },
    "host": { "attach": "local", "device": "wan0", "security_groups": ["host"] } } }
JSON
lab_up --unplugged server
agent_start
is "$(hg --json apply "$RULES" | jq -c .waiting)" '["vserver"]' "apply names the device that is not there"

state() { hg --json show devices | jq -r --arg d "$1" '.[] | select(.device == $d) | .state'; }
has_state() { [[ $(state "$1") == "$2" ]]; }
is "$(state vserver)" absent "show devices calls it absent"
is "$(state vclient)" attached "and the others attached"
is_unhealthy() { curl -s --unix-socket "$SOCKET" http://headgate/healthz | jq -e --arg d "$1" '.status == 503 and .waiting == [$d]'; }
check "/healthz answers 503 and names it" is_unhealthy vserver

lab plug server
check "a device that appears is attached" within 5 has_state vserver attached
check "/healthz answers 200 then" within 5 is_healthy
serve tcp server 80
serve tcp server 81
is "$(talk tcp client 10.0.1.20 80 5)" answer "its instance is reached"
is "$(talk tcp client 10.0.1.20 81)" silent "and guarded"

lab unplug server
check "a device that goes is absent" within 5 has_state vserver absent
check "/healthz answers 503 again" within 5 is_unhealthy vserver
lab plug server
check "a device that comes back is attached again" within 5 has_state vserver attached
serve tcp server 80
serve tcp server 81
is "$(talk tcp client 10.0.1.20 80 5)" answer "its instance is reached again"
is "$(talk tcp client 10.0.1.20 81)" silent "and guarded again"

at host ip link set dev vserver down
at host ip link set dev vserver name vother
at host ip link set dev vother up
check "a device that is renamed away is absent" within 5 has_state vserver absent
at host ip link set dev vother down
at host ip link set dev vother name vserver
at host ip link set dev vserver up
at host ip route replace 10.0.1.20 dev vserver
check "a device that is renamed into place is attached" within 5 has_state vserver attached
is "$(talk tcp client 10.0.1.20 80 5)" answer "its instance is reached"
is "$(talk tcp client 10.0.1.20 81)" silent "and guarded"

# ---- a local device's addresses are the kernel's ----
NEW=192.0.2.99
serve tcp host 80
reaches() { [[ $(talk tcp world "$1" 80 0.5 203.0.113.10) == answer ]]; }
shown() { hg --json show interfaces | jq -e --arg a "$1" '.[] | select(.name == "host") | .addresses | index($a) != null'; }
check "the host is reached at the address that its device has" within 5 reaches 192.0.2.18
check "show interfaces has read that address from the kernel" shown 192.0.2.18
at host ip addr add "$NEW/32" dev wan0
at host ip rule add pref 100 from "$NEW" table 100
at world ip route add "$NEW" dev w0
at world ip neigh replace "$NEW" dev w0 nud permanent \
	lladdr "$(at host ip -j link show dev wan0 | jq -r '.[0].address')"
check "an address that the device is given is reached" within 5 reaches "$NEW"
check "and shown" shown "$NEW"
at host ip addr del "$NEW/32" dev wan0
check "an address that the device loses is shown no more" within 5 not shown "$NEW"
talks <<ROWS
DEST_CHECK tcp world%203.0.113.10 $NEW 80 | and packets to it are refused
ROWS
check "every packet is counted once" adds_up
finish
