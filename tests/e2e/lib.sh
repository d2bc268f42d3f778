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

# shellcheck source=tools/lab/traffic.sh
. "$ROOT/tools/lab/traffic.sh"

# ---- TAP ----

diag() { printf '# %s\n' "${@//$'\n'/$'\n'# }"; }
ok() { # STATUS SENTENCE
	if (($1 == 0)); then
		N_OK=$((N_OK + 1))
		echo "ok $((N_OK + N_BAD)) - $2"
	else
		N_BAD=$((N_BAD + 1))
		echo "not ok $((N_OK + N_BAD)) - $2"
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
