#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The commands that need no agent, typed as a user types them: what is printed, where, and
# with which exit code.
set -eu

# shellcheck source=tests/unit/cli/typed
. "$(dirname "$0")/typed"

cat >rules.json <<'RULES'
{
  "headgate": 1,
  "vpcs": { "prod": { "cidrs": ["10.0.0.0/16", "2001:db8::/56"] } },
  "prefix_lists": { "office": { "max_entries": 20, "file": "office.txt" } },
  "subnets": {
    "public": { "vpc": "prod", "cidrs": ["10.0.0.0/24"], "network_acl": "edge" },
    "web": { "vpc": "prod", "cidrs": ["10.0.1.0/24", "2001:db8:0:1::/64"] }
  },
  "network_acls": {
    "edge": { "vpc": "prod",
      "ingress": [ { "rule": 100, "action": "allow", "protocol": "tcp", "ports": "1024-65535", "cidr": "0.0.0.0/0" } ],
      "egress": [ { "rule": 90, "action": "deny", "protocol": "tcp", "ports": "23", "cidr": "0.0.0.0/0" },
                  { "rule": 100, "action": "allow", "protocol": "all", "cidr": "0.0.0.0/0" } ] }
  },
  "security_groups": {
    "web": { "vpc": "prod",
      "ingress": [ { "protocol": "tcp", "ports": "443", "peers": ["0.0.0.0/0"] },
                   { "protocol": "tcp", "ports": "22", "peers": ["security_group/bastion", "prefix_list/office"] } ],
      "egress": [] },
    "bastion": { "vpc": "prod", "ingress": [], "egress": [ { "protocol": "all", "peers": ["0.0.0.0/0"] } ] }
  },
  "interfaces": {
    "web-1": { "subnet": "web", "addresses": ["10.0.1.10", "2001:db8:0:1::10"], "security_groups": ["web"], "device": "veth1" },
    "bastion-1": { "subnet": "public", "addresses": ["10.0.0.9"], "security_groups": ["bastion"], "device": "veth2" }
  }
}
RULES
printf '# the office\n198.51.100.0/24\n  192.0.2.7 # a guest\n\n' >office.txt
sed 's/"443"/"70000"/; s/"subnet": "web"/"subnet": "wen"/' rules.json >bad.json
sed 's/"ports": "22"/"ports": "2222"/; s/bastion-1/bastion-2/' rules.json >new.json
echo '{ "security_groups": { "a": {' >broken.json

# ---- check ----
run 0 "a good rule set is good" check rules.json
silent out "a good rule set has no complaints"
says err '^ok: 2 subnets, 2 interfaces, 6 rules, .*image .*, flow tables ' \
	"the last line says what it would cost"
run 1 "a bad rule set is refused" check bad.json
says out '^bad.json:[0-9]*:[0-9]*: /security_groups/web/ingress/0/ports: .*70000' \
	"a complaint has file, line, column, pointer and a sentence"
says out '/interfaces/web-1/subnet: .*wen' "all complaints come in one run"
says err '^invalid: 2 errors' "the complaints are counted"
run 1 "a broken document is refused" check broken.json
run 1 "one bad file of two is enough" check rules.json bad.json
says err '^rules.json: ok:' "of several files each is judged alone"
run 1 "the answer in JSON has the same exit code" --json check bad.json rules.json
json 'd["valid"] is False and [f["valid"] for f in d["files"]] == [False, True]' \
	"and is one document about all files"
json 'd["files"][0]["complaints"][0]["line"] > 0' "with the places of complaints"
run 2 "a file that is not there is wrong usage" check nothing.json
says err 'nothing.json: No such file' "and is named"
sed 's/office.txt/nowhere.txt/' rules.json >list.json
run 1 "a prefix list file that is not there is a complaint" check list.json
says out '/prefix_lists/office/file: nowhere.txt cannot be opened: No such file or directory$' \
	"that says why"
mkfifo pipe
sed 's/nowhere.txt/pipe/' list.json >fifo.json
run 1 "a FIFO is no prefix list file, and is not waited for" check fifo.json
says out '/prefix_lists/office/file: pipe is a FIFO, not a file$' "but complained of"
cat rules.json >pipe &
run 0 "the rule set itself may come from a pipe" check pipe
kill $! 2>/dev/null || :
mkdir rules.d
python3 - <<'SPLIT'
import json
d = json.load(open("rules.json"))
lists = {"prefix_lists": d.pop("prefix_lists")}
web = {"interfaces": {"web-1": d["interfaces"].pop("web-1")}}
for name, part in ("10-rest", d), ("20-lists", lists), ("30-web", web):
    json.dump(part, open("rules.d/%s.json" % name, "w"))
SPLIT
cp office.txt rules.d/
run 0 "a directory is one rule set" check rules.d
echo '{ "interfaces": { "web-1": {} } }' >rules.d/40-again.json
run 1 "the same object in two files of a directory is refused" check rules.d
rm rules.d/40-again.json
sed 's/"rule": 100, "action": "allow", "protocol": "all"/"rule": 80, "action": "allow", "protocol": "all"/' \
	rules.json >shadow.json
run 0 "warnings alone do not make a rule set bad" check shadow.json
says out 'warning: ' "but they are printed"
run 1 "unless --strict says so" check --strict shadow.json

# ---- plan ----
run 0 "a rule set is no change to itself" plan rules.json --against rules.json
run 0 "nor is its directory, lists of files included" plan rules.d --against rules.json
run 1 "changes are an answer of no" plan new.json --against rules.json
says out '^- interface/bastion-1$' "what goes is listed"
says out '^+ interface/bastion-2$' "what is new is listed"
says out '^~ security_group/web$' "what changes is listed"
says out '^    + ingress/1/ports: "2222"$' "with what is different"
run 1 "the same in JSON" plan new.json --against rules.json --json
json '{"op": "~", "object": "security_group/web"} in d["changes"] and len(d["changes"]) == 3' \
	"has the changes"
run 1 "a plan for a bad rule set is refused" plan bad.json --against rules.json
silent out "and plans nothing"

# ---- without an agent ----
run 3 "without an agent a plan cannot be made" plan rules.json
says err 'no agent at .*nobody.sock' "the socket is named"
run 3 "without an agent nothing is applied" apply rules.json
run 1 "a bad rule set is refused before the agent is asked" apply bad.json
run 2 "a time that is none is refused before anything" apply --confirm-within soon rules.json
for command in confirm rollback history "show rules" "show nacls" flows stats monitor; do
	# shellcheck disable=SC2086 # words of one command line
	run 3 "without an agent there is no $command" $command
done
run 0 "the version is known without an agent" version
run 0 "the version in JSON" version --json
json 'd["agent"] is None and d["abi"] > 0' "says that no agent answers"

# ---- explain ----
tcp() { # CODE SENTENCE FROM TO ...
	want=$1 sentence=$2 from=$3 to=$4
	shift 4
	run "$want" "$sentence" explain --config rules.json --from "$from" --to "$to" -p tcp "$@"
}

tcp 0 "an allowed packet is a yes" 10.0.0.9 10.0.1.10:443
says out '^sg_ingress .*security_group/web *0 *allow$' "the group's rule is named"
says out '^nacl_egress .*network_acl/edge *100 *allow$' "the network ACL's rule is named"
says out '^allowed, handed to veth1' "the next hop is named"
tcp 1 "a denied packet is a no" 10.0.0.9 10.0.1.10:23
says out '^nacl_egress .*network_acl/edge *90 *deny$' "the rule that denies is named"
says out '^dropped: NACL_EGRESS (SUBNET_ACL_RESTRICTION)$' "and so is the reason"
tcp 1 "what no group admits is a no" 10.0.0.9 10.0.1.10:80
says out 'no rule of security_group/web' "the groups that were asked are named"
tcp 1 "the answer in JSON has the same exit code" 198.51.100.9 10.0.1.10:80 --json
json 'd["verdict"] == "drop" and d["reason"] == "SG_INGRESS" and
d["aws_reason"] == "ENI_SG_RULES_MISMATCH" and d["steps"][-1]["object"] is None and
d["steps"][-1]["objects"] == ["security_group/web"] and d["next_hop"] is None' \
	"and says it all by keys"
tcp 0 "a prefix list from a file admits" 192.0.2.7 10.0.1.10:22
tcp 0 "the way back of a tracked connection needs no rule" 192.0.2.7 10.0.1.10:22 --return --json
json 'd["forward"]["tracked"] and d["return"]["verdict"] == "allow"' "both ways are answered"
tcp 1 "a packet with a borrowed source is refused" 10.0.1.99 10.0.0.9:443 --in veth1 --json
json 'd["reason"] == "SOURCE_CHECK"' "by the source check"
run 1 "IPv6 is judged like IPv4" explain --config rules.json --from 2001:db8:9::9 \
	--to '[2001:db8:0:1::10]:443' -p tcp
run 2 "a packet that this machine would not meet is no question" \
	explain --config rules.json --from 192.0.2.1 --to 192.0.2.2:80
says err '--in DEVICE' "and what helps is said"
run 2 "an address that is none is wrong usage" explain --config rules.json --from x --to 192.0.2.2
run 2 "a bad rule set gives no verdict" explain --config bad.json --from 10.0.0.9 --to 10.0.1.10:443
run 3 "without --config the agent is asked" explain --from 10.0.0.9 --to 10.0.1.10:443

cat >packets.jsonl <<'PACKETS'
{"from":"10.0.0.9","to":"10.0.1.10","to_port":443,"protocol":"tcp"}
{"from":"10.0.0.9","to":"10.0.1.10","to_port":23,"protocol":6}

{"from":"2001:db8:9::9","to":"2001:db8:0:1::10","protocol":"icmp"}
PACKETS
run 0 "many packets are judged when each can be read" explain --config rules.json --packets packets.jsonl
python3 -c 'print([__import__("json").loads(l)["verdict"] for l in open("out")])' >verdicts 2>>err
says verdicts "\\['allow', 'drop', 'drop'\\]" "one answer a line, in order"
{
	echo '{"from":"10.0.0.9","to":"10.0.1.10","to_port":443,"protocol":"tcp"}'
	echo '{"from":"10.0.0.9","to":"elsewhere","protocol":"tcp"}'
	echo 'no JSON'
	echo '{"from":"10.0.0.9","to":"10.0.1.10","to_port":443,"protocol":"tcp"}'
} >mixed.jsonl
run 2 "a line that cannot be read shows in the exit code" explain --config rules.json --packets mixed.jsonl
says err '^mixed.jsonl:2:1: /to: ' "and is named with its number"
says out '^{"error":' "and has an answer in its place"
if [ "$(grep -c verdict out)" = 2 ] && [ "$(wc -l <out)" = 4 ]; then
	result ok "the other lines are judged all the same"
else
	result "not ok" "the other lines are judged all the same"
fi
run 2 "a question on the command line does not go with --packets" \
	explain --config rules.json --packets packets.jsonl --from 10.0.0.9

cat >host.json <<'HOST'
{ "headgate": 1,
  "security_groups": { "ssh": { "ingress": [ { "protocol": "tcp", "ports": "22", "peers": ["0.0.0.0/0"] } ], "egress": [] } },
  "interfaces": { "host": { "attach": "local", "device": "hg-no-such", "security_groups": ["ssh"] } } }
HOST
run 0 "a host without known addresses is asked about the address that is meant" \
	explain --config host.json --from 192.0.2.1 --to 198.51.100.7:22
says err '198.51.100.7 is nobody.s; it is taken for an address of hg-no-such' "and the user is told"
sed 's/hg-no-such/lo/' host.json >lo.json
run 0 "the addresses of this machine are known" explain --config lo.json --from 192.0.2.1 --to 127.0.0.1:22
silent err "and nothing is assumed"
run 0 "but another address may be meant" \
	explain --config lo.json --from 192.0.2.1 --to 198.51.100.7:22 --json
json 'd["assumed"] == {"device": "lo", "address": "198.51.100.7"}' "and the answer says so"
run 1 "unless the packet is said to come in" \
	explain --config lo.json --from 192.0.2.1 --to 198.51.100.7:22 --in lo --json
json 'd["reason"] == "DEST_CHECK"' "for that is a question of its own"
run 1 "its groups judge" explain --config host.json --from 192.0.2.1 --to 198.51.100.7:23

# ---- the table's other readers ----
run 0 "the schema is printed" schema
json '"properties" in d and d["type"] == "object"' "as JSON"
for shell in bash zsh fish; do
	run 0 "there is a completion for $shell" completion $shell
	says out 'confirm-within' "and it knows options ($shell)"
	if ! command -v $shell >/dev/null; then
		n=$((n + 1))
		echo "ok $n - $shell takes it # SKIP $shell is not installed"
	elif $shell -n out 2>err; then
		result ok "$shell takes it"
	else
		result "not ok" "$shell takes it"
	fi
done
run 0 "manual pages are written" manual man
if [ "$(find man -name 'headgate*.1' | wc -l)" -ge 15 ]; then
	result ok "one for the program and one a command"
else
	result "not ok" "one for the program and one a command"
fi
run 0 "help is printed on standard output" --help
says out '^  explain ' "and lists the commands"
run 2 "nothing at all is wrong usage"
says err '^Usage: ' "and is answered by help"
run 2 "a mistyped command is wrong usage" chekc
says err 'did you mean check' "and a guess is made"

plan
