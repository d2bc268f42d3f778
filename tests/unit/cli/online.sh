#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What headgate makes of an agent's answers: what it sends, what it prints, and which exit
# code a status becomes. The agent is one that answers what this test writes down.
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/unit/cli/typed
. "$here/typed"

mkdir answers
python3 "$here/agent.py" "$work/agent.sock" answers &
agent=$!
trap 'kill $agent; rm -rf "$work"' EXIT
export HEADGATE_SOCKET="$work/agent.sock"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -S agent.sock ] || sleep 0.3
done

# answer METHOD PATH STATUS: standard input is the body
answer() {
	{
		echo "$3"
		cat
	} >"answers/$1$(echo "$2" | tr / .)"
}

sent() { # 'PATTERN' 'SENTENCE': of a request since the last call
	mv answers/requests requests
	says requests "$1" "$2"
}

same() { # 'SENTENCE': out is what standard input says
	if diff - out >err; then
		result ok "$1"
	else
		result "not ok" "$1"
	fi
}

# ---- statuses ----
status() { # STATUS CODE
	echo '{"title":"so it is","detail":"and why","complaints":[]}' | answer GET /v1/history "$1"
	run "$2" "status $1 is exit code $2" history
	says err '^headgate: so it is: and why$' "status $1 says its title"
}
status 400 2
status 403 4
status 404 2
status 405 2
status 409 1
status 413 1
status 500 4
status 502 4
echo 'no JSON' | answer GET /v1/history 500
run 4 "a status without a problem document is refused as well" history
says err 'status 500' "and says the status"
echo 'no JSON' | answer GET /v1/history 200
run 4 "an answer that is no JSON is refused" history

# ---- apply, plan, confirm, rollback ----
cat >rules.json <<'RULES'
{ "headgate": 1, "vpcs": { "v": { "cidrs": ["10.0.0.0/16"] } },
  "prefix_lists": { "office": { "max_entries": 20, "file": "office.txt" } },
  "security_groups": { "g": { "vpc": "v", "ingress": [ { "protocol": "all", "peers": ["prefix_list/office"] } ], "egress": [] } },
  "interfaces": { "i": { "vpc": "v", "attach": "local", "device": "eth9", "security_groups": ["g"] } } }
RULES
printf '192.0.2.0/24\n198.51.100.7 # a guest\n' >office.txt
answer PUT /v1/rules 200 <<'ANSWER'
{"version":8,"previous":7,"epoch":12,"confirm_within":60,"changes":[{"op":"~","object":"security_group/g"},
 {"op":"+","object":"vpc/v"}],"complaints":[],"waiting":["eth9"]}
ANSWER
run 0 "a rule set is applied" apply rules.json --confirm-within 1m
same "and told in full" <<'WANT'
version 8 is in force (was 7): 1 added, 1 changed, 0 removed
waiting for device eth9: it is attached when it appears
unless "headgate confirm" is typed within 60 seconds, the previous rules come back
WANT
sent '^PUT /v1/rules?name=rules.json&confirm_within=60 ' "the agent hears the name and the time"
says requests '"entries":.*"192.0.2.0/24", "198.51.100.7"' "and gets the entries of the list's file"
if grep -q '"file"' requests; then
	result "not ok" "but not its name"
else
	result ok "but not its name"
fi
sed 's/"file": "office.txt"/"entries": ["192.0.2.0\/24"]/' rules.json >plain.json
run 0 "a rule set without files is applied" apply plain.json
mv answers/requests requests
if tail -n +1 requests | sed '1s/^PUT [^ ]* //' | head -n "$(wc -l <plain.json)" | diff - plain.json >err; then
	result ok "and sent to the letter"
else
	result "not ok" "and sent to the letter"
fi
run 0 "the answer in JSON" apply plain.json --json
json 'd["version"] == 8 and d["waiting"] == ["eth9"]' "is the agent's"
answer PUT /v1/rules 400 <<'ANSWER'
{"title":"the rule set has 1 error","status":400,"detail":null,"complaints":[{"level":"error","file":"rules.json",
 "line":12,"column":21,"pointer":"/security_groups/g","text":"something that only the agent knows"}]}
ANSWER
run 1 "a rule set that the agent refuses is not applied" apply rules.json
says err '^rules.json:12:21: /security_groups/g: something that only the agent knows$' \
	"the agent's complaints are printed like our own"
answer POST /v1/plan 200 <<'ANSWER'
{"changes":[{"op":"~","object":"security_group/g"}]}
ANSWER
answer GET /v1/rules 200 <plain.json
sed 's/"all"/"tcp"/' plain.json >new.json
run 1 "a plan with changes is a no" plan new.json
same "with what differs from the rules in force" <<'WANT'
~ security_group/g
    - ingress/0/protocol: "all"
    + ingress/0/protocol: "tcp"
0 to add, 1 to change, 0 to remove
WANT
echo '{"changes":[]}' | answer POST /v1/plan 200
run 0 "a plan without changes is a yes" plan new.json
echo '{"version":8}' | answer POST /v1/confirm 200
run 0 "a confirmation is told" confirm
says out '^version 8 stays in force$' "with its version"
echo '{"version":9,"previous":8,"of":5,"changes":[],"waiting":[]}' | answer POST /v1/rollback 200
run 0 "a rollback is told" rollback 5
says out '^version 9 is in force, the rules of version 5 (was 8): no changes$' "with both versions"
sent '^POST /v1/rollback {"version":5}$' "the agent hears which one"
run 0 "the rules in force are shown" show rules
same "to the letter" <plain.json
run 0 "older rules are shown" show rules 3
sent '^GET /v1/rules?version=3 $' "by their version"
run 2 "a version is a number" show rules latest

# ---- show ----
answer GET /v1/nacls 200 <<'ANSWER'
[{"name":"edge","vpc":"prod","implicit":false,"subnets":["a","b"],
  "ingress":[{"rule":100,"action":"allow","protocol":"tcp","ports":["22","443"],"source_ports":["1024-65535"],"icmp":null,
              "cidr":"0.0.0.0/0","peer_cidr":"10.0.0.0/8","hits":12},
             {"rule":"*","action":"deny","protocol":"all","ports":null,"source_ports":null,"icmp":null,"cidr":null,
              "peer_cidr":null,"hits":"18446744073709551615"}],
  "egress":[{"rule":1,"action":"allow","protocol":"icmp","ports":null,"source_ports":null,"icmp":"3/4",
             "cidr":"prefix_list/office","peer_cidr":null,"hits":null}]},
 {"name":"other","vpc":"","implicit":true,"subnets":[],"ingress":[],"egress":[]}]
ANSWER
run 0 "network ACLs are shown" show nacls
same "rules in order, with hits to the last digit" <<'WANT'
network_acl/edge, vpc prod, subnets a,b
DIRECTION  RULE  ACTION  PROTOCOL  PORTS                   CIDR                                       HITS
ingress     100  allow   tcp       22,443 from 1024-65535  0.0.0.0/0 with 10.0.0.0/8                    12
ingress       *  deny    all       all                     all                        18446744073709551615
egress        1  allow   icmp      type 3/4                prefix_list/office                            -

network_acl/other (implicit), used by no subnet
DIRECTION  RULE  ACTION  PROTOCOL  PORTS  CIDR  HITS
WANT
run 0 "one is shown by its name" show nacls other
same "alone" <<'WANT'
network_acl/other (implicit), used by no subnet
DIRECTION  RULE  ACTION  PROTOCOL  PORTS  CIDR  HITS
WANT
run 1 "a name that nothing has is a no" show nacls nothing
run 0 "in JSON a name gives one object" show nacls other --json
json 'd["name"] == "other"' "not a list of one"
echo '[{"name":"nat","vpc":"v","implicit":false,"interfaces":[],"nat_gateways":["box"],"ingress":[],"egress":[]}]' |
	answer GET /v1/security-groups 200
run 0 "security groups are shown" show security-groups
says out '^security_group/nat, vpc v, NAT gateways box$' "with the NAT instances that carry them"
answer GET /v1/prefix-lists 200 <<'ANSWER'
[{"name":"office","max_entries":20,"n_entries":2,"entries":["192.0.2.0/24","198.51.100.7/32"]}]
ANSWER
run 0 "a prefix list is shown with its entries" show prefix-lists office
says out '^198.51.100.7/32$' "one a line"
sent '^GET /v1/prefix-lists?entries=all ' "all of them"
answer GET /v1/devices 200 <<'ANSWER'
[{"device":"veth1","interface":"web-1","role":"port","hook":"auto","state":"attached","ingress":"tc","egress":"tc","why":"it is a veth",
  "error":null,"ifindex":12,"mac":"02:00:00:00:00:01","peer_mac":null,"mtu":1500,"peer_redirect":true,"neighbours":null},
 {"device":"br-web","interface":null,"subnet":"web-a","gateways":[],"role":"subnet","hook":"auto","state":"attached","ingress":"tc",
  "egress":null,"why":"it is a bridge","error":null,"ifindex":14,"mac":"02:00:00:00:00:03","peer_mac":null,"mtu":1500,
  "peer_redirect":false,"neighbours":{"entries":5,"resolved":4}},
 {"device":"eth0","interface":null,"subnet":null,"gateways":["internet_gateway/igw","egress_only_gateway/eigw"],"role":"uplink",
  "hook":"auto","state":"absent","ingress":null,"egress":null,"why":null,"error":null,"ifindex":null,"mac":null,"peer_mac":null,
  "mtu":null,"peer_redirect":false,"neighbours":{"entries":0,"resolved":0}},
 {"device":"veth9","interface":"web-2","role":"port","hook":"xdp","state":"failed","ingress":null,"egress":null,"why":null,
  "error":"no XDP here","ifindex":13,"mac":null,"peer_mac":null,"mtu":null,"peer_redirect":false}]
ANSWER
run 0 "devices are shown" show devices
same "with hook and why, or what went wrong" <<'WANT'
DEVICE  OF                                             ROLE    STATE     INDEX  HOOK  IN  OUT   MTU  MAC                NEIGHBOURS  WHY
veth1   web-1                                          port    attached     12  auto  tc  tc   1500  02:00:00:00:00:01           -  it is a veth
br-web  subnet/web-a                                   subnet  attached     14  auto  tc  -    1500  02:00:00:00:00:03           4  it is a bridge
eth0    internet_gateway/igw,egress_only_gateway/eigw  uplink  absent        -  auto  -   -       -  -                           0  -
veth9   web-2                                          port    failed       13  xdp   -   -       -  -                           -  no XDP here
WANT
answer GET /v1/interfaces 200 <<'ANSWER'
[{"name":"web-1","vpc":"prod","subnet":"web-a","addresses":["10.0.1.10","10.0.1.11"],"security_groups":["web"],"device":"veth1",
  "attach":null,"role":"port","state":"attached","elastic_ips":[
   {"name":"one","address":"203.0.113.10","private_address":"10.0.1.10","attached":true},
   {"name":"two","address":"203.0.113.11","private_address":"10.0.1.11","attached":false}]}]
ANSWER
run 0 "interfaces are shown" show interfaces
same "with their public addresses, those in brackets that nobody can use" <<'WANT'
NAME   SUBNET  ADDRESSES            PUBLIC                       SECURITY GROUPS  DEVICE  ROLE  STATE
web-1  web-a   10.0.1.10,10.0.1.11  203.0.113.10,(203.0.113.11)  web              veth1   port  attached
WANT
answer GET /v1/subnets 200 <<'ANSWER'
[{"name":"web-a","vpc":"prod","cidrs":["10.0.1.0/24"],"zone":"a","network_acl":"edge","route_table":"private","device":"br-web",
  "hook":"auto","state":"attached","interfaces":["web-1","web-2"]}]
ANSWER
run 0 "subnets are shown" show subnets
same "with device and route table" <<'WANT'
NAME   VPC   CIDRS        ZONE  NETWORK ACL  ROUTE TABLE  DEVICE  STATE     INTERFACES
web-a  prod  10.0.1.0/24  a     edge         private      br-web  attached           2
WANT
answer GET /v1/routes 200 <<'ANSWER'
[{"name":"private","vpc":"prod","implicit":false,"main":true,"subnets":["web-a","web-b"],"routes":[
   {"to":"10.0.0.0/16","via":"local","origin":"local","state":"active","why":null,"hits":3},
   {"to":"0.0.0.0/0","via":"nat_gateway/nat-a","origin":"static","state":"active","why":null,"hits":"9007199254740993"},
   {"to":"prefix_list/far","via":"interface/vpn","origin":"prefix_list","state":"blackhole","why":"device veth9 is absent","hits":0}]},
 {"name":"dev","vpc":"dev","implicit":true,"main":true,"subnets":[],"routes":[]}]
ANSWER
run 0 "routes are shown" show routes
same "by table, with state and hits" <<'WANT'
route_table/private (main), vpc prod, subnets web-a,web-b
DESTINATION      TARGET             ORIGIN       STATE                  HITS  WHY
10.0.0.0/16      local              local        active                    3  -
0.0.0.0/0        nat_gateway/nat-a  static       active     9007199254740993  -
prefix_list/far  interface/vpn      prefix_list  blackhole                 0  device veth9 is absent

route_table/dev (main, implicit), vpc dev, used by no subnet
DESTINATION  TARGET  ORIGIN  STATE  HITS  WHY
WANT
run 1 "a route table that is not there is a no" show routes nothing
says err '^headgate show routes: no route table is called "nothing"$' "and is called what it is"
answer GET /v1/nat 200 <<'ANSWER'
[{"name":"nat-a","vpc":"prod","subnet":"public-a","private_address":"10.0.0.5","mode":"instance","idle_timeout":350,
  "elastic_ips":[{"name":"nat-a","address":"203.0.113.20","private_address":"10.0.0.5","attached":true}],
  "security_groups":["nat"],"forwards":[{"protocol":"tcp","port":2222,"to":"10.0.1.10:22"}],
  "metrics":{"ActiveConnectionCount":12,"BytesOutToDestination":1536,"BytesOutToSource":"9007199254740993",
             "ConnectionEstablishedCount":40,"ErrorPortAllocation":1,"IdleTimeoutCount":7,"PacketsDropCount":9}}]
ANSWER
run 0 "NAT gateways are shown" show nat
same "a line each, with the main metrics" <<'WANT'
NAME   SUBNET    PRIVATE ADDRESS  ELASTIC IPS   MODE      IDLE AFTER  ACTIVE  OPENED      OUT     BACK  NO PORT  TIMED OUT  DROPPED
nat-a  public-a  10.0.0.5         203.0.113.20  instance       5m50s      12      40  1.5 KiB  8.0 PiB        1          7        9
WANT
run 0 "one is shown by its name" show nat nat-a
says out '^security groups nat$' "with its groups"
says out '^forwards tcp port 2222 to 10.0.1.10:22$' "what it lets in"
says out '^BytesOutToSource  *9007199254740993$' "and all metrics, to the last digit"
answer GET /v1/load-balancers 200 <<'ANSWER'
[{"name":"edge","type":"network","vpc":"prod","cross_zone":false,"security_groups":["lb"],
  "addresses":[{"address":"10.0.0.100","subnet":"pub-a","elastic_ip":"203.0.113.30","zone":"a"},
               {"address":"fd00::100","subnet":"pub-a","elastic_ip":null,"zone":"a"}],
  "listeners":[{"protocol":"tcp","port":443,"idle_timeout":350,"syn_protection":"auto",
                "forward":[{"target_group":"web","weight":9},{"target_group":"new","weight":1}]},
               {"protocol":"udp","port":53,"idle_timeout":350,"syn_protection":"auto","forward":[{"target_group":"web","weight":1}]}],
  "target_groups":[{"name":"web","protocol":"tcp","port":443,"targets":3,"HealthyHostCount":2,"UnHealthyHostCount":1,"fails_open":false},
                   {"name":"new","protocol":"tcp","port":443,"targets":1,"HealthyHostCount":0,"UnHealthyHostCount":1,"fails_open":true}],
  "metrics":{"ActiveFlowCount":12,"NewFlowCount":"9007199254740993","ProcessedBytes":1536,"RejectedFlowCount":2,
             "TCP_Client_Reset_Count":3,"TCP_ELB_Reset_Count":4,"TCP_Target_Reset_Count":5,"HealthyHostCount":2,"UnHealthyHostCount":2}},
 {"name":"inspect","type":"gateway","vpc":"prod","subnet":null,"stickiness":"5_tuple","idle_timeout":350,
  "target_groups":[{"name":"ids","HealthyHostCount":1,"UnHealthyHostCount":0,"fails_open":false}],
  "metrics":{"ActiveFlowCount":1,"NewFlowCount":1,"ProcessedBytes":0,"HealthyHostCount":1,"UnHealthyHostCount":0}}]
ANSWER
run 0 "load balancers are shown" show load-balancers
same "a line each, of both kinds, with the main metrics" <<'WANT'
NAME     TYPE     ADDRESSES             ZONES  LISTENERS       TARGET GROUPS  HEALTHY  ACTIVE               NEW    BYTES  RESETS  REJECTED
edge     network  10.0.0.100,fd00::100  a      tcp:443,udp:53  web,new            2/4      12  9007199254740993  1.5 KiB      12         2
inspect  gateway  -                     -      -               ids                1/1       1                 1      0 B       0         0
WANT
run 0 "one is shown by its name" show load-balancers edge
says out '^security groups lb$' "with its groups"
says out '^tcp port 443, idle after 5m50s: web (9) new (1)$' "where each listener sends to, by weight"
says out '^target group web: 3 targets, 2 healthy, 1 unhealthy$' "how its target groups are"
says out '^target group new: .* all take connections$' "and which of them fails open"
says out '^TCP_Target_Reset_Count  *5$' "and all metrics"
answer GET /v1/limits 200 <<'ANSWER'
[{"name":"syn","resource":"load_balancer/edge","port":443,"key":"source_ip","unit":"new_connections","limit":200,"window":90,
  "action":"block","sources":31,"limited":2,"packets":"9007199254740993","bytes":252660,"over":900,"over_bytes":54000,
  "dropped":900,"dropped_bytes":54000},
 {"name":"web","resource":"subnet/web","port":null,"key":"source_ip","unit":"bytes","limit":1000,"window":10,
  "action":"count","sources":0,"limited":0,"packets":0,"bytes":0,"over":0,"over_bytes":0,"dropped":0,"dropped_bytes":0}]
ANSWER
run 0 "rate limits are shown" show limits
same "a line each, with what they have counted" <<'WANT'
NAME  RESOURCE            PORT  UNIT             LIMIT  WINDOW  ACTION  SOURCES  LIMITED           PACKETS  DROPPED
syn   load_balancer/edge   443  new_connections    200   1m30s  block        31        2  9007199254740993      900
web   subnet/web             -  bytes             1000     10s  count         0        0                 0        0
WANT
answer GET /v1/targets 200 <<'ANSWER'
[{"target_group":"dns","target":"10.0.1.53:53","address":"10.0.1.53","port":53,"zone":null,"weight":1,"state":"initial",
  "reason":"Elb.RegistrationInProgress","description":"registered, not checked yet","since":"2026-01-02T04:30:00Z",
  "checks":{"ok":0,"failed":0,"last_ms":null},"takes_new":true,"active_flows":0},
 {"target_group":"web","target":"interface/web-1:443","address":"10.0.1.10","port":443,"zone":"a","weight":2,"state":"healthy",
  "reason":null,"description":null,"since":"2026-01-02T04:30:00Z","checks":{"ok":40,"failed":1,"last_ms":1.25},"takes_new":true,"active_flows":7},
 {"target_group":"web","target":"10.0.1.20:8443","address":"10.0.1.20","port":8443,"zone":"a","weight":1,"state":"unhealthy",
  "reason":"Target.Timeout","description":"no answer in time","since":"2026-01-02T04:30:00Z","checks":{"ok":3,"failed":9,"last_ms":5000},
  "takes_new":false,"active_flows":0}]
ANSWER
run 0 "targets are shown" show targets
same "a line each, with state and reason" <<'WANT'
TARGET GROUP  TARGET               ZONE  WEIGHT  STATE      REASON                      NEW  ACTIVE  OK  FAILED  LAST MS  DESCRIPTION
dns           10.0.1.53:53         -          1  initial    Elb.RegistrationInProgress  yes       0   0       0        -  registered, not checked yet
web           interface/web-1:443  a          2  healthy    -                           yes       7  40       1      1.2  -
web           10.0.1.20:8443       a          1  unhealthy  Target.Timeout              no        0   3       9   5000.0  no answer in time
WANT
run 0 "those of one group by its name" show targets web
if [ "$(wc -l <out)" = 3 ] && ! grep -q dns out; then
	result ok "and no others"
else
	result "not ok" "and no others"
fi
run 0 "and in JSON" show targets web --json
json '[t["target"] for t in d] == ["interface/web-1:443", "10.0.1.20:8443"]' "as a list, because there may be many"
run 1 "a group that has none is a no" show targets nothing
says err 'no target group with targets is called "nothing"' "and is called what it is"

# ---- flows, monitor, stats ----
flow='{"protocol":"tcp","source":"10.0.1.10","source_port":40000,"destination":"2001:db8::1","destination_port":443,
"icmp_id":null,"state":"established","zone":"vpc/v","age":75,"idle":3,"timeout":1,"packets":10,"bytes":1200,
"reply_packets":8,"reply_bytes":900,"tracked_by":["sender","receiver"],"nat":null}'
nat() { # SOURCE DESTINATION
	echo "$flow" | tr -d '\n' | sed "s,\"nat\":null,\"nat\":{\"source\":$1\,\"destination\":$2\,\"zone\":\"uplink/eth0\"},"
}
balanced=$(nat '"192.0.2.1:9"' '"192.0.2.2:80"' | sed 's,"icmp_id":null,&\,"balancer":"load_balancer/edge",')
echo "[$flow,$(nat '"203.0.113.20:1024"' null),$(nat null '"[fd00::1]:80"'),$balanced]" | answer GET /v1/flows 200
run 0 "connections are listed" flows --from 10.0.0.0/8 --port 443 -p tcp --state established -n 5
same "a line each" <<'WANT'
PROTOCOL  STATE        SOURCE           DESTINATION        NAT                          BALANCER              AGE  IDLE  PACKETS    BYTES  TRACKED
tcp       established  10.0.1.10:40000  [2001:db8::1]:443  -                            -                   1m15s    3s       18  2.1 KiB  sender,receiver
tcp       established  10.0.1.10:40000  [2001:db8::1]:443  203.0.113.20:1024            -                   1m15s    3s       18  2.1 KiB  sender,receiver
tcp       established  10.0.1.10:40000  [2001:db8::1]:443  to [fd00::1]:80              -                   1m15s    3s       18  2.1 KiB  sender,receiver
tcp       established  10.0.1.10:40000  [2001:db8::1]:443  192.0.2.1:9 to 192.0.2.2:80  load_balancer/edge  1m15s    3s       18  2.1 KiB  sender,receiver
WANT
sent '^GET /v1/flows?src=10.0.0.0/8&port=443&protocol=tcp&state=established&limit=5 ' \
	"the agent does the filtering"
run 0 "connections are asked for by what NAT makes of them" flows --nat 203.0.113.20 --port 1024
sent '^GET /v1/flows?nat=203.0.113.20&port=1024 ' "of the agent, too"
run 2 "but not by what is no address" flows --nat nat-a
{
	printf '['
	for i in $(seq 2500); do
		[ "$i" = 1 ] || printf ,
		echo "$flow"
	done
	printf ']'
} | answer GET /v1/flows 200
run 0 "long lists come in pieces" flows
if [ "$(wc -l <out)" = 2501 ] && [ "$(grep -c PROTOCOL out)" = 1 ]; then
	result ok "under one head"
else
	result "not ok" "under one head"
fi
answer GET /v1/events 200 <<'ANSWER'
{"event":"drop","time":"2026-01-02T04:30:00.123456Z","device":"veth1","door":"in","reason":"NACL_INGRESS","object":"network_acl/edge","rule":"*","protocol":"tcp","source":"10.0.1.9","source_port":40000,"destination":"10.0.1.10","destination_port":22,"icmp_type":null,"icmp_code":null,"tcp_flags":"S","bytes":74,"epoch":12}
{"event":"drop","time":"2026-01-02T04:30:01.000000Z","device":"veth1","door":"out","reason":"SG_INGRESS","object":null,"rule":null,"protocol":"icmp","source":"10.0.1.9","source_port":null,"destination":"10.0.1.10","destination_port":null,"icmp_type":8,"icmp_code":0,"tcp_flags":null,"bytes":98,"epoch":12}
{"event":"rules","time":"2026-01-02T04:30:02.000000Z","version":9,"action":"apply"}
{"event":"health","time":"2026-01-02T04:30:03.000000Z","target_group":"web","target":"10.0.1.20:8443","from":"healthy","to":"unhealthy","reason":"Target.Timeout"}
{"event":"health","time":"2026-01-02T04:30:04.000000Z","target_group":"web","target":"10.0.1.20:8443","from":"unhealthy","to":"healthy","reason":null}
{"lost":17}
ANSWER
run 0 "events are printed as they come" monitor
same "a line each" <<'WANT'
04:30:00.123456 drop NACL_INGRESS veth1 in tcp 10.0.1.9:40000 > 10.0.1.10:22 [S] 74 B, network_acl/edge rule *
04:30:01.000000 drop SG_INGRESS veth1 out icmp 10.0.1.9 > 10.0.1.10 type 8/0 98 B
04:30:02.000000 rules version 9 is in force (apply)
04:30:03.000000 health web 10.0.1.20:8443 healthy > unhealthy, Target.Timeout
04:30:04.000000 health web 10.0.1.20:8443 unhealthy > healthy
17 events were lost: this reader is too slow
WANT
rm answers/requests
run 0 "drops alone are asked for" monitor --drops
sent '^GET /v1/events?drops=1 ' "so that nothing else is sent"
answer GET /v1/stats 200 <<'ANSWER'
{"received":"9007199254740993","passed":100,"dropped":{"SG_INGRESS":20},"answered":2,"exempt":5,"passed_bytes":90000,
"dropped_bytes":1200,"events_lost":0,"told":7,"devices":[],"flows":{"max":65536,"connections":3},"image":{"rules":12},
"neighbours":{"max":65532,"entries":12,"resolved":10,"failed":1},"nat":{"port_sets":1,"max_port_sets":256,"ports_taken":55000},
"pools":{"pools":3,"failing_open":1,"members":10,"usable":8},"probe":{"running":false,"pid":null,"restarts":2},
"version":8,"epoch":12,"agent":"0.1","uptime":3600,"confirm_by":null}
ANSWER
run 0 "counters are printed" stats
says out '^received  *9007199254740993 ' "to the last digit"
says out '^SG_INGRESS  *20 ' "drops by reason"
says out '^of dropped: 7 whose sender was told' "of how many the sender heard"
says out '^hops    12 of 65532 neighbours, 10 resolved, 1 failed$' "how many neighbours are known"
says out '^nat     1 of 256 busy destinations, 55000 ports taken towards them$' "and how busy NAT is"
says out '^targets 8 of 10 members of 3 pools take connections, 1 pools fail open; nobody checks them$' "how targets are, and that they are not checked"
run 0 "and in JSON" stats --json
json 'd["received"] == "9007199254740993"' "as the agent wrote them"

# ---- explain ----
allow='{"verdict":"allow","reason":null,"aws_reason":null,"steps":[{"stage":"sg_ingress","object":"security_group/g",
"rule":0,"result":"allow"}],"rewrite":{"source":null,"destination":null},"next_hop":{"device":"veth1","address":"10.0.1.10"},
"target":null,"tracked":true}'
echo "$allow" | answer POST /v1/explain 200
rm -f answers/requests
run 0 "the agent's yes is a yes" explain --from 10.0.0.9 --to 10.0.1.10:443 -p tcp
sent '"from":"10.0.0.9","from_port":0,"to":"10.0.1.10","to_port":443,"protocol":6,"tcp_flags":"S"' \
	"the agent hears the question"
far='{"verdict":"allow","reason":null,"aws_reason":null,"steps":[
{"stage":"route","object":"route_table/t","rule":"0.0.0.0/0","via":"nat_gateway/n","result":"allow"},
{"stage":"nacl_ingress","object":"network_acl/edge","rule":100,"result":"allow","at":"nat_gateway/n"},
{"stage":"nat","object":"nat_gateway/n","rule":null,"result":"allow"}],
"rewrite":{"source":"203.0.113.20:40000","destination":null},"next_hop":{"device":"eth0","address":"203.0.113.1"},
"target":null,"tracked":true}'
echo "$far" | answer POST /v1/explain 200
run 0 "a packet through a NAT gateway is explained" explain --from 10.0.1.10 --to 198.51.100.7:443 -p tcp
same "where each rule stands, what becomes of the packet, and whereto it goes" <<'WANT'
tcp [S] 10.0.1.10:40000 > 198.51.100.7:443
STAGE         OBJECT                              RULE  RESULT  AT
route         route_table/t > nat_gateway/n  0.0.0.0/0  allow   -
nacl_ingress  network_acl/edge                     100  allow   nat_gateway/n
nat           nat_gateway/n                          -  allow   -
source becomes 203.0.113.20:40000
allowed, handed to eth0 for 203.0.113.1, tracked
WANT
echo "$allow" | sed 's/allow/drop/; s/"reason":null/"reason":"SG_INGRESS"/' | answer POST /v1/explain 200
run 1 "the agent's no is a no" explain --from 10.0.0.9 --to 10.0.1.10:443 -p tcp
answer POST /v1/explain 400 <<'ANSWER'
{"title":"the question is wrong","status":400,"complaints":[{"level":"error","pointer":"/in","text":"no such device"}]}
ANSWER
run 2 "a question that the agent refuses is wrong usage" explain --from 10.0.0.9 --to 10.0.1.10:443 --in x
says err 'no such device' "and is told why"
cat >packets.jsonl <<'PACKETS'
{"from":"10.0.0.9","to":"10.0.1.10","to_port":443,"protocol":"tcp"}
{"from":"10.0.0.9","protocol":"tcp"}
{"from":"192.0.2.1","to":"192.0.2.2","protocol":"tcp"}
PACKETS
echo "{\"answers\":[$allow,{\"error\":\"nobody meets it\"}]}" | answer POST /v1/explain 200
rm -f answers/requests
run 2 "many questions go in one call" explain --packets packets.jsonl
same "and are answered in order" <<WANT
$(echo "$allow" | tr -d '\n')
{"error":"an address is wanted here"}
{"error":"nobody meets it"}
WANT
sent '^POST /v1/explain {"packets":\[{"from":"10.0.0.9"' "as they were typed"

plan
