/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* proto: what both ends of the control socket must agree on; docs/api.md is its prose.
 *
 * Units    Bytes; seconds.
 * Owner    HTTP/1.1 on a unix socket.
 */
#define PROTO_SOCKET     "/run/headgate/headgate.sock"
#define PROTO_STATE_DIR  "/var/lib/headgate"
#define PROTO_BPF_DIR    "/sys/fs/bpf/headgate"
#define PROTO_GROUP      "headgate"      /* may change */
#define PROTO_GROUP_VIEW "headgate-view" /* may read */

#define PROTO_MAX_CONFIRM   86400
#define PROTO_MAX_QUESTIONS 10000 /* of one POST /v1/explain */
#define PROTO_SHOWN_ENTRIES 1000  /* of a prefix list */
#define PROTO_SHOWN_FLOWS   10000
