/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/meter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/plane.h"

#define WORDS (sizeof(struct hg_meter) / sizeof(uint64_t))

int meter_read(struct dataplane *dp, uint32_t nat, struct hg_meter *ret)
{
	_cleanup_free_ struct hg_meter *cpus =
		calloc((size_t)dp->n_cpus, sizeof(struct hg_meter));
	uint64_t sum[WORDS] = {}, swept;

	if (!cpus)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dataplane_map_fd(dp, "hg_meters"), &nat, cpus) < 0 ||
	    bpf_map_lookup_elem(dataplane_map_fd(dp, "hg_idle"), &nat, &swept) < 0)
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

	for (uint32_t nat = 1; nat < HG_METERS; nat++) {
		uint64_t sum;

		if (!idle_timeouts[nat])
			continue;
		if (bpf_map_lookup_elem(fd, &nat, &sum) < 0)
			return -errno;
		sum += idle_timeouts[nat];
		if (bpf_map_update_elem(fd, &nat, &sum, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

/* The NAT gateway of number 'nat', "" none. */
static const char *nat_name(const struct image *image, uint32_t nat)
{
	const struct hg_nat *g = NULL;

	if (image->lines)
		g = image_record(image, image_header(image)->nats, nat, sizeof(*g));
	return g && g->object ? image_object_name(image, g->object) : "";
}

int meters_stage(struct dataplane *dp, const struct image *image)
{
	_cleanup_free_ struct hg_meter *none =
		calloc((size_t)dp->n_cpus, sizeof(struct hg_meter));
	struct image old = dataplane_image(dp);
	uint64_t zero = 0;

	if (!none)
		return -ENOMEM;
	for (uint32_t nat = 1; nat < image_header(image)->nats.n; nat++) {
		const char *name = nat_name(image, nat);

		if (!*name || strcmp(name, nat_name(&old, nat)) == 0)
			continue;
		if (bpf_map_update_elem(dataplane_map_fd(dp, "hg_meters"), &nat, none,
					BPF_ANY) < 0 ||
		    bpf_map_update_elem(dataplane_map_fd(dp, "hg_idle"), &nat, &zero,
					BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}
