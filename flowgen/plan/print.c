/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/base/text.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const reasons[HF_REASON_MAX_] = {
	[HF_REASON_NONE] = "none",
	[HF_REASON_NO_ENGINE] = "no-engine",
	[HF_REASON_DIRECTION] = "direction-egress",
	[HF_REASON_ITEM_UNSUPPORTED] = "item-unsupported",
	[HF_REASON_MASK_PARTIAL] = "mask-partial",
	[HF_REASON_STATEFUL] = "stateful-required",
	[HF_REASON_DNAT] = "dnat-ambiguous",
	[HF_REASON_FRAGMENT] = "fragment",
	[HF_REASON_EXTENSION] = "ipv6-extension",
	[HF_REASON_VLAN] = "vlan",
	[HF_REASON_OVERLAP] = "priority-none",
	[HF_REASON_SHAPE] = "input-set",
	[HF_REASON_CAPACITY] = "capacity",
	[HF_REASON_PRIORITY] = "priority-exhausted",
	[HF_REASON_SHADOWED] = "shadowed",
	[HF_REASON_SET_EMPTY] = "set-empty",
	[HF_REASON_NO_FAMILY] = "no-family",
	[HF_REASON_NO_PROTOCOL] = "no-protocol",
	[HF_REASON_OPERATOR] = "disabled-by-operator",
	[HF_REASON_KERNEL] = "left-to-kernel",
	[HF_REASON_LOG] = "log-action",
	[HF_REASON_PROTOCOL] = "protocol-any",
	[HF_REASON_NEGATION] = "negation",
	[HF_REASON_EXPANSION] = "expansion",
	[HF_REASON_PMD_REJECT] = "pmd-reject",
	[HF_REASON_CARRIER] = "no-carrier",
};

enum hf_reason hf_reason_find(const char *name)
{
	unsigned int r;

	for (r = 0; r < HF_REASON_MAX_; r++) {
		if (strcmp(reasons[r], name) == 0)
			return (enum hf_reason)r;
	}
	return HF_REASON_SHADOWED;
}

const char *hf_reason_print(enum hf_reason reason, uint32_t detail, char buf[static 64])
{
	if (detail < HF_F_MAX_)
		(void)snprintf(buf, 64, "%s:%s", reasons[reason],
			hf_field_info((enum hf_field)detail)->name);
	else
		(void)snprintf(buf, 64, "%s", reasons[reason]);
	return buf;
}

const char *hf_fate_name(enum hf_fate fate)
{
	static const char *const names[] = {
		[HF_FATE_PUNT] = "punt",
		[HF_FATE_ALLOW] = "allow",
		[HF_FATE_ALLOW_UNTRACKED] = "allow-untracked",
		[HF_FATE_DENY] = "deny",
		[HF_FATE_JUMP] = "jump",
	};

	return names[fate];
}

/* Length of a prefix mask, or -1 when the bits are not in a row. */
static int prefix_len(const uint8_t *mask, size_t size)
{
	size_t bit, len = 0;

	while (len < size * 8 && mask[len / 8] & 0x80 >> len % 8)
		len++;
	for (bit = len; bit < size * 8; bit++) {
		if (mask[bit / 8] & 0x80 >> bit % 8)
			return -1;
	}
	return (int)len;
}

static void put_addr(struct hf_text *t, const char *name, uint8_t family, const uint8_t *spec,
	const uint8_t *mask)
{
	size_t size = family == 4 ? 4 : 16;
	int len = prefix_len(mask, size);
	char buf[HF_ADDRSTR_SIZE];
	struct hf_prefix p = {.addr.family = family, .len = (uint8_t)(len < 0 ? 0 : len)};

	memcpy(p.addr.b, spec, size);
	hf_text_put(t, " %s %s", name,
		len < 0 ? hf_addr_print(&p.addr, buf) : hf_prefix_print(&p, buf));
	if (len < 0) {
		memcpy(p.addr.b, mask, size);
		hf_text_put(t, " mask %s", hf_addr_print(&p.addr, buf));
	}
}

static void put_number(struct hf_text *t, const char *name, const struct hf_field_info *info,
	const uint8_t *spec, const uint8_t *mask)
{
	uint32_t v = 0, m = 0, full = 0;
	size_t i;

	for (i = 0; i < info->size && i < 4; i++) {
		v = v << 8 | spec[i];
		m = m << 8 | mask[i];
		full = full << 8 | 0xff;
	}
	if (m == full)
		hf_text_put(t, " %s %" PRIu32, name, v);
	else
		hf_text_put(t, " %s 0x%" PRIx32 "/0x%" PRIx32, name, v, m);
}

/* "ipv4.dst" of the layer ipv4 prints as "dst". */
static const char *short_name(const struct hf_field_info *info)
{
	const char *dot = strchr(info->name, '.');

	return dot ? dot + 1 : info->name;
}

static void put_layer(struct hf_text *t, const struct hf_pattern *p, enum hf_layer layer)
{
	unsigned int f, i;

	hf_text_put(t, "%s%s", t->len ? " " : "", hf_layer_name(layer));
	for (f = 0; f < HF_F_MAX_; f++) {
		const struct hf_field_info *info = hf_field_info((enum hf_field)f);
		const uint8_t *spec = (const uint8_t *)&p->spec + info->offset;
		const uint8_t *mask = (const uint8_t *)&p->mask + info->offset;
		uint8_t any = 0;

		if (info->layer != layer)
			continue;
		for (i = 0; i < info->size; i++)
			any |= mask[i];
		if (!any)
			continue;
		if (info->offset == offsetof(struct hf_hdr, ip_src) ||
			info->offset == offsetof(struct hf_hdr, ip_dst))
			put_addr(t, short_name(info), layer == HF_LAYER_IPV4 ? 4 : 6, spec, mask);
		else
			put_number(t, short_name(info), info, spec, mask);
	}
}

int hf_pattern_print(const struct hf_pattern *pattern, char *buf, size_t size)
{
	struct hf_text t = {.buf = buf, .size = size};
	const uint32_t eth = HF_LAYER_BIT(HF_LAYER_ETH);
	unsigned int l;

	/* "eth" is said only when there is nothing more. */
	for (l = 0; l < HF_LAYER_MAX_; l++) {
		static const uint8_t zero[sizeof(struct hf_hdr)];
		bool bare = l == HF_LAYER_ETH && pattern->layers != eth &&
			    memcmp(&pattern->mask, zero, offsetof(struct hf_hdr, ip_proto)) == 0;

		if (pattern->layers & HF_LAYER_BIT(l) && !bare)
			put_layer(&t, pattern, (enum hf_layer)l);
	}
	return (int)t.len;
}

static void print_account(const struct hf_plan *plan, const struct hf_account *a, FILE *out)
{
	static const char *const shares[] = {
		[HF_SHARE_NONE] = "no",
		[HF_SHARE_PART] = "partial",
		[HF_SHARE_WHOLE] = "yes",
	};
	char buf[64];

	const char *place = hf_plan_place(plan, a->origin);

	fprintf(out, "  %-40s %-8s", hf_plan_origin(plan, a->origin), shares[a->share]);
	if (a->entries)
		fprintf(out, " entries %" PRIu32, a->entries);
	if (a->share != HF_SHARE_WHOLE)
		fprintf(out, " reason %s", hf_reason_print(a->reason, a->detail, buf));
	if (a->packets)
		fprintf(out, " packets %" PRIu64, a->packets);
	if (place[0])
		fprintf(out, "  # %s", place);
	fputc('\n', out);
}

/* How a verdict gets where it belongs, where that is not by mark and drop. */
static const char *carried(const struct hf_entry *e)
{
	return e->forward ? " (delivered)" : e->reserved ? " (by queue)" : "";
}

static void print_entry(const struct hf_plan *plan, size_t i, FILE *out)
{
	const struct hf_entry *e = hf_plan_at(plan, i);
	char match[256], reason[64];

	(void)hf_pattern_print(&e->match, match, sizeof(match)); /* 256 hold every field we emit */
	fprintf(out, "  %5zu priority %-5" PRIu32 " %s -> %s", i, e->priority, match,
		hf_fate_name(e->fate));
	if (e->fate == HF_FATE_JUMP)
		fprintf(out, " %" PRIu32, plan->tables[e->jump].group);
	if (e->sets_tag)
		fprintf(out, " tag 0x%" PRIx32, e->tag);
	if (e->sets_tag && e->tag_keep)
		fprintf(out, "/0x%" PRIx32, ~e->tag_keep);
	fprintf(out, "%s", carried(e));
	if (e->fate == HF_FATE_PUNT)
		fprintf(out, " (%s)", hf_reason_print(e->reason, e->detail, reason));
	if (e->origin < plan->n_origins)
		fprintf(out, "  # %s", plan->origins[e->origin]);
	fputc('\n', out);
}

static int masks_cmp(const void *a, const void *b)
{
	const struct hf_entry *x = *(const struct hf_entry *const *)a,
			      *y = *(const struct hf_entry *const *)b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->match.layers != y->match.layers)
		return x->match.layers < y->match.layers ? -1 : 1;
	return memcmp(&x->match.mask, &y->match.mask, sizeof(x->match.mask));
}

static int count_masks(const struct hf_plan *plan, size_t *ret)
{
	const struct hf_entry **v = calloc(plan->n_entries + 1, sizeof(*v));
	size_t i;

	if (!v)
		return -ENOMEM;
	for (i = 0; i < plan->n_entries; i++)
		v[i] = hf_plan_at(plan, i);
	qsort(v, plan->n_entries, sizeof(*v), masks_cmp);
	for (*ret = i = 0; i < plan->n_entries; i++)
		*ret += i == 0 || masks_cmp(&v[i - 1], &v[i]) != 0;
	free(v);
	return 0;
}

int hf_plan_sum(const struct hf_plan *plan, struct hf_plan_sum *ret)
{
	struct hf_plan_sum s = {0};
	size_t i;
	int rc = count_masks(plan, &s.masks);

	for (i = 0; i < hf_plan_n_accounts(plan); i++) {
		const struct hf_account *a = hf_plan_account(plan, i);

		if (a->reason == HF_REASON_DIRECTION)
			continue;
		s.rules++;
		s.whole += a->share == HF_SHARE_WHOLE;
		s.part += a->share == HF_SHARE_PART;
		s.packets += a->packets;
		s.packets_whole += a->share == HF_SHARE_WHOLE ? a->packets : 0;
	}
	s.weighed = s.packets > 0;
	if (rc == 0)
		*ret = s;
	return rc;
}

static void print_sum(const struct hf_plan *plan, const struct hf_plan_sum *s, FILE *out)
{
	fprintf(out, "offloaded %zu/%zu rules", s->whole, s->rules);
	if (s->weighed)
		fprintf(out, ", %.1f %% of packets (by last counters)",
			100.0 * (double)s->packets_whole / (double)s->packets);
	fprintf(out, "\n%zu more in part; %zu entries in %zu tables, %zu masks\n", s->part,
		plan->n_entries, plan->n_tables, s->masks);
}

void hf_plan_print(const struct hf_plan *plan, FILE *out)
{
	struct hf_plan_sum sum;
	size_t i, k;

	fprintf(out, "plan %s on %s, fallback %s", plan->iface, plan->nic,
		plan->fallback == HF_FALLBACK_KERNEL ? "kernel" : "software");
	if (plan->eswitch.on)
		fprintf(out, ", e-switch from port %u to %u", plan->eswitch.wire,
			plan->eswitch.host);
	fputc('\n', out);
	if (hf_plan_sum(plan, &sum) == 0)
		print_sum(plan, &sum, out);
	fprintf(out, "rules:\n");
	for (i = 0; i < hf_plan_n_accounts(plan); i++)
		print_account(plan, hf_plan_account(plan, i), out);
	for (k = 0; k < plan->n_tables; k++) {
		fprintf(out, "table %" PRIu32 " %s:\n", plan->tables[k].group,
			plan->tables[k].name);
		for (i = 0; i < plan->n_entries; i++) {
			if (hf_plan_at(plan, i)->table == k)
				print_entry(plan, i, out);
		}
	}
}

/* Why the NIC has no entry for what an origin decides. */
static const char *miss_reason(const struct hf_plan *plan, const char *origin, char buf[static 64])
{
	size_t i;

	for (i = 0; i < hf_plan_n_accounts(plan); i++) {
		const struct hf_account *a = hf_plan_account(plan, i);

		if (a->reason && strcmp(hf_plan_origin(plan, a->origin), origin) == 0)
			return hf_reason_print(a->reason, a->detail, buf);
	}
	/* Its own entries are elsewhere: another class, another protocol. */
	return hf_reason_print(HF_REASON_PROTOCOL, HF_F_MAX_, buf);
}

void hf_plan_explain(
	const struct hf_plan *plan, const struct hf_packet *pkt, const char *origin, FILE *out)
{
	const char *rest = plan->fallback == HF_FALLBACK_KERNEL ? "kernel" : "software";
	const struct hf_entry *e;
	char match[256], reason[64];
	enum hf_fate fate;
	size_t i;

	if (strcmp(pkt->in, plan->iface) != 0) {
		fprintf(out, "%s: %s; it does not arrive by %s\n", rest,
			hf_reason_print(HF_REASON_DIRECTION, HF_F_MAX_, reason), plan->iface);
		return;
	}
	fate = hf_plan_judge(plan, pkt, &i);
	if (i == SIZE_MAX) {
		fprintf(out, "%s: %s; no entry of %s matches\n", rest,
			miss_reason(plan, origin, reason), plan->iface);
		return;
	}
	e = hf_plan_at(plan, i);
	(void)hf_pattern_print(&e->match, match, sizeof(match));
	fprintf(out, "%s: ", fate == HF_FATE_PUNT ? rest : "hardware");
	if (fate == HF_FATE_PUNT)
		fprintf(out, "%s; ", hf_reason_print(e->reason, e->detail, reason));
	fprintf(out, "entry %zu of %s, table %" PRIu32 " \"%s\" priority %" PRIu32 ": %s -> %s%s\n",
		i, plan->iface, plan->tables[e->table].group, plan->tables[e->table].name,
		e->priority, match, hf_fate_name(fate), carried(e));
}
