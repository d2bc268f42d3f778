#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# crash: the agent dies at any instant, and traffic goes on; a restart continues; --detach-all leaves nothing.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

cat >"$RULES" <<'JSON'
{ "headgate": 1,
  "vpcs": { "prod": { "cidrs": ["10.0.0.0/16"] } },
  "subnets": { "a": { "vpc": "prod", "cidrs": ["10.0.1.0/24"] } },
  "security_groups": {
    "client": { "vpc": "prod", "ingress": [], "egress": [ { "protocol": "all", "peers": ["10.0.0.0/16"] } ] },
    "server": { "vpc": "prod", "ingress": [ { "protocol": "tcp", "ports": [80, 81], "peers": ["security_group/client"] } ], "egress": [] } },
  "interfaces": {
    "client": { "subnet": "a", "addresses": ["10.0.1.10"], "security_groups": ["client"], "device": "vclient" },
    "server": { "subnet": "a", "addresses": ["10.0.1.20"], "security_groups": ["server"], "device": "vserver" } } }
JSON
cp "$RULES" "$WORK/a.json"
jq '.security_groups.server.ingress[0].ports = [80, 82]' "$RULES" >"$WORK/b.json"
lab_up
agent_up
for port in 80 81 82; do serve tcp server "$port"; done

# ---- killed in the middle of traffic ----
check "a connection opens" hold old tcp client 10.0.1.20 80
passed=$(hg --json stats | jq .passed)
agent_kill
check "the connection lives while there is no agent" held old 3
is "$(talk tcp client 10.0.1.20 81 5)" answer "what the rules admit is admitted while there is no agent"
is "$(talk tcp client 10.0.1.20 82)" silent "what they refuse is refused while there is no agent"
check "without an agent the command line ends with exit code 3" exits 3 hg stats
agent_start
check "the agent comes back healthy without being told the rules again" within 10 is_healthy
is "$(hg --json stats | jq --argjson was "$passed" '.passed > $was')" true "the counters went on"
is "$(hg --json flows | jq '[.[] | select(.destination_port == 80)] | length')" 1 "the old connection is in the flow table"
check "the connection lives" held old 3
check "every packet is counted once" adds_up
agent_stop
check "the connection lives after the agent has been stopped" held old 3
is "$(talk tcp client 10.0.1.20 82)" silent "the rules hold after the agent has been stopped"
agent_start
within 10 is_healthy

# ---- killed in the middle of an apply ----
killed_in_apply() { # MILLISECONDS
	hg apply "$WORK/b.json" >/dev/null 2>&1 &
	local client=$! document
	sleep "$(printf '0.%03d' "$1")"
	agent_kill
	wait "$client"
	held old 3 || { echo "the connection was lost" && return 1; }
	agent_start
	within 10 is_healthy || { echo "no health after the restart" && return 1; }
	held old 3 || { echo "the connection was lost by the restart" && return 1; }
	document=$(hg show rules | jq -S .)
	if [[ $document == "$(jq -S . "$WORK/a.json")" ]]; then
		first=$((first + 1))
		opens 81 && shuts 82
	elif [[ $document == "$(jq -S . "$WORK/b.json")" ]]; then
		second=$((second + 1))
		opens 82 && shuts 81
	else
		echo "neither of the two: $document"
		return 1
	fi || { echo "the packets meet other rules than are shown" && return 1; }
	hg apply "$WORK/a.json" >/dev/null
}
opens() { [[ $(talk tcp client 10.0.1.20 "$1" 5) == answer ]]; }
shuts() { [[ $(talk tcp client 10.0.1.20 "$1" 0.3) == silent ]]; }
first=0 second=0
for ms in 0 1 2 4 6 8 10 13 16 20 30 60; do
	check "killed $ms ms into an apply: the rule set is one of the two, whole, and the connection lives" killed_in_apply "$ms"
done
diag "the old rule set won $first times, the new one $second times"

# ---- other programs take over ----
# The ones that are attached go on by an array of theirs. A start that does not find all of their pins loads others, as
# one of another version does.
arrays() { find "$DIR/bpf" -name 'hg_next_*' -printf '%f\n' | sort; }
attached() { at host tc filter show dev vclient ingress | grep -o ' id [0-9]*'; }
open_on() { # opens connections until it is told to stop; fails at the first that does not
	while [[ ! -e $WORK/stop ]]; do
		[[ $(talk tcp client 10.0.1.20 80 5) == answer ]] || return 1
	done
}
is "$(arrays | wc -l)" 2 "the programs' next ones hang on two pinned arrays"
arrays_before=$(arrays) attached_before=$(attached) internal=$(dropped INTERNAL)
agent_kill
find "$DIR/bpf" -name hg_in -delete
rm -f "$WORK/stop"
open_on &
opener=$!
agent_start
check "the agent comes back healthy with other programs" within 10 is_healthy
touch "$WORK/stop"
check "connections opened all the while" wait "$opener"
attached_now=$(attached)
check "those are attached" test -n "$attached_now" -a "$attached_now" != "$attached_before"
is "$(arrays | wc -l)" 2 "two arrays are pinned again"
check_not "they are others" test "$(arrays)" == "$arrays_before"
is "$(dropped INTERNAL)" "$internal" "no packet missed its next program"
check "the old connection lives" held old 3
agent_kill
is "$(talk tcp client 10.0.1.20 80 5)" answer "without an agent the new programs open connections"
agent_start
within 10 is_healthy

# Rules that do not fit the maps: programs over larger ones replace those that run.
jq '.subnets.a.network_acl = "long" | .network_acls.long = { vpc: "prod" } | .network_acls.long[("ingress", "egress")] =
	[range(1; 9999) | { rule: ., action: "deny", protocol: "tcp", ports: "\(. + 1000)", cidr: "203.0.113.0/24" }]
	+ [{ rule: 9999, action: "allow", protocol: "all", cidr: "0.0.0.0/0" }]' "$WORK/a.json" >"$WORK/long.json"
arrays_before=$(arrays) internal=$(dropped INTERNAL)
rm -f "$WORK/stop"
open_on &
opener=$!
check "a rule set that needs larger maps is applied" hg apply "$WORK/long.json"
touch "$WORK/stop"
check "connections opened all the while" wait "$opener"
check "its programs have arrays of their own" test "$(arrays | wc -l)" == 2 -a "$(arrays)" != "$arrays_before"
is "$(dropped INTERNAL)" "$internal" "no packet missed its next program"
check "the old connection lives" held old 3
agent_kill
is "$(talk tcp client 10.0.1.20 80 5)" answer "without an agent they open connections, too"
agent_start
within 10 is_healthy

# ---- nothing is left ----
agent_stop
check "--detach-all succeeds without an agent" at host "$BUILD/headgated" --detach-all --bpf-dir "$BPF" --state-dir "$STATE" --socket "$SOCKET"
is "$(find "$DIR/bpf" -mindepth 1 ! -name '*.debug' | wc -l)" 0 "no pin is left"
is "$(at host bpftool -j net | jq '[.. | objects | select((.name // "") | startswith("hg_"))] | length')" 0 "no program is left on a device"
within 5 shuts 80
is "$(at host tc qdisc show dev vclient | grep -c clsact)" 0 "no qdisc is left on a device"
finish
