/* SPDX-License-Identifier: Apache-2.0 */

/* A ring costs most of a millisecond, and rule sets have thousands: the one part of compiling that is
 * worth a second processor. What comes of it does not depend on how many there are.
 */
#include "compile/ring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define THREADS 16
#define FEW     8 /* rings for which no thread is begun */

struct work {
	const struct ring_want *wants;
	size_t n;
	atomic_size_t next;
	atomic_int error;
};

static void *work_do(void *arg)
{
	struct work *w = arg;

	for (;;) {
		size_t i = atomic_fetch_add(&w->next, 1);
		int r;

		if (i >= w->n)
			return NULL;
		r = maglev_fill(w->wants[i].members, w->wants[i].n, w->wants[i].slots);
		if (r < 0)
			atomic_store(&w->error, r);
	}
}

/* How many threads besides the caller's. */
static size_t helpers_count(size_t n)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = n / FEW;

	if (processors < 2)
		return 0;
	if (most > (size_t)processors - 1)
		most = (size_t)processors - 1;
	return most < THREADS ? most : THREADS;
}

int rings_fill(const struct ring_want *wants, size_t n)
{
	struct work w = { .wants = wants, .n = n };
	size_t n_threads = 0, most = helpers_count(n);
	pthread_t threads[THREADS];

	while (n_threads < most &&
	       pthread_create(&threads[n_threads], NULL, work_do, &w) == 0)
		n_threads++;
	work_do(&w);
	for (size_t i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	return atomic_load(&w.error);
}
