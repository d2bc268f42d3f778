/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* reader: what the readers of all nouns share while a model is being made.
 *
 *   documents -> slots (names, sorted) -> objects, by field tables -> links resolved -> checks
 *
 * Shape    A slot is one object of the finished model: slot i of a noun becomes element i of
 *          the model's array. A link is a reference that was read and not yet looked up;
 *          an index is LINK_ABSENT before, LINK_BROKEN when the name leads nowhere.
 * Owner    config_read() for the length of its call. Everything that the model keeps is in
 *          'arena'; trees are freed with the reader, so no name may point into them.
 * Errors   Complaints go to 'diag' and reading goes on. Want of memory is noted in
 *          'is_short' and ends the reading at the next stage.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/vec.h"
#include "config/json.h"
#include "config/model.h"

#define LINK_ABSENT -1
#define LINK_BROKEN -2

enum noun {
	NOUN_VPC,
	NOUN_PREFIX_LIST,
	NOUN_SUBNET,
	NOUN_NACL,
	NOUN_GROUP,
	NOUN_INTERFACE,
	NOUN_ROUTE_TABLE,
	NOUN_INTERNET_GATEWAY,
	NOUN_EGRESS_ONLY_GATEWAY,
	NOUN_ELASTIC_IP,
	NOUN_NAT_GATEWAY,
	NOUN_PEERING,
	NOUN_TARGET_GROUP,
	NOUN_LOAD_BALANCER,
	NOUN_GATEWAY_LOAD_BALANCER,
	NOUN_RATE_LIMIT,
	NOUNS,
};

struct document {
	const char *name;
	const char *dir; /* of prefix list files; NULL: refused */
	struct json *root;
};

/* A value and the document that it stands in. */
struct at {
	const struct document *doc;
	const struct json *json; /* NULL: nowhere */
};

struct slot {
	const char *name;
	struct at at; /* json is NULL for an implicit object */
	int vpc;      /* of an implicit object */
};

struct link {
	enum noun noun;
	const char *name;
	int *target;
	const int *vpc; /* the target must be of this VPC; NULL: of any */
	const char *
		*stale; /* of a peering's, too; else its name is noted here. NULL: no */
	struct at at;
};

struct reader {
	struct diag *diag;
	struct arena *arena;
	struct model *model;
	VEC(struct document *) documents;
	VEC(struct slot) slots[NOUNS];
	VEC(struct link) links;
	struct at settings; /* json is NULL without */
	const int *vpc;     /* of the object in hand */
	size_t n_suggested; /* by name_suggest() */
	bool *is_peered;    /* by VPC and VPC; NULL until it is asked for */
	bool is_short;      /* of memory */
};

/* Zeroed memory of the model; NULL, noted in 'is_short', when there is none. */
void *reader_alloc(struct reader *r, size_t n, size_t size);
char *reader_strdup(struct reader *r, const char *s);

void complain(struct reader *r, struct at at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void complain_key(struct reader *r, struct at at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void complain_where(struct reader *r, const struct where *w, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void warn(struct reader *r, struct at at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* No further complaint would be kept: whoever searches far for a place may stop. */
bool reader_is_full(const struct reader *r);
/* A zeroed list for 'n' of 'size' bytes, to be sorted or searched by a check. Heap; NULL is
 * want of memory, and noted. */
void *reader_room(struct reader *r, size_t n, size_t size);
/* "expected 'what', found ...". */
void complain_type(struct reader *r, struct at at, const char *what);

/* A value in a few words: "web", 12, true, a list. */
#define VALUE_TEXT 80
const char *value_print(const struct json *j, char buf[static VALUE_TEXT]);
/* A text in quotes, cut where it is long. */
const char *text_quote(const char *s, char buf[static VALUE_TEXT]);

struct at at_get(struct at object, const char *key);
struct at at_nth(struct at array, size_t n);
struct where where_of(struct reader *r, struct at at);

/* "name" of "name" and of "kind/name". */
const char *kind_skip(enum noun noun, const char *name);
/* 'name' may be written "name" or "kind/name". The link is looked up by links_check(). */
void link_add(struct reader *r, enum noun noun, const char *name, int *target,
	      struct at at);
/* A group that another VPC may have: 'ret_stale' gets its name where no peering connects. */
void link_add_peer(struct reader *r, const char *name, int *target,
		   const char **ret_stale, struct at at);
