/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* live: what generators of live frames (BPF_PROG_TEST_RUN) share.
 *
 * Errors   The process ends with a word about it.
 */
#include <stddef.h>
#include <stdint.h>

_Noreturn void live_die(const char *what, int r);

/* The rest of the thread's work is done in the namespace 'name' of /run/netns. The device's
 * index. */
unsigned live_enter(const char *name, const char *device);

/* To one CPU. */
void live_pin(int cpu);

/* Runs the XDP program on 'n' frames of 'size' bytes, in one call, as each call sets up its own pool of
 * pages. */
void live_send(int program_fd, const void *frame, uint32_t size, uint32_t n);

/* The internet checksum of an even number of bytes after the sum 'start', not inverted. */
uint16_t live_sum(const void *bytes, size_t size, uint32_t start);
