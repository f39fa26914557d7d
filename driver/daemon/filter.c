/* SPDX-License-Identifier: BSD-3-Clause */

#include "filter.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER_SIZE 512 /* longer than every key once */

/* Words without a value. */
static const struct {
	const char *word;
	uint8_t family;
	bool has_proto;
	uint8_t proto;
} kinds[] = {
	{"ip", 4, false, 0},
	{"ipv4", 4, false, 0},
	{"ipv6", 6, false, 0},
	{"tcp", 4, true, HF_PROTO_TCP},
	{"tcp6", 6, true, HF_PROTO_TCP},
	{"udp", 4, true, HF_PROTO_UDP},
	{"udp6", 6, true, HF_PROTO_UDP},
	{"sctp", 4, true, HF_PROTO_SCTP},
	{"sctp6", 6, true, HF_PROTO_SCTP},
	{"icmp", 4, true, HF_PROTO_ICMP},
	{"icmp6", 6, true, HF_PROTO_ICMPV6},
};

enum key { KEY_IN_PORT, KEY_PROTO, KEY_SRC, KEY_DST, KEY_SPORT, KEY_DPORT, KEY_POLICY, KEY_REASON };

static const struct {
	const char *word;
	enum key key;
} keys[] = {
	{"in_port", KEY_IN_PORT},
	{"nw_proto", KEY_PROTO},
	{"ip_proto", KEY_PROTO},
	{"nw_src", KEY_SRC},
	{"ip_src", KEY_SRC},
	{"ipv6_src", KEY_SRC},
	{"nw_dst", KEY_DST},
	{"ip_dst", KEY_DST},
	{"ipv6_dst", KEY_DST},
	{"tp_src", KEY_SPORT},
	{"tcp_src", KEY_SPORT},
	{"udp_src", KEY_SPORT},
	{"sctp_src", KEY_SPORT},
	{"tp_dst", KEY_DPORT},
	{"tcp_dst", KEY_DPORT},
	{"udp_dst", KEY_DPORT},
	{"sctp_dst", KEY_DPORT},
	{"policy", KEY_POLICY},
	{"reason", KEY_REASON},
};

static int read_port(const char *text, bool *ret_has, uint16_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > UINT16_MAX)
		return -EINVAL;
	*ret_has = true;
	*ret = (uint16_t)n;
	return 0;
}

static int read_net(struct hf_filter *f, const char *text, struct hf_prefix *ret)
{
	int rc = hf_prefix_parse(text, ret, NULL);

	if (rc == 0 && f->family && f->family != ret->addr.family)
		return -EINVAL;
	if (rc == 0)
		f->family = ret->addr.family;
	return rc;
}

static int read_text(const char *text, char ret[static HF_FILTER_TEXT])
{
	if (!*text || strlen(text) >= HF_FILTER_TEXT)
		return -EINVAL;
	strcpy(ret, text);
	return 0;
}

static int read_value(struct hf_filter *f, enum key key, const char *value)
{
	switch (key) {
	case KEY_IN_PORT:
		return read_text(value, f->in_port);
	case KEY_PROTO:
		f->has_proto = true;
		return hf_proto_parse(value, &f->proto);
	case KEY_SRC:
		return read_net(f, value, &f->src);
	case KEY_DST:
		return read_net(f, value, &f->dst);
	case KEY_SPORT:
		return read_port(value, &f->has_sport, &f->sport);
	case KEY_DPORT:
		return read_port(value, &f->has_dport, &f->dport);
	case KEY_POLICY:
		return read_text(value, f->policy);
	case KEY_REASON:
		return read_text(value, f->reason);
	}
	return -EINVAL;
}

static int read_term(struct hf_filter *f, char *term)
{
	char *value = strchr(term, '=');
	size_t i;

	if (value)
		*value++ = '\0';
	for (i = 0; !value && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].word, term) != 0)
			continue;
		if (f->family && f->family != kinds[i].family)
			return -EINVAL;
		f->family = kinds[i].family;
		f->has_proto = f->has_proto || kinds[i].has_proto;
		f->proto = kinds[i].has_proto ? kinds[i].proto : f->proto;
		return 0;
	}
	for (i = 0; value && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].word, term) == 0)
			return read_value(f, keys[i].key, value);
	}
	return -EINVAL;
}

int hf_filter_parse(const char *text, struct hf_filter *ret, struct hf_err *err)
{
	struct hf_filter f = {0};
	char buf[FILTER_SIZE], shown[64], *term, *rest;

	if (strlen(text) >= sizeof(buf))
		return hf_fail(err, -EINVAL, "filter=%.40s... is too long", text);
	strcpy(buf, text);
	for (term = strtok_r(buf, ",", &rest); term; term = strtok_r(NULL, ",", &rest)) {
		(void)snprintf(shown, sizeof(shown), "%s", term); /* cut is fine */
		if (read_term(&f, term) < 0)
			return hf_fail(err, -EINVAL, "filter: '%s' is not understood here", shown);
	}
	if ((f.has_sport || f.has_dport) && !(f.has_proto && hf_proto_has_ports(f.proto)))
		return hf_fail(err, -EINVAL, "filter: a port needs tcp, udp or sctp beside it");
	*ret = f;
	return 0;
}

static const struct {
	enum hf_layer layer;
	uint8_t proto;
} transports[] = {
	{HF_LAYER_TCP, HF_PROTO_TCP},
	{HF_LAYER_UDP, HF_PROTO_UDP},
	{HF_LAYER_SCTP, HF_PROTO_SCTP},
	{HF_LAYER_ICMP, HF_PROTO_ICMP},
	{HF_LAYER_ICMP6, HF_PROTO_ICMPV6},
};

/* Whether two ternary values have a packet in common. */
static bool meet(const uint8_t *spec, const uint8_t *mask, const uint8_t *value,
	const uint8_t *value_mask, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if ((spec[i] ^ value[i]) & mask[i] & value_mask[i])
			return false;
	}
	return true;
}

static bool fits_net(const struct hf_prefix *net, const uint8_t *spec, const uint8_t *mask)
{
	uint8_t bits[16] = {0};
	unsigned int i;

	if (!net->addr.family)
		return true;
	for (i = 0; i < net->len; i++)
		bits[i / 8] |= (uint8_t)(0x80u >> i % 8);
	return meet(spec, mask, net->addr.b, bits, net->addr.family == 6 ? 16 : 4);
}

static bool fits_port(bool has, uint16_t port, const uint8_t *spec, const uint8_t *mask)
{
	const uint8_t value[2] = {(uint8_t)(port >> 8), (uint8_t)port};

	return !has || meet(spec, mask, value, (const uint8_t[]){0xff, 0xff}, 2);
}

bool hf_filter_fits_pattern(const struct hf_filter *f, const struct hf_pattern *p)
{
	uint32_t other = HF_LAYER_BIT(f->family == 6 ? HF_LAYER_IPV4 : HF_LAYER_IPV6);
	size_t i;

	if (f->family && (p->layers & other))
		return false;
	for (i = 0; f->has_proto && i < sizeof(transports) / sizeof(transports[0]); i++) {
		if ((p->layers & HF_LAYER_BIT(transports[i].layer)) &&
			transports[i].proto != f->proto)
			return false;
	}
	return (!f->has_proto || meet(&p->spec.ip_proto, &p->mask.ip_proto, &f->proto,
					 &(uint8_t){0xff}, 1)) &&
	       fits_net(&f->src, p->spec.ip_src, p->mask.ip_src) &&
	       fits_net(&f->dst, p->spec.ip_dst, p->mask.ip_dst) &&
	       fits_port(f->has_sport, f->sport, p->spec.sport, p->mask.sport) &&
	       fits_port(f->has_dport, f->dport, p->spec.dport, p->mask.dport);
}

static bool fits_addr(
	const struct hf_prefix *net, const struct hf_rules *rules, const struct hf_addr_cond *c)
{
	const struct hf_set *set = hf_rules_set(rules, c->set);
	size_t i;

	if (!net->addr.family)
		return true;
	for (i = 0; i < set->n_nets; i++) {
		bool inside = hf_prefix_covers(&set->nets[i], net);

		if (c->negate && inside)
			return false;
		if (!c->negate && (inside || hf_prefix_covers(net, &set->nets[i])))
			return true;
	}
	return c->negate;
}

static bool fits_ports(bool has, uint16_t port, const struct hf_port_cond *c)
{
	bool inside = false;
	size_t i;

	for (i = 0; i < c->n_ranges; i++)
		inside = inside || (port >= c->ranges[i].lo && port <= c->ranges[i].hi);
	return !has || (c->negate ? !inside : inside || c->n_sets > 0);
}

bool hf_filter_fits_match(
	const struct hf_filter *f, const struct hf_rules *rules, const struct hf_match *m)
{
	size_t i;

	if (f->family && m->family && f->family != m->family)
		return false;
	if (f->has_proto && !(m->proto[f->proto / 64] >> f->proto % 64 & 1))
		return false;
	for (i = 0; i < m->n_addr; i++) {
		if (!fits_addr(m->addr[i].dst ? &f->dst : &f->src, rules, &m->addr[i]))
			return false;
	}
	for (i = 0; i < m->n_port; i++) {
		const struct hf_port_cond *c = &m->port[i];

		if (!fits_ports(
			    c->dst ? f->has_dport : f->has_sport, c->dst ? f->dport : f->sport, c))
			return false;
	}
	return true;
}

/* "item-unsupported" fits all of its details. */
static bool fits_reason(const char *wanted, const char *reason)
{
	size_t n = strlen(wanted);

	return strncmp(reason, wanted, n) == 0 && (reason[n] == '\0' || reason[n] == ':');
}

bool hf_filter_fits_names(
	const struct hf_filter *f, const char *in_port, const char *origin, const char *reason)
{
	return (!f->in_port[0] || strcmp(f->in_port, in_port) == 0) &&
	       (!f->policy[0] || strncmp(f->policy, origin, strlen(f->policy)) == 0) &&
	       (!f->reason[0] || fits_reason(f->reason, reason));
}
