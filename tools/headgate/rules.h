/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rules: a rule set as the user keeps it, and as the agent wants it sent.
 *
 *   FILE | DIR | - --> struct rules: checked model, one document without "file"
 *
 * Shape    A directory's *.json are merged by key in the order of their names; the entries
 *          of prefix list files are put in the lists' place. A single file that needs
 *          neither is sent byte for byte. "-" is standard input.
 * Owner    rules_done() frees all of it; zeroed memory is fine.
 * Errors   EXIT_NO: complaints are in 'diag', for the caller to print. EXIT_USAGE,
 *          EXIT_REFUSED: said on standard error.
 */
#include "base/diag.h"
#include "command.h"
#include "config/model.h"

struct json;

struct rules {
	const char *name; /* what complaints call it */
	struct model *model;
	struct json *document; /* NULL: not asked for */
	char *text;            /* what to send; NULL: not asked for */
	size_t size;
};

enum rules_want { RULES_MODEL, RULES_DOCUMENT };

enum exit_code rules_read(const char *path, enum rules_want want, struct diag *diag,
			  struct rules *ret);
void rules_done(struct rules *r);
/* As rules_read(), but errors are printed on standard error, with a last line of how many;
 * so are warnings. */
enum exit_code rules_get(const char *path, enum rules_want want, struct rules *ret);
