/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	uint8_t proto;
	const char *name;
} protos[] = {
	{HF_PROTO_ICMP, "icmp"},
	{HF_PROTO_TCP, "tcp"},
	{HF_PROTO_UDP, "udp"},
	{HF_PROTO_ICMPV6, "icmpv6"},
	{HF_PROTO_SCTP, "sctp"},
	{HF_PROTO_UDPLITE, "udplite"},
};

const char *hf_proto_name(uint8_t proto, char buf[static 12])
{
	size_t i;

	for (i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		if (protos[i].proto == proto)
			return protos[i].name;
	}
	(void)snprintf(buf, 12, "%u", proto);
	return buf;
}

/* Decimal digits only, no sign, no blanks, at most max. */
static int parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long v;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end != '\0' || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

int hf_proto_parse(const char *text, uint8_t *ret)
{
	unsigned long v;
	size_t i;

	for (i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		if (strcasecmp(protos[i].name, text) == 0) {
			*ret = protos[i].proto;
			return 0;
		}
	}
	if (parse_number(text, 255, &v) < 0)
		return -EINVAL;
	*ret = (uint8_t)v;
	return 0;
}

bool hf_addr_equal(const struct hf_addr *a, const struct hf_addr *b)
{
	return hf_addr_cmp(a, b) == 0;
}

/* An IPv4 address as a number. */
static uint32_t word_of(const struct hf_addr *a)
{
	uint32_t be;

	memcpy(&be, a->b, sizeof(be));
	return ntohl(be);
}

int hf_addr_cmp(const struct hf_addr *a, const struct hf_addr *b)
{
	uint32_t x, y;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->family != 4)
		return memcmp(a->b, b->b, sizeof(a->b));
	x = word_of(a);
	y = word_of(b);
	return (x > y) - (x < y);
}

unsigned int hf_addr_bits(const struct hf_addr *a)
{
	return a->family == 4 ? 32 : 128;
}

int hf_addr_parse(const char *text, struct hf_addr *ret)
{
	struct hf_addr a = {0};

	if (inet_pton(AF_INET, text, a.b) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.b) == 1)
		a.family = 6;
	else
		return -EINVAL;
	*ret = a;
	return 0;
}

/* A number below 256; returns where it ends. */
static char *print_byte(char *at, unsigned int v)
{
	if (v >= 100)
		*at++ = (char)('0' + v / 100);
	if (v >= 10)
		*at++ = (char)('0' + v / 10 % 10);
	*at++ = (char)('0' + v % 10);
	return at;
}

/* By hand where it is easy: a large policy has addresses by the hundred thousand. */
const char *hf_addr_print(const struct hf_addr *a, char buf[static HF_ADDRSTR_SIZE])
{
	char *at = buf;
	size_t i;

	if (a->family != 4) {
		if (!inet_ntop(AF_INET6, a->b, buf, HF_ADDRSTR_SIZE))
			buf[0] = '\0';
		return buf;
	}
	for (i = 0; i < 4; i++) {
		at = print_byte(at, a->b[i]);
		*at++ = i < 3 ? '.' : '\0';
	}
	return buf;
}

void hf_prefix_mask(struct hf_prefix *p)
{
	size_t full = p->len / 8;

	if (p->len % 8 && full < sizeof(p->addr.b))
		p->addr.b[full++] &= (uint8_t)(0xff << (8 - p->len % 8));
	if (full < sizeof(p->addr.b))
		memset(p->addr.b + full, 0, sizeof(p->addr.b) - full);
}

int hf_prefix_parse(const char *text, struct hf_prefix *ret, bool *ret_host_bits)
{
	const char *slash = strchr(text, '/');
	char addr[INET6_ADDRSTRLEN];
	struct hf_prefix p = {0}, masked;
	unsigned long len;
	size_t n = slash ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (hf_addr_parse(addr, &p.addr) < 0)
		return -EINVAL;
	len = hf_addr_bits(&p.addr);
	if (slash && parse_number(slash + 1, len, &len) < 0)
		return -EINVAL;
	p.len = (uint8_t)len;
	masked = p;
	hf_prefix_mask(&masked);
	if (ret_host_bits)
		*ret_host_bits = !hf_addr_equal(&masked.addr, &p.addr);
	*ret = masked;
	return 0;
}

const char *hf_prefix_print(const struct hf_prefix *p, char buf[static HF_ADDRSTR_SIZE])
{
	char *at;

	hf_addr_print(&p->addr, buf);
	at = buf + strlen(buf);
	*at++ = '/';
	*print_byte(at, p->len) = '\0';
	return buf;
}

bool hf_prefix_has(const struct hf_prefix *p, const struct hf_addr *a)
{
	unsigned int full = p->len / 8, rest = p->len % 8;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));

	if (p->addr.family != a->family)
		return false;
	if (a->family == 4)
		return p->len == 0 || (word_of(&p->addr) ^ word_of(a)) >> (32 - p->len) == 0;
	if (memcmp(p->addr.b, a->b, full) != 0)
		return false;
	return rest == 0 || ((p->addr.b[full] ^ a->b[full]) & mask) == 0;
}

bool hf_prefix_covers(const struct hf_prefix *outer, const struct hf_prefix *inner)
{
	return outer->len <= inner->len && hf_prefix_has(outer, &inner->addr);
}

bool hf_prefix_equal(const struct hf_prefix *a, const struct hf_prefix *b)
{
	return hf_prefix_cmp(a, b) == 0;
}

int hf_prefix_cmp(const struct hf_prefix *a, const struct hf_prefix *b)
{
	int c = hf_addr_cmp(&a->addr, &b->addr);

	return c ? c : (int)a->len - (int)b->len;
}

struct hf_addr hf_prefix_last(const struct hf_prefix *p)
{
	struct hf_addr last = p->addr;
	unsigned int bit;

	for (bit = p->len; bit < hf_addr_bits(&last); bit++)
		last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return last;
}

int hf_addrport_parse(const char *text, struct hf_addrport *ret)
{
	const char *colon = strrchr(text, ':');
	char addr[INET6_ADDRSTRLEN];
	struct hf_addrport ap = {0};
	unsigned long port;
	bool bracket = text[0] == '[';
	const char *start = text + bracket;
	size_t n;

	if (!colon || colon < start + bracket || parse_number(colon + 1, 65535, &port) < 0)
		return -EINVAL;
	n = (size_t)(colon - start) - bracket;
	if (n >= sizeof(addr) || (bracket && colon[-1] != ']'))
		return -EINVAL;
	memcpy(addr, start, n);
	addr[n] = '\0';
	if (hf_addr_parse(addr, &ap.addr) < 0 || bracket != (ap.addr.family == 6))
		return -EINVAL;
	ap.port = (uint16_t)port;
	*ret = ap;
	return 0;
}

const char *hf_addrport_print(const struct hf_addrport *ap, char buf[static HF_ADDRSTR_SIZE])
{
	char addr[HF_ADDRSTR_SIZE];

	hf_addr_print(&ap->addr, addr);
	(void)snprintf(buf, HF_ADDRSTR_SIZE, ap->addr.family == 6 ? "[%.45s]:%u" : "%.45s:%u", addr,
		ap->port);
	return buf;
}
