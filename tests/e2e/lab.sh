#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lab: the machines of a rule set are there and talk when the kernel routes; afterwards nothing of them is left.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

LABTOOL=$ROOT/tools/lab/lab
cp "$ROOT/docs/examples/demo.json" "$RULES"
left() { { ip netns list; mount; ls /run/headgate-lab; } 2>/dev/null | grep -F -- "$1"; }

lab_up --router
serve tcp db 80
serve udp web 53
row() { # EXPECTED PROTOCOL FROM ADDRESS PORT SOURCE SENTENCE
	is "$(talk "$2" "$3" "$4" "$5" 5 "$6")" "$1" "$7"
}
row answer tcp  web 10.0.2.10 80 ''              "an instance reaches another subnet through its router"
row answer tcp  bastion fd00:10:0:2::10 80 ''    "and over IPv6"
row answer udp  bastion 10.0.1.10 53 ''          "an instance reaches its own subnet"
row answer ping bastion fd00:10:0:1::10 56 ''    "and over IPv6"
row answer ping web 203.0.113.10 56 ''           "an instance reaches the world"
row answer tcp  world fd00:10:0:2::10 80 2001:db8:113::10 "the world reaches an instance"
row answer ping world 192.0.2.18 56 198.51.100.10 "the world reaches a local device without addresses of its own"
is "$(lab exec db -- hostname -I | tr -d ' ')" 10.0.2.10fd00:10:0:2::10 "exec runs a command inside an instance"
is "$(at db ip -j link show dev eth0 | jq '.[0].mtu')" 1500 "cables have the usual MTU"

second=$("$LABTOOL" up "$RULES" --mtu 9000 --name "$LAB-2")
is "$second" "$LAB-2" "a second lab of the same rule set stands beside the first"
is "$("$LABTOOL" list | grep -cF "$LAB")" 2 "list shows both"
is "$("$LABTOOL" exec "$second" web -- cat /proc/sys/net/ipv6/conf/eth0/mtu)" 9000 "--mtu is that of every cable"
check_not "a name is taken once" "$LABTOOL" up "$RULES" --name "$second"
is "$("$LABTOOL" list | grep -cF "$second")" 1 "and the one that has it stays"
"$LABTOOL" exec "$second" web -- sleep 600 &
disown
sleeps() { ip netns pids "$second-i-web" | grep -q .; }
within 5 sleeps
sleeper=$(ip netns pids "$second-i-web")
check "down ends what runs inside" "$LABTOOL" down "$second"
check "the process is gone" is_gone "$sleeper"
is "$(left "$second")" '' "no namespace, mount or directory is left"
check_not "down of what is down says so" "$LABTOOL" down "$second"

# ---- a gateway's machines ----
first=$LAB
mac_of() { at "$1" ip -j link show dev eth0 | jq -r '.[0].address'; }
for wires in '' --veth; do
	LAB=$first-4
	# shellcheck disable=SC2086 # no word or one
	"$LABTOOL" up "$ROOT/tests/e2e/gateway.json" --name "$LAB" --router --far 1400 $wires >/dev/null
	serve tcp web 80
	serve tcp far 80
	row answer tcp  a fd00:10::10 80 ''    "${wires:---bridge}: an instance reaches another subnet of the gateway"
	row answer tcp  internet fd00:10::10 80 '' "${wires:---bridge}: the internet reaches an instance over IPv6"
	row answer ping a 198.51.100.2 56 ''   "${wires:---bridge}: an instance reaches the internet"
	row answer tcp  a 198.51.100.129 80 '' "${wires:---bridge}: and what is far behind it"
	row answer tcp  a 2001:db8:101::1 80 '' "${wires:---bridge}: and over IPv6"
	is "$(at a ping -nc1 -W5 -Mdo -s1450 198.51.100.129 2>&1 | grep -c 'mtu = 1400')" 1 "${wires:---bridge}: the way to far is narrow"
	is "$(at host ip -j -d link show br-public | jq -r '.[0].linkinfo.info_kind')" "$([[ -z $wires ]] && echo bridge || echo veth)" \
		"${wires:---bridge}: the subnet's device is one"
	mac=$(mac_of a)
	"$LABTOOL" unplug "$LAB" a
	"$LABTOOL" plug "$LAB" a
	is "$(mac_of a | grep -vcF "$mac")" 1 "${wires:---bridge}: an instance that is plugged again has another MAC"
	row answer tcp a 198.51.100.129 80 '' "${wires:---bridge}: and works again"
	check "down removes it" "$LABTOOL" down "$LAB"
	is "$(left "$LAB")" '' "and nothing of it is left"
done
LAB=$first
"$LABTOOL" up "$ROOT/tests/e2e/gateway.json" --name "$LAB-4" >/dev/null
at_gateway() { "$LABTOOL" exec "$LAB-4" host -- "$@"; }
is "$(at_gateway ip -j addr | jq -c '[.[].addr_info[] | select(.scope == "global")]')" '[]' "without --router the gateway has no address"
is "$(at_gateway cat /proc/sys/net/ipv{4/ip_forward,6/conf/all/forwarding} | paste -sd' ')" '0 0' "and its kernel forwards nothing"
"$LABTOOL" down "$LAB-4"

# ---- who is in no rule set, and a balancer's addresses ----
LAB=$first-5
jq '.load_balancers.edge = { addresses: ["203.0.113.30", "2001:db8:200::30", "10.0.2.30"], listeners: [] }' \
	"$ROOT/tests/e2e/gateway.json" >"$WORK/balancer.json"
"$LABTOOL" up "$WORK/balancer.json" --name "$LAB" --checks --host s=10.0.2.50,fd00:10:0:2::50 >/dev/null
row answer ping host 10.0.2.50 56 ''           "--checks: the machine reaches a host that no rule set names"
row answer ping s fd00:10:0:2::10 56 ''        "--host: which is in the subnet of its address"
is "$(at internet ip route show 203.0.113.30 | wc -l) $(at internet ip -6 route show 2001:db8:200::30 | wc -l) $(at internet ip route show 10.0.2.30 | wc -l)" \
	'1 1 0' "the internet knows the addresses of a balancer, but those of the inside"
"$LABTOOL" down "$LAB"
jq -n '{ headgate: 1, subnets: { lan: { cidrs: ["10.1.0.0/24", "fd00:1::/64"] } },
	interfaces: { host: { subnet: "lan", attach: "local", device: "eth0", addresses: ["10.1.0.5", "fd00:1::5"] } } }' >"$WORK/wire.json"
"$LABTOOL" up "$WORK/wire.json" --name "$LAB" --host s=10.1.0.11,fd00:1::11 --host t=10.1.0.12 >/dev/null
row answer ping host fd00:1::11 56 ''          "--host: or on one wire with the local interface there"
row answer ping t 10.1.0.11 56 ''              "and with others"
row answer ping s 10.1.0.1 56 ''               "and with their router"
row answer ping world fd00:1::11 56 ''         "which is the world"
"$LABTOOL" down "$LAB"
check_not "a host outside every subnet fails" "$LABTOOL" up "$WORK/wire.json" --name "$LAB" --host s=10.2.0.11
is "$(left "$LAB")" '' "and leaves nothing behind"
LAB=$first

jq '.interfaces["db-1"].addresses = ["10.0.2.999"]' "$RULES" >"$WORK/bad.json"
check_not "a rule set that cannot be built fails" "$LABTOOL" up "$WORK/bad.json" --name "$LAB-3"
is "$(left "$LAB-3")" '' "and leaves nothing behind"
check "wrong usage exits 2" exits 2 "$LABTOOL" up
finish
