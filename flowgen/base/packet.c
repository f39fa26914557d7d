/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/net.h>

#include <hepflow/base/text.h>
#include <hepflow/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 64 /* longest value of a key: an IPv6 address with port */

/* What is known of a line while it is read. */
struct line {
	struct hf_packet *pkt;
	uint32_t seen; /* bit per row of keys[] */
	const char *key;
	const char *value;
};

static const char *const ct_names[] = {
	[HF_CT_NEW] = "new",
	[HF_CT_ESTABLISHED] = "established",
	[HF_CT_RELATED] = "related",
	[HF_CT_INVALID] = "invalid",
	[HF_CT_UNTRACKED] = "untracked",
};

static const char *const frag_names[] = {
	[HF_FRAG_NONE] = "no",
	[HF_FRAG_FIRST] = "first",
	[HF_FRAG_LATER] = "later",
};

static const char flag_names[] = "FSRPAU";

static int find_name(const char *const *names, size_t n, const char *text)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(names[i], text) == 0)
			return (int)i;
	}
	return -EINVAL;
}

static const char *set_iface(char dst[static HF_IFNAME_SIZE], const char *text)
{
	if (text[0] == '\0' || strlen(text) >= HF_IFNAME_SIZE)
		return "an interface name has 1 to 15 characters";
	strcpy(dst, text);
	return NULL;
}

static const char *set_in(struct line *l)
{
	return set_iface(l->pkt->in, l->value);
}

static const char *set_out(struct line *l)
{
	return set_iface(l->pkt->out, l->value);
}

static const char *set_src(struct line *l)
{
	return hf_addr_parse(l->value, &l->pkt->src) < 0 ? "not an address" : NULL;
}

static const char *set_dst(struct line *l)
{
	return hf_addr_parse(l->value, &l->pkt->dst) < 0 ? "not an address" : NULL;
}

static const char *set_proto(struct line *l)
{
	return hf_proto_parse(l->value, &l->pkt->proto) < 0
		       ? "not tcp, udp, icmp, icmpv6, sctp, udplite or a number up to 255"
		       : NULL;
}

static const char *set_flags(struct line *l)
{
	const char *p, *f;

	l->pkt->tcp_flags = 0;
	for (p = l->value; *p; p++) {
		f = strchr(flag_names, *p);
		if (!f)
			return "flags are letters of SAFRPU";
		l->pkt->tcp_flags |= (uint8_t)(1u << (f - flag_names));
	}
	return NULL;
}

static const char *set_frag(struct line *l)
{
	int i = find_name(frag_names, sizeof(frag_names) / sizeof(frag_names[0]), l->value);

	if (i < 0)
		return "not no, first or later";
	l->pkt->frag = (enum hf_frag)i;
	return NULL;
}

static const char *set_ct(struct line *l)
{
	int i = find_name(ct_names, sizeof(ct_names) / sizeof(ct_names[0]), l->value);

	if (i < 0)
		return "not new, established, related, invalid or untracked";
	l->pkt->ct = (enum hf_ct)i;
	return NULL;
}

static const char *set_dnat(struct line *l)
{
	l->pkt->has_dnat = true;
	return hf_addrport_parse(l->value, &l->pkt->dnat) < 0 ? "not ADDRESS:PORT or [ADDRESS]:PORT"
							      : NULL;
}

enum {
	KEY_IN,
	KEY_OUT,
	KEY_SRC,
	KEY_DST,
	KEY_PROTO,
	KEY_SPORT,
	KEY_DPORT,
	KEY_TYPE,
	KEY_CODE,
	KEY_FLAGS,
	KEY_FRAG,
	KEY_VLAN,
	KEY_CT,
	KEY_DNAT,
	N_KEYS,
};

/* A key is a number up to max with a place in the packet, or has a function of its own. */
static const struct key {
	const char *name;
	const char *(*set)(struct line *l); /* NULL, or what is wrong */
	uint16_t max;
	uint8_t size;
	size_t offset;
} keys[N_KEYS] = {
	[KEY_IN] = {"in", set_in},
	[KEY_OUT] = {"out", set_out},
	[KEY_SRC] = {"src", set_src},
	[KEY_DST] = {"dst", set_dst},
	[KEY_PROTO] = {"proto", set_proto},
	[KEY_SPORT] = {"sport", NULL, 65535, 2, offsetof(struct hf_packet, sport)},
	[KEY_DPORT] = {"dport", NULL, 65535, 2, offsetof(struct hf_packet, dport)},
	[KEY_TYPE] = {"type", NULL, 255, 1, offsetof(struct hf_packet, icmp_type)},
	[KEY_CODE] = {"code", NULL, 255, 1, offsetof(struct hf_packet, icmp_code)},
	[KEY_FLAGS] = {"flags", set_flags},
	[KEY_FRAG] = {"frag", set_frag},
	[KEY_VLAN] = {"vlan", NULL, 4094, 2, offsetof(struct hf_packet, vlan)},
	[KEY_CT] = {"ct", set_ct},
	[KEY_DNAT] = {"dnat", set_dnat},
};

static bool set_number(struct line *l, const struct key *key)
{
	unsigned char *at = (unsigned char *)l->pkt + key->offset;
	unsigned long v;
	uint16_t wide;
	char *end;

	errno = 0;
	v = strtoul(l->value, &end, 10);
	if (l->value[0] < '0' || l->value[0] > '9' || errno || *end != '\0' || v > key->max)
		return false;
	wide = (uint16_t)v;
	if (key->size == 1)
		*at = (unsigned char)v;
	else
		memcpy(at, &wide, sizeof(wide));
	return true;
}

static int set_pair(struct line *l, size_t column, struct hf_err *err)
{
	const char *what;
	size_t i;

	for (i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].name, l->key) == 0)
			break;
	}
	if (i == N_KEYS)
		return hf_fail(err, -EINVAL, "column %zu: unknown key '%s'", column, l->key);
	if (l->seen & 1u << i)
		return hf_fail(err, -EINVAL, "column %zu: %s: given twice", column, l->key);
	l->seen |= 1u << i;
	if (!keys[i].set && !set_number(l, &keys[i]))
		return hf_fail(err, -EINVAL, "column %zu: %s: not a number up to %u", column,
			l->key, keys[i].max);
	what = keys[i].set ? keys[i].set(l) : NULL;
	if (what)
		return hf_fail(err, -EINVAL, "column %zu: %s: %s", column, l->key, what);
	return 0;
}

static bool seen(const struct line *l, unsigned int key)
{
	return l->seen & 1u << key;
}

/* What one key says must go with what the others say. */
static int check_whole(const struct line *l, struct hf_err *err)
{
	const struct hf_packet *p = l->pkt;
	bool icmp = p->proto == HF_PROTO_ICMP || p->proto == HF_PROTO_ICMPV6;
	bool ports = hf_proto_has_ports(p->proto) || p->proto == HF_PROTO_UDPLITE;

	if (!seen(l, KEY_SRC) || !seen(l, KEY_DST) || !seen(l, KEY_PROTO))
		return hf_fail(err, -EINVAL, "column 1: a packet needs src, dst and proto");
	if (p->src.family != p->dst.family || (p->has_dnat && p->dnat.addr.family != p->dst.family))
		return hf_fail(err, -EINVAL, "column 1: src, dst and dnat must be of one family");
	if ((seen(l, KEY_SPORT) || seen(l, KEY_DPORT)) && !ports)
		return hf_fail(
			err, -EINVAL, "column 1: ports need proto tcp, udp, sctp or udplite");
	if ((seen(l, KEY_TYPE) || seen(l, KEY_CODE)) && !icmp)
		return hf_fail(err, -EINVAL, "column 1: type and code need proto icmp or icmpv6");
	if (seen(l, KEY_FLAGS) && p->proto != HF_PROTO_TCP)
		return hf_fail(err, -EINVAL, "column 1: flags need proto tcp");
	return 0;
}

/* Splits off the next "key=value" word. Returns what follows it, or NULL when it is malformed. */
static const char *next_word(
	const char *p, char key[static VALUE_MAX], char value[static VALUE_MAX])
{
	size_t n = strcspn(p, "= \t\r\n"), m;

	if (p[n] != '=' || n == 0 || n >= VALUE_MAX)
		return NULL;
	m = strcspn(p + n + 1, " \t\r\n");
	if (m >= VALUE_MAX)
		return NULL;
	memcpy(key, p, n);
	key[n] = '\0';
	memcpy(value, p + n + 1, m);
	value[m] = '\0';
	return p + n + 1 + m;
}

int hf_packet_parse(const char *line, struct hf_packet *ret, struct hf_err *err)
{
	char key[VALUE_MAX], value[VALUE_MAX];
	struct hf_packet pkt = {0};
	struct line l = {.pkt = &pkt, .key = key, .value = value};
	const char *p = line, *next;
	int rc;

	for (p += strspn(p, " \t\r\n"); *p; p += strspn(p, " \t\r\n")) {
		size_t column = (size_t)(p - line) + 1;

		next = next_word(p, key, value);
		if (!next)
			return hf_fail(err, -EINVAL, "column %zu: expected key=value", column);
		rc = set_pair(&l, column, err);
		if (rc < 0)
			return rc;
		p = next;
	}
	rc = check_whole(&l, err);
	if (rc < 0)
		return rc;
	if (pkt.proto == HF_PROTO_TCP && !seen(&l, KEY_FLAGS))
		pkt.tcp_flags = pkt.ct == HF_CT_NEW ? HF_TCP_SYN : HF_TCP_ACK;
	*ret = pkt;
	return 0;
}

static void put_transport(struct hf_text *t, const struct hf_packet *pkt)
{
	uint8_t usual = pkt->ct == HF_CT_NEW ? HF_TCP_SYN : HF_TCP_ACK;
	size_t i;

	if (pkt->sport)
		hf_text_put(t, " sport=%u", pkt->sport);
	if (pkt->dport)
		hf_text_put(t, " dport=%u", pkt->dport);
	if (pkt->proto == HF_PROTO_ICMP || pkt->proto == HF_PROTO_ICMPV6)
		hf_text_put(t, " type=%u code=%u", pkt->icmp_type, pkt->icmp_code);
	if (pkt->proto != HF_PROTO_TCP || pkt->tcp_flags == usual)
		return;
	hf_text_put(t, " flags=");
	for (i = 0; flag_names[i]; i++) {
		if (pkt->tcp_flags & 1u << i)
			hf_text_put(t, "%c", flag_names[i]);
	}
}

int hf_packet_print(const struct hf_packet *pkt, char *buf, size_t size)
{
	char a[HF_ADDRSTR_SIZE], b[HF_ADDRSTR_SIZE], proto[12];
	struct hf_text t = {.buf = buf, .size = size};

	if (pkt->in[0])
		hf_text_put(&t, "in=%s ", pkt->in);
	if (pkt->out[0])
		hf_text_put(&t, "out=%s ", pkt->out);
	hf_text_put(&t, "src=%s dst=%s proto=%s", hf_addr_print(&pkt->src, a),
		hf_addr_print(&pkt->dst, b), hf_proto_name(pkt->proto, proto));
	put_transport(&t, pkt);
	if (pkt->frag != HF_FRAG_NONE)
		hf_text_put(&t, " frag=%s", frag_names[pkt->frag]);
	if (pkt->vlan)
		hf_text_put(&t, " vlan=%u", pkt->vlan);
	if (pkt->ct != HF_CT_NEW)
		hf_text_put(&t, " ct=%s", ct_names[pkt->ct]);
	if (pkt->has_dnat)
		hf_text_put(&t, " dnat=%s", hf_addrport_print(&pkt->dnat, a));
	return (int)t.len;
}
