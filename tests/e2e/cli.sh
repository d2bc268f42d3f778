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

# ---- a gateway: what is shown of it, and that packets do what is explained ----
agent_stop
lab down >/dev/null
jq 'del(.subnets.other, .interfaces.b) | .nat_gateways.nat.idle_timeout = 120
	| .interfaces.c = {"subnet": "private", "addresses": ["10.0.1.12"], "device": "port-c", "security_groups": ["private"]}
	| .interfaces.gone = {"subnet": "private", "addresses": ["10.0.1.13"], "device": "port-gone", "source_dest_check": false, "security_groups": ["private"]}
	| .prefix_lists.far = {"max_entries": 4, "entries": ["192.0.2.0/25"]}
	| .network_acls.edge = {"vpc": "prod", "ingress": [{"rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0"}, {"rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0"}],
		"egress": [{"rule": 90, "action": "deny", "protocol": "tcp", "ports": "23", "cidr": "0.0.0.0/0"}, {"rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0"}, {"rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0"}]}
	| .subnets.public.network_acl = "edge"
	| .route_tables.private.routes += [{"to": "192.0.2.128/25", "via": "blackhole"}, {"to": "prefix_list/far", "via": "interface/gone"}]' \
	"$ROOT/tests/e2e/gateway.json" >"$RULES"
lab_up --unplugged gone
agent_start
check "a gateway's rule set is applied" apply
all_but_gone() { hg --json show devices | jq -e 'all(.[]; (.state == "attached") == (.device != "port-gone"))'; }
check "and all its devices are attached, but one that is not there" within 10 all_but_gone
for machine in internet a; do for port in 80 23; do serve tcp "$machine" "$port"; done; done
serve udp internet 53
serve tcp web 80
at internet ip route add 10.0.0.0/16 via 203.0.113.20 dev up onlink # what a neighbour may try

shown() { hg --json show "$1" | jq -c "$2"; }
is "$(shown routes '[.[] | select(.name == "private") | .main, .subnets]')" '[true,["private"]]' "show routes says whose a table is"
is "$(shown routes '[.[] | select(.name == "private") | .routes[] | [.to, .via, .origin, .state]]')" \
	'[["10.0.0.0/16","local","local","active"],["fd00:10::/56","local","local","active"],["0.0.0.0/0","nat_gateway/nat","static","active"],["::/0","egress_only_gateway/eigw","static","active"],["192.0.2.128/25","blackhole","static","blackhole"],["prefix_list/far","interface/gone","prefix_list","blackhole"]]' \
	"show routes has every route with its target, origin and state"
is "$(shown routes '[.[] | select(.name == "private") | .routes[] | .why] | map(select(.))')" '["device port-gone is absent"]' "and why one leads nowhere"
is "$(shown nat '[.[] | .name, .subnet, .private_address, .mode, .idle_timeout, [.elastic_ips[].address]]')" \
	'["nat","public","10.0.0.5","gateway",120,["203.0.113.20"]]' "show nat has a NAT gateway with its addresses and timeout"
is "$(shown nat '.[0].metrics | keys')" \
	'["ActiveConnectionCount","BytesInFromDestination","BytesInFromSource","BytesOutToDestination","BytesOutToSource","ConnectionAttemptCount","ConnectionEstablishedCount","ErrorPortAllocation","IdleTimeoutCount","PacketsDropCount","PacketsInFromDestination","PacketsInFromSource","PacketsOutToDestination","PacketsOutToSource"]' \
	"and the metrics by the names of CloudWatch"
is "$(shown devices '[.[] | [.device, .role, .interface // .subnet // .gateways]]')" \
	'[["port-c","port","c"],["port-gone","port","gone"],["br-private","subnet","private"],["br-public","subnet","public"],["uplink","uplink",["internet_gateway/igw","egress_only_gateway/eigw"]]]' \
	"show devices says what each device is for"
is "$(shown interfaces '[.[] | select(.name == "web") | .elastic_ips[] | .address, .private_address, .attached]')" '["203.0.113.10","10.0.0.10",true]' \
	"show interfaces has the elastic IP"
is "$(shown subnets '[.[] | [.name, .device, .state, .route_table]]')" '[["private","br-private","attached","private"],["public","br-public","attached","public"]]' \
	"show subnets has device and route table"
for noun in interfaces subnets routes "routes private" nat "nat nat" devices; do
	# shellcheck disable=SC2086 # noun and name
	check "show $noun of a gateway exits 0" exits 0 hg show $noun
done

# As same(), with what becomes of the packet, which comes from a port of its own: PORT in WANT.
path() { # PROTOCOL MACHINE FROM TO PORT DEVICE WANT SOURCE-PORT
	local -a words=(--from "$3:$8" --to "$4:$5" --protocol "$1" --in "$6")
	local shape='{verdict, reason, steps, rewrite, next_hop, tracked}' online offline
	[[ $3 != *:* ]] || words=(--from "[$3]:$8" --to "[$4]:$5" --protocol "$1" --in "$6")
	[[ $1 != icmp* ]] || words=(--from "$3" --to "$4" --protocol "$1" --in "$6")
	offline=$("$OFFLINE" --json explain "${words[@]}" --config "$RULES" | jq -cS "$shape")
	online=$(hg --json explain "${words[@]}" | jq -cS "$shape")
	[[ -n $online && $online == "$offline" ]] || { echo "with an agent: $online"$'\n'"without one:   $offline" && return 1; }
	[[ $(jq -r '[.verdict, .reason // "-", .rewrite.source // "-", .rewrite.destination // "-", .next_hop.device // "-", .next_hop.address // "-"] | join(" ")' <<<"$online") == "${7//PORT/$8}" ]] ||
		{ echo "got  $online"$'\n'"want $7" && return 1; }
	case $1 in
	icmp*) is_as_explained "$7" "$(talk ping "$2" "$4" 56 "$(patience "$7")" "$3")" ;;
	*) is_as_explained "$7" "$(talk "$1" "$2" "$4" "$5" "$(patience "$7")" "$3$([[ $3 == *:* ]] || echo ",sourceport=$8")")" ;;
	esac
}
patience() { if [[ $1 == allow* ]]; then echo 5; else echo 1; fi; }
is_as_explained() { # WANT GOT
	[[ $1 == allow* && $2 == answer ]] || [[ $1 == drop* && $2 == silent ]] || { echo "explained as $1, and the packet: $2" && return 1; }
}
source=41000
while read -r protocol machine from to port device want; do
	source=$((source + 1))
	check "explain, with and without an agent, and the packet agree: $protocol $from to $to $port" path "$protocol" "$machine" "$from" "$to" "$port" "$device" "$want" "$source"
done <<'ROWS'
tcp    a        10.0.1.10       198.51.100.1     80 br-private allow - 203.0.113.20:PORT - uplink 203.0.113.1
udp    a        10.0.1.10       198.51.100.1     53 br-private allow - 203.0.113.20:PORT - uplink 203.0.113.1
icmp   a        10.0.1.10       198.51.100.1      0 br-private allow - 203.0.113.20 - uplink 203.0.113.1
tcp    c        10.0.1.12       198.51.100.1     80 port-c     allow - 203.0.113.20:PORT - uplink 203.0.113.1
tcp    a        10.0.1.10       198.51.100.1     23 br-private drop NACL_EGRESS - - - -
tcp    a        10.0.1.10       192.0.2.200      80 br-private drop BLACKHOLE - - - -
tcp    a        10.0.1.10       10.0.0.10        80 br-private allow - - - br-public 10.0.0.10
tcp    web      10.0.0.10       198.51.100.1     80 br-public  allow - 203.0.113.10:PORT - uplink 203.0.113.1
tcp    web      10.0.0.10       172.16.0.1       80 br-public  drop PRIVATE_DESTINATION - - - -
tcp    internet 198.51.100.1    203.0.113.10     80 uplink     allow - - 10.0.0.10:80 br-public 10.0.0.10
tcp    internet 198.51.100.1    203.0.113.20     80 uplink     drop NAT_UNSOLICITED - - - -
tcp    internet 198.51.100.1    10.0.1.10        80 uplink     drop NO_ROUTE - - - -
tcp    internet 2001:db8:100::1 fd00:10::10      80 uplink     allow - - - br-public fd00:10::10
tcp    internet 2001:db8:100::1 fd00:10:0:1::10  80 uplink     drop EGRESS_ONLY - - - -
tcp    a        fd00:10:0:1::10 2001:db8:100::1  80 br-private allow - - - uplink 2001:db8:ff::1
ROWS
is "$(hg --json explain --from 10.0.1.10 --to 198.51.100.1:80 | jq -c '[.steps[] | [.stage, .object, .rule, .at]]')" \
	'[["source_check","subnet/private",null,null],["sg_egress","security_group/private",0,null],["nacl_egress","network_acl/default",100,null],["route","route_table/private","0.0.0.0/0",null],["nacl_ingress","network_acl/edge",100,"nat_gateway/nat"],["nat","nat_gateway/nat",null,null],["nacl_egress","network_acl/edge",100,"nat_gateway/nat"],["route","route_table/public","0.0.0.0/0","nat_gateway/nat"],["nat","internet_gateway/igw",null,null]]' \
	"explain tells the whole way through a NAT gateway"
check "explain --return judges the answer to what went out" exits 0 hg explain --from 10.0.1.10 --to 198.51.100.1:80 --return
check "and prints that packet" grep -q '^tcp \[SA\] 198.51.100.1:80 > 203.0.113.20:40000$' "$WORK/out"
check "which comes back to where the first came from" grep -q '^destination becomes 10.0.1.10:40000$' "$WORK/out"
check "explain --return in JSON has both ways" jq -e '.forward.rewrite.source == "203.0.113.20:40000" and .return.rewrite.destination == "10.0.1.10:40000" and .return.next_hop.device == "br-private"' \
	<(hg --json explain --from 10.0.1.10 --to 198.51.100.1:80 --return)

check "a connection through the NAT gateway opens" hold nat tcp a 198.51.100.1 80
is "$(hg --json flows --nat 203.0.113.20 --to 198.51.100.1 | jq -c '[.[] | select(.state == "established") | .source, (.nat | (.source | split(":")[0]), .destination, .zone)]')" \
	'["10.0.1.10","203.0.113.20",null,"uplink/uplink"]' "flows shows what it becomes"
is "$(hg --json flows --nat 203.0.113.99)" '[]' "and only that is found by its address"
check "show nat counts it" jq -e '.[0].metrics | .ActiveConnectionCount > 0 and .ConnectionEstablishedCount > 0 and .ConnectionAttemptCount >= .ConnectionEstablishedCount
	and .PacketsInFromSource >= .PacketsOutToDestination and .BytesOutToSource > 0 and .BytesOutToDestination > 0 and .PacketsDropCount > 0 and .ErrorPortAllocation == 0' <(hg --json show nat)
is "$(shown routes '[.[] | select(.name == "private") | .routes[] | select(.via == "nat_gateway/nat") | .hits > 0]')" '[true]' "and the route has been hit"
counted() { shown nat '[.[] | select(.name == "nat").metrics | .ConnectionAttemptCount, .ConnectionEstablishedCount, .PacketsDropCount, .ActiveConnectionCount > 0]'; }
before=$(counted)
edit '.nat_gateways["another"] = {"subnet": "public", "private_address": "10.0.0.6"}'
check "another NAT gateway is applied" apply
is "$(counted)" "$before" "the numbers of the first stay its own"
is "$(shown nat '[.[] | select(.name == "another").metrics | add]')" '[0]' "and the other begins at 0"
agent_kill
agent_start
is "$(counted)" "$before" "they outlive the agent"
edit '.nat_gateways.nat.idle_timeout = 1'
check "a short idle timeout is applied" apply
check "a connection opens under it" hold short tcp a 198.51.100.1 80
timed_out() { [[ $(shown nat '[.[] | select(.name == "nat").metrics.IdleTimeoutCount > 0]') == '[true]' ]]; }
check "it is forgotten, and counted in IdleTimeoutCount" within 8 timed_out
before=$(hg --json stats | jq .told)
check_not "then nothing comes through it" held short 1
# shellcheck disable=SC2016 # a variable of jq
check "and its client is told" jq -e --argjson before "$before" '.told > $before and .dropped.NO_FLOW > 0' <(hg --json stats)
check "the router of a subnet answers ping" at a ping -nq -c1 -W2 10.0.1.1
check "stats knows neighbours" jq -e '.neighbours | .resolved > 0 and .entries >= .resolved and .max >= .entries' <(hg --json stats)
before=$(hg --json stats | jq .told)
at a ping -nq -c1 -W2 -t1 198.51.100.1 >/dev/null 2>&1
is "$(hg --json stats | jq --argjson before "$before" '.told - $before')" 1 "stats counts whom it told"
nsenter --net="$(ns_of host)" -- "$BUILD/headgate" --socket "$SOCKET" --json monitor --drops >"$WORK/events" 2>>"$WORK/monitor.log" &
disown
check "monitor --drops names the route that leads nowhere" provoke \
	'.reason == "BLACKHOLE" and .destination == "192.0.2.200" and .object == "route_table/private" and .rule == "192.0.2.128/25"' tcp a 192.0.2.200 80
finish
