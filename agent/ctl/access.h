/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* access: who may do what on the control socket.
 *
 * Shape    root and group headgate may change; group headgate-view may read; nobody else
 *          may do anything. Groups are the peer's own and supplementary ones, as the
 *          kernel knows them for the connection.
 * Owner    access_socket() makes and binds a listening socket of mode 0660.
 * Errors   Negative errno. A machine without these groups is root's alone.
 */
#include <stdint.h>

struct author {
	uint32_t uid;
	int32_t pid;
	char comm[17];
};

enum access { ACCESS_NONE, ACCESS_READ, ACCESS_CHANGE };

enum access access_of(int fd, struct author *ret_author);
int access_socket(const char *path); /* fd */
