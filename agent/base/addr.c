/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static unsigned family_bits(unsigned family)
{
	return family == 4 ? 32 : 128;
}

int addr_parse(const char *text, struct addr *ret)
{
	struct addr a = {};

	if (strchr(text, ':')) {
		a.family = 6;
		if (inet_pton(AF_INET6, text, a.bytes) != 1)
			return -EINVAL;
	} else {
		a.family = 4;
		if (inet_pton(AF_INET, text, a.bytes) != 1)
			return -EINVAL;
	}
	*ret = a;
	return 0;
}

const char *addr_print(const struct addr *a, char buf[static ADDR_TEXT])
{
	buf[0] = '\0';
	if (a->family != 0)
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, buf, ADDR_TEXT);
	return buf;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool addr_is_zero(const struct addr *a)
{
	static const uint8_t zero[sizeof(a->bytes)];

	return memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

int cidr_parse(const char *text, struct cidr *ret)
{
	const char *slash = strchr(text, '/');
	char buf[ADDR_TEXT];
	struct cidr c;
	unsigned len = 0;
	size_t n;

	if (!slash) {
		if (addr_parse(text, &c.addr) < 0)
			return -EINVAL;
		c.len = (uint8_t)family_bits(c.addr.family);
		*ret = c;
		return 0;
	}
	n = (size_t)(slash - text);
	if (n >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	if (addr_parse(buf, &c.addr) < 0)
		return -EINVAL;
	n = strlen(slash + 1);
	if (n < 1 || n > 3 || (n > 1 && slash[1] == '0'))
		return -EINVAL;
	for (const char *p = slash + 1; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		len = len * 10 + (unsigned)(*p - '0');
	}
	if (len > family_bits(c.addr.family))
		return -EINVAL;
	c.len = (uint8_t)len;
	*ret = c;
	return 0;
}

const char *cidr_print(const struct cidr *c, char buf[static CIDR_TEXT])
{
	char addr[ADDR_TEXT];

	snprintf(buf, CIDR_TEXT, "%s/%u", addr_print(&c->addr, addr), c->len);
	return buf;
}

int cidr_compare(const struct cidr *a, const struct cidr *b)
{
	int r = addr_compare(&a->addr, &b->addr);

	return r != 0 ? r : (a->len > b->len) - (a->len < b->len);
}

/* Whether the first 'len' bits are the same. */
static bool same_bits(const struct addr *a, const struct addr *b, unsigned len)
{
	unsigned whole = len / 8, rest = len % 8;

	if (memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

bool cidr_contains(const struct cidr *c, const struct addr *a)
{
	return c->addr.family == a->family && same_bits(&c->addr, a, c->len);
}

bool cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
	return a->addr.family == b->addr.family &&
	       same_bits(&a->addr, &b->addr, a->len < b->len ? a->len : b->len);
}

bool cidr_mask(struct cidr *c)
{
	bool had = false;

	for (unsigned i = 0, bits = c->len; i < sizeof(c->addr.bytes); i++) {
		unsigned keep = bits > 8 ? 8 : bits;
		uint8_t masked = (uint8_t)(c->addr.bytes[i] & (0xff00U >> keep));

		had |= masked != c->addr.bytes[i];
		c->addr.bytes[i] = masked;
		bits -= keep;
	}
	return had;
}

struct addr cidr_nth(const struct cidr *c, unsigned n)
{
	struct addr a = c->addr;
	unsigned carry = n;

	for (unsigned i = a.family == 4 ? 4 : 16; i-- > 0 && carry > 0; carry >>= 8) {
		carry += a.bytes[i];
		a.bytes[i] = (uint8_t)carry;
	}
	return a;
}
