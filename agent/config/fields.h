/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* fields: one table per noun is its reader, its validator, its schema and its reference page.
 *
 *   nouns[] -> fields[] -> kind: how such a value is read, and what the schema says of it
 *
 * Shape    A table ends with a field without key. "description" and "tags" are in every
 *          table without being written there. Objects of a noun begin with struct head.
 * Units    'offset' and 'n_offset' (of a list's length) are bytes into the struct being
 *          filled. 'min' and 'max' bound the number, or the length of the list or text.
 * Owner    Tables are constant.
 * Errors   Every reader complains for itself, leaves its field as preset, and goes on. Lists
 *          keep their length: an element that could not be read is zero (a struct addr or
 *          cidr of family 0), so that element i is still the text's element i.
 */
#include "config/reader.h"

struct field;

typedef void read_fn(struct reader *r, const struct field *f, struct at at, void *object);

struct kind {
	const char *says; /* on the reference page: "CIDR" */
	read_fn *read;
	void (*schema)(const struct field *f, struct json *schema);
	void (*preset)(const struct field *f, void *object); /* NULL: zero */
};

/* What a choice is preset to where the checks must know that it could not be read. */
#define CHOICE_BROKEN -1

#define FIELD_REQUIRED 1
#define FIELD_PRESET   2 /* 'preset' is what an absent one means */
#define FIELD_LATER    4 /* of the contract, and not built */

struct choice {
	const char *name;
	int value;
};

struct field {
	const char *key;
	const struct kind *kind;
	size_t offset, n_offset;
	unsigned flags;
	int64_t min, max, preset;     /* of a list or text 'min' is 0 or 1 */
	const struct choice *choices; /* ends without a name */
	enum noun noun;               /* of a reference */
	const struct field *fields;   /* of an object, or of the objects of a list */
	size_t size;                  /* of one element; of a choice: 1 bool, else int */
	void (*after)(struct reader *r, struct at at, void *element); /* of a list */
	const char *help;
};

/* What every object of the model begins with. */
struct head {
	const char *name;
	struct where where;
};

struct noun_table {
	const char *key;   /* "network_acls" */
	const char *kind;  /* "network_acl" */
	const char *title; /* "network ACL" */
	const struct field *fields;
	size_t size;
	size_t vpc_offset;             /* of the VPC's index; 0: has none */
	size_t array_offset, n_offset; /* in struct model */
	size_t max;
	void (*after)(struct reader *r, struct at at, void *object);
	const char *help;
};

extern const struct noun_table nouns[NOUNS];
/* Each noun's, in its file. */
extern const struct field vpc_fields[], prefix_fields[], subnet_fields[], nacl_fields[],
	group_fields[], interface_fields[], route_table_fields[], gateway_fields[],
	elastic_ip_fields[], nat_gateway_fields[], peering_fields[],
	target_group_fields[], health_check_fields[], load_balancer_fields[],
	gateway_load_balancer_fields[], rate_limit_fields[], settings_fields[];
extern const struct field common_fields[]; /* description, tags */
/* Top-level keys that are no noun: the version, and what is not available yet. */
extern const struct field document_fields[];
void prefix_after(struct reader *r, struct at at, void *object);
void target_group_after(struct reader *r, struct at at, void *object);
void load_balancer_after(struct reader *r, struct at at, void *object);

/* Reads the members of 'at' into 'object'. False when it is no object. */
bool fields_read(struct reader *r, const struct field *fields, struct at at,
		 void *object);
/* The number of members of a list, and room for them; NULL after a complaint. */
void *list_read(struct reader *r, const struct field *f, struct at at, size_t size,
		size_t *ret_n);
/* Kinds that several nouns use. */
extern const struct kind kind_text; /* const char *; at most 'max' characters */
extern const struct kind kind_bool;
extern const struct kind kind_number; /* uint16_t, uint32_t or size_t by 'size' */
extern const struct kind kind_choice;
extern const struct kind kind_number_or;         /* or the one of 'choices' */
extern const struct kind kind_object;            /* 'fields', in place */
extern const struct kind kind_objects;           /* a list of structs of 'size' */
extern const struct kind kind_reference;         /* int */
extern const struct kind kind_references;        /* int *, n */
extern const struct kind kind_cidrs;             /* struct cidr *, n */
extern const struct kind kind_addresses;         /* struct addr *, n */
extern const struct kind kind_address;           /* struct addr */
extern const struct kind kind_device;            /* const char *, at most 'max' bytes */
extern const struct kind kind_remark, kind_tags; /* nothing is kept */
extern const struct kind kind_later;
/* What stands beside a device, and how long its name may be. */
extern const struct choice hook_choices[];
#define DEVICE_TEXT_MAX 15 /* IFNAMSIZ - 1 */

/* match.c and peer.c: the parts of a rule. */
extern const struct kind kind_protocol; /* int */
extern const struct kind kind_ports;    /* struct port_range *, n; sorted, merged */
extern const struct kind
	kind_icmp; /* int icmp_type at 'offset', icmp_code at 'n_offset' */
extern const struct kind kind_peer;  /* struct peer: a CIDR or prefix list */
extern const struct kind kind_peers; /* struct peer *, n: groups, too */

/* Sorts and joins what touches; how many are left, 0 for all of 0 to 65535. */
size_t ranges_merge(struct port_range *ranges, size_t n);

#define PROTOCOL_BROKEN -2
#define PROTOCOL_ICMP   1
#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17
#define PROTOCOL_ICMPV6 58

/* Ports and types that the protocol of a rule does not have are ignored, with a warning;
 * what can never be meant is complained of. */
void match_check(struct reader *r, struct at at, struct match *match);

/* A bare name where several kinds can stand: says how to write it. */
void complain_peer(struct reader *r, struct at at, const char *s, bool with_groups);

/* A CIDR without host bits; a warning where there were any. False after a complaint. */
bool cidr_read(struct reader *r, struct at at, const char *text, struct cidr *ret);
/* 'ret' is as it was after a complaint. */
void address_read(struct reader *r, struct at at, struct addr *ret);
