/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/headgate/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diag.h"
#include "config/diff.h"
#include "config/json.h"
#include "tests/lib/tap.h"

static const struct {
	const char *says;
	const char *old, *new; /* single quotes */
	const char *want;      /* as printed */
} cases[] = {
	{ "equal documents", "{'vpcs':{'a':{'cidrs':['10.0.0.0/8']}}}",
	  "{'vpcs':{'a':{'cidrs':['10.0.0.0/8']}}}", "no changes\n" },
	{ "keys in another order", "{'vpcs':{'a':{'x':1,'y':2},'b':{}}}",
	  "{'vpcs':{'b':{},'a':{'y':2,'x':1}}}", "no changes\n" },
	{ "a new and a gone object", "{'subnets':{'a':{}}}", "{'subnets':{'b':{}}}",
	  "- subnet/a\n+ subnet/b\n1 to add, 0 to change, 1 to remove\n" },
	{ "objects are sorted by kind, then name", "{}",
	  "{'vpcs':{'v':{}},'subnets':{'b':{},'a':{}},'interfaces':{'z':{}}}",
	  "+ interface/z\n+ subnet/a\n+ subnet/b\n+ vpc/v\n"
	  "4 to add, 0 to change, 0 to remove\n" },
	{ "a changed value", "{'interfaces':{'a':{'device':'veth1'}}}",
	  "{'interfaces':{'a':{'device':'veth2'}}}",
	  "~ interface/a\n    - device: \"veth1\"\n    + device: \"veth2\"\n"
	  "0 to add, 1 to change, 0 to remove\n" },
	{ "a member more and one less", "{'interfaces':{'a':{'x':true}}}",
	  "{'interfaces':{'a':{'y':null}}}",
	  "~ interface/a\n    - x: true\n    + y: null\n0 to add, 1 to change, 0 to "
	  "remove\n" },
	{ "a rule put in between", "{'security_groups':{'g':{'ingress':[1,3]}}}",
	  "{'security_groups':{'g':{'ingress':[1,2,3]}}}",
	  "~ security_group/g\n    + ingress: 2\n0 to add, 1 to change, 0 to remove\n" },
	{ "a rule taken away",
	  "{'network_acls':{'g':{'ingress':[{'rule':1},{'rule':2}]}}}",
	  "{'network_acls':{'g':{'ingress':[{'rule':2}]}}}",
	  "~ network_acl/g\n    - ingress: {\"rule\":1}\n"
	  "0 to add, 1 to change, 0 to remove\n" },
	{ "a rule changed in place",
	  "{'network_acls':{'g':{'ingress':[{'rule':1,'ports':'1'},{'rule':2}]}}}",
	  "{'network_acls':{'g':{'ingress':[{'rule':1,'ports':'2'},{'rule':2}]}}}",
	  "~ network_acl/g\n    - ingress/0/ports: \"1\"\n    + ingress/0/ports: \"2\"\n"
	  "0 to add, 1 to change, 0 to remove\n" },
	{ "settings are one object", "{'settings':{'max_flows':1}}",
	  "{'settings':{'max_flows':2}}",
	  "~ settings\n    - max_flows: 1\n    + max_flows: 2\n"
	  "0 to add, 1 to change, 0 to remove\n" },
	{ "settings that appear", "{}", "{'settings':{}}",
	  "+ settings\n1 to add, 0 to change, 0 to remove\n" },
	{ "a number is not its text", "{'vpcs':{'a':{'x':1}}}",
	  "{'vpcs':{'a':{'x':'1'}}}",
	  "~ vpc/a\n    - x: 1\n    + x: \"1\"\n0 to add, 1 to change, 0 to remove\n" },
	{ "an object is not an array", "{'vpcs':{'a':{'x':{}}}}",
	  "{'vpcs':{'a':{'x':[]}}}",
	  "~ vpc/a\n    - x: {}\n    + x: []\n0 to add, 1 to change, 0 to remove\n" },
};

static struct json *parse(const char *text)
{
	_cleanup_(diag_freep) struct diag *diag = diag_new();
	_cleanup_free_ char *copy = strdup(text);
	struct json *j;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (json_read("test", copy, strlen(copy), diag, &j) < 0)
		bail("no JSON: %s", text);
	return j;
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(json_freep) struct json *old = parse(cases[i].old);
		_cleanup_(json_freep) struct json *new = parse(cases[i].new);
		_cleanup_(json_freep) struct json *changes = diff_documents(old, new);
		_cleanup_free_ char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		changes_print(f, changes, old, new, false);
		fclose(f);
		is_str(text, cases[i].want, "%s", cases[i].says);
	}
	return done();
}
