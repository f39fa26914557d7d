/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/micro.h>

#include <hepflow/base/vec.h>
#include <hepflow/err.h>
#include <hepflow/testpmd_rule.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_SIZE 200

/* How a field is asked for: all of its bits, some of them. NULL: there is no such thing. */
struct how {
	const char *item;
	const char *name; /* as in profiles */
	const char *all;
	const char *some;
};

static const struct how fields[] = {
	{"eth", "eth.dst", "dst is 02:00:5e:00:53:01",
		"dst spec 02:00:5e:00:00:00 dst mask ff:ff:ff:00:00:00"},
	{"eth", "eth.src", "src is 02:00:5e:00:53:02",
		"src spec 02:00:5e:00:00:00 src mask ff:ff:ff:00:00:00"},
	{"eth", "eth.type", "type is 0x88b5", "type spec 0x8800 type mask 0xff00"},
	{"eth", "eth.has_vlan", "has_vlan is 0", NULL},
	{"vlan", "vlan.tci", "tci is 5", "tci spec 5 tci mask 0x0fff"},
	{"vlan", "vlan.inner_type", "inner_type is 0x88b5",
		"inner_type spec 0x8800 inner_type mask 0xff00"},
	{"ipv4", "ipv4.src", "src is 192.0.2.2", "src spec 192.0.2.0 src mask 255.255.255.0"},
	{"ipv4", "ipv4.dst", "dst is 192.0.2.1", "dst spec 192.0.2.0 dst mask 255.255.255.0"},
	{"ipv4", "ipv4.proto", "proto is 253", "proto spec 240 proto mask 0xf0"},
	{"ipv4", "ipv4.tos", "tos is 0xb8", "tos spec 0xb8 tos mask 0xfc"},
	{"ipv4", "ipv4.ttl", "ttl is 64", "ttl spec 64 ttl mask 0xc0"},
	{"ipv4", "ipv4.fragment_offset", "fragment_offset is 0x0010", NULL},
	{"ipv6", "ipv6.src", "src is 2001:db8::2", "src spec 2001:db8:: src mask ffff:ffff::"},
	{"ipv6", "ipv6.dst", "dst is 2001:db8::1", "dst spec 2001:db8:: dst mask ffff:ffff::"},
	{"ipv6", "ipv6.proto", "proto is 253", "proto spec 240 proto mask 0xf0"},
	{"ipv6", "ipv6.tc", "tc is 0xb8", "tc spec 0xb8 tc mask 0xfc"},
	{"ipv6", "ipv6.hop", "hop is 64", "hop spec 64 hop mask 0xc0"},
	{"ipv6", "ipv6.has_frag_ext", "has_frag_ext is 1", NULL},
	{"tcp", "tcp.src", "src is 1025", "src spec 0x0400 src mask 0xfc00"},
	{"tcp", "tcp.dst", "dst is 1026", "dst spec 0x0400 dst mask 0xfc00"},
	{"tcp", "tcp.flags", "flags is 0x02", "flags spec 0x02 flags mask 0x02"},
	{"udp", "udp.src", "src is 1025", "src spec 0x0400 src mask 0xfc00"},
	{"udp", "udp.dst", "dst is 1026", "dst spec 0x0400 dst mask 0xfc00"},
	{"sctp", "sctp.src", "src is 1025", "src spec 0x0400 src mask 0xfc00"},
	{"sctp", "sctp.dst", "dst is 1026", "dst spec 0x0400 dst mask 0xfc00"},
	{"icmp", "icmp.type", "type is 8", "type spec 8 type mask 0x0f"},
	{"icmp", "icmp.code", "code is 1", "code spec 1 code mask 0x0f"},
	{"icmp6", "icmp6.type", "type is 128", "type spec 128 type mask 0xf0"},
	{"icmp6", "icmp6.code", "code is 1", "code spec 1 code mask 0x0f"},
	{"meta", "meta.data", "data is 1", "data spec 1 data mask 0xff"},
};

#define N_FIELDS (sizeof(fields) / sizeof(*fields))

/* Sequences of items. deep: their fields are asked for as well. */
static const struct {
	const char *items;
	bool deep;
} seqs[] = {
	{"eth", true},
	{"eth / vlan", true},
	{"eth / ipv4", true},
	{"eth / ipv4 / tcp", true},
	{"eth / ipv4 / udp", true},
	{"eth / ipv4 / sctp", true},
	{"eth / ipv4 / icmp", true},
	{"eth / ipv6", true},
	{"eth / ipv6 / tcp", true},
	{"eth / ipv6 / udp", true},
	{"eth / ipv6 / sctp", false},
	{"eth / ipv6 / icmp6", true},
	{"eth / ipv6 / ipv6_frag_ext", false},
	{"eth / vlan / ipv4", true},
	{"eth / vlan / ipv4 / tcp", false},
	{"eth / vlan / ipv4 / udp", false},
	{"eth / vlan / ipv6", false},
	{"ipv4", false},
	{"ipv4 / tcp", false},
	{"ipv4 / udp", false},
	{"ipv6", false},
	{"tcp", false},
	{"udp", false},
	{"eth / tcp", false},
	{"meta / eth", true},
	{"", false},
};

/* Values for which drivers make exceptions. */
static const struct how values[] = {
	{"eth", "eth.type of ARP", "type is 0x0806", NULL},
	{"eth", "eth.type of IPv4", "type is 0x0800", NULL},
	{"eth", "eth.type of IPv6", "type is 0x86dd", NULL},
	{"eth", "eth.type of LLDP", "type is 0x88cc", NULL},
	{"eth", "eth.type of a tag", "type is 0x8100", NULL},
	{"ipv4", "ipv4.proto of TCP", "proto is 6", NULL},
	{"ipv4", "ipv4.proto of UDP", "proto is 17", NULL},
	{"ipv4", "ipv4.proto of SCTP", "proto is 132", NULL},
	{"ipv4", "ipv4.proto of ICMP", "proto is 1", NULL},
	{"ipv6", "ipv6.proto of TCP", "proto is 6", NULL},
	{"ipv6", "ipv6.proto of UDP", "proto is 17", NULL},
	{"ipv6", "ipv6.proto of ICMPv6", "proto is 58", NULL},
	{"ipv6", "ipv6.proto of a fragment", "proto is 44", NULL},
	{"ipv6", "ipv6.proto of hop-by-hop options", "proto is 0", NULL},
	{"ipv4", "ipv4.frag as not", "fragment_offset spec 0 fragment_offset mask 0x3fff", NULL},
	{"ipv4", "ipv4.frag as any",
		"fragment_offset spec 1 fragment_offset last 0x3fff fragment_offset mask 0x3fff",
		NULL},
	{"ipv4", "ipv4.frag as mf-range",
		"fragment_offset spec 8 fragment_offset last 0x2000 fragment_offset mask 0x3fff",
		NULL},
	{"ipv4", "ipv4.frag as mf", "fragment_offset spec 0x2000 fragment_offset mask 0x2000",
		NULL},
	{"ipv4", "range of ipv4.dst",
		"dst spec 192.0.2.1 dst last 192.0.2.9 dst mask 255.255.255.255", NULL},
	{"tcp", "range of tcp.dst", "dst spec 1025 dst last 2000 dst mask 0xffff", NULL},
	{"udp", "range of udp.dst", "dst spec 1025 dst last 2000 dst mask 0xffff", NULL},
};

static const char *const fates[] = {"drop", "queue index 0"};

/* Lists of actions; %u is the group behind the scratch group. */
static const char *const lists[] = {"drop", "queue index 0", "rss queues 0 end", "passthru",
	"jump group %u", "count", "mark id 1", "flag", "count / drop", "drop / count",
	"count / queue index 0", "queue index 0 / count", "mark id 1 / drop", "drop / mark id 1",
	"mark id 1 / queue index 0", "queue index 0 / mark id 1", "flag / queue index 0",
	"queue index 0 / flag", "passthru / mark id 1", "mark id 1 / passthru", "passthru / flag",
	"count / passthru", "mark id 1 / rss queues 0 end", "passthru / rss queues 0 end",
	"count / mark id 1 / queue index 0", "count / queue index 0 / mark id 1",
	"count / passthru / mark id 1", "count / jump group %u", "drop / flag",
	"age timeout 10 / drop", "queue index 0 / drop", "mark id 1 / flag / queue index 0",
	"set_tag data 1 mask 0xffffffff index 0 / jump group %u",
	"count / set_tag data 1 mask 0xffffffff index 0 / jump group %u",
	"set_meta data 1 mask 0xffffffff / jump group %u", "mark id 0xffffef / queue index 0",
	"queue index 0 / mark id 0xffffef", "mark id 0xfffff0 / queue index 0",
	"queue index 0 / mark id 0xffffffff", "port_id id 0", "represented_port ethdev_port_id 0"};

/* Where lists of actions, directions and numbers are tried. */
static const char *const bases[] = {"eth type is 0x88b5",
	"eth / ipv4 src is 192.0.2.2 dst is 192.0.2.1 / tcp src is 1025 dst is 1026",
	"eth dst is 02:00:5e:00:53:01 / ipv4 dst is 192.0.2.1",
	"eth / ipv4 proto is 6 / tcp dst is 1026"};

static const uint32_t priorities[] = {1, 3, 4, 7, 8, 12, 13, 4094, 4095, 21843, 21844, 0xfffffffe};
static const uint32_t groups[] = {1, 65530, 65531};

struct builder {
	uint32_t group;
	struct hf_err *err;
	HF_VEC(struct hf_micro) list;
	int rc;
};

static void __attribute__((format(printf, 3, 4)))
add(struct builder *b, const char *about, const char *fmt, ...)
{
	struct hf_micro m = {};
	enum hf_reject cannot;
	char word[32];
	va_list ap;
	int len;

	if (b->rc < 0)
		return;
	(void)snprintf(m.about, sizeof(m.about), "%s", about);
	va_start(ap, fmt);
	len = vsnprintf(m.rule, sizeof(m.rule), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(m.rule) ||
		hf_testpmd_rule_parse(m.rule, &m.flow, &cannot, word, sizeof(word)) < 0)
		b->rc = hf_fail(b->err, -EINVAL, "micro-rule '%s': '%s'", m.rule, word);
	else if (hf_vec_push(&b->list, m))
		b->rc = hf_fail(b->err, -ENOMEM, "out of memory");
}

/* In the scratch group. */
static void add_here(struct builder *b, const char *about, const char *pattern, const char *actions)
{
	if (b->group == 0)
		add(b, about, "ingress pattern %s end actions %s / end", pattern, actions);
	else
		add(b, about, "ingress group %" PRIu32 " pattern %s end actions %s / end", b->group,
			pattern, actions);
}

static bool has_item(const char *items, const char *item)
{
	size_t len = strlen(item);
	const char *p;

	for (p = items; (p = strstr(p, item)); p += len) {
		if ((p == items || p[-1] == ' ') && (p[len] == '\0' || p[len] == ' '))
			return true;
	}
	return false;
}

/* What is given beside the field that is asked for. */
enum with {
	WITH_NOTHING,
	WITH_DST,   /* the address where the packet goes: IP, else MAC */
	WITH_TUPLE, /* addresses and ports */
	WITH_MAC,   /* all of these */
	N_WITHS,
};

static bool is_with(enum with with, const char *items, const struct how *f)
{
	bool ip = has_item(items, "ipv4") || has_item(items, "ipv6");
	bool mac = strcmp(f->name, "eth.dst") == 0;
	bool ip_dst = strcmp(f->name, "ipv4.dst") == 0 || strcmp(f->name, "ipv6.dst") == 0;
	bool end = strstr(f->name, ".src") || strstr(f->name, ".dst");

	if (with == WITH_NOTHING)
		return false;
	if (with == WITH_DST)
		return ip ? ip_dst : mac;
	return mac ? with == WITH_MAC : end && strcmp(f->item, "eth") != 0;
}

/* "eth / ipv4 dst is 192.0.2.1 / " with the words of the field that is asked for. */
static void put_pattern(const char *items, enum with with, const struct how *asked,
	const char *words, char ret[static PATTERN_SIZE])
{
	const char *at = items;
	size_t len = 0, i;

	ret[0] = '\0';
	while (*at != '\0') {
		size_t n = strcspn(at, " ");
		char item[32];

		(void)snprintf(item, sizeof(item), "%.*s", (int)n, at);
		len += (size_t)snprintf(ret + len, PATTERN_SIZE - len, "%s ", item);
		for (i = 0; i < N_FIELDS; i++) {
			if (strcmp(fields[i].item, item) == 0 &&
				(!asked || strcmp(asked->name, fields[i].name) != 0) &&
				is_with(with, items, &fields[i]))
				len += (size_t)snprintf(
					ret + len, PATTERN_SIZE - len, "%s ", fields[i].all);
		}
		if (asked && strcmp(asked->item, item) == 0)
			len += (size_t)snprintf(ret + len, PATTERN_SIZE - len, "%s ", words);
		len += (size_t)snprintf(ret + len, PATTERN_SIZE - len, "/ ");
		at += n + strspn(at + n, " /");
	}
}

static void add_patterns(struct builder *b)
{
	char pattern[PATTERN_SIZE], before[PATTERN_SIZE], about[64];
	unsigned int with;
	size_t s, a;

	for (s = 0; s < sizeof(seqs) / sizeof(*seqs); s++) {
		before[0] = '\0';
		for (with = 0; with < N_WITHS; with++) {
			put_pattern(seqs[s].items, (enum with)with, NULL, NULL, pattern);
			if (with > 0 && strcmp(before, pattern) == 0)
				continue;
			memcpy(before, pattern, sizeof(before));
			(void)snprintf(about, sizeof(about), "pattern %s",
				seqs[s].items[0] ? seqs[s].items : "any");
			for (a = 0; a < sizeof(fates) / sizeof(*fates); a++)
				add_here(b, about, pattern, fates[a]);
		}
	}
}

static void add_words(struct builder *b, const char *items, const struct how *f, const char *words,
	const char *about)
{
	char pattern[PATTERN_SIZE];
	size_t a;

	put_pattern(items, WITH_NOTHING, f, words, pattern);
	for (a = 0; a < sizeof(fates) / sizeof(*fates); a++)
		add_here(b, about, pattern, fates[a]);
	put_pattern(items, WITH_DST, f, words, pattern);
	add_here(b, about, pattern, fates[0]);
}

/*
 * Fields of lower headers are asked for alone and in front of TCP; what says which header follows,
 * not in front of another header: whether that agrees no condition of a profile could say.
 */
static bool is_asked(const char *items, const struct how *f)
{
	const char *last = strrchr(items, ' ');
	bool tcp, next = strstr(f->name, ".type") == f->name + 3 || strstr(f->name, ".proto");

	last = last ? last + 1 : items;
	tcp = strcmp(last, "tcp") == 0;
	if (strcmp(last, f->item) == 0)
		return true;
	if (!has_item(items, f->item))
		return false;
	if (next)
		return tcp && strstr(f->name, "proto of TCP");
	return tcp || strcmp(last, "ipv4") == 0 || strcmp(f->item, "meta") == 0;
}

static void add_fields(struct builder *b, const struct how *table, size_t n, bool plain)
{
	char about[64];
	size_t s, f;

	for (s = 0; s < sizeof(seqs) / sizeof(*seqs); s++) {
		for (f = 0; seqs[s].deep && f < n; f++) {
			if (!is_asked(seqs[s].items, &table[f]))
				continue;
			(void)snprintf(about, sizeof(about), "%s%s", table[f].name,
				plain ? "" : ", all bits");
			add_words(b, seqs[s].items, &table[f], table[f].all, about);
			(void)snprintf(about, sizeof(about), "%s, some bits", table[f].name);
			if (table[f].some)
				add_words(b, seqs[s].items, &table[f], table[f].some, about);
		}
	}
}

static void add_lists(struct builder *b)
{
	char actions[128], about[64], pattern[PATTERN_SIZE];
	size_t p, a;

	for (a = 0; a < sizeof(lists) / sizeof(*lists); a++) {
		const char *mark = strstr(lists[a], "%u");

		if (mark)
			(void)snprintf(actions, sizeof(actions), "%.*s%" PRIu32 "%s",
				(int)(mark - lists[a]), lists[a], b->group + 1, mark + 2);
		else
			(void)snprintf(actions, sizeof(actions), "%s", lists[a]);
		(void)snprintf(about, sizeof(about), "actions %.50s", actions);
		for (p = 0; p < sizeof(bases) / sizeof(*bases); p++) {
			(void)snprintf(pattern, sizeof(pattern), "%s /", bases[p]);
			add_here(b, about, pattern, actions);
		}
	}
}

static void add_attributes(struct builder *b)
{
	static const char *const directions[] = {"", "egress", "transfer", "ingress egress"};
	char about[64];
	size_t p, a, i;

	for (p = 0; p < sizeof(bases) / sizeof(*bases); p++) {
		for (a = 0; a < sizeof(fates) / sizeof(*fates); a++) {
			const char *fate = fates[a], *base = bases[p];

			for (i = 0; i < sizeof(directions) / sizeof(*directions); i++) {
				(void)snprintf(about, sizeof(about), "direction %s",
					directions[i][0] ? directions[i] : "not given");
				add(b, about,
					"%s group %" PRIu32 " pattern %s / end actions %s / end",
					directions[i], b->group, base, fate);
			}
			add(b, "group 0", "ingress pattern %s / end actions %s / end", base, fate);
			for (i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
				(void)snprintf(about, sizeof(about), "group %" PRIu32, groups[i]);
				add(b, about,
					"ingress group %" PRIu32
					" pattern %s / end actions %s / end",
					groups[i], base, fate);
			}
			for (i = 0; i < sizeof(priorities) / sizeof(*priorities); i++) {
				(void)snprintf(about, sizeof(about),
					"priority %" PRIu32 " in group 0", priorities[i]);
				add(b, about,
					"ingress priority %" PRIu32
					" pattern %s / end actions %s / end",
					priorities[i], base, fate);
				if (b->group == 0)
					continue;
				(void)snprintf(about, sizeof(about),
					"priority %" PRIu32 " in other groups", priorities[i]);
				add(b, about,
					"ingress group %" PRIu32 " priority %" PRIu32
					" pattern %s / end actions %s / end",
					b->group, priorities[i], base, fate);
			}
		}
		/* Where jumps lead. */
		add(b, "jump from group 0", "ingress pattern %s / end actions jump group %u / end",
			bases[p], HF_MICRO_GROUP);
		add(b, "jump to the same group",
			"ingress group 2 pattern %s / end actions jump group 2 / end", bases[p]);
		add(b, "jump to a lower group",
			"ingress group 2 pattern %s / end actions jump group 1 / end", bases[p]);
	}
}

int hf_micro_list(uint32_t group, struct hf_micro **ret, size_t *ret_n, struct hf_err *err)
{
	struct builder b = {.group = group, .err = err};

	add_patterns(&b);
	add_fields(&b, fields, N_FIELDS, false);
	add_fields(&b, values, sizeof(values) / sizeof(*values), true);
	add_lists(&b);
	add_attributes(&b);
	if (b.rc < 0) {
		hf_vec_fini(&b.list);
		return b.rc;
	}
	*ret = b.list.v;
	*ret_n = b.list.n;
	return 0;
}

int hf_micro_ask(struct hf_testpmd *pmd, struct hf_micro *list, size_t n, struct hf_err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		rc = hf_testpmd_create(pmd, list[i].rule, &list[i].answer, err);
		if (rc == 0 && list[i].answer.word == HF_TESTPMD_BAD)
			rc = hf_fail(err, -EIO, "dpdk-testpmd does not understand '%s': %.200s",
				list[i].rule, list[i].answer.message);
		if (rc == 0 && hf_micro_taken(&list[i]))
			rc = hf_testpmd_destroy(pmd, list[i].answer.rule, err);
	}
	return rc;
}
