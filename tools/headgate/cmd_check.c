/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <hg/flow.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/image.h"
#include "complaints.h"
#include "config/json.h"
#include "config/read.h"
#include "rules.h"
#include "table.h"

/* What a rule set would cost on a machine. */
struct cost {
	uint64_t image_bytes, flow_bytes;
};

struct checked {
	const char *path;
	struct diag *diag;
	struct rules rules;
	struct cost cost;
	bool is_valid;
};

/* What agent/kernel/load.c asks the kernel for. */
static uint64_t flow_bytes(uint32_t max_flows)
{
	uint64_t sets = hg_flow_sets(max_flows);

	return sets * (sizeof(struct hg_set4) + sizeof(struct hg_set6) +
		       2 * sizeof(uint64_t)) +
	       HG_LOCKS * sizeof(struct hg_lock) +
	       HG_FRAG_SETS * sizeof(struct hg_frag_set);
}

static enum exit_code check_one(struct checked *c)
{
	_cleanup_(image_freep) struct image *image = NULL;
	const struct facts facts = {};
	enum exit_code r;
	int e;

	r = rules_read(c->path, RULES_MODEL, c->diag, &c->rules);
	if (r != EXIT_YES)
		return r;
	config_warn(c->rules.model, c->diag);
	e = image_compile(c->rules.model, &facts, c->diag, &image);
	if (e == -ENOMEM) {
		fprintf(stderr, "headgate check: %s: out of memory\n", c->path);
		return EXIT_REFUSED;
	}
	if (e < 0)
		return EXIT_NO;
	c->cost = (struct cost){
		.image_bytes = image->n_lines * sizeof(struct hg_line),
		.flow_bytes = flow_bytes(c->rules.model->settings.max_flows),
	};
	c->is_valid = true;
	return EXIT_YES;
}

static size_t count_rules(const struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_nacls; i++)
		if (!m->nacls[i].is_implicit)
			n += m->nacls[i].n_rules[0] + m->nacls[i].n_rules[1];
	for (size_t i = 0; i < m->n_groups; i++)
		if (!m->groups[i].is_implicit)
			n += m->groups[i].n_rules[0] + m->groups[i].n_rules[1];
	return n;
}

static size_t count_routes(const struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_route_tables; i++)
		n += m->route_tables[i].n_routes;
	return n;
}

/* "3 subnets" */
static void print_count(FILE *f, size_t n, const char *noun)
{
	fprintf(f, "%zu %s%s, ", n, noun, n == 1 ? "" : "s");
}

static void print_summary(FILE *f, const struct checked *c, size_t n_files)
{
	const struct model *m = c->rules.model;
	char buf[64], image[HUMAN_TEXT], flows[HUMAN_TEXT];
	size_t errors = diag_errors(c->diag), warnings = diag_warnings(c->diag);

	if (n_files > 1)
		fprintf(f, "%s: ", c->path);
	if (!c->is_valid) {
		fprintf(f, "invalid: %s\n", complaints_count(errors, warnings, buf));
		return;
	}
	fputs("ok: ", f);
	print_count(f, m->n_subnets, "subnet");
	print_count(f, m->n_interfaces, "interface");
	print_count(f, count_rules(m), "rule");
	if (count_routes(m))
		print_count(f, count_routes(m), "route");
	if (warnings)
		print_count(f, warnings, "warning");
	fprintf(f, "image %s, flow tables %s\n", bytes_print(c->cost.image_bytes, image),
		bytes_print(c->cost.flow_bytes, flows));
}

static struct json *checked_json(const struct checked *c)
{
	struct json *j = json_new_object();
	const struct model *m = c->rules.model;

	json_set_string(j, "file", c->path);
	json_set_bool(j, "valid", c->is_valid);
	json_set(j, "complaints", complaints_json(c->diag));
	if (c->is_valid) {
		json_set_number(j, "subnets", m->n_subnets);
		json_set_number(j, "interfaces", m->n_interfaces);
		json_set_number(j, "rules", count_rules(m));
		json_set_number(j, "routes", count_routes(m));
		json_set_number(j, "max_flows", m->settings.max_flows);
		json_set_u64(j, "image_bytes", c->cost.image_bytes);
		json_set_u64(j, "flow_table_bytes", c->cost.flow_bytes);
	}
	return j;
}

static void print_document(struct json *files, bool is_valid)
{
	_cleanup_(json_freep) struct json *document = json_new_object();
	_cleanup_free_ char *text = NULL;

	json_set_bool(document, "valid", is_valid);
	json_set(document, "files", files);
	text = json_print(document, true);
	if (text)
		puts(text);
}

enum exit_code cmd_check(const struct cli *cli)
{
	struct json *files = cli->json ? json_new_array() : NULL;
	bool is_valid = true, is_strict = cli_flag(cli, "strict");
	enum exit_code worst = EXIT_YES;

	for (size_t i = 0; i < cli->n_args; i++) {
		_cleanup_(diag_freep) struct diag *diag = diag_new();
		struct checked c = { .path = cli->args[i], .diag = diag };
		enum exit_code r = diag ? check_one(&c) : EXIT_REFUSED;

		if (r == EXIT_YES || r == EXIT_NO) {
			if (cli->json) {
				json_add(files, checked_json(&c));
			} else {
				complaints_print(stdout, diag, true);
				fflush(stdout);
				print_summary(stderr, &c, cli->n_args);
			}
			if (is_strict && diag_warnings(diag) > 0)
				r = EXIT_NO;
		}
		is_valid = is_valid && c.is_valid;
		if (r > worst)
			worst = r;
		rules_done(&c.rules);
	}
	if (cli->json)
		print_document(files, is_valid);
	return worst;
}
