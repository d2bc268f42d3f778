/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* document: rule files as one JSON document that needs no other file.
 *
 *   FILE | DIR --> { "headgate": 1, "prefix_lists": { "office": { "entries": [ ... ] } } }
 *
 * Shape    A directory's *.json are merged by key in the order of their names. A list has
 *          the entries of its file in place of "file".
 * Owner    The caller frees the document.
 * Errors   Only what config_read() has found good is given; where it has changed since:
 *          -EINVAL with complaints, -EIO when a prefix list's file cannot be read any more,
 *          or the errno of opening the path. -ENOMEM.
 */
#include <stdbool.h>
#include <stddef.h>

struct diag;
struct json;

int document_read(const char *path, struct diag *diag, struct json **ret);
/* The same from memory, with prefix list files in 'dir'; without any of these the text is
 * as good as the document. */
int document_read_text(const char *name, const char *text, size_t size, const char *dir,
		       struct diag *diag, struct json **ret, bool *ret_has_files);
