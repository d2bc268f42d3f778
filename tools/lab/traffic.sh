# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# traffic: real packets between the machines of a lab, for the demo and the tests.
#
# The caller sets LAB (a lab's name) and WORK (a directory of its own). A machine is an instance's name, `host`,
# `world`, `internet`, `internet-UPLINK` or `far`. An outcome is one word: answer, silent (nothing came back in time), refused (a reset or a port
# unreachable), or what the program complained of.

declare -A HELD=() # name of a held connection -> the descriptor that speaks into it

ns_of() { if [[ $1 =~ ^(host|world|far|internet|internet-.*)$ ]]; then echo "/run/netns/$LAB-$1"; else echo "/run/netns/$LAB-i-$1"; fi; }
at() { nsenter --net="$(ns_of "$1")" -- "${@:2}"; }
endpoint() { if [[ $2 == *:* ]]; then echo "${1}6:[$2]:$3"; else echo "${1}4:$2:$3"; fi; }
bind_of() { if [[ $1 == *:* ]]; then echo ",bind=[$1]"; elif [[ -n $1 ]]; then echo ",bind=$1"; fi; }

# Polls; there is no event to wait for that all of these share.
within() { # SECONDS COMMAND...
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		((${EPOCHREALTIME/./} < deadline)) || return 1
		sleep 0.03
	done
}

# Echo servers, both families. They end with the lab.
serve() { # tcp|udp MACHINE PORT
	local listen=${1^^}6-LISTEN:$3,ipv6only=0,reuseaddr,fork
	[[ $1 == udp ]] && listen=UDP6-RECVFROM:$3,ipv6only=0,fork
	nsenter --net="$(ns_of "$2")" -- socat "$listen" PIPE 2>>"$WORK/serve.log" &
	disown
	within 5 is_served "$1" "$2" "$3"
}
is_served() { at "$2" ss -Hln"${1:0:1}" "sport = :$3" | grep -q .; }

outcome() { # ANSWER COMPLAINT
	case $1$2 in
	*'Connection refused'*) echo refused ;;
	*'timed out'* | '') echo silent ;;
	*) if [[ -n $1 ]]; then echo answer; else echo "${2##*: }"; fi ;;
	esac
}

# One question and its answer. WAIT is how long silence is listened to. PORT of ping is its payload's size.
talk() { # tcp|udp|ping MACHINE ADDRESS PORT [WAIT [SOURCE-ADDRESS[:PORT as ,sourceport=N]]]
	local wait=${5:-1} answer complaint="$WORK/talk.$BASHPID"
	case $1 in
	ping)
		# shellcheck disable=SC2046 # no word or two
		if at "$2" ping -nq -c1 -W"$wait" -s"$4" $(if [[ -n ${6:-} ]]; then echo -I "$6"; fi) "$3" >/dev/null 2>"$complaint"; then
			answer=1
		fi
		;;
	*)
		answer=$(echo hello | at "$2" timeout $((${wait%.*} + 2)) socat -t"$wait" - \
			"$(endpoint "${1^^}" "$3" "$4"),readbytes=6$([[ $1 == udp ]] || echo ",connect-timeout=$wait")$(bind_of "${6:-}")" \
			2>"$complaint") || true
		;;
	esac
	outcome "${answer:-}" "$(cat "$complaint")"
	rm -f "$complaint"
}

# A connection that stays open: held says whether what is said now comes back in time.
hold() { # NAME tcp|udp MACHINE ADDRESS PORT [SOURCE-ADDRESS]
	local fd
	mkfifo "$WORK/held.$1"
	exec {fd}<>"$WORK/held.$1"
	HELD[$1]=$fd
	nsenter --net="$(ns_of "$3")" -- socat -t600 - "$(endpoint "${2^^}" "$4" "$5")$(bind_of "${6:-}")" \
		<&"$fd" >"$WORK/heard.$1" 2>"$WORK/held.$1.log" &
	disown
	held "$1" 5
}
held() { # NAME SECONDS
	local word=word-$RANDOM$RANDOM
	echo "$word" >&"${HELD[$1]}"
	within "$2" grep -qx "$word" "$WORK/heard.$1"
}

# ---- what takes more than shell (speak.py) ----

SPEAK=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/speak.py
serve_many() { # MACHINE PORT: HTTP and DNS, both families; they end with the lab
	nsenter --net="$(ns_of "$1")" -- "$SPEAK" serve "$2" 2>>"$WORK/serve.log" &
	disown
	within 5 is_served tcp "$1" "$2"
}
many() { # MACHINE http|dns ADDRESS PORT N [SOURCE]: JSON
	at "$1" timeout 60 "$SPEAK" "${@:2}" 2>&1
}
seen_as() { # MACHINE ADDRESS PORT [SOURCE]: the address that the server sees
	many "$1" http "$2" "$3" 1 "${@:4}" | jq -r '.sources[0]? // .wrong[0]'
}

# ---- servers and clients of a load balancer (crowd.py) ----

CROWD=$(dirname "$SPEAK")/crowd.py
declare -A CROWDS=() # machine or name -> process
serve_crowd() { # MACHINE PORT...: as MACHINE, until server_kill or the lab's end
	nsenter --net="$(ns_of "$1")" -- "$CROWD" serve "$@" 2>>"$WORK/serve.log" &
	CROWDS[$1]=$!
	disown
	within 10 is_served udp "$1" "${!#}"
	within 10 is_served tcp "$1" "${!#}"
}
spread() { # MACHINE tcp|udp ADDRESS PORT N [SOURCE[+COUNT]]: JSON
	at "$1" timeout 60 "$CROWD" spread "${@:2}" 2>&1
}
keep() { # NAME MACHINE ADDRESS PORT N [SOURCE]: kept has what became of them
	nsenter --net="$(ns_of "$2")" -- "$CROWD" keep "$WORK/kept.$1" "${@:3}" 2>>"$WORK/keep.log" &
	CROWDS[$1]=$!
	disown
	within 10 kept_all "$1" "$5"
}
kept() { # NAME [JQ-EXPRESSION]
	jq -c "${2:-.}" "$WORK/kept.$1"
}
kept_all() { # NAME N
	[[ $(kept "$1" '[.open[]] | add') == "$2" ]]
}
knock() { # NAME MACHINE ADDRESS PORT MILLISECONDS: lines come in $WORK/knocks.NAME
	nsenter --net="$(ns_of "$2")" -- "$CROWD" knock "$WORK/knocks.$1" "${@:3}" 2>>"$WORK/knock.log" &
	CROWDS[$1]=$!
	disown
}
crowd_end() { # MACHINE or NAME [SIGNAL]
	kill "-${2:-TERM}" "${CROWDS[$1]}" && within 5 is_over "${CROWDS[$1]}"
}
is_over() { ! kill -0 "$1" 2>/dev/null; }
