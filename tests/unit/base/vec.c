/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include "tests/lib/tap.h"

struct pair {
	int a, b;
};

int main(void)
{
	VEC(struct pair) v = {};
	bool pushed = true, kept = true;

	for (int i = 0; i < 1000; i++)
		pushed &= vec_push(&v, ((struct pair){ i, -i }));
	for (int i = 0; i < 1000; i++)
		kept &= v.items[i].a == i && v.items[i].b == -i;
	ok(pushed && v.n == 1000, "a zeroed array grows");
	ok(kept, "growing keeps what was there");
	vec_done(&v);
	ok(!v.items && v.n == 0, "what is done is empty again");
	return done();
}
