/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* build: what the parts of the compiler share while one image is made.
 *
 * Shape    Rule ids: nacl_rules[nacl * 2 + direction] is the first of a NACL's direction,
 *          in the order of its rules, followed by that of its implicit deny;
 *          group_rules[] likewise without a last one. Objects are numbered VPCs,
 *          subnets, NACLs, groups, interfaces, each in model order, from 1.
 * Owner    image_compile(), for the time of the call.
 * Errors   build_refuse() complains and counts: the image is not made.
 */
#include <stddef.h>
#include <stdint.h>

#include "compile/image.h"
#include "compile/lines.h"
#include "compile/pool.h"

struct build {
	const struct model *m;
	const struct facts *facts;
	struct diag *diag;
	size_t n_refused;
	struct lines lines;
	struct pool shapes;  /* classifier.h */
	struct pool exempts; /* class.h */
	uint32_t *nacl_rules, *group_rules;
	uint32_t *nacl_lines; /* classifier's line, by nacl * 2 + direction; 0 unused */
	uint32_t *vpc_zones, *interface_zones; /* by index; 0 none */
	uint32_t n_classifiers;
};

void build_refuse(struct build *b, const struct where *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The addresses of interface 'i': its own, or the kernel's for a local one without. */
const struct addr *build_addresses(const struct build *b, size_t i, size_t *ret_n);

static inline uint32_t object_of_vpc(size_t i)
{
	return (uint32_t)i + 1;
}

static inline uint32_t object_of_subnet(const struct model *m, size_t i)
{
	return (uint32_t)(m->n_vpcs + i) + 1;
}

static inline uint32_t object_of_nacl(const struct model *m, size_t i)
{
	return (uint32_t)(m->n_vpcs + m->n_subnets + i) + 1;
}

static inline uint32_t object_of_group(const struct model *m, size_t i)
{
	return (uint32_t)(m->n_vpcs + m->n_subnets + m->n_nacls + i) + 1;
}

static inline uint32_t object_of_interface(const struct model *m, size_t i)
{
	return (uint32_t)(m->n_vpcs + m->n_subnets + m->n_nacls + m->n_groups + i) + 1;
}
