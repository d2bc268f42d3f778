#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# drain: a target that leaves the rules keeps the connections that it has, until they are to be cut; one that comes back
# finds them; one of weight 0 gets no others. Nobody else's are touched.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

opens() { kept "$1" '.open | with_entries(select(.value > 0))'; }
by() { # PORT: who answers 100 new connections
	spread internet tcp 203.0.113.30 "$1" 100 | jq -c '[.answered, (.by | keys | join(" "))]'
}

# A cut is of an address and a port: the group whose connections are cut has a port of its own.
# shellcheck disable=SC2016 # jq's variables
balancer_up tc '.target_groups.cut = (.target_groups.web | .connection_termination = true | .deregistration_delay = 6 | .port = 8081)
	| .target_groups.old = .target_groups.web
	| def to($group; $port): { protocol: "tcp", port: $port, forward: [{ target_group: $group, weight: 1 }] };
	.load_balancers.edge.listeners += [to("cut"; 81), to("old"; 82)]'
TAG=''
check "all targets are healthy after their first check" within 15 targets_are healthy 21
for port in 80 81 82; do keep "$port" internet 203.0.113.30 "$port" 60 || bail "no connections to port $port"; done
had=$(opens 80) had_cut=$(opens 81) had_old=$(opens 82)
diag "connections: $had $had_cut $had_old"

# ---- a target leaves ----
edit '(.target_groups.web, .target_groups.cut).targets |= map(select(.interface != "s1"))'
check "a target is taken out of two groups" apply
is "$(opens 81)" "$had_cut" "the connections that are to be cut live on while the delay does"
check "it drains in one" is_state_of web interface/s1:8080 'draining Target.DeregistrationInProgress false'
check "and in the other" is_state_of cut interface/s1:8081 'draining Target.DeregistrationInProgress false'
check "but not in a third" is_state_of old interface/s1:8080 'healthy  true'
is "$(by 80)" '[100,"s2 s3 s4 s5"]' "and takes no new connection there"
is "$(by 82)" '[100,"s1 s2 s3 s4 s5"]' "as it does by another group"
check "and are cut at its end" within 20 none_open 81 s1
is "$(kept 81 '.ended')" "{\"s1\":{\"reset\":$(jq .s1 <<<"$had_cut")}}" "each with a reset, and nobody else's"
check "all others go on" comes_on 80
is "$(opens 80)" "$had" "those of the target itself, too"

# ---- and comes back ----
edit '.target_groups.web.targets += [{ interface: "s1" }]'
check "the target comes back" apply
check "and is healthy" within 10 is_state_of web interface/s1:8080 'healthy  true'
is "$(by 80)" '[100,"s1 s2 s3 s4 s5"]' "it takes new connections again"
check "all connections go on" comes_on 80
is "$(opens 80)" "$had" "with whom they were"

# ---- weight 0 ----
edit '(.target_groups.web.targets[] | select(.interface == "s2")).weight = 0'
check "a target gets weight 0" apply
is "$(by 80)" '[100,"s1 s3 s4 s5"]' "it takes no new connection"
edit '.target_groups.heavy = (.target_groups.web | .targets = [{ interface: "s3" }])
	| .load_balancers.edge.listeners[2].forward = [{ target_group: "old", weight: 0 }, { target_group: "heavy", weight: 1 }]'
check "a group gets weight 0 beside another" apply
within 10 is_state_of heavy interface/s3:8080 'healthy  true'
is "$(by 82)" '[100,"s3"]' "its targets take no new connections there"
check "connections of both go on" comes_on 80
check "so do those of the group" comes_on 82
is "$(opens 80) $(opens 82)" "$had $had_old" "with whom they were"

# ---- a listener leaves ----
edit 'del(.load_balancers.edge.listeners[2])'
check "a listener is taken away" apply
are_reset() { kept 82 '[.ended[].reset] | add == 60' | grep -qx true; }
check "its connections are reset" within 5 are_reset
diag "$(kept 82)"
check "those of others go on" comes_on 80
is "$(opens 80) $(kept 80 .ended)" "$had {}" "with whom they were, all of them from first to last"
check "every packet is counted once" adds_up
finish
