/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* names: which objects there are, and what a reference means.
 *
 * Shape    Slots of a noun are sorted by name; among equals the declared one comes first,
 *          then the implicit ones by VPC.
 * Owner    Slots live as long as the reader.
 * Errors   A name that leads nowhere is complained of where it is written, with the one
 *          that was probably meant, and leaves LINK_BROKEN.
 */
#include "config/reader.h"

/* Gathers the objects of all documents; those of a bad name or in two files are complained
 * of. Adds what is implicit: a VPC where there is none, a default NACL and group for each
 * VPC that names none of its own, a main route table where none is declared. False when there are too many of a noun to go on. */
bool names_collect(struct reader *r);
/* Looks up the links of one noun. */
void links_check(struct reader *r, enum noun noun);
/* The declared one, -1 without. */
int name_find(const struct reader *r, enum noun noun, const char *name);
/* The VPC of object 'i', of a noun that has one. */
int *vpc_at(const struct reader *r, enum noun noun, size_t i);
bool name_is_good(const char *name);

/* The word that was probably meant. */
struct suggestion {
	const char *name; /* as written */
	const char *best; /* NULL: nothing is near */
	size_t distance;
};

void suggest(struct suggestion *s, const char *candidate);
#define SUGGESTION_TEXT 96
/* " (did you mean \"web\"?)", or "". */
const char *suggestion_print(const struct suggestion *s,
			     char buf[static SUGGESTION_TEXT]);
