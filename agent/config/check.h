/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* check: what a rule set means, once all of it has been read.
 *
 *   links -> defaults -> each noun by itself -> nouns against each other
 *
 * Owner    The reader's model is completed in place.
 * Errors   Complaints, where the text stands that is to be changed. An object that is broken
 *          already is not complained of again for what follows from it.
 */
#include "config/reader.h"

void rules_check(struct reader *r);

/* Each noun's own part, in its file. */
void vpcs_check(struct reader *r);        /* CIDRs of a VPC do not overlap */
void subnets_check(struct reader *r);     /* inside their VPC, not over each other */
void nacls_check(struct reader *r);       /* rules in order, numbers once */
void groups_check(struct reader *r);      /* no rule twice */
void interfaces_check(struct reader *r);  /* addresses and devices */
void elastic_ips_check(struct reader *r); /* one use each */
void settings_default(struct reader *r);  /* the default list of exempt traffic */

/* What nobody can be called: such a source is malformed, such a destination no one's. */
bool addr_is_special(const struct addr *a);
/* Which role of the subnet's an address has; NULL: none. In IPv6 there is only the router. */
const char *addr_role(const struct cidr *c, const struct addr *a);
