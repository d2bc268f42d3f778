/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/oracle/connection.h"
#include "tests/witness/edit.h"
#include "tests/witness/trial.h"

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Both mean nothing, as a sum. */
static bool is_same_sum(const uint8_t *a, const uint8_t *b)
{
	return get16(a) % 0xffff == 0 && get16(b) % 0xffff == 0;
}

/* Equal but for MACs. A pair of bytes that are zero in one and ones in the other must be a
 * checksum: no other field is ever rewritten to either. */
static bool is_same_frame(const uint8_t *a, const uint8_t *b, size_t size)
{
	size_t ip = frame_ip(a, size);

	for (size_t i = 12; i < size; i++) {
		size_t word = i - (i - ip) % 2;

		if (a[i] != b[i] && !(ip && i >= ip && word + 2 <= size &&
				      is_same_sum(a + word, b + word)))
			return false;
	}
	return true;
}

/* Between the families sizes differ; what is inside is read again. */
static const char *check_translated(const struct decision *d, const struct answer *a)
{
	struct parsed p;

	if (a->has_to)
		return same_l4(&a->to, &d->to) ? NULL : "it is another packet";
	frame_parse(a->frame, a->size, &p);
	if (p.reason || p.kind != PARSED_IP)
		return "it is no good packet";
	return same_l4(&p.l4, &d->to) ? NULL : "it is another packet";
}

const char *answer_check(const struct decision *d, const uint8_t *came, size_t size,
			 const struct answer *a)
{
	uint8_t want[FRAME_MAX];
	struct parsed p;

	if (!a->allow || a->is_answer || size < 14)
		return NULL;
	frame_parse(came, size, &p);
	if (d->is_routed && p.l4.src.family != d->to.src.family)
		return check_translated(d, a);
	memcpy(want, came, size);
	if (d->is_routed)
		frame_edit(want, size, &d->to, d->has_quote ? &d->quote : NULL,
			   d->is_hop_less);
	if (a->size != size)
		return "its size is another";
	return is_same_frame(a->frame, want, size) ? NULL : "its bytes are others";
}

bool answers_agree(const struct answer *want, const struct answer *got)
{
	if (!got->is_given)
		return true;
	if (got->allow != want->allow || got->reason != want->reason || got->counted != 1)
		return false;
	if (got->is_answer != want->is_answer || got->wrong)
		return false;
	if (got->has_told && got->told != want->told)
		return false;
	if (!want->allow)
		return true;
	if (got->has_via && !want->is_via_open &&
	    memcmp(&got->via, &want->via, sizeof(want->via)) != 0)
		return false;
	return got->out == want->out || (got->out == OUT_SOMEWHERE && want->out);
}
