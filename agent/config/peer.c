/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/fields.h"
#include "config/names.h"
#include "config/schema.h"

void complain_peer(struct reader *r, struct at at, const char *s, bool with_groups)
{
	char buf[VALUE_TEXT];

	if (with_groups && name_find(r, NOUN_GROUP, s) >= 0)
		complain(r, at,
			 "%s is no CIDR; the security group is written "
			 "\"security_group/%s\"",
			 text_quote(s, buf), s);
	else if (name_find(r, NOUN_PREFIX_LIST, s) >= 0)
		complain(r, at,
			 "%s is no CIDR; the prefix list is written \"prefix_list/%s\"",
			 text_quote(s, buf), s);
	else
		complain(r, at, "%s is neither a CIDR nor %sprefix_list/NAME",
			 text_quote(s, buf),
			 with_groups ? "security_group/NAME or " : "");
}

static void one_read(struct reader *r, struct at at, bool with_groups, struct peer *ret)
{
	const char *s = json_string(at.json);
	struct cidr c;

	if (!s) {
		complain_type(r, at,
			      with_groups ? "a CIDR, prefix list or security group"
					  : "a CIDR or prefix list");
		return;
	}
	if (strncmp(s, "prefix_list/", 12) == 0) {
		ret->kind = PEER_PREFIX_LIST;
		link_add(r, NOUN_PREFIX_LIST, s, &ret->index, at);
	} else if (strncmp(s, "security_group/", 15) == 0 && with_groups) {
		ret->kind = PEER_GROUP;
		link_add_peer(r, s, &ret->index, &ret->stale, at);
	} else if (strncmp(s, "security_group/", 15) == 0) {
		complain(r, at,
			 "a network ACL knows no security groups: name a CIDR or prefix "
			 "list");
	} else if (cidr_parse(s, &c) < 0 && !(s[0] >= '0' && s[0] <= '9')) {
		complain_peer(r, at, s, with_groups);
	} else {
		cidr_read(r, at, s, &ret->cidr);
	}
}

static void peer_read(struct reader *r, const struct field *f, struct at at, void *object)
{
	one_read(r, at, false, (struct peer *)((char *)object + f->offset));
}

static void peers_read(struct reader *r, const struct field *f, struct at at,
		       void *object)
{
	size_t n, i = 0;
	struct peer *peers = list_read(r, f, at, sizeof(*peers), &n);

	if (!peers)
		return;
	for (const struct json *j = json_first(at.json); j; j = json_next(j), i++)
		one_read(r, (struct at){ at.doc, j }, true, &peers[i]);
	*(struct peer **)((char *)object + f->offset) = peers;
	*(size_t *)((char *)object + f->n_offset) = n;
}

const struct kind kind_peer = { "CIDR or `prefix_list/NAME`", peer_read, schema_peer,
				NULL };
const struct kind kind_peers = {
	"list of CIDRs, `prefix_list/NAME`, `security_group/NAME`", peers_read,
	schema_peers, NULL
};
