/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "balancer.h"
#include "base/cleanup.h"
#include "config/json.h"
#include "http.h"
#include "table.h"
#include "view.h"

struct noun {
	const char *name, *path, *key; /* the member that names an object, or several */
	const char *called;            /* of one */
	const char *const *heads;      /* a row an object, or */
	void (*add)(struct table *t, const struct json *object);
	void (*print)(const struct cli *cli,
		      const struct json *object); /* a page an object */
	void (*details)(const struct cli *cli,
			const struct json *object); /* below the row of one; or NULL */
};

static void add_text(struct table *t, const struct json *object, const char *key)
{
	table_text(t, view_text(object, key), PAINT_NONE);
}

static void add_list(struct table *t, const struct json *object, const char *key,
		     size_t max)
{
	char buf[VIEW_TEXT];

	table_text(t, view_list(json_get(object, key), max, buf), PAINT_NONE);
}

static void add_state(struct table *t, const struct json *object)
{
	const char *state = view_text(object, "state");
	enum paint paint = PAINT_NONE;

	if (state && strcmp(state, "attached") == 0)
		paint = PAINT_GOOD;
	else if (state)
		paint = strcmp(state, "failed") == 0 ? PAINT_BAD : PAINT_WARN;
	table_text(t, state, paint);
}

static void add_hits(struct table *t, const struct json *rule)
{
	const struct json *hits = json_get(rule, "hits");

	if (!hits || json_is_null(hits))
		table_text(t, NULL, PAINT_DIM);
	else
		table_cell(t, "%" PRIu64, view_number(hits));
}

/* ---- interfaces, subnets, devices ---- */

static const char *const interface_heads[] = { "NAME",   "SUBNET",          "ADDRESSES",
					       "PUBLIC", "SECURITY GROUPS", "DEVICE",
					       "ROLE",   "STATE",           NULL };

/* The addresses of elastic IPs, in round brackets where nobody outside can use them. */
static void add_elastic_ips(struct table *t, const struct json *object)
{
	const struct json *list = json_get(object, "elastic_ips");
	struct json *texts = json_new_array();
	char buf[VIEW_TEXT], text[64];

	for (const struct json *e = json_first(list); e; e = json_next(e)) {
		const char *address = view_text(e, "address");
		bool is_attached = json_bool(json_get(e, "attached"));

		snprintf(text, sizeof(text), is_attached ? "%s" : "(%s)",
			 address ? address : "");
		json_add(texts, json_new_string(text));
	}
	table_text(t, view_list(texts, 8, buf), PAINT_NONE);
	json_free(texts);
}

static void add_interface(struct table *t, const struct json *i)
{
	add_text(t, i, "name");
	add_text(t, i, "subnet");
	add_list(t, i, "addresses", 3);
	add_elastic_ips(t, i);
	add_list(t, i, "security_groups", 16);
	add_text(t, i, "device");
	add_text(t, i, "role");
	add_state(t, i);
}

static const char *const subnet_heads[] = { "NAME",   "VPC",         "CIDRS",
					    "ZONE",   "NETWORK ACL", "ROUTE TABLE",
					    "DEVICE", "STATE",       ">INTERFACES",
					    NULL };

static void add_subnet(struct table *t, const struct json *s)
{
	add_text(t, s, "name");
	add_text(t, s, "vpc");
	add_list(t, s, "cidrs", 4);
	add_text(t, s, "zone");
	add_text(t, s, "network_acl");
	add_text(t, s, "route_table");
	add_text(t, s, "device");
	add_state(t, s);
	table_cell(t, "%zu", json_size(json_get(s, "interfaces")));
}

static const char *const device_heads[] = { "DEVICE", "OF",   "ROLE",        "STATE",
					    ">INDEX", "HOOK", "IN",          "OUT",
					    ">MTU",   "MAC",  ">NEIGHBOURS", "WHY",
					    NULL };

static void add_number(struct table *t, const struct json *object, const char *key)
{
	const struct json *n = json_get(object, key);

	if (json_is_number(n))
		table_cell(t, "%.0f", json_number(n));
	else
		table_text(t, NULL, PAINT_NONE);
}

/* An interface, a subnet, or the gateways of an uplink. */
static void add_owner(struct table *t, const struct json *d)
{
	const char *interface = view_text(d, "interface"),
		   *subnet = view_text(d, "subnet");

	if (interface)
		table_text(t, interface, PAINT_NONE);
	else if (subnet)
		table_cell(t, "subnet/%s", subnet);
	else
		add_list(t, d, "gateways", 4);
}

static void add_device(struct table *t, const struct json *d)
{
	const char *error = view_text(d, "error");

	add_text(t, d, "device");
	add_owner(t, d);
	add_text(t, d, "role");
	add_state(t, d);
	add_number(t, d, "ifindex");
	add_text(t, d, "hook");
	add_text(t, d, "ingress");
	add_text(t, d, "egress");
	add_number(t, d, "mtu");
	add_text(t, d, "mac");
	add_number(t, json_get(d, "neighbours"), "resolved");
	table_text(t, error ? error : view_text(d, "why"),
		   error ? PAINT_BAD : PAINT_NONE);
}

/* ---- rules ---- */

static void print_title(const struct cli *cli, const char *kind,
			const struct json *object, const char *users)
{
	char buf[VIEW_TEXT];
	const char *vpc = view_text(object, "vpc");
	const char *list = view_list(json_get(object, users), 8, buf);
	const struct json *nats = json_get(object, "nat_gateways");

	printf("%s%s/%s%s", paint_on(cli->colour, PAINT_BOLD), kind,
	       view_text(object, "name"), paint_off(cli->colour, PAINT_BOLD));
	if (json_bool(json_get(object, "main")))
		printf(json_bool(json_get(object, "implicit")) ? " (main, implicit)"
							       : " (main)");
	else if (json_bool(json_get(object, "implicit")))
		printf(" (implicit)");
	if (vpc && *vpc)
		printf(", vpc %s", vpc);
	if (*list)
		printf(", %s %s", users, list);
	else if (json_size(nats) == 0)
		printf(", used by no %.*s", (int)strlen(users) - 1, users);
	if (json_size(nats) > 0)
		printf(", NAT gateways %s", view_list(nats, 8, buf));
	putchar('\n');
}

/* Ports, or type and code of ICMP; "all" where the rule says nothing of them. */
static void add_ports(struct table *t, const struct json *rule)
{
	const struct json *sources = json_get(rule, "source_ports");
	const char *icmp = view_text(rule, "icmp"), *ports;
	char buf[VIEW_TEXT], more[VIEW_TEXT];

	ports = view_list(json_get(rule, "ports"), 8, buf);
	if (icmp)
		table_cell(t, "type %s", icmp);
	else if (json_size(sources) > 0)
		table_cell(t, "%s from %s", *ports ? ports : "all",
			   view_list(sources, 8, more));
	else
		table_text(t, *ports ? ports : "all", PAINT_NONE);
}

static void add_rule_name(struct table *t, const struct json *rule)
{
	const struct json *name = json_get(rule, "rule");

	if (json_is_number(name))
		table_cell(t, "%.0f", json_number(name));
	else
		table_text(t, json_string(name), PAINT_NONE);
}

/* How the compiler laid a direction out, where the agent says so. */
static void print_classifier(const struct json *object, const char *direction)
{
	const struct json *c = json_get(json_get(object, "classifiers"), direction);
	char buf[HUMAN_TEXT];

	if (json_is_object(c) && view_text(c, "kind"))
		printf("%s: %s, %s\n", direction, view_text(c, "kind"),
		       bytes_print(view_count(c, "bytes"), buf));
}

static void add_nacl_rules(struct table *t, const struct json *nacl,
			   const char *direction)
{
	for (const struct json *r = json_first(json_get(nacl, direction)); r;
	     r = json_next(r)) {
		const char *action = view_text(r, "action"),
			   *peer = view_text(r, "peer_cidr");
		const char *cidr = view_text(r, "cidr");
		bool is_allow = action && strcmp(action, "allow") == 0;

		table_text(t, direction, PAINT_NONE);
		add_rule_name(t, r);
		table_text(t, action, is_allow ? PAINT_GOOD : PAINT_BAD);
		add_text(t, r, "protocol");
		add_ports(t, r);
		if (peer)
			table_cell(t, "%s with %s", cidr ? cidr : "all", peer);
		else
			table_text(t, cidr ? cidr : "all", PAINT_NONE);
		add_hits(t, r);
	}
}

static void print_nacl(const struct cli *cli, const struct json *nacl)
{
	static const char *const heads[] = { "DIRECTION", ">RULE", "ACTION", "PROTOCOL",
					     "PORTS",     "CIDR",  ">HITS",  NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);

	print_title(cli, "network_acl", nacl, "subnets");
	print_classifier(nacl, "ingress");
	print_classifier(nacl, "egress");
	if (!t)
		return;
	add_nacl_rules(t, nacl, "ingress");
	add_nacl_rules(t, nacl, "egress");
	table_print(t, stdout);
}

static void add_group_rules(struct table *t, const struct json *group,
			    const char *direction)
{
	for (const struct json *r = json_first(json_get(group, direction)); r;
	     r = json_next(r)) {
		table_text(t, direction, PAINT_NONE);
		add_rule_name(t, r);
		add_text(t, r, "protocol");
		add_ports(t, r);
		add_list(t, r, "peers", 6);
		add_hits(t, r);
	}
}

static void print_group(const struct cli *cli, const struct json *group)
{
	static const char *const heads[] = { "DIRECTION", ">RULE", "PROTOCOL", "PORTS",
					     "PEERS",     ">HITS", NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);

	print_title(cli, "security_group", group, "interfaces");
	if (!t)
		return;
	add_group_rules(t, group, "ingress");
	add_group_rules(t, group, "egress");
	table_print(t, stdout);
}

/* ---- routes, NAT ---- */

static void add_routes(struct table *t, const struct json *route_table)
{
	for (const struct json *r = json_first(json_get(route_table, "routes")); r;
	     r = json_next(r)) {
		const char *state = view_text(r, "state");
		bool is_active = state && strcmp(state, "active") == 0;

		add_text(t, r, "to");
		add_text(t, r, "via");
		add_text(t, r, "origin");
		table_text(t, state, is_active ? PAINT_GOOD : PAINT_BAD);
		add_hits(t, r);
		add_text(t, r, "why");
	}
}

static void print_route_table(const struct cli *cli, const struct json *route_table)
{
	static const char *const heads[] = { "DESTINATION", "TARGET", "ORIGIN", "STATE",
					     ">HITS",       "WHY",    NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);

	print_title(cli, "route_table", route_table, "subnets");
	if (!t)
		return;
	add_routes(t, route_table);
	table_print(t, stdout);
}

static const char *const nat_heads[] = { "NAME",        "SUBNET",   "PRIVATE ADDRESS",
					 "ELASTIC IPS", "MODE",     ">IDLE AFTER",
					 ">ACTIVE",     ">OPENED",  ">OUT",
					 ">BACK",       ">NO PORT", ">TIMED OUT",
					 ">DROPPED",    NULL };

/* Large numbers come as strings of digits. */
static void add_metric(struct table *t, const struct json *nat, const char *key)
{
	const struct json *metrics = json_get(nat, "metrics");

	if (json_is_object(metrics))
		table_cell(t, "%" PRIu64, view_count(metrics, key));
	else
		table_text(t, NULL, PAINT_NONE);
}

static void add_nat(struct table *t, const struct json *nat)
{
	const struct json *metrics = json_get(nat, "metrics");
	char human[HUMAN_TEXT];

	add_text(t, nat, "name");
	add_text(t, nat, "subnet");
	add_text(t, nat, "private_address");
	add_elastic_ips(t, nat);
	add_text(t, nat, "mode");
	table_text(t, seconds_print(view_count(nat, "idle_timeout"), human), PAINT_NONE);
	add_metric(t, nat, "ActiveConnectionCount");
	add_metric(t, nat, "ConnectionEstablishedCount");
	table_text(t, bytes_print(view_count(metrics, "BytesOutToDestination"), human),
		   PAINT_NONE);
	table_text(t, bytes_print(view_count(metrics, "BytesOutToSource"), human),
		   PAINT_NONE);
	add_metric(t, nat, "ErrorPortAllocation");
	add_metric(t, nat, "IdleTimeoutCount");
	add_metric(t, nat, "PacketsDropCount");
}

/* What one NAT gateway has besides its row: forwards and groups of an instance, and all metrics. */
static void print_nat_details(const struct cli *cli, const struct json *nat)
{
	static const char *const heads[] = { "METRIC", ">VALUE", NULL };
	_cleanup_(table_freep) struct table *t = table_new(heads, cli->colour);
	const struct json *groups = json_get(nat, "security_groups");
	char buf[VIEW_TEXT];

	if (json_size(groups) > 0)
		printf("security groups %s\n", view_list(groups, 16, buf));
	for (const struct json *f = json_first(json_get(nat, "forwards")); f;
	     f = json_next(f))
		printf("forwards %s port %" PRIu64 " to %s\n",
		       view_text(f, "protocol") ? view_text(f, "protocol") : "-",
		       view_count(f, "port"),
		       view_text(f, "to") ? view_text(f, "to") : "-");
	if (!t)
		return;
	for (const struct json *m = json_first(json_get(nat, "metrics")); m;
	     m = json_next(m)) {
		table_text(t, json_key(m), PAINT_NONE);
		table_cell(t, "%" PRIu64, view_number(m));
	}
	putchar('\n');
	table_print(t, stdout);
}

/* ---- rate limits ---- */

static const char *const limit_heads[] = { "NAME",     "RESOURCE", ">PORT",    "UNIT",
					   ">LIMIT",   ">WINDOW",  "ACTION",   ">SOURCES",
					   ">LIMITED", ">PACKETS", ">DROPPED", NULL };

static void add_limit(struct table *t, const struct json *l)
{
	char human[HUMAN_TEXT];

	add_text(t, l, "name");
	add_text(t, l, "resource");
	if (view_count(l, "port"))
		add_number(t, l, "port");
	else
		table_text(t, NULL, PAINT_NONE);
	add_text(t, l, "unit");
	table_cell(t, "%" PRIu64, view_count(l, "limit"));
	table_text(t, seconds_print(view_count(l, "window"), human), PAINT_NONE);
	add_text(t, l, "action");
	add_number(t, l, "sources");
	add_number(t, l, "limited");
	table_cell(t, "%" PRIu64, view_count(l, "packets"));
	table_cell(t, "%" PRIu64, view_count(l, "dropped"));
}

/* ---- prefix lists ---- */

static const char *const list_heads[] = { "NAME", ">ENTRIES", ">MAX", NULL };

static void add_prefix_list(struct table *t, const struct json *l)
{
	add_text(t, l, "name");
	add_number(t, l, "n_entries");
	add_number(t, l, "max_entries");
}

static void print_entries(const struct cli *cli, const struct json *list)
{
	(void)cli;
	putchar('\n');
	for (const struct json *e = json_first(json_get(list, "entries")); e;
	     e = json_next(e))
		if (json_string(e))
			puts(json_string(e));
}

/* ---- all of them ---- */

#define ROWS(heads, add)              heads, add, NULL, NULL
#define PAGES(print)                  NULL, NULL, print, NULL
#define ROWS_AND(heads, add, details) heads, add, NULL, details

static const struct noun nouns[] = {
	{ "interfaces", "/v1/interfaces", "name", "interface",
	  ROWS(interface_heads, add_interface) },
	{ "subnets", "/v1/subnets", "name", "subnet", ROWS(subnet_heads, add_subnet) },
	{ "routes", "/v1/routes", "name", "route table", PAGES(print_route_table) },
	{ "nacls", "/v1/nacls", "name", "network ACL", PAGES(print_nacl) },
	{ "security-groups", "/v1/security-groups", "name", "security group",
	  PAGES(print_group) },
	{ "nat", "/v1/nat", "name", "NAT gateway",
	  ROWS_AND(nat_heads, add_nat, print_nat_details) },
	{ "load-balancers", "/v1/load-balancers", "name", "load balancer",
	  ROWS_AND(balancer_heads, balancer_add, balancer_print) },
	{ "targets", "/v1/targets", "target_group", "target group with targets",
	  ROWS(target_heads, target_add) },
	{ "limits", "/v1/limits", "name", "rate limit", ROWS(limit_heads, add_limit) },
	{ "prefix-lists", "/v1/prefix-lists", "name", "prefix list",
	  ROWS_AND(list_heads, add_prefix_list, print_entries) },
	{ "devices", "/v1/devices", "device", "device", ROWS(device_heads, add_device) },
};

static enum exit_code show_rules(const struct cli *cli, const char *version)
{
	char path[64] = "/v1/rules";
	unsigned n;

	if (version) {
		if (count_parse(version, UINT32_MAX, &n) < 0 || n == 0) {
			fprintf(stderr,
				"headgate show rules: \"%s\" is no version; headgate "
				"history lists "
				"them\n",
				version);
			return EXIT_USAGE;
		}
		path_add(path, sizeof(path), "version", version);
	}
	return api_print(cli, path);
}

/* Pages are parted by an empty line, rows share a table. */
static void print_objects(const struct cli *cli, const struct noun *noun,
			  const struct json *const objects[], size_t n)
{
	_cleanup_(table_freep) struct table *t =
		noun->heads ? table_new(noun->heads, cli->colour) : NULL;

	for (size_t i = 0; i < n; i++) {
		if (t) {
			noun->add(t, objects[i]);
		} else if (noun->print) {
			if (i > 0)
				putchar('\n');
			noun->print(cli, objects[i]);
		}
	}
	if (t)
		table_print(t, stdout);
}

/* What is called 'name', and NULL for all. */
static size_t objects_find(const struct noun *noun, const struct json *all,
			   const char *name, const struct json **ret)
{
	size_t n = 0;

	for (const struct json *o = json_first(all); o; o = json_next(o)) {
		const char *called = view_text(o, noun->key);

		if (!name || (called && strcmp(called, name) == 0))
			ret[n++] = o;
	}
	return n;
}

static void print_json(const struct json *const objects[], size_t n, bool is_list)
{
	struct json *list;

	if (!is_list) {
		view_print(objects[0], true);
		return;
	}
	list = json_new_array();
	for (size_t i = 0; i < n; i++)
		json_add(list, json_copy(objects[i]));
	view_print(list, true);
	json_free(list);
}

static enum exit_code show(const struct cli *cli, const struct noun *noun,
			   const struct json *all, const char *name)
{
	_cleanup_free_ const struct json **objects =
		calloc(json_size(all) + 1, sizeof(*objects));
	size_t n;

	if (!objects)
		return EXIT_REFUSED;
	n = objects_find(noun, all, name, objects);
	if (name && n == 0) {
		fprintf(stderr, "headgate show %s: no %s is called \"%s\"\n", noun->name,
			noun->called, name);
		return EXIT_NO;
	}
	if (cli->json) {
		print_json(objects, n, strcmp(noun->name, "targets") == 0);
		return EXIT_YES;
	}
	print_objects(cli, noun, objects, n);
	for (size_t i = 0; name && noun->details && i < n; i++)
		noun->details(cli, objects[i]);
	return EXIT_YES;
}

enum exit_code cmd_show(const struct cli *cli)
{
	const char *name = cli->n_args > 1 ? cli->args[1] : NULL;
	_cleanup_(json_freep) struct json *all = NULL;
	const struct noun *noun = nouns;
	char path[64];
	enum exit_code r;

	if (strcmp(cli->args[0], "rules") == 0)
		return show_rules(cli, name);
	while (strcmp(noun->name, cli->args[0]) != 0) /* args_parse() knows the words */
		noun++;
	snprintf(path, sizeof(path), "%s", noun->path);
	if (name && strcmp(noun->name, "prefix-lists") == 0)
		path_add(path, sizeof(path), "entries", "all");
	if (cli->json && !name)
		return api_print(cli, path);
	r = api_get(cli, path, &all);
	if (r != EXIT_YES)
		return r;
	return show(cli, noun, all, name);
}
