/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* target: the machine that the packet path is compiled for.
 *
 *   The kernel's BPF machine, or the host: agent/compile/eval.c includes the same
 *   headers over array maps in plain memory, for explain without an agent, for the
 *   image's witness and for the fuzzer. Nothing else in bpf/ knows which one it is.
 *
 * Out      The helpers that steps call, the map macros, and HG_RODATA.
 */
#include <linux/types.h>

#ifdef __bpf__
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#define HG_RODATA            const volatile
#define TARGET_DATA(skb)     ((void *)(long)((struct __sk_buff *)(skb))->data)
#define TARGET_END(skb)      ((void *)(long)((struct __sk_buff *)(skb))->data_end)
#define TARGET_XDP_DATA(xdp) ((void *)(long)((struct xdp_md *)(xdp))->data)
#define TARGET_XDP_END(xdp)  ((void *)(long)((struct xdp_md *)(xdp))->data_end)
#define HG_GLOBAL            __noinline /* verified once, by its arguments alone */
#else
#include "compile/host.h"
#define HG_RODATA
#define HG_GLOBAL static __attribute__((unused))
#endif

#define READ_ONCE(x)     (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
