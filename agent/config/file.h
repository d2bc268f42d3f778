/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* file: all of a regular file, or the reason why not; and which files are rules.
 *
 * Units    'max' bytes at most.
 * Owner    The caller frees the text, which has a NUL behind its 'size' bytes.
 * Errors   Negative errno, with half a sentence in 'why'. FIFOs, sockets and devices are
 *          refused without waiting for whoever is at the other end.
 */
#include <dirent.h>
#include <stddef.h>

#define FILE_WHY 128

int file_read(const char *path, size_t max, char **ret, size_t *ret_size,
	      char why[static FILE_WHY]);
/* The *.json of a directory that are not hidden, in the order of their bytes; as scandir()
 * hands them out. */
int file_list(const char *dir, struct dirent ***ret);
char *file_directory(const char *path); /* "." where 'path' has none; heap */
