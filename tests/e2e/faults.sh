#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# faults: what the machine refuses is said by name, with exit code 4, and nothing is left half done.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

cat >"$RULES" <<'JSON'
{ "headgate": 1,
  "security_groups": { "host": { "ingress": [ { "protocol": "icmp", "icmp": "8", "peers": ["0.0.0.0/0"] } ], "egress": [] } },
  "interfaces": { "host": { "attach": "local", "device": "wan0", "security_groups": ["host"] } } }
JSON
lab_up
agent() { # OPTION...
	at host timeout 10 "$BUILD/headgated" --socket "$SOCKET" --state-dir "$STATE" --bpf-dir "$BPF" "$@"
}
says() { grep -qiE -- "$1" "$WORK/err" || { cat "$WORK/err" && return 1; }; }

check "without the capability for BPF the agent exits 4" exits 4 \
	at host timeout 10 setpriv --bounding-set=-bpf,-sys_admin "$BUILD/headgated" --socket "$SOCKET" --state-dir "$STATE" --bpf-dir "$BPF"
check "and names the capability" says 'CAP_(BPF|SYS_ADMIN)'
check "without the capability for devices the agent exits 4" exits 4 \
	at host timeout 10 setpriv --bounding-set=-net_admin,-sys_admin "$BUILD/headgated" --socket "$SOCKET" --state-dir "$STATE" --bpf-dir "$BPF"
check "and names it" says 'CAP_NET_ADMIN'
is "$(find "$DIR/bpf" -type f ! -name '*.debug' | wc -l)" 0 "neither has left a pin"

mkdir "$WORK/plain"
check "with a --bpf-dir that is on no bpffs the agent exits 4" exits 4 \
	at host timeout 10 "$BUILD/headgated" --socket "$SOCKET" --state-dir "$STATE" --bpf-dir "$WORK/plain/hg"
check "and says so" says bpffs

check "with a --config that is no JSON the agent does not start" not agent --config <(echo '{')
check "a wrong option is wrong usage: exit 2" exits 2 agent --frobnicate

agent_up
is "$(talk ping world 192.0.2.18 56 5)" answer "the agent works where nothing is missing"
check "a second agent on the same socket exits 4" exits 4 agent --state-dir "$WORK/state2" --bpf-dir "$DIR/bpf/second"
check "and names the socket" says "$SOCKET"
check "and has loaded and attached nothing" not test -e "$DIR/bpf/second"
check "a second agent on the same pins exits 4" exits 4 \
	at host timeout 10 "$BUILD/headgated" --socket "$WORK/second.sock" --state-dir "$WORK/state2" --bpf-dir "$BPF"
check "and says whose they are" says "another agent keeps its pins there"
check "the first agent still answers" is_healthy
is "$(talk ping world 192.0.2.18 56 5)" answer "and its rules are in force"

agent_kill
agent_start
check "a socket that a killed agent left behind is taken over" within 10 is_healthy
agent_stop
check "a clean stop removes the socket" test ! -e "$SOCKET"
finish
