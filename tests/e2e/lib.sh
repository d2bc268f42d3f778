# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# lib: what the end-to-end tests share: TAP, a lab of their own, an agent in it, and tables of traffic.
#
# A test sources this, writes a rule set to $RULES, calls lab_up and agent_start, and ends with finish. Everything is
# named after the process and removed at exit, however the test ends. A script takes at most HG_DEADLINE seconds.

set -u
if [[ -z ${HG_TIMED:-} ]]; then
	HG_TIMED=1 exec timeout -k 10 "${HG_DEADLINE:-120}" bash "$0" "$@"
fi

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${HG_BUILD:-$ROOT/build}
TEST=$(basename "$0" .sh)
WORK=$(mktemp -d "/tmp/hg-$TEST.XXXXXX")
RULES=$WORK/rules.json
LAB='' AGENT='' N_OK=0 N_BAD=0
TAG='' # begins every sentence

# shellcheck source=tools/lab/traffic.sh
. "$ROOT/tools/lab/traffic.sh"

# ---- TAP ----

diag() { printf '# %s\n' "${@//$'\n'/$'\n'# }"; }
ok() { # STATUS SENTENCE
	if (($1 == 0)); then
		N_OK=$((N_OK + 1))
		echo "ok $((N_OK + N_BAD)) - $TAG$2"
	else
		N_BAD=$((N_BAD + 1))
		echo "not ok $((N_OK + N_BAD)) - $TAG$2"
	fi
}
is() { # GOT WANT SENTENCE
	[[ $1 == "$2" ]]
	ok $? "$3"
	[[ $1 == "$2" ]] || diag "got  '$1'"$'\n'"want '$2'"
}
check() { # SENTENCE COMMAND...
	local sentence=$1 r=0
	shift
	"$@" >"$WORK/check" 2>&1 || r=$?
	ok "$r" "$sentence"
	((r == 0)) || diag "$* ended with $r"$'\n'"$(tail -n 20 "$WORK/check")"
}
check_not() { # SENTENCE COMMAND...
	local sentence=$1
	shift
	check "$sentence" not "$@"
}
not() { ! "$@"; }
exits() { # STATUS COMMAND...: output stays in $WORK/out and $WORK/err
	local want=$1 r=0
	shift
	"$@" >"$WORK/out" 2>"$WORK/err" || r=$?
	((r == want)) && return
	echo "exit code $r, want $want"
	cat "$WORK/err"
	return 1
}
finish() {
	echo "1..$((N_OK + N_BAD))"
	exit $((N_BAD > 0))
}
bail() {
	echo "Bail out! $*"
	exit 1
}

cleanup() {
	local r=$?
	trap '' INT TERM
	trap - EXIT
	if ((r != 0)) && [[ -s $WORK/agent.log ]]; then
		diag "the agent's last words:"$'\n'"$(tail -n 30 "$WORK/agent.log")"
	fi
	[[ -z $LAB ]] || "$ROOT/tools/lab/lab" down "$LAB"
	rm -rf "$WORK"
	exit "$r"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if ((EUID != 0)); then
	echo "1..0 # SKIP needs root: it makes network namespaces"
	exit 0
fi
if [[ ! -x $BUILD/headgated || ! -x $BUILD/headgate ]]; then
	bail "$BUILD has no headgated and headgate: run make"
fi

# ---- the lab and the agent ----

lab_up() { # OPTION...
	LAB=hg-$TEST-$$
	"$ROOT/tools/lab/lab" up "$RULES" --name "$LAB" "$@" >/dev/null || { LAB='' && bail "the lab could not be built"; }
	DIR=$("$ROOT/tools/lab/lab" dir "$LAB")
	SOCKET=$DIR/headgate.sock STATE=$DIR/state BPF=$DIR/bpf/headgate
}
lab() { "$ROOT/tools/lab/lab" "$1" "$LAB" "${@:2}"; }

hg() { "$BUILD/headgate" --socket "$SOCKET" "$@"; }
api() { curl -sS --fail-with-body --unix-socket "$SOCKET" "http://headgate$1" "${@:2}"; }
apply() { hg apply "$RULES"; }
edit() { # JQ-EXPRESSION...: changes $RULES
	jq "$@" "$RULES" >"$RULES.edited" && mv "$RULES.edited" "$RULES"
}
# $RULES and the lab of gateway.json, changed, with that hook on every device.
gateway_up() { # HOOK JQ-EXPRESSION [OPTION OF lab up]...
	jq --arg hook "$1" "$2"' | (.subnets, .internet_gateways, .egress_only_gateways) |= map_values(if .device then .hook = $hook else . end)' \
		"$ROOT/tests/e2e/gateway.json" >"$RULES"
	TAG="$1: "
	# shellcheck disable=SC2046 # no word or two
	lab_up $(if [[ $1 == xdp ]]; then echo --veth --xdp; fi) "${@:3}"
	agent_up
}
# $RULES and the lab of balancer.json, changed, with that hook on every device, its servers and an agent.
SERVERS='s1 s2 s3 s4 s5'
balancer_up() { # HOOK JQ-EXPRESSION [OPTION OF lab up]...
	jq --arg hook "$1" "$2"' | (.subnets, .internet_gateways) |= map_values(if .device then .hook = $hook else . end)' \
		"$ROOT/tests/e2e/balancer.json" >"$RULES"
	TAG="$1: "
	# shellcheck disable=SC2046 # no word or two
	lab_up $(if [[ $1 == xdp ]]; then echo --veth --xdp; fi) --checks --host s5=10.0.15.10,fd00:10:0:15::10 "${@:3}"
	for server in $SERVERS; do serve_crowd "$server" 5353 8081 8080; done
	agent_up
}
state_of() { # TARGET: state, reason, whether it takes new connections
	hg --json show targets | jq -r --arg t "$1" '.[] | select(.target == $t) | [.state, .reason, .takes_new] | join(" ")'
}
is_state() { [[ $(state_of "$1") == "$2" ]]; }
is_state_of() { # GROUP TARGET STATE
	[[ $(hg --json show targets "$1" | jq -r --arg t "$2" '.[] | select(.target == $t) | [.state, .reason, .takes_new] | join(" ")') == "$3" ]]
}
only_of() { # NAME SERVER...: connections that ended were all of these
	kept "$1" '.ended | keys' | jq -e --arg of "${*:2}" '. - ($of | split(" ")) == []'
}
none_open() { [[ $(kept "$1" ".open.$2 // 0") == 0 ]]; }
comes_on() { # NAME: every connection that is open has said something since
	local was
	was=$(kept "$1" .lines)
	within 5 came_on "$1" "$was"
}
came_on() { kept "$1" ".lines - $2 >= ([.open[]] | add)" | grep -qx true; }
targets_are() { # STATE N
	[[ $(hg --json show targets | jq --arg s "$1" 'map(select(.state == $s)) | length') == "$2" ]]
}
# The internet sends what is for these to the gateway, whether or not that answers ARP for them.
force_in() { # ADDRESS...
	local address mac
	mac=$(at host ip -j link show dev uplink | jq -r '.[0].address')
	for address in "$@"; do
		at internet ip route replace "$address" dev up src 198.51.100.1
		at internet ip neigh replace "$address" dev up lladdr "$mac" nud permanent
	done
}

agent_spawn() { # OPTION...: does not wait
	nsenter --net="$(ns_of host)" -- "$BUILD/headgated" --socket "$SOCKET" --state-dir "$STATE" --bpf-dir "$BPF" "$@" \
		>>"$WORK/agent.log" 2>&1 &
	AGENT=$!
	disown
}
agent_start() {
	agent_spawn
	within 15 api /v1/version || bail "the agent did not start: $(tail -n 5 "$WORK/agent.log")"
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }
agent_stop() {
	kill -TERM "$AGENT" && within 10 is_gone "$AGENT"
}
agent_kill() {
	kill -KILL "$AGENT" && within 10 is_gone "$AGENT"
}
is_healthy() { api /healthz; }

# The agent with $RULES in force, everything attached.
agent_up() {
	agent_start
	apply >"$WORK/applied" 2>&1 || bail "the rule set was refused: $(cat "$WORK/applied")"
	within 10 is_healthy || bail "not healthy: $(api /healthz 2>&1)"
}

dropped() { # [REASON]: packets
	hg --json stats | jq --arg reason "${1:-}" 'if $reason == "" then [.dropped[]] | add // 0 else .dropped[$reason] // 0 end'
}
adds_up() { hg --json stats | jq -e '.received == .passed + ([.dropped[]] | add // 0)'; }

# ---- bulk, byte for byte ----

exec 3>&1 # for remarks from inside a check
stream() { # PIECES of 64 MiB
	[[ -e $WORK/piece ]] || head -c $((64 << 20)) /dev/urandom >"$WORK/piece"
	for ((i = 0; i < $1; i++)); do cat "$WORK/piece"; done
}
declare -A SUMS=() # PIECES -> what sha256sum says of them
sum_of() { [[ -n ${SUMS[$1]:-} ]] || SUMS[$1]=$(stream "$1" | sha256sum); }
arrived() { # PIECES START
	diag "$(($1 * 64 * 8 * 1000000 / (${EPOCHREALTIME/./} - $2))) Mbit/s, checksums included" >&3
	[[ $(cat "$WORK/sum") == "${SUMS[$1]}" ]] || { echo "the bytes differ" && return 1; }
}
transfer() { # PIECES FROM TO ADDRESS PORT [SOURCE]: FROM opens and sends
	local receiver start
	sum_of "$1"
	start=${EPOCHREALTIME/./}
	nsenter --net="$(ns_of "$3")" -- socat -u -b262144 "TCP6-LISTEN:$5,ipv6only=0,reuseaddr" - 2>"$WORK/receive.log" | sha256sum >"$WORK/sum" &
	receiver=$!
	within 5 is_served tcp "$3" "$5" || return 1
	stream "$1" | at "$2" timeout 50 socat -u -b262144 - "$(endpoint TCP "$4" "$5"),connect-timeout=5$(bind_of "${6:-}")" || return 1
	wait "$receiver"
	arrived "$1" "$start"
}
fetch() { # PIECES FROM TO ADDRESS PORT: FROM opens, TO sends
	local start
	sum_of "$1"
	start=${EPOCHREALTIME/./}
	stream "$1" | nsenter --net="$(ns_of "$3")" -- timeout 60 socat -u -b262144 - "TCP6-LISTEN:$5,ipv6only=0,reuseaddr" 2>"$WORK/send.log" &
	within 5 is_served tcp "$3" "$5" || return 1
	at "$2" timeout 50 socat -u -b262144 "$(endpoint TCP "$4" "$5"),connect-timeout=5" - | sha256sum >"$WORK/sum"
	arrived "$1" "$start"
}
datagrams() { # up|down PIECES FROM TO ADDRESS PORT [plain]: FROM opens; "plain": not cut by the kernel
	local taker start bytes=$(($2 << 26))
	start=${EPOCHREALTIME/./}
	nsenter --net="$(ns_of "$4")" -- timeout 60 "$SPEAK" take "$6" "$bytes" >"$WORK/took" 2>&1 &
	taker=$!
	within 5 is_served udp "$4" "$6" || return 1
	at "$3" timeout 50 "$SPEAK" give "$1" "$5" "$6" "$bytes" "${@:7}" >"$WORK/gave" 2>&1 || { cat "$WORK/gave" && return 1; }
	wait "$taker" || { cat "$WORK/took" && return 1; }
	diag "$((bytes * 8 / (${EPOCHREALTIME/./} - start))) Mbit/s, checksums included" >&3
	[[ -s $WORK/took ]] && cmp "$WORK/took" "$WORK/gave"
}

# ---- tables of traffic ----

# Reads rows: EXPECTED PROTOCOL FROM ADDRESS PORT | sentence
# EXPECTED is an outcome of talk, or a drop reason: silent, and counted under that reason. FROM may be
# MACHINE%SOURCE-ADDRESS. All rows talk at once; what else was dropped meanwhile is one more test.
talks() {
	local before after expected protocol from address port sentence source got i=0 r reasons='[]'
	local -a rows=() jobs=()
	before=$(hg --json stats | jq -c .dropped)
	while IFS='|' read -r row sentence; do
		[[ -n ${row// /} ]] || continue
		read -r expected protocol from address port <<<"$row"
		source=''
		[[ $from != *%* ]] || source=${from#*%} from=${from%%%*}
		if [[ $expected =~ ^[A-Z_]+$ ]]; then
			reasons=$(jq -c --arg r "$expected" '. + [$r]' <<<"$reasons")
		fi
		talk "$protocol" "$from" "$address" "$port" "$(if [[ $expected =~ ^[a-z]+$ && $expected != silent ]]; then echo 5; else echo 1; fi)" \
			"$source" >"$WORK/talk.$i" &
		jobs+=($!)
		rows+=("$expected|${sentence# }")
		i=$((i + 1))
	done
	wait "${jobs[@]}"
	after=$(hg --json stats | jq -c .dropped)
	for ((i = 0; i < ${#rows[@]}; i++)); do
		IFS='|' read -r expected sentence <<<"${rows[i]}"
		got=$(cat "$WORK/talk.$i")
		if [[ $expected =~ ^[A-Z_]+$ ]]; then
			r=0
			jq -en --arg r "$expected" --argjson a "$after" --argjson b "$before" --argjson n "$reasons" \
				'($a[$r] // 0) - ($b[$r] // 0) >= ($n | map(select(. == $r)) | length)' >/dev/null || r=1
			[[ $got == silent && $r == 0 ]]
			ok $? "$sentence: $expected"
			[[ $got == silent && $r == 0 ]] || diag "got $got, $expected: ${before} -> ${after}"
		else
			is "$got" "$expected" "$sentence"
		fi
	done
	# A machine's own multicast chatter has no route out of a port, and no group admits it at a host device, at any time.
	is "$(jq -cn --argjson a "$after" --argjson b "$before" --argjson n "$reasons" \
		'[$a | to_entries[] | select(.value > ($b[.key] // 0)) | .key] - $n - ["NO_ROUTE", "SG_INGRESS", "SG_EGRESS"]')" '[]' "nothing was dropped meanwhile for a reason that no row names"
}
