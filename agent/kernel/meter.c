/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/meter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/plane.h"

#define WORDS (sizeof(struct hg_meter) / sizeof(uint64_t))

int meter_read(struct dataplane *dp, uint32_t meter, struct hg_meter *ret)
{
	_cleanup_free_ struct hg_meter *cpus =
		calloc((size_t)dp->n_cpus, sizeof(struct hg_meter));
	uint64_t sum[WORDS] = {}, swept;

	if (!cpus)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dataplane_map_fd(dp, "hg_meters"), &meter, cpus) < 0 ||
	    bpf_map_lookup_elem(dataplane_map_fd(dp, "hg_idle"), &meter, &swept) < 0)
		return -errno;
	for (int cpu = 0; cpu < dp->n_cpus; cpu++)
		for (size_t i = 0; i < WORDS; i++)
			sum[i] += ((const uint64_t *)&cpus[cpu])[i];
	memcpy(ret, sum, sizeof(*ret));
	ret->idle_timeouts += swept;
	return 0;
}

int meters_add_idle(struct dataplane *dp, const uint32_t idle_timeouts[static HG_METERS])
{
	int fd = dataplane_map_fd(dp, "hg_idle");

	for (uint32_t i = 1; i < HG_METERS; i++) {
		uint64_t sum;

		if (!idle_timeouts[i])
			continue;
		if (bpf_map_lookup_elem(fd, &i, &sum) < 0)
			return -errno;
		sum += idle_timeouts[i];
		if (bpf_map_update_elem(fd, &i, &sum, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

void meters_owners(const struct image *image, uint32_t ret[static HG_METERS])
{
	const struct hg_header *h = image_header(image);

	memset(ret, 0, HG_METERS * sizeof(*ret));
	if (!image->lines)
		return;
	for (uint32_t id = 1; id < h->nats.n && id < HG_METER_BALANCER; id++) {
		const struct hg_nat *nat = image_record(image, h->nats, id, sizeof(*nat));

		ret[id] = nat ? nat->object : 0;
	}
	for (uint32_t id = 1; id < h->vips.n; id++) {
		const struct hg_vip *vip = image_record(image, h->vips, id, sizeof(*vip));

		if (vip && vip->meter < HG_METERS)
			ret[vip->meter] = vip->object;
	}
	for (uint32_t id = 1; id < h->gwlbs.n; id++) {
		const struct hg_gwlb *g = image_record(image, h->gwlbs, id, sizeof(*g));

		if (g && g->meter < HG_METERS)
			ret[g->meter] = g->object;
	}
}

static bool forwards_to(const struct image *image, const struct hg_listener *l,
			const char *group)
{
	const struct hg_header *h = image_header(image);

	for (unsigned i = 0; i < l->n_forwards && i < HG_MAX_FORWARDS; i++) {
		const struct hg_pool *p =
			image_record(image, h->pools, l->forward[i].pool, sizeof(*p));

		if (p && strcmp(image_object_name(image, p->object), group) == 0)
			return true;
	}
	return false;
}

unsigned meters_of_group(const struct image *image, const char *group,
			 bool ret[static HG_METERS])
{
	const struct hg_header *h = image_header(image);
	unsigned n = 0;

	memset(ret, 0, HG_METERS * sizeof(*ret));
	for (uint32_t id = 1; image->lines && id < h->listeners.n; id++) {
		const struct hg_listener *l =
			image_record(image, h->listeners, id, sizeof(*l));
		const struct hg_vip *vip =
			l ? image_record(image, h->vips, l->vip, sizeof(*vip)) : NULL;

		if (!vip || vip->meter >= HG_METERS || ret[vip->meter] ||
		    (group && !forwards_to(image, l, group)))
			continue;
		ret[vip->meter] = true;
		n++;
	}
	for (uint32_t id = 1; image->lines && id < h->gwlbs.n; id++) {
		const struct hg_gwlb *g = image_record(image, h->gwlbs, id, sizeof(*g));
		const struct hg_pool *p =
			g ? image_record(image, h->pools, g->pool, sizeof(*p)) : NULL;

		if (!p || !g->meter || g->meter >= HG_METERS ||
		    (group && strcmp(image_object_name(image, p->object), group) != 0))
			continue;
		ret[g->meter] = true;
		n++;
	}
	return n;
}

static bool is_same(const struct image *a, uint32_t object_a, const struct image *b,
		    uint32_t object_b)
{
	return object_a && object_b &&
	       image_object_kind(a, object_a) == image_object_kind(b, object_b) &&
	       strcmp(image_object_name(a, object_a), image_object_name(b, object_b)) ==
		       0;
}

int meters_stage(struct dataplane *dp, const struct image *image)
{
	_cleanup_free_ struct hg_meter *none =
		calloc((size_t)dp->n_cpus, sizeof(struct hg_meter));
	_cleanup_free_ uint32_t *owners = calloc(2 * HG_METERS, sizeof(*owners));
	struct image old = dataplane_image(dp);
	uint64_t zero = 0;

	if (!none || !owners)
		return -ENOMEM;
	meters_owners(image, owners);
	meters_owners(&old, owners + HG_METERS);
	for (uint32_t i = 1; i < HG_METERS; i++) {
		if (!owners[i] || is_same(image, owners[i], &old, owners[HG_METERS + i]))
			continue;
		if (bpf_map_update_elem(dataplane_map_fd(dp, "hg_meters"), &i, none,
					BPF_ANY) < 0 ||
		    bpf_map_update_elem(dataplane_map_fd(dp, "hg_idle"), &i, &zero,
					BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}
