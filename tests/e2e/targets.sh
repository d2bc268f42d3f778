#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# targets: servers behind a load balancer are checked for real; who is healthy takes connections, who is not
# loses them, what is known of a target outlives rule sets and the agent, and all of it is shown.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

state_of() { hg --json show targets | jq -r --arg t "$1" '.[] | select(.target == $t) | [.state, .reason, .takes_new] | join(" ")'; }
is_state() { [[ $(state_of "$1") == "$2" ]]; }
hosts() { hg --json show load-balancers edge | jq -c '[.metrics.HealthyHostCount, .metrics.UnHealthyHostCount, .target_groups[0].fails_open]'; }
probe_pid() { hg --json stats | jq -r '.probe.pid // empty'; }
has_event() { jq -se --arg from "$1" --arg to "$2" 'any(.[]; .event == "health" and .from == $from and .to == $to)' "$WORK/events"; }
probe_is_another() { [[ -n $(probe_pid) && $(probe_pid) != "$PROBE" ]]; }

# The gateway's own kernel checks: it needs to be on its subnets' links.
lab_addresses() {
	at host ip addr add 10.0.1.1/24 dev br-private
	at host ip addr add 10.0.2.1/24 dev br-other
}

gateway_up tc '.target_groups.web = { vpc: "prod", protocol: "tcp", port: 80, deregistration_delay: 60,
		targets: [{ interface: "a" }, { address: "10.0.2.10", weight: 2 }],
		health_check: { protocol: "tcp", interval: 5, timeout: 2, healthy_threshold: 2, unhealthy_threshold: 2 } }
	| .load_balancers.edge = { vpc: "prod", addresses: ["203.0.113.30"],
		listeners: [{ protocol: "tcp", port: 80, forward: [{ target_group: "web" }] }] }'
TAG=''
lab_addresses
serve tcp a 80
hg --json monitor >"$WORK/events" 2>&1 &
MONITOR=$!

check "a server that answers becomes healthy with its first check" within 15 is_state interface/a:80 'healthy  true'
check "one that refuses becomes unhealthy, and takes nothing while another is healthy" \
	within 20 is_state 10.0.2.10:80 'unhealthy Target.FailedHealthChecks false'
is "$(hosts)" '[1,1,false]' "the balancer counts both"
check "the change is told as it happens" within 5 has_event initial healthy
is "$(hg show targets web | awk '{ print $1, $2 }' | paste -sd' ')" 'TARGET GROUP web 10.0.2.10:80 web interface/a:80' "targets are listed, those of a group by its name"

serve tcp b 80
check "a server that comes back is healthy after two checks" within 20 is_state 10.0.2.10:80 'healthy  true'
is "$(hosts)" '[2,0,false]' "and counted so"

# ---- the agent and the probe die ----
serve_end() { at "$1" ss -Htlnp "sport = :$2" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u | xargs -r kill; }

# ---- connections ----
at internet ip route replace 203.0.113.30 dev up src 198.51.100.1
N=24
for ((i = 0; i < N; i++)); do hold "h$i" tcp internet 203.0.113.30 80 || diag "h$i is not answered: $(cat "$WORK/held.h$i.log")"; done
hg --json flows --state established >"$WORK/flows"
is "$(jq -c 'map(.balancer) | unique' "$WORK/flows")" '["load_balancer/edge"]' "connections name the balancer that they go through"
is "$(jq -r 'map(.target) | unique | join(" ")' "$WORK/flows")" '10.0.1.10:80 10.0.2.10:80' "and the target, of which each has some"
N_B=$(jq 'map(select(.target == "10.0.2.10:80")) | length' "$WORK/flows")
is "$(hg --json show targets | jq -c 'map(.active_flows)')" "[$N_B,$((N - N_B))]" "which are its active ones"
serve_end b 80
check "a server that ends becomes unhealthy" within 20 is_state 10.0.2.10:80 'unhealthy Target.FailedHealthChecks false'
b_has_none() { hg --json flows --state established | jq -e 'all(.[]; .target != "10.0.2.10:80")'; }
check "its connections end" within 2 b_has_none
JOBS=()
for ((i = 0; i < N; i++)); do
	{ held "h$i" 1 && echo live >>"$WORK/live"; } &
	JOBS+=($!)
done
wait "${JOBS[@]}"
is "$(grep -c live "$WORK/live")" $((N - N_B)) "and those to other servers go on"
resets() { hg --json show load-balancers edge | jq '.metrics.TCP_ELB_Reset_Count'; }
is "$(resets)" "$N_B" "each client heard it by a reset"
is "$(hg --json stats | jq '.pools.cut')" "$N_B" "and they are counted"
is "$(for ((i = 0; i < 8; i++)); do talk tcp internet 203.0.113.30 80 2; done | sort -u)" answer "new connections go to the server that is left"
kill "$MONITOR"
agent_kill
agent_start
is "$(state_of 10.0.2.10:80 | cut -d' ' -f1,3)" 'unhealthy false' "after the agent was killed an unhealthy target still takes nothing"
is "$(state_of interface/a:80 | cut -d' ' -f1,3)" 'healthy true' "and a healthy one still does"
check "it is checked again" within 15 probe_pid
PROBE=$(probe_pid)
kill -KILL "$PROBE"
check "a probe that dies is started again" within 15 probe_is_another
is "$(state_of interface/a:80)" 'healthy  true' "and no target changes its state for it"

# ---- a server that refuses what clients want is looked at ----
failed() { hg --json show targets web | jq '.[] | select(.target == "interface/a:80") | .checks.failed'; }
has_failed() { (($(failed) > FAILED)); }
edit '.target_groups.web.health_check.interval = 300'
check "checks are far between" apply
FAILED=$(failed)
serve_end a 80
is "$(for ((i = 0; i < 4; i++)); do talk tcp internet 203.0.113.30 80 2; done | sort -u)" refused "a server that has just ended refuses connections"
check "three refusals make it be checked at once" within 3 has_failed
serve tcp a 80
edit '.target_groups.web.health_check.interval = 5'
check "back to what it was" apply
check "it is healthy again" within 20 is_state interface/a:80 'healthy  true'

# ---- rule sets come and go ----
edit '.target_groups.web.targets |= [.[0]]'
check "a target leaves the rules" apply
is "$(state_of 10.0.2.10:80)" 'draining Target.DeregistrationInProgress false' "it drains, and takes nothing"
is "$(state_of interface/a:80)" 'healthy  true' "another one's state outlives the rule set"
serve tcp b 80
edit '.target_groups.web.targets += [{ address: "10.0.2.10" }]'
check "it comes back before its time" apply
check "and is new" grep -q 'target 10.0.2.10:80 of group web: initial, was draining' "$WORK/agent.log"
check "until it is checked" within 15 is_state 10.0.2.10:80 'healthy  true'
serve_end a 80
serve_end b 80
check "when all are unhealthy" within 25 is_state interface/a:80 'unhealthy Target.FailedHealthChecks true'
is "$(hosts | jq -c '.[2]')" true "the group fails open and all of them take connections"
check "numbers of pools are told" jq -e '.pools.failing_open == 1 and .pools.usable == .pools.members' <<<"$(hg --json stats)"
edit 'del(.load_balancers)'
check "a group without a balancer" apply
is "$(state_of interface/a:80)" 'unused Target.NotInUse false' "is not checked"
finish
