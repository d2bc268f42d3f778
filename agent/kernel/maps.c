/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/plane.h"

uint32_t dataplane_epoch(const struct dataplane *dp)
{
	const struct hg_control *control = dp->control.at;

	return (uint32_t)(__atomic_load_n(&control->word, __ATOMIC_ACQUIRE) >> 32);
}

struct image dataplane_image(struct dataplane *dp)
{
	const struct hg_control *control = dp->control.at;
	uint64_t word = __atomic_load_n(&control->word, __ATOMIC_ACQUIRE);
	uint32_t base = (uint32_t)word;
	struct image image = {};
	const struct hg_header *h;

	if (word >> 32 == 0 || base + sizeof(*h) / HG_LINE > dp->n_image_lines)
		return (struct image){};
	image.lines = (struct hg_line *)dp->image.at + base;
	h = image_header(&image);
	if (h->n_lines > dp->n_image_lines - base)
		return (struct image){};
	image.n_lines = h->n_lines;
	/* Pins of a foreign hand, or of a bug: better no image than a wild one. */
	return image_check(&image) == 0 ? image : (struct image){};
}

struct hg_control *dataplane_control(struct dataplane *dp)
{
	return dp->control.at;
}

struct hg_set4 *dataplane_flows4(struct dataplane *dp, uint32_t *ret_n_sets)
{
	*ret_n_sets = dp->meta.n_flow_sets;
	return dp->flows4.at;
}

struct hg_set6 *dataplane_flows6(struct dataplane *dp, uint32_t *ret_n_sets)
{
	*ret_n_sets = dp->meta.n_flow_sets;
	return dp->flows6.at;
}

struct hg_hop *dataplane_hops(struct dataplane *dp)
{
	return dp->hops.at;
}

struct hg_port_set *dataplane_ports(struct dataplane *dp)
{
	return dp->ports.at;
}

struct hg_trace *dataplane_trace(struct dataplane *dp)
{
	return dp->trace.at;
}

uint32_t dataplane_hz(const struct dataplane *dp)
{
	return dp->meta.hz;
}

bool dataplane_is_adopted(const struct dataplane *dp)
{
	return dp->is_adopted;
}

const char *dataplane_lost(const struct dataplane *dp)
{
	return dp->lost;
}

uint32_t dataplane_image_capacity(const struct dataplane *dp)
{
	return dp->n_image_lines;
}

void dataplane_on_replace(struct dataplane *dp, dataplane_replace_fn *fn, void *arg)
{
	dp->replace = fn;
	dp->replace_arg = arg;
}

int dataplane_fd(struct dataplane *dp, enum program p)
{
	return dp->object.programs[p];
}

int dataplane_map_fd(struct dataplane *dp, const char *name)
{
	return object_map(&dp->object, name);
}

/* ---- running programs ---- */

int dataplane_run(struct dataplane *dp, enum program p, uint32_t ifindex,
		  const uint8_t *frame, size_t size, uint8_t *out, size_t *out_size,
		  int *ret_code)
{
	struct xdp_md xdp = { .data_end = (uint32_t)size, .ingress_ifindex = ifindex };
	struct __sk_buff skb = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = (uint32_t)size, .data_out = out,
		    .data_size_out = out ? (uint32_t)*out_size : 0);

	if (ifindex && p == PROGRAM_XDP) {
		opts.ctx_in = &xdp;
		opts.ctx_size_in = sizeof(xdp);
	} else if (ifindex) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	if (bpf_prog_test_run_opts(dataplane_fd(dp, p), &opts) < 0)
		return -errno;
	if (out)
		*out_size = opts.data_size_out;
	if (ret_code)
		*ret_code = (int)opts.retval;
	return 0;
}

int dataplane_explain(struct dataplane *dp, uint32_t device, uint32_t door,
		      const uint8_t *frame, size_t size, struct hg_trace *ret)
{
	struct hg_trace *trace = dp->trace.at;
	int r;

	*trace = (struct hg_trace){ .device = device, .door = door };
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r = dataplane_run(dp, PROGRAM_EXPLAIN, 0, frame, size, NULL, NULL, NULL);
	if (r < 0)
		return r;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*ret = *trace;
	return 0;
}

uint32_t dataplane_now(struct dataplane *dp)
{
	static const uint8_t frame[64];
	const struct hg_control *control = dp->control.at;
	int ticks = 0;

	if (dataplane_run(dp, PROGRAM_CLOCK, 0, frame, sizeof(frame), NULL, NULL,
			  &ticks) < 0)
		return 0;
	return ((uint32_t)ticks + __atomic_load_n(&control->skew, __ATOMIC_RELAXED)) &
	       0x7fffffff;
}

/* ---- counters ---- */

int dataplane_counters(struct dataplane *dp, uint32_t slot, struct hg_counters *ret)
{
	_cleanup_free_ struct hg_counters *cpus =
		calloc((size_t)dp->n_cpus, sizeof(struct hg_counters));
	uint64_t sum[sizeof(*ret) / sizeof(uint64_t)] = {};

	if (!cpus)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dataplane_map_fd(dp, "hg_stats"), &slot, cpus) < 0)
		return -errno;
	for (int cpu = 0; cpu < dp->n_cpus; cpu++)
		for (size_t i = 0; i < ARRAY_SIZE(sum); i++)
			sum[i] += ((const uint64_t *)&cpus[cpu])[i];
	memcpy(ret, sum, sizeof(*ret));
	return 0;
}

int dataplane_hits(struct dataplane *dp, uint32_t rule, uint64_t *ret)
{
	uint32_t key = rule + (dataplane_epoch(dp) & 1) * dp->hits_half;
	_cleanup_free_ uint64_t *cpus = calloc((size_t)dp->n_cpus, sizeof(*cpus));
	uint64_t sum = 0;

	if (!cpus)
		return -ENOMEM;
	if (rule >= dp->hits_half)
		return -ENOENT;
	if (bpf_map_lookup_elem(dataplane_map_fd(dp, "hg_hits"), &key, cpus) < 0)
		return -errno;
	for (int cpu = 0; cpu < dp->n_cpus; cpu++)
		sum += cpus[cpu];
	*ret = sum;
	return 0;
}

int dataplane_hits_all(struct dataplane *dp, uint64_t *ret, uint32_t n)
{
	enum { CHUNK = 1024 };
	uint32_t first = (dataplane_epoch(dp) & 1) * dp->hits_half;
	uint32_t batch = first - 1;
	size_t n_cpus = (size_t)dp->n_cpus;
	_cleanup_free_ uint64_t *values = calloc(CHUNK * n_cpus, sizeof(*values));
	_cleanup_free_ uint32_t *keys = calloc(CHUNK, sizeof(*keys));
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	if (!values || !keys)
		return -ENOMEM;
	if (n > dp->hits_half)
		n = dp->hits_half;
	for (uint32_t at = 0; at < n;) {
		uint32_t count = n - at < CHUNK ? n - at : CHUNK;
		/* A batch begins after the key that it is given. */
		void *from = first + at == 0 ? NULL : &batch;

		if (bpf_map_lookup_batch(dataplane_map_fd(dp, "hg_hits"), from, &batch,
					 keys, values, &count, &opts) < 0 &&
		    errno != ENOENT)
			return -errno;
		if (count == 0)
			return -EIO;
		for (uint32_t i = 0; i < count; i++) {
			ret[at + i] = 0;
			for (size_t cpu = 0; cpu < n_cpus; cpu++)
				ret[at + i] += values[i * n_cpus + cpu];
		}
		at += count;
		batch = first + at - 1;
	}
	return 0;
}
