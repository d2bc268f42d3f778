/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* file: all of a regular file, or the reason why not.
 *
 * Units    'max' bytes at most.
 * Owner    The caller frees the text, which has a NUL behind its 'size' bytes.
 * Errors   Negative errno, with half a sentence in 'why'. FIFOs, sockets and devices are
 *          refused without waiting for whoever is at the other end.
 */
#include <stddef.h>

#define FILE_WHY 128

int file_read(const char *path, size_t max, char **ret, size_t *ret_size,
	      char why[static FILE_WHY]);
