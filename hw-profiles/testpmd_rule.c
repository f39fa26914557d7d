/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/testpmd_rule.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 256
#define TEXT_MAX  4096

struct parser {
	char text[TEXT_MAX];
	const char *word[WORDS_MAX + 1]; /* ends with NULL */
	size_t at;
	struct hf_flow *flow;
	enum hf_reject cannot_say;
	/* Of the fragment_offset of the IPv4 item. */
	bool frag;
	uint32_t frag_spec;
	uint32_t frag_last;
	uint32_t frag_mask;
};

static const struct {
	const char *item;
	const char *name;
	enum hf_field field;
	uint32_t all; /* the bits of a number the name stands for; 0 = the whole field */
} names[] = {
	{"eth", "dst", HF_F_ETH_DST, 0},
	{"eth", "src", HF_F_ETH_SRC, 0},
	{"eth", "type", HF_F_ETH_TYPE, 0},
	{"eth", "has_vlan", HF_F_ETH_HAS_VLAN, 1},
	{"vlan", "tci", HF_F_VLAN_TCI, 0},
	{"vlan", "vid", HF_F_VLAN_TCI, 0x0fff},
	{"vlan", "inner_type", HF_F_VLAN_TYPE, 0},
	{"ipv4", "src", HF_F_IP4_SRC, 0},
	{"ipv4", "dst", HF_F_IP4_DST, 0},
	{"ipv4", "proto", HF_F_IP4_PROTO, 0},
	{"ipv4", "tos", HF_F_IP4_TOS, 0},
	{"ipv4", "ttl", HF_F_IP4_TTL, 0},
	{"ipv6", "src", HF_F_IP6_SRC, 0},
	{"ipv6", "dst", HF_F_IP6_DST, 0},
	{"ipv6", "proto", HF_F_IP6_PROTO, 0},
	{"ipv6", "tc", HF_F_IP6_TC, 0},
	{"ipv6", "hop", HF_F_IP6_HOP, 0},
	{"ipv6", "has_frag_ext", HF_F_IP6_FRAG, 1},
	{"tcp", "src", HF_F_TCP_SPORT, 0},
	{"tcp", "dst", HF_F_TCP_DPORT, 0},
	{"tcp", "flags", HF_F_TCP_FLAGS, 0},
	{"udp", "src", HF_F_UDP_SPORT, 0},
	{"udp", "dst", HF_F_UDP_DPORT, 0},
	{"sctp", "src", HF_F_SCTP_SPORT, 0},
	{"sctp", "dst", HF_F_SCTP_DPORT, 0},
	{"icmp", "type", HF_F_ICMP_TYPE, 0},
	{"icmp", "code", HF_F_ICMP_CODE, 0},
	{"icmp6", "type", HF_F_ICMP6_TYPE, 0},
	{"icmp6", "code", HF_F_ICMP6_CODE, 0},
	{"mark", "id", HF_F_MARK, 0},
	{"meta", "data", HF_F_META, 0},
	{"tag", "data", HF_F_TAG, 0},
	{"port_id", "id", HF_F_PORT_ID, 0},
	{"represented_port", "ethdev_port_id", HF_F_REPRESENTED_PORT, 0},
	{"port_representor", "port_id", HF_F_PORT_REPRESENTOR, 0},
};

static bool is(const struct parser *p, const char *text)
{
	return p->word[p->at] && strcmp(p->word[p->at], text) == 0;
}

static bool take(struct parser *p, const char *text)
{
	if (!is(p, text))
		return false;
	p->at++;
	return true;
}

static int take_number(struct parser *p, uint32_t *ret)
{
	const char *text = p->word[p->at];
	unsigned long v;
	char *end;

	if (!text || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	v = strtoul(text, &end, 0);
	if (*end != '\0' || v > UINT32_MAX)
		return -EINVAL;
	p->at++;
	*ret = (uint32_t)v;
	return 0;
}

static int split(struct parser *p, const char *text)
{
	size_t n = 0;
	char *save = NULL;
	char *word;

	if (strlen(text) >= sizeof(p->text))
		return -EINVAL;
	memcpy(p->text, text, strlen(text) + 1);
	for (word = strtok_r(p->text, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (n == WORDS_MAX)
			return -EINVAL;
		p->word[n++] = word;
	}
	p->word[n] = NULL;
	return 0;
}

static int parse_attributes(struct parser *p)
{
	while (!take(p, "pattern")) {
		if (take(p, "ingress"))
			p->flow->ingress = true;
		else if (take(p, "egress"))
			p->flow->egress = true;
		else if (take(p, "transfer"))
			p->flow->transfer = true;
		else if (take(p, "group")
				 ? take_number(p, &p->flow->group) < 0
				 : !take(p, "priority") || take_number(p, &p->flow->priority) < 0)
			return -EINVAL;
	}
	return 0;
}

static int parse_mac(const char *text, uint8_t *ret)
{
	unsigned int b[6];
	size_t i;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return -EINVAL;
	for (i = 0; i < 6; i++)
		ret[i] = (uint8_t)b[i];
	return 0;
}

/* Takes the value of a field in its place. */
static int take_value(struct parser *p, enum hf_field f, uint8_t *at, uint32_t all)
{
	const char *text = p->word[p->at];
	uint32_t v;
	size_t i;

	if (!text)
		return -EINVAL;
	if (f == HF_F_ETH_DST || f == HF_F_ETH_SRC)
		return p->at++, parse_mac(text, at);
	if (f == HF_F_IP4_SRC || f == HF_F_IP4_DST)
		return p->at++, inet_pton(AF_INET, text, at) == 1 ? 0 : -EINVAL;
	if (f == HF_F_IP6_SRC || f == HF_F_IP6_DST)
		return p->at++, inet_pton(AF_INET6, text, at) == 1 ? 0 : -EINVAL;
	if (take_number(p, &v) < 0)
		return -EINVAL;
	if (all)
		v &= all;
	for (i = hf_field_info(f)->size; i-- > 0; v >>= 8)
		at[i] = (uint8_t)v;
	return 0;
}

static void fill(enum hf_field f, uint8_t *at, uint32_t all)
{
	size_t size = f == HF_F_IP4_SRC || f == HF_F_IP4_DST ? 4 : hf_field_info(f)->size;
	size_t i;

	if (!all) {
		memset(at, 0xff, size);
		return;
	}
	for (i = size; i-- > 0; all >>= 8)
		at[i] = (uint8_t)all;
}

/* "is V", "spec V", "mask V", "last V" or "prefix N" of a field with a place. */
static int parse_known(struct parser *p, size_t row)
{
	enum hf_field f = names[row].field;
	const struct hf_field_info *info = hf_field_info(f);
	uint32_t all = names[row].all;
	uint8_t *spec = (uint8_t *)&p->flow->pattern.spec + info->offset;
	uint8_t *mask = (uint8_t *)&p->flow->pattern.mask + info->offset;
	uint8_t last[sizeof(struct hf_hdr)] = {0};
	uint32_t bits;
	size_t i;

	if (take(p, "is")) {
		fill(f, mask, all);
		return take_value(p, f, spec, all);
	}
	if (take(p, "spec")) {
		/* Without a mask the item's default stands, all ones for these fields. */
		fill(f, mask, all);
		return take_value(p, f, spec, all);
	}
	if (take(p, "mask"))
		return take_value(p, f, mask, all);
	if (take(p, "prefix")) {
		if (take_number(p, &bits) < 0 || bits > 8u * info->size)
			return -EINVAL;
		memset(mask, 0, info->size);
		for (i = 0; i < bits; i++)
			mask[i / 8] |= (uint8_t)(0x80 >> (i % 8));
		return 0;
	}
	if (!take(p, "last") || take_value(p, f, last, all) < 0)
		return -EINVAL;
	p->flow->has_last = true;
	return 0;
}

static int parse_frag(struct parser *p)
{
	p->frag = true;
	if (take(p, "is")) {
		p->frag_mask = 0xffff;
		return take_number(p, &p->frag_spec);
	}
	if (take(p, "spec"))
		return take_number(p, &p->frag_spec);
	if (take(p, "last"))
		return take_number(p, &p->frag_last);
	return take(p, "mask") ? take_number(p, &p->frag_mask) : -EINVAL;
}

/* A field without a place: its words are skipped. */
static int parse_unknown(struct parser *p)
{
	static const char *const kinds[] = {"is", "spec", "last", "mask", "prefix"};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!take(p, kinds[i]))
			continue;
		if (!p->word[p->at])
			return -EINVAL;
		p->at++;
		if (p->cannot_say == HF_REJECT_NONE)
			p->cannot_say = HF_REJECT_FIELD;
		return 0;
	}
	return -EINVAL;
}

static int parse_field(struct parser *p, const char *item)
{
	const char *name = p->word[p->at++];
	size_t i;

	if (strcmp(item, "ipv4") == 0 && strcmp(name, "fragment_offset") == 0)
		return parse_frag(p);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i].item, item) == 0 && strcmp(names[i].name, name) == 0)
			return parse_known(p, i);
	}
	return parse_unknown(p);
}

static int parse_item(struct parser *p)
{
	const char *item = p->word[p->at++];
	struct hf_flow *flow = p->flow;
	unsigned int l;

	for (l = 0; l < HF_LAYER_OTHER && strcmp(hf_layer_name((enum hf_layer)l), item) != 0; l++)
		;
	if (flow->n_items == HF_FLOW_ITEMS_MAX)
		return -EINVAL;
	flow->items[flow->n_items++] = (uint8_t)l;
	if (l == HF_LAYER_OTHER) {
		p->cannot_say = HF_REJECT_ITEM;
	} else {
		/* What a second header of a kind says has no place. */
		if ((flow->pattern.layers & HF_LAYER_BIT(l)) && p->cannot_say == HF_REJECT_NONE)
			p->cannot_say = HF_REJECT_PATTERN;
		flow->pattern.layers |= HF_LAYER_BIT(l);
	}
	while (p->word[p->at] && !is(p, "/")) {
		if (parse_field(p, item) < 0)
			return -EINVAL;
	}
	return take(p, "/") ? 0 : -EINVAL;
}

static int parse_items(struct parser *p)
{
	while (!take(p, "end")) {
		if (!p->word[p->at] || parse_item(p) < 0)
			return -EINVAL;
	}
	return take(p, "actions") ? 0 : -EINVAL;
}

static void finish_frag(struct parser *p)
{
	static const struct {
		uint32_t spec, last, mask;
		enum hf_frag_form form;
	} forms[] = {
		{0, 0, 0x3fff, HF_FRAG_NOT},
		{1, 0x3fff, 0x3fff, HF_FRAG_ANY},
		{8, 0x2000, 0x3fff, HF_FRAG_MF_RANGE},
		{0x2000, 0, 0x2000, HF_FRAG_MF},
	};
	struct hf_pattern *pattern = &p->flow->pattern;
	size_t i;

	if (!p->frag)
		return;
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (forms[i].spec != p->frag_spec || forms[i].last != p->frag_last ||
			forms[i].mask != p->frag_mask)
			continue;
		p->flow->frag = (uint8_t)forms[i].form;
		pattern->mask.ip_frag = 1;
		pattern->spec.ip_frag = forms[i].form != HF_FRAG_NOT;
		return;
	}
	pattern->spec.ip4_off[0] = (uint8_t)(p->frag_spec >> 8);
	pattern->spec.ip4_off[1] = (uint8_t)p->frag_spec;
	pattern->mask.ip4_off[0] = (uint8_t)(p->frag_mask >> 8);
	pattern->mask.ip4_off[1] = (uint8_t)p->frag_mask;
	p->flow->has_last |= p->frag_last != 0;
}

/* rss [level N] [types T... end] [queues Q... end] */
static int parse_rss(struct parser *p, bool *ret_other)
{
	uint32_t level = 0;

	while (p->word[p->at] && !is(p, "/")) {
		if (take(p, "level")) {
			if (take_number(p, &level) < 0)
				return -EINVAL;
			continue;
		}
		if (!take(p, "types") && !take(p, "queues"))
			return -EINVAL;
		while (p->word[p->at] && !take(p, "end"))
			p->at++;
	}
	*ret_other = level > 1; /* a hash of inner headers: not ours */
	return 0;
}

/* A tag set under no mask sets nothing. */
static int parse_tag(struct parser *p, struct hf_flow_action *a, bool *ret_other)
{
	uint32_t mask = 0;

	while (p->word[p->at] && !is(p, "/")) {
		if (take(p, "data") ? take_number(p, &a->value) < 0
				    : take(p, "mask") && take_number(p, &mask) < 0)
			return -EINVAL;
		if (p->word[p->at] && !is(p, "data") && !is(p, "mask") && !is(p, "/"))
			p->at++;
	}
	a->keep = ~mask;
	*ret_other = !mask;
	return 0;
}

/* Words of an action other than its own value; true when they say what no flow of ours can. */
static bool skip_rest(struct parser *p, enum hf_act act)
{
	bool other = false;

	for (; p->word[p->at] && !is(p, "/"); p->at++)
		other |= act == HF_ACT_OTHER;
	return other;
}

static int parse_action(struct parser *p)
{
	static const struct {
		enum hf_act act;
		const char *value;
	} values[] = {
		{HF_ACT_QUEUE, "index"},
		{HF_ACT_MARK, "id"},
		{HF_ACT_JUMP, "group"},
		{HF_ACT_PORT_ID, "id"},
		{HF_ACT_REPRESENTED_PORT, "ethdev_port_id"},
	};
	struct hf_flow_action a = {0};
	const char *name = p->word[p->at++];
	bool other = false;
	size_t i;

	while (a.act < HF_ACT_OTHER && strcmp(hf_act_name(a.act), name) != 0)
		a.act++;
	if (p->flow->n_actions == HF_FLOW_ACTIONS_MAX)
		return -EINVAL;
	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		if (values[i].act == a.act && take(p, values[i].value) &&
			take_number(p, &a.value) < 0)
			return -EINVAL;
	}
	if (a.act == HF_ACT_RSS && parse_rss(p, &other) < 0)
		return -EINVAL;
	if (a.act == HF_ACT_SET_TAG && parse_tag(p, &a, &other) < 0)
		return -EINVAL;
	if (skip_rest(p, a.act) || other)
		a.act = HF_ACT_OTHER;
	if (a.act == HF_ACT_OTHER && p->cannot_say == HF_REJECT_NONE)
		p->cannot_say = HF_REJECT_ACTION;
	p->flow->actions[p->flow->n_actions++] = a;
	return take(p, "/") ? 0 : -EINVAL;
}

static int parse_actions(struct parser *p)
{
	while (!take(p, "end")) {
		if (!p->word[p->at] || parse_action(p) < 0)
			return -EINVAL;
	}
	return p->word[p->at] ? -EINVAL : 0;
}

int hf_testpmd_rule_parse(const char *text, struct hf_flow *ret, enum hf_reject *ret_cannot_say,
	char *ret_word, size_t word_size)
{
	struct parser p = {.flow = ret};
	uint8_t *spec = (uint8_t *)&ret->pattern.spec;
	const uint8_t *mask = (const uint8_t *)&ret->pattern.mask;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (split(&p, text) < 0 || parse_attributes(&p) < 0 || parse_items(&p) < 0 ||
		parse_actions(&p) < 0) {
		(void)snprintf(ret_word, word_size, "%s", p.word[p.at] ? p.word[p.at] : "the end");
		return -EINVAL;
	}
	finish_frag(&p);
	for (i = 0; i < sizeof(ret->pattern.spec); i++)
		spec[i] &= mask[i];
	*ret_cannot_say = p.cannot_say;
	return 0;
}
