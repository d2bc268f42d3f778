#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cli: exit codes and shapes as the contract has them, and explain says what real packets then do.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

cp "$ROOT/docs/examples/demo.json" "$RULES"
lab_up
OFFLINE=$BUILD/headgate

# ---- without an agent ----
check "check of a good rule set exits 0" exits 0 "$OFFLINE" check "$RULES"
check "check of the smallest rule set exits 0" exits 0 "$OFFLINE" check "$ROOT/docs/examples/host.json"
jq '.security_groups.web.ingress[0].ports = 70000 | .interfaces["db-1"].subnet = "dta"' "$RULES" >"$WORK/bad.json"
check "check of a bad one exits 1" exits 1 "$OFFLINE" check "$WORK/bad.json"
is "$(cat "$WORK/out" "$WORK/err" | grep -cE '^[^:]*bad.json:[0-9]+:[0-9]+: /')" 2 "and says file:line:column: /pointer: sentence, twice in one run"
check "a shadowed NACL rule is a warning: exit 0" exits 0 "$OFFLINE" check <(jq '.network_acls.edge.ingress += [{"rule": 200, "action": "deny", "protocol": "all", "cidr": "0.0.0.0/0"}]' "$RULES")
check "and an error with --strict: exit 1" exits 1 "$OFFLINE" check --strict <(jq '.network_acls.edge.ingress += [{"rule": 200, "action": "deny", "protocol": "all", "cidr": "0.0.0.0/0"}]' "$RULES")
check "no command at all is wrong usage: exit 2" exits 2 "$OFFLINE"
check "an unknown command is wrong usage: exit 2" exits 2 "$OFFLINE" frobnicate
check "an unknown option is wrong usage: exit 2" exits 2 "$OFFLINE" check --frobnicate "$RULES"
check "explain without --from is wrong usage: exit 2" exits 2 "$OFFLINE" explain --to 10.0.1.10 --protocol tcp --config "$RULES"
for command in "apply $RULES" "show rules" "show interfaces" flows stats "monitor --drops" "explain --from 10.0.1.10 --to 10.0.2.10:5432 --protocol tcp"; do
	# shellcheck disable=SC2086 # words
	check "$command without an agent exits 3" exits 3 hg $command
done
check "schema prints a JSON Schema of 2020-12" grep -q 'json-schema.org/draft/2020-12' <("$OFFLINE" schema)
check "version exits 0 without an agent" exits 0 "$OFFLINE" version

# ---- with one ----
agent_up
check "apply prints the new version" jq -e '.version > 1' <(hg --json apply "$RULES")
check "version exits 0 with an agent" exits 0 hg version
for noun in interfaces subnets nacls security-groups devices; do
	check "show $noun --json is an array of objects with a name" jq -e 'type == "array" and length > 0 and all(.[]; .name // .device)' <(hg --json show "$noun")
	check "show $noun exits 0" exits 0 hg show "$noun"
done
check "show rules is the document that was applied" diff <(hg show rules) "$RULES"
check "stats says received, passed and dropped" jq -e '(.received | type) == "number" and (.passed | type) == "number" and (.dropped | type) == "object"' <(hg --json stats)
check "an answer has no colour where it is not a terminal" not grep -q $'\e' <(hg show devices)

# ---- explain, without an agent, with one, and the packet itself ----
for port in 22 80 5432; do for machine in web db bastion host; do serve tcp "$machine" "$port"; done; done
for machine in web db world; do serve udp "$machine" 53; done
serve tcp world 80

same() { # PROTOCOL MACHINE FROM TO PORT DEVICE
	local -a words=(--from "$3:40000" --to "$4:$5" --protocol "$1" --in "$6")
	local online offline verdict got
	[[ $3 != *:* ]] || words=(--from "[$3]:40000" --to "[$4]:$5" --protocol "$1" --in "$6")
	[[ $1 != icmp* ]] || words=(--from "$3" --to "$4" --protocol "$1" --in "$6")
	offline=$("$OFFLINE" --json explain "${words[@]}" --config "$RULES" | jq -cS '{verdict, reason, steps, tracked}')
	online=$(hg --json explain "${words[@]}" | jq -cS '{verdict, reason, steps, tracked}')
	[[ -n $online && $online == "$offline" ]] || { echo "with an agent: $online"$'\n'"without one:   $offline" && return 1; }
	verdict=$(jq -r .verdict <<<"$online")
	if [[ $1 == icmp* ]]; then
		got=$(talk ping "$2" "$4" 56 "$([[ $verdict == allow ]] && echo 5 || echo 1)" "$3")
	else
		got=$(talk "$1" "$2" "$4" "$5" "$([[ $verdict == allow ]] && echo 5 || echo 1)" "$3")
	fi
	[[ $verdict == allow && $got == answer ]] || [[ $verdict == drop && $got == silent ]] || { echo "explained as $verdict, and the packet: $got"$'\n'"$online" && return 1; }
}
while read -r protocol machine from to port device; do
	check "explain with and without an agent and the packet agree: $protocol $from to $to $port" same "$protocol" "$machine" "$from" "$to" "$port" "$device"
done <<'ROWS'
tcp    web     10.0.1.10       10.0.2.10       5432 port-web
tcp    web     10.0.1.10       10.0.2.10       80   port-web
tcp    web     fd00:10:0:1::10 fd00:10:0:2::10 5432 port-web
udp    web     10.0.1.10       10.0.2.10       53   port-web
udp    web     fd00:10:0:1::10 fd00:10:0:2::10 53   port-web
icmp   web     10.0.1.10       10.0.2.10       0    port-web
icmpv6 web     fd00:10:0:1::10 fd00:10:0:2::10 0    port-web
tcp    web     10.0.1.10       203.0.113.10    80   port-web
tcp    bastion 10.0.1.20       10.0.1.10       22   port-bastion
tcp    bastion 10.0.1.20       10.0.1.10       80   port-bastion
tcp    bastion 10.0.1.20       10.0.2.10       5432 port-bastion
tcp    bastion fd00:10:0:1::20 2001:db8:113::10 80  port-bastion
tcp    db      10.0.2.10       10.0.1.10       80   port-db
icmp   db      10.0.2.10       10.0.1.20       0    port-db
ROWS
check "explain of what is allowed exits 0" exits 0 hg explain --from 10.0.1.10:4000 --to 10.0.2.10:5432 --protocol tcp
check "explain of what is dropped exits 1" exits 1 hg explain --from 10.0.1.20:4000 --to 10.0.2.10:5432 --protocol tcp
is "$(hg --json explain --from 10.0.1.20:4000 --to 10.0.2.10:5432 --protocol tcp | jq -c '.steps[-1] | [.stage, .object, .rule, .objects]')" \
	'["sg_ingress",null,null,["security_group/db"]]' "a group that admits nothing is named among those asked"
is "$(hg --json explain --from 198.51.100.10:4000 --to 10.0.1.10:80 --protocol tcp | jq -c '[.reason, (.steps[-1] | .stage, .object, .rule)]')" \
	'["NACL_INGRESS","nacl_ingress","network_acl/edge",90]' "a NACL's rule is named by its number"
is "$(hg --json explain --from 10.0.1.10:4000 --to 10.0.2.10:80 --protocol tcp | jq -c '[.reason, (.steps[-1] | .stage, .object, .rule)]')" \
	'["NACL_INGRESS","nacl_ingress","network_acl/data","*"]' "a NACL's implicit deny is named *"
printf '%s\n' '{"from":"10.0.1.10","from_port":4000,"to":"10.0.2.10","to_port":5432,"protocol":"tcp"}' \
	'{"from":"10.0.1.20","from_port":4000,"to":"10.0.2.10","to_port":5432,"protocol":"tcp"}' >"$WORK/packets"
is "$(hg --json explain --packets "$WORK/packets" | jq -r .verdict | paste -sd,)" allow,drop "explain --packets answers one a line in the same order"
check "and exits 0 when all were judged" exits 0 hg explain --packets "$WORK/packets"
is "$("$OFFLINE" --json explain --packets "$WORK/packets" --config "$RULES" | jq -r .verdict | paste -sd,)" allow,drop "without an agent too"
echo nonsense >>"$WORK/packets"
check "and exits 2 when a line cannot be read" exits 2 hg explain --packets "$WORK/packets"
before=$(hg --json stats | jq -cS '[.received, .passed, .dropped, .flows.entries]')
hg explain --from 10.0.1.10:4001 --to 10.0.2.10:5432 --protocol tcp >/dev/null
hg explain --from 10.0.1.20:4001 --to 10.0.2.10:5432 --protocol tcp >/dev/null
is "$(hg --json stats | jq -cS '[.received, .passed, .dropped, .flows.entries]')" "$before" "explain counts nothing and opens nothing"

# ---- monitor, flows, hits ----
nsenter --net="$(ns_of host)" -- "$BUILD/headgate" --socket "$SOCKET" --json monitor --drops >"$WORK/events" 2>"$WORK/monitor.log" &
disown
seen() { # JQ-CONDITION
	jq -e "select(.event == \"drop\") | select($1)" "$WORK/events" | grep -q .
}
# Until the stream is open no event is made, so the packet is repeated until one is seen.
provoke() { # CONDITION WORDS-OF-TALK...
	local condition=$1 i
	shift
	for ((i = 0; i < 8; i++)); do
		talk "$@" 0.3 >/dev/null
		within 1 seen "$condition" && return
	done
	cat "$WORK/events" "$WORK/monitor.log"
	return 1
}
check "monitor --drops shows a group's refusal" provoke \
	'.reason == "SG_INGRESS" and .source == "10.0.1.20" and .destination == "10.0.2.10" and .destination_port == 5432 and .device == "port-bastion" and .rule == null' \
	tcp bastion 10.0.2.10 5432
check "monitor --drops shows a NACL's rule by number" provoke \
	'.reason == "NACL_INGRESS" and .object == "network_acl/data" and .rule == "*" and .destination_port == 80' tcp web 10.0.2.10 80
check "monitor --drops shows IPv6" provoke '.reason == "SG_EGRESS" and .source == "fd00:10:0:2::10"' udp db fd00:10:0:1::10 53
nsenter --net="$(ns_of host)" -- "$BUILD/headgate" --socket "$SOCKET" --json monitor >"$WORK/all" 2>>"$WORK/monitor.log" &
disown
opened() {
	local i
	for ((i = 0; i < 8; i++)); do
		talk tcp web 10.0.2.10 5432 0.3 >/dev/null
		within 1 jq -e 'select(.event == "flow") | select(.source == "10.0.1.10" and .destination_port == 5432 and .device == "port-web")' "$WORK/all" && return
	done
	cat "$WORK/all"
	return 1
}
check "monitor shows a connection that is opened" opened
check "a connection opens" hold one tcp web 10.0.2.10 5432
is "$(hg --json flows | jq -c '[.[] | select(.destination_port == 5432 and .state == "established" and (.destination == "10.0.2.10"))] | length > 0')" true "flows shows it established"
is "$(hg --json show nacls | jq '[.[] | select(.name == "data") | .ingress[] | select(.rule == 100) | .hits] | .[0] > 0')" true "the NACL rule that admitted it has been hit"
is "$(hg --json show security-groups | jq '[.[] | select(.name == "db") | .ingress[0].hits] | .[0] > 0')" true "and the group's rule"
check "received is passed and dropped, of all and of every device" jq -e 'def whole: .received == .passed + ([.dropped[]] | add // 0); whole and all(.devices[]; whole)' <(hg --json stats)
finish
