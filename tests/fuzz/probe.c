/* SPDX-License-Identifier: Apache-2.0 */

/* Arbitrary messages of the probe, between rule sets that come and go: the agent's reading of
 * a process that has read the network.
 *
 * An input is a run of steps, each a byte of kind and its arguments:
 *
 *   KIND BYTES WHAT
 *      0   1+n a message of n bytes (n below 64) as they are
 *      1     4 a message with good head: target, outcome, status, generations that it is old
 *      2     2 another rule set: targets in the low 5 bits, in no balancer, with termination;
 *              minimum count
 *      3     1 so many tens of seconds pass
 *      4     2 a refusal by a target, and whether by its port
 *
 * A message is refused, or is nobody's, or counts once. Nobody is ever told that a target went
 * from where it was not, and every target of the rule set is in one state of the ledger.
 */
#include <assert.h>
#include <stdint.h>

#include "health/wire.h"
#include "tests/unit/health/world.h"

#define SECOND 1000000000ULL

static struct world w;
static struct health *h;
static uint64_t now;
static uint64_t n_messages, n_told;

static void changed(void *arg, const struct health_change *c)
{
	(void)arg;
	assert(c->from != c->to && c->to < HEALTH_STATE_END);
	assert(strcmp(c->group, "web") == 0 && strncmp(c->target, "10.0.0.", 7) == 0);
	n_told++;
}

static void cut(void *arg, const struct health_cut *c)
{
	(void)arg;
	assert(c->port == 80 && c->addresses[0].family == 4 && c->protocols != 0);
}

static void apply(uint8_t flags, uint8_t count)
{
	w.group.n_targets = (flags & 31) % (WORLD_TARGETS + 1);
	w.model.n_load_balancers = flags & 32 ? 0 : 1;
	w.group.connection_termination = flags & 64;
	w.group.unhealthy_termination = !(flags & 128);
	w.group.unhealthy_draining = flags & 128 ? count : 0;
	w.group.minimum_count = count & 31;
	assert(health_apply(h, &w.model, now) == 0);
}

static void message(const void *bytes, size_t size)
{
	uint64_t refused = health_probe(h).n_refused, told = n_told;
	int r = order_result(h, bytes, size, now);

	n_messages++;
	assert(health_probe(h).n_refused == refused + (r < 0));
	assert(health_probe(h).n_results + health_probe(h).n_refused == n_messages);
	assert(n_told - told <= (r == 0));
	quorum_decide(h);
}

static void good(const uint8_t a[static 4])
{
	struct wire_result result = {
		.version = WIRE_VERSION,
		.kind = WIRE_RESULT,
		.id = a[0],
		.outcome = a[1] & 3,
		.status = (uint16_t)(a[2] * 4),
		.generation = h->generation - a[3],
	};
	size_t id = health_find(h, 0, a[0]);

	if (id != SIZE_MAX) {
		result.id = (uint32_t)id;
		result.generation = h->slots.items[id]->generation - a[3];
	}
	message(&result, sizeof(result));
}

static void refuse(const uint8_t a[static 2])
{
	struct addr address = { .family = 4, .bytes = { 10, 0, 0, a[0] } };

	health_refused(h, &address, a[1] & 1 ? 80 : 81, now);
}

static void look(void)
{
	size_t n = 0;

	for (size_t id = 0; id < health_size(h); id++) {
		struct health_info info;
		char text[STATE_TEXT];

		if (!health_get(h, id, &info))
			continue;
		n += info.is_registered;
		assert(info.state.state < HEALTH_STATE_END);
		assert(strlen(state_describe(&info.state, text)) < STATE_TEXT);
		assert(info.is_registered || info.state.state == HEALTH_DRAINING);
		assert((info.state.state == HEALTH_HEALTHY) <= (info.n_ok != 0));
	}
	assert(n == w.group.n_targets);
	assert(health_count(h, 0).healthy + health_count(h, 0).unhealthy <= n);
}

/* How many bytes the step took; 0: the input ends in it. */
static size_t step(const uint8_t *data, size_t size)
{
	static const size_t sizes[] = { 2, 5, 3, 2, 3 };
	unsigned kind = data[0] % 5;
	size_t n = sizes[kind];

	if (kind == 0 && size >= n)
		n += data[1] & 63;
	if (size < n)
		return 0;
	if (kind == 0) {
		/* As large as the buffer that the agent reads into, at least. */
		uint8_t bytes[64] = {};

		memcpy(bytes, data + 2, n - 2);
		message(bytes, n - 2);
	} else if (kind == 1) {
		good(data + 1);
	} else if (kind == 2) {
		apply(data[1], data[2]);
	} else if (kind == 3) {
		now += data[1] * 10 * SECOND;
		health_run(h, now);
	} else {
		refuse(data + 1);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct health_events events;
	size_t n = 1;

	world_init(&w, 3);
	events = world_events(&w);
	events.change = changed;
	events.cut = cut;
	assert(health_new(&events, &h) == 0);
	now = SECOND;
	n_messages = 0;
	apply(3, 1);
	for (; size && n; data += n, size -= n) {
		n = step(data, size);
		look();
		if (n > size)
			break;
	}
	health_free(h);
	return 0;
}
