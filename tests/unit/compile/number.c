/* SPDX-License-Identifier: Apache-2.0 */

/* Ids that outlive an image: who keeps his, and how long one that is given up rests. */
#include "compile/number.h"
#include "tests/lib/tap.h"

static struct numbers begin(uint32_t max)
{
	struct numbers n;

	if (numbers_init(&n, max) < 0)
		bail("no memory");
	return n;
}

int main(void)
{
	struct numbers n = begin(3);

	is(numbers_take(&n), 1, "without a previous image ids count from 1");
	is(numbers_take(&n), 2, "the next is the next");
	is(numbers_take(&n), 3, "the last is the highest");
	is(numbers_take(&n), 0, "and then there is none");
	numbers_done(&n);

	n = begin(3);
	numbers_keep(&n, 1, true);
	numbers_keep(&n, 2, false);
	is(numbers_take(&n), 3, "an id that is given up rests while another is free");
	is(numbers_take(&n), 2, "and no longer");
	is(numbers_take(&n), 0, "one that is kept is nobody else's");
	numbers_keep(&n, 4, true);
	is(numbers_take(&n), 0, "an id beyond the highest is not looked at");
	numbers_done(&n);
	return done();
}
