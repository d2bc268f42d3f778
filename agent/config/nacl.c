/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>

#include <hg/limits.h>

#include "config/check.h"
#include "config/fields.h"

static const struct choice actions[] = { { "allow", true }, { "deny", false }, {} };

static const struct field rule_fields[] = {
	{ "rule", &kind_number, offsetof(struct nacl_rule, number),
	  .flags = FIELD_REQUIRED, .min = 1, .max = UINT32_MAX, .size = sizeof(uint32_t),
	  .help = "Rules are tried in the order of their numbers; a number stands once "
		  "in a "
		  "direction. 1 to 32766 can be exported to AWS." },
	{ "action", &kind_choice, offsetof(struct nacl_rule, allow),
	  .flags = FIELD_REQUIRED, .choices = actions, .size = sizeof(bool),
	  .help = "What happens to a packet that matches first here." },
	{ "protocol", &kind_protocol, offsetof(struct nacl_rule, match.protocol),
	  .flags = FIELD_REQUIRED, .help = "By name, or by IANA number." },
	{ "cidr", &kind_peer, offsetof(struct nacl_rule, cidr), .flags = FIELD_REQUIRED,
	  .help = "Ingress compares the source, egress the destination." },
	{ "ports", &kind_ports, offsetof(struct nacl_rule, match.ports),
	  offsetof(struct nacl_rule, match.n_ports), .min = 1, .max = HG_MAX_PORT_RANGES,
	  .help = "Destination ports, in both directions. Without it: all." },
	{ "icmp", &kind_icmp, offsetof(struct nacl_rule, match.icmp_type),
	  offsetof(struct nacl_rule, match.icmp_code),
	  .help = "Without it: any type and code." },
	{ "source_ports", &kind_ports, offsetof(struct nacl_rule, match.source_ports),
	  offsetof(struct nacl_rule, match.n_source_ports), .min = 1,
	  .max = HG_MAX_PORT_RANGES,
	  .help = "TCP and UDP only; AWS has no such thing. Without it: all." },
	{ "peer_cidr", &kind_peer, offsetof(struct nacl_rule, peer_cidr),
	  .help = "The end that `cidr` does not compare; AWS has no such thing. Without "
		  "it: "
		  "any." },
	{},
};

static void rule_after(struct reader *r, struct at at, void *element)
{
	struct nacl_rule *rule = element;

	rule->where = where_of(r, at);
	rule->has_peer_cidr = json_get(at.json, "peer_cidr");
	match_check(r, at, &rule->match);
}

#define RULES(direction)                                         \
	&kind_objects, offsetof(struct nacl, rules[direction]),  \
		offsetof(struct nacl, n_rules[direction]),       \
		.max = HG_MAX_NACL_RULES, .fields = rule_fields, \
		.size = sizeof(struct nacl_rule), .after = rule_after

const struct field nacl_fields[] = {
	{ "vpc", &kind_reference, offsetof(struct nacl, vpc), .noun = NOUN_VPC,
	  .help = "May be left out where there is one VPC or none." },
	{ "ingress", RULES(0),
	  .help = "For what enters a subnet. What no rule matches is denied." },
	{ "egress", RULES(1),
	  .help = "For what leaves a subnet. What no rule matches is denied." },
	{},
};

static int compare_rules(const void *pa, const void *pb)
{
	const struct nacl_rule *a = pa, *b = pb;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	/* The place makes the order, and so the complaint, that of the text. */
	if (a->where.line != b->where.line)
		return a->where.line < b->where.line ? -1 : 1;
	return (a->where.column > b->where.column) - (a->where.column < b->where.column);
}

/* Sorting moves the rules, so it comes after links, which point into them. */
void nacls_check(struct reader *r)
{
	for (size_t i = 0; i < r->model->n_nacls; i++) {
		struct nacl *nacl = &r->model->nacls[i];

		for (int d = 0; d < 2; d++) {
			struct nacl_rule *rules = nacl->rules[d];

			if (nacl->n_rules[d] > 1)
				qsort(rules, nacl->n_rules[d], sizeof(*rules),
				      compare_rules);
			for (size_t k = 1; k < nacl->n_rules[d]; k++)
				if (rules[k].number > 0 &&
				    rules[k].number == rules[k - 1].number)
					complain_where(r, &rules[k].where,
						       "rule %u stands on line %u, too",
						       rules[k].number,
						       rules[k - 1].where.line);
		}
	}
}
