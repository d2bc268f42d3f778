#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# apply: what a new rule set does to connections that live, when it begins to hold, and that a refused one does nothing.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

cat >"$RULES" <<'JSON'
{ "headgate": 1,
  "vpcs": { "prod": { "cidrs": ["10.0.0.0/16", "fd00:10::/56"] } },
  "subnets": { "a": { "vpc": "prod", "cidrs": ["10.0.1.0/24", "fd00:10:0:1::/64"] },
               "b": { "vpc": "prod", "cidrs": ["10.0.2.0/24", "fd00:10:0:2::/64"], "network_acl": "b" } },
  "network_acls": { "b": { "vpc": "prod",
      "ingress": [ { "rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0" },
                   { "rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0" } ],
      "egress":  [ { "rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0" },
                   { "rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0" } ] } },
  "security_groups": {
    "client": { "vpc": "prod",
      "ingress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ],
      "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
    "tracked": { "vpc": "prod",
      "ingress": [ { "protocol": "tcp", "ports": 80, "peers": ["10.0.1.0/24", "fd00:10:0:1::/64"] },
                   { "protocol": "udp", "ports": 53, "peers": ["10.0.1.0/24"] },
                   { "protocol": "icmp", "icmp": "8", "peers": ["10.0.1.0/24"] } ],
      "egress": [] },
    "untracked": { "vpc": "prod",
      "ingress": [ { "protocol": "tcp", "ports": 81, "peers": ["0.0.0.0/0", "::/0"] },
                   { "protocol": "udp", "ports": 54, "peers": ["0.0.0.0/0"] } ],
      "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] } },
  "interfaces": {
    "client":    { "subnet": "a", "addresses": ["10.0.1.10", "fd00:10:0:1::10"], "security_groups": ["client"], "device": "vclient" },
    "tracked":   { "subnet": "b", "addresses": ["10.0.2.10", "fd00:10:0:2::10"], "security_groups": ["tracked"], "device": "vtracked" },
    "untracked": { "subnet": "b", "addresses": ["10.0.2.20", "fd00:10:0:2::20"], "security_groups": ["untracked"], "device": "vuntracked" } } }
JSON
lab_up
agent_up
for machine in tracked untracked; do
	for port in 80 81; do serve tcp "$machine" "$port"; done
	for port in 53 54; do serve udp "$machine" "$port"; done
done

# ---- rules are removed under living connections ----
check "a connection to a tracking group opens" hold tracked4 tcp client 10.0.2.10 80
check "a connection to a tracking group opens over IPv6" hold tracked6 tcp client fd00:10:0:2::10 80
check "a datagram flow to a tracking group opens" hold trackedu udp client 10.0.2.10 53
check "a connection to an untracked group opens" hold untracked4 tcp client 10.0.2.20 81
check "a connection to an untracked group opens over IPv6" hold untracked6 tcp client fd00:10:0:2::20 81
is "$(hg --json flows | jq -c '[.[].destination_port] | sort')" '[53,80,80]' "only what is tracked is in the flow table"

cp "$RULES" "$WORK/whole.json"
edit '.security_groups.tracked.ingress = [] | .security_groups.untracked.ingress = []'
check "a rule set without the admitting rules is applied" apply
check "a tracked connection survives the removal of its rule" held tracked4 5
check "a tracked connection survives the removal of its rule over IPv6" held tracked6 5
check "a tracked datagram flow survives the removal of its rule" held trackedu 5
check_not "an untracked connection is cut" held untracked4 1
check_not "an untracked connection is cut over IPv6" held untracked6 1
talks <<'ROWS'
SG_INGRESS tcp  client 10.0.2.10 80       | no new connection is admitted where an old one lives
SG_INGRESS tcp  client fd00:10:0:2::10 80 | nor over IPv6
SG_INGRESS udp  client 10.0.2.10 53       | nor a new datagram flow
SG_INGRESS ping client 10.0.2.10 56       | nor a ping
ROWS
cp "$WORK/whole.json" "$RULES"
check "the rules come back" apply
check "the untracked connection goes on where TCP left off" held untracked4 20
check "the surviving connection is still the same" held tracked4 5

# ---- a NACL cuts ----
edit '.network_acls.b.ingress += [ { "rule": 50, "action": "deny", "protocol": "all", "cidr": "10.0.1.0/24" },
                                   { "rule": 51, "action": "deny", "protocol": "all", "cidr": "fd00:10:0:1::/64" } ]'
check "a NACL that denies is applied" apply
check_not "the tracked connection is cut at once" held tracked4 1
check_not "the tracked connection is cut at once over IPv6" held tracked6 1
check_not "the tracked datagram flow is cut at once" held trackedu 1
check_not "the untracked connection is cut at once" held untracked4 1
is "$(dropped NACL_INGRESS | jq '. > 0')" true "what was cut is counted under NACL_INGRESS"
cp "$WORK/whole.json" "$RULES"
check "the NACL is opened again" apply
check "the tracked connection goes on" held tracked4 20

# ---- from when on ----
jq '.network_acls.b.ingress += [ { "rule": 50, "action": "deny", "protocol": "udp", "cidr": "0.0.0.0/0" } ]' "$WORK/whole.json" >"$WORK/shut.json"
switch_often() {
	local i
	for ((i = 0; i < 15; i++)); do
		hg apply "$WORK/shut.json" >/dev/null || return 1
		[[ $(talk udp client 10.0.2.20 54 0.2) == silent ]] || { echo "round $i: a packet passed after apply had returned" && return 1; }
		hg apply "$WORK/whole.json" >/dev/null || return 1
		[[ $(talk udp client 10.0.2.20 54 5) == answer ]] || { echo "round $i: a packet was dropped after apply had returned" && return 1; }
	done
}
check "every packet after apply has returned meets the new rules, 30 times over" switch_often

# ---- refused ----
cp "$WORK/whole.json" "$RULES"
version=$(hg --json stats | jq .version)
hg show rules >"$WORK/before"
refused() { # SENTENCE: the document is in $WORK/bad.json
	check "$1 is refused with exit code 1" exits 1 hg apply "$WORK/bad.json"
	[[ -s $WORK/err || -s $WORK/out ]]
	ok $? "$1: something is said about it"
}
bad() { jq "$1" "$WORK/whole.json" >"$WORK/bad.json"; }
echo '{ "headgate": 1, "vpcs": ' >"$WORK/bad.json" && refused "a document that breaks off"
: >"$WORK/bad.json" && refused "an empty document"
echo '{ "headgate": 1, "headgate": 1 }' >"$WORK/bad.json" && refused "a repeated key"
printf '{ "headgate": 1, "description": "a\0b" }' >"$WORK/bad.json" && refused "a NUL byte"
(printf '{ "headgate": 1, "vpcs": ' && printf '[%.0s' {1..100000}) >"$WORK/bad.json" && refused "nesting a hundred thousand deep"
(printf '{ "headgate": 1, "description": "' && head -c 52428800 /dev/zero | tr '\0' x && printf '" }') >"$WORK/bad.json" && refused "a document of 50 MB"
bad '.security_groups.client.ingress[0] = {"protocol": "tcp", "ports": 70000, "peers": ["0.0.0.0/0"]}' && refused "port 70000"
bad '.security_groups.client.ingress[0] = {"protocol": "tcp", "ports": "90-80", "peers": ["0.0.0.0/0"]}' && refused "a reversed range"
bad '.security_groups.client.ingress[0].protocol = "tpc"' && refused "an unknown protocol"
bad '.security_groups.client.ingress[0].peers = ["security_group/nobody"]' && refused "a dangling reference"
bad '.subnets.b.cidrs = ["10.0.1.128/25"]' && refused "overlapping subnets"
bad '.interfaces.client.devise = "x"' && refused "an unknown key"
bad '.interfaces = []' && refused "a wrong type"
bad '.flow_logs = {}' && refused "an object that this version does not have"
is "$(hg --json stats | jq .version)" "$version" "after all that the version is the same"
check "and so is the rule set" diff <(hg show rules) "$WORK/before"
check "and the connection lives" held tracked4 5
check "check finds nothing wrong with another rule set" exits 0 hg check "$WORK/shut.json"
is "$(talk udp client 10.0.2.20 54 5)" answer "what was only checked is not in force"

# ---- taken back ----
check "a rule set that waits for its confirmation is in force" hg apply "$WORK/shut.json" --confirm-within 2s
is "$(talk udp client 10.0.2.20 54)" silent "while it waits it shuts"
opens_again() { [[ $(talk udp client 10.0.2.20 54) == answer ]]; }
check "without a confirmation in time the previous rule set is back" within 8 opens_again
check "received is passed and dropped" adds_up

# ---- what cannot change under traffic ----
jq '.settings.max_flows = 1000000' "$RULES" >"$WORK/more.json"
check "a larger flow table is warned of, not promised" bash -c \
	"'$BUILD/headgate' --socket '$SOCKET' apply '$WORK/more.json' 2>&1 >/dev/null | grep -q '/settings/max_flows: the flow table has room for 78643 connections'"
is "$(hg --json stats | jq .flows.max)" 78643 "and stats shows the room that there is"
finish
