#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# connectivity: who reaches whom through the port and the host role, by TCP, UDP, ICMP and ICMP errors, over IPv4 and
# IPv6, with either hook; and under which reason the rest is counted.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

write_rules() { # HOOK
	cat >"$RULES" <<-JSON
	{ "headgate": 1,
	  "vpcs": { "prod": { "cidrs": ["10.0.0.0/16", "fd00:10::/56"] } },
	  "subnets": {
	    "front": { "vpc": "prod", "cidrs": ["10.0.1.0/24", "fd00:10:0:1::/64"], "network_acl": "front" },
	    "back":  { "vpc": "prod", "cidrs": ["10.0.2.0/24", "fd00:10:0:2::/64"], "network_acl": "back" },
	    "local": { "vpc": "prod", "cidrs": ["10.0.3.0/24", "fd00:10:0:3::/64"] } },
	  "network_acls": {
	    "front": { "vpc": "prod",
	      "ingress": [ { "rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0" },
	                   { "rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0" } ],
	      "egress":  [ { "rule": 90,  "action": "deny",  "protocol": "tcp", "ports": 82, "cidr": "10.0.2.0/24" },
	                   { "rule": 91,  "action": "deny",  "protocol": "tcp", "ports": 82, "cidr": "fd00:10:0:2::/64" },
	                   { "rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0" },
	                   { "rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0" } ] },
	    "back": { "vpc": "prod",
	      "ingress": [ { "rule": 90,  "action": "deny",  "protocol": "tcp", "ports": 81, "cidr": "10.0.0.0/16" },
	                   { "rule": 91,  "action": "deny",  "protocol": "tcp", "ports": 81, "cidr": "fd00:10::/56" },
	                   { "rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0" },
	                   { "rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0" } ],
	      "egress":  [ { "rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0" },
	                   { "rule": 101, "action": "allow", "protocol": "all", "cidr": "::/0" } ] } },
	  "security_groups": {
	    "web": { "vpc": "prod",
	      "ingress": [ { "protocol": "tcp", "ports": [80, 82], "peers": ["0.0.0.0/0", "::/0"] },
	                   { "protocol": "udp", "ports": [53, 9], "peers": ["security_group/web"] },
	                   { "protocol": "icmp", "icmp": "8", "peers": ["10.0.0.0/16"] },
	                   { "protocol": "icmpv6", "icmp": "128", "peers": ["fd00:10::/56"] } ],
	      "egress":  [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
	    "guest": { "vpc": "prod", "ingress": [],
	      "egress":  [ { "protocol": "all", "peers": ["0.0.0.0/0", "::/0"] } ] },
	    "db": { "vpc": "prod",
	      "ingress": [ { "protocol": "all", "peers": ["security_group/web"] } ], "egress": [] },
	    "host": { "vpc": "prod",
	      "ingress": [ { "protocol": "tcp", "ports": 80, "peers": ["203.0.113.0/24", "2001:db8:113::/48"] },
	                   { "protocol": "icmp", "icmp": "8", "peers": ["203.0.113.0/24"] },
	                   { "protocol": "icmpv6", "icmp": "128", "peers": ["2001:db8:113::/48"] } ],
	      "egress":  [ { "protocol": "udp", "ports": 53, "peers": ["203.0.113.0/24", "2001:db8:113::/48"] },
	                   { "description": "What the kernel says about hop limits and sizes, it says with this address.",
	                     "protocol": "icmpv6", "peers": ["fd00:10::/56"] } ] } },
	  "interfaces": {
	    "web-1": { "subnet": "front", "addresses": ["10.0.1.10", "fd00:10:0:1::10"], "security_groups": ["web"], "device": "vweb1", "hook": "$1" },
	    "web-2": { "subnet": "front", "addresses": ["10.0.1.20", "fd00:10:0:1::20"], "security_groups": ["web"], "device": "vweb2", "hook": "$1" },
	    "guest": { "subnet": "front", "addresses": ["10.0.1.30", "fd00:10:0:1::30"], "security_groups": ["guest"], "device": "vguest", "hook": "$1" },
	    "db":    { "subnet": "back", "addresses": ["10.0.2.10", "fd00:10:0:2::10"], "security_groups": ["db"], "device": "vdb", "hook": "$1" },
	    "host":  { "attach": "local", "subnet": "local", "addresses": ["10.0.3.5", "fd00:10:0:3::5"], "security_groups": ["host"], "device": "wan0", "hook": "$1" } } }
	JSON
}

serve_all() {
	local machine port
	for machine in web-1 web-2 db world host; do
		for port in 80 81 82; do serve tcp "$machine" "$port"; done
		serve udp "$machine" 53
	done
}

story() { # HOOK
	talks <<-ROWS
	answer  tcp  web-1 10.0.1.20 80       | $1: TCP passes within a subnet
	answer  tcp  web-1 10.0.2.10 80       | $1: TCP passes between subnets, admitted by a group reference
	answer  tcp  web-1 fd00:10:0:1::20 80 | $1: TCP over IPv6 passes within a subnet
	answer  tcp  web-1 fd00:10:0:2::10 80 | $1: TCP over IPv6 passes between subnets
	answer  udp  web-1 10.0.1.20 53       | $1: UDP goes there and back within a subnet
	answer  udp  web-1 10.0.2.10 53       | $1: UDP goes there and back between subnets
	answer  udp  web-1 fd00:10:0:2::10 53 | $1: UDP over IPv6 goes there and back
	answer  ping web-1 10.0.1.20 56       | $1: ping is answered within a subnet
	answer  ping web-1 10.0.2.10 56       | $1: ping is answered between subnets by a machine without egress rules
	answer  ping web-1 fd00:10:0:2::10 56 | $1: ping6 is answered between subnets
	answer  ping web-1 10.0.2.10 4000     | $1: a ping of three fragments is answered
	answer  ping web-1 fd00:10:0:2::10 4000 | $1: a ping6 of three fragments is answered
	refused tcp  web-1 10.0.2.10 9        | $1: a closed port's reset reaches the client
	refused udp  web-1 10.0.2.10 9        | $1: a closed port's ICMP error reaches the client as related
	refused udp  web-1 fd00:10:0:2::10 9  | $1: a closed port's ICMPv6 error reaches the client as related
	answer  tcp  web-1 203.0.113.10 80    | $1: an instance reaches the world through the kernel
	answer  udp  web-1 2001:db8:113::10 53 | $1: an instance reaches the world over IPv6
	answer  tcp  world%203.0.113.10 10.0.1.10 80 | $1: the world reaches an instance
	answer  tcp  world%2001:db8:113::10 fd00:10:0:1::10 80 | $1: the world reaches an instance over IPv6
	answer  tcp  host 10.0.1.10 80        | $1: the host itself reaches an instance
	answer  tcp  world%203.0.113.10 10.0.3.5 80 | $1: the world reaches the host role
	answer  tcp  world%2001:db8:113::10 fd00:10:0:3::5 80 | $1: the world reaches the host role over IPv6
	answer  ping world%203.0.113.10 10.0.3.5 56 | $1: the host role answers ping
	answer  udp  host%10.0.3.5 203.0.113.10 53 | $1: the host role reaches the world
	answer  udp  host%fd00:10:0:3::5 2001:db8:113::10 53 | $1: the host role reaches the world over IPv6
	ROWS
	talks <<-ROWS
	SG_INGRESS   tcp  guest 10.0.2.10 80       | $1: who is no member is not admitted between subnets
	SG_INGRESS   udp  guest 10.0.1.20 53       | $1: who is no member is not admitted within a subnet
	SG_INGRESS   tcp  guest fd00:10:0:2::10 80 | $1: who is no member is not admitted over IPv6
	SG_INGRESS   ping world%203.0.113.10 10.0.1.10 56 | $1: the world may not ping an instance
	SG_INGRESS   tcp  world%198.51.100.10 10.0.3.5 80 | $1: a stranger does not reach the host role
	SG_INGRESS   tcp  world%203.0.113.10 10.0.3.5 81  | $1: the host role's other ports are shut
	SG_EGRESS    tcp  db 10.0.1.10 80          | $1: a machine without egress rules opens nothing
	SG_EGRESS    ping db fd00:10:0:1::10 56    | $1: a machine without egress rules opens nothing over IPv6
	SG_EGRESS    tcp  host%10.0.3.5 203.0.113.10 80 | $1: the host role sends only what its group lets out
	NACL_INGRESS tcp  web-1 10.0.2.10 81       | $1: a NACL refuses what would enter the subnet
	NACL_INGRESS tcp  web-1 fd00:10:0:2::10 81 | $1: a NACL refuses IPv6 that would enter the subnet
	NACL_EGRESS  tcp  web-1 10.0.2.10 82       | $1: a NACL refuses what would leave the subnet
	SG_INGRESS   tcp  web-1 10.0.1.20 81       | $1: a NACL is not asked within a subnet, the group is
	ROWS
}

errors() { # HOOK
	at world ip link set dev up mtu 1400
	at host ip link set dev uplink mtu 1400
	is "$(at web-1 ping -nc1 -W5 -t1 203.0.113.10 | grep -c 'Time to live exceeded')" 1 "$1: the first hop of a traceroute is heard"
	is "$(at web-1 ping -nc1 -W5 -t1 2001:db8:113::10 | grep -c 'Time exceeded')" 1 "$1: the first hop of a traceroute is heard over IPv6"
	is "$(at web-1 ping -nc1 -W5 -Mdo -s1450 203.0.113.10 2>&1 | grep -c 'mtu *=* *1400')" 1 "$1: a smaller MTU on the way is heard"
	is "$(at web-1 ping -nc1 -W5 -Mdo -s1440 2001:db8:113::10 2>&1 | grep -ci 'mtu *= *1400')" 1 "$1: a smaller MTU on the way is heard over IPv6"
}

spoof() { # HOOK
	at guest ip addr add 10.0.1.10/32 dev eth0
	at guest ip addr add fd00:10:0:1::10/128 dev eth0 nodad
	talks <<-ROWS
	SOURCE_CHECK ping guest%10.0.1.10 10.0.2.10 56 | $1: an instance does not speak with another's address
	SOURCE_CHECK ping guest%fd00:10:0:1::10 fd00:10:0:2::10 56 | $1: an instance does not speak with another's IPv6 address
	ROWS
	at world ip addr add 10.0.1.10/32 dev lo
	talks <<-ROWS
	SOURCE_CHECK udp world%10.0.1.10 10.0.3.5 53 | $1: the wire does not speak with an instance's address
	ROWS
	at world ip addr del 10.0.1.10/32 dev lo
}

without_forwarding() { # HOOK
	at host sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	talks <<-ROWS
	answer tcp web-1 10.0.1.20 82       | $1: instances reach each other without the kernel's forwarding
	answer udp web-1 10.0.2.10 53       | $1: subnets reach each other without the kernel's forwarding
	answer tcp web-1 fd00:10:0:2::10 80 | $1: subnets reach each other over IPv6 without the kernel's forwarding
	ROWS
}

for hook in tc xdp; do
	write_rules "$hook"
	if [[ $hook == xdp ]]; then lab_up --xdp; else lab_up; fi
	agent_up
	serve_all
	story "$hook"
	errors "$hook"
	spoof "$hook"
	without_forwarding "$hook"
	check "$hook: every packet is counted once: received is passed and dropped" adds_up
	lab down
	LAB=''
done
finish
