/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hash: bytes to 64 bits, the same on every machine and in every run.
 *
 * Units    'seed' makes independent functions. Not for input that an attacker chooses.
 * Errors   None.
 * Source   wyhash-like folding by 64 x 64 -> 128 multiplication.
 */
#include <stddef.h>
#include <stdint.h>

uint64_t hash64(uint64_t seed, const void *data, size_t size);
