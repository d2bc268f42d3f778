/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/address.h"

#include <hg/trie.h>
#include <string.h>

static const struct hg_line *line_at(const struct image *image, uint64_t line)
{
	return line < image->n_lines ? image->lines + line : NULL;
}

static uint32_t word_at(const struct image *image, uint64_t line, uint64_t word)
{
	const struct hg_line *l = line_at(image, line + word / 16);

	return l ? l->w[word % 16] : 0;
}

static uint32_t class4_find(const struct image *image, uint32_t trie, const uint8_t *a)
{
	uint64_t blocks = (uint64_t)trie + HG_TRIE4_ROOT;
	uint32_t slot = word_at(image, trie, a[0] << 8 | a[1]);

	for (int i = 2; i < 4 && slot & HG_TRIE_BLOCK; i++)
		slot = word_at(image,
			       blocks +
				       (uint64_t)(slot & ~HG_TRIE_BLOCK) * HG_TRIE4_BLOCK,
			       a[i]);
	return slot;
}

/* The entry of 'a' cut to 'len' bits, or NULL. */
static const struct hg_prefix6 *prefix6_find(const struct image *image,
					     const struct hg_trie6 *trie,
					     const struct addr *a, uint32_t len)
{
	struct cidr c = { .addr = *a, .len = len };
	struct hg_addr key;
	uint32_t bucket;

	cidr_mask(&c);
	memcpy(&key, c.addr.bytes, sizeof(key));
	bucket = hg_hash6(key.w, len) & (trie->n_buckets - 1);
	for (uint32_t i = 0; i < HG_TRIE6_PROBES; i++) {
		uint32_t at = (bucket + i) & (trie->n_buckets - 1);
		const void *line = line_at(image, (uint64_t)trie->buckets + at);
		const struct hg_prefix6 *p = line;

		for (int k = 0; p && k < 2; k++)
			if (p[k].len == len && memcmp(&p[k].addr, &key, sizeof(key)) == 0)
				return &p[k];
	}
	return NULL;
}

static uint32_t class6_find(const struct image *image, uint32_t line,
			    const struct addr *a)
{
	const struct hg_trie6 *trie = (const void *)line_at(image, line);
	uint32_t low = 0, high, class;

	if (!trie || !line_at(image, (uint64_t)line + 2))
		return 0;
	class = trie->none;
	high = trie->n_lengths;
	if (high > HG_TRIE6_LENGTHS || trie->n_buckets == 0)
		return class;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct hg_prefix6 *p =
			prefix6_find(image, trie, a, trie->lengths[middle]);

		if (p) {
			class = p->class;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return class;
}

/* What the tries have for 'a'. */
static uint32_t trie_find(const struct image *image, uint32_t trie4, uint32_t trie6,
			  const struct addr *a)
{
	return a->family == 6 ? class6_find(image, trie6, a)
			      : class4_find(image, trie4, a->bytes);
}

const struct hg_class *image_class(const struct image *image, uint32_t vpc,
				   const struct addr *a)
{
	const struct hg_vpc *v =
		image_record(image, image_header(image)->vpcs, vpc, sizeof(*v));

	return v ? image_record(image, v->classes,
				trie_find(image, v->trie4, v->trie6, a),
				sizeof(struct hg_class))
		 : NULL;
}

const struct hg_place *image_place(const struct image *image, uint32_t uplink,
				   const struct addr *a)
{
	const struct hg_uplink *u =
		image_record(image, image_header(image)->uplinks, uplink, sizeof(*u));

	return u ? image_record(image, u->places, trie_find(image, u->trie4, u->trie6, a),
				sizeof(struct hg_place))
		 : NULL;
}

uint32_t image_owner(const struct image *image, uint32_t vpc, const struct addr *a)
{
	const struct hg_class *c = image_class(image, vpc, a);

	return c ? c->interface : 0;
}

const struct hg_interface *image_interface(const struct image *image, uint32_t id)
{
	return id ? image_record(image, image_header(image)->interfaces, id,
				 sizeof(struct hg_interface))
		  : NULL;
}

const struct hg_device *image_device(const struct image *image, uint32_t id)
{
	return id ? image_record(image, image_header(image)->devices, id,
				 sizeof(struct hg_device))
		  : NULL;
}
