#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# health: of five servers one is killed, vanishes, or says that it is unwell: new connections go elsewhere, its own are
# reset, and in all that time, and while the agent and its probe are killed, no connection of another server is harmed.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

event_time() { # FROM TO TARGET: seconds since 1970 of the last such event
	jq -sr --arg from "$1" --arg to "$2" --arg t "$3" 'map(select(.event == "health" and .from == $from and .to == $to
		and (.target | contains($t)))) | last | select(.) | .time | sub("\\.(?<f>[0-9]+)Z"; "Z") as $whole
		| ($whole | fromdate) + (.[20:26] | tonumber / 1e6)' "$WORK/events"
}
changes() { [[ -n $(event_time "$@") ]]; }
# The last new connection that went wrong began so long after the change was told. In seconds; below zero: before.
effect() { # NAME EVENT-TIME
	awk -v t="$2" '$2 !~ /^s[1-5]$/ { last = $1 } END { printf "%.3f\n", last ? last - t : -1 }' "$WORK/knocks.$1"
}
takes() { # NAME SERVER SINCE
	awk -v s="$2" -v t="$3" '$1 > t && $2 == s { n++ } END { exit !n }' "$WORK/knocks.$1"
}
probe_pid() { hg --json stats | jq -r '.probe.pid // empty'; }

balancer_up tc .
TAG=''
check "all targets are healthy after their first check" within 15 targets_are healthy 7
hg --json monitor >"$WORK/events" 2>&1 &
disown
check "60 connections are kept from outside" keep outside internet 203.0.113.30 80 60
check "and 40 from inside, over IPv6" keep inside c 2001:db8:200::30 80 40
knock new internet 203.0.113.30 80 10

# ---- one is killed ----
killed=$EPOCHREALTIME
crowd_end s3 KILL
check "a server that is killed becomes unhealthy" within 10 changes healthy unhealthy interface/s3
t=$(event_time healthy unhealthy interface/s3)
late=$(jq -n "$t - $killed")
ok "$(jq -n "if $late < 5 then 0 else 1 end")" "after two checks: two seconds, and what a check may take"
diag "killed to unhealthy: $late s"
sleep 0.7 # of knocks, to look back at
e=$(effect new "$t")
ok "$(jq -n "if $e < 1 then 0 else 1 end")" "from then on no new connection meets it"
diag "the last one did $e s after the change was told"
is "$(only_of outside s3) $(only_of inside s3)" 'true true' "connections of no other server ended"
within 5 none_open outside s3
within 5 none_open inside s3
serve_crowd s3 8080
again=$EPOCHREALTIME
check "it comes back" within 10 changes unhealthy healthy interface/s3
check "and takes new connections" within 5 takes new s3 "$again"

# ---- one vanishes ----
had=$(kept outside '.open.s4')
at s4 ip link set dev eth0 down
check "a server that vanishes becomes unhealthy" within 15 is_state 10.0.14.10:8080 'unhealthy Target.Timeout false'
check "its connections end" within 8 none_open outside s4
is "$(kept outside '.ended.s4.reset')" "$had" "each with a reset"
is "$(only_of outside s3 s4) $(only_of inside s3 s4)" 'true true' "connections of no other server ended"
at s4 ip link set dev eth0 up
at s4 ip route replace default via 10.0.14.1 dev eth0
at s4 ip -6 addr replace fd00:10:0:14::10/64 dev eth0 nodad
at s4 ip -6 route replace default via fd00:10:0:14::1 dev eth0
check "it comes back" within 15 is_state 10.0.14.10:8080 'healthy  true'

# ---- one is unwell, and the agent dies ----
kill -USR1 "${CROWDS[s2]}"
check "a server that answers 503 becomes unhealthy" within 10 is_state interface/s2:8080 'unhealthy Target.ResponseCodeMismatch false'
check "its connections are reset while it lives" within 8 none_open outside s2
is "$(only_of outside s2 s3 s4) $(only_of inside s2 s3 s4)" 'true true' "connections of no other server ended"
since=$EPOCHREALTIME
probe=$(probe_pid)
agent_kill
check "connections go on without an agent" comes_on outside
check_not "what is unhealthy takes nothing without one" takes new s2 "$since"
agent_start
is "$(state_of interface/s2:8080 | cut -d' ' -f1,3) $(state_of interface/s1:8080 | cut -d' ' -f1,3)" 'unhealthy false healthy true' "a new agent knows who was well"
check "the old one's probe is gone" within 5 is_over "$probe"
probe=$(probe_pid)
kill -KILL "$probe"
check "connections go on without a probe" comes_on inside
check_not "what is unhealthy takes nothing in all that time" takes new s2 "$since"
kill -USR2 "${CROWDS[s2]}"
check "a new probe finds a server well again" within 15 is_state interface/s2:8080 'healthy  true'
check "and it takes new connections" within 5 takes new s2 "$since"

# ---- all are unwell ----
for server in s1 s2 s3 s4; do kill -USR1 "${CROWDS[$server]}"; done
check "four of five become unhealthy" within 10 targets_are unhealthy 5
is "$(spread internet tcp 203.0.113.30 80 200 | jq -c '[.answered, .by]')" '[200,{"s5":200}]' "the fifth takes everything"
had=$(kept outside '.open.s5')
kill -USR1 "${CROWDS[s5]}"
check "all become unhealthy" within 10 targets_are unhealthy 7
is "$(spread internet tcp 203.0.113.30 80 200 | jq -c '[.answered, (.by | keys | length)]')" '[200,5]' "then all take new connections"
is "$(kept outside '.open.s5')" "$had" "and the last one's own are spared"
is "$(hg --json show load-balancers | jq '.[0].metrics.UnhealthyRoutingFlowCount > 0')" true "which is counted"
check "every packet is counted once" adds_up
is "$(kept outside '[.ended[] | .wrong // 0] | add') $(kept inside '[.ended[] | .wrong // 0] | add')" '0 0' "no connection was ever answered by another server"
finish
