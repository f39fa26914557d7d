/* SPDX-License-Identifier: BSD-3-Clause */

#include <hepflow/flows.h>

#include <hepflow/base/text.h>
#include <hepflow/net.h>

#include <inttypes.h>
#include <string.h>

/*
 * The words of testpmd's flow grammar (app/test-pmd/cmdline_flow.c, DPDK 22.11) where they are not
 * the layer's own name and the field's own name.
 */
static const struct {
	enum hf_field field;
	const char *word;
	bool addr; /* printed as an address */
} words[] = {
	{HF_F_ETH_DST, "dst", false},
	{HF_F_ETH_SRC, "src", false},
	{HF_F_ETH_TYPE, "type", false},
	{HF_F_ETH_HAS_VLAN, "has_vlan", false},
	{HF_F_VLAN_TCI, "tci", false},
	{HF_F_VLAN_TYPE, "inner_type", false},
	{HF_F_IP4_SRC, "src", true},
	{HF_F_IP4_DST, "dst", true},
	{HF_F_IP4_PROTO, "proto", false},
	{HF_F_IP4_TOS, "tos", false},
	{HF_F_IP4_TTL, "ttl", false},
	{HF_F_IP6_SRC, "src", true},
	{HF_F_IP6_DST, "dst", true},
	{HF_F_IP6_PROTO, "proto", false},
	{HF_F_IP6_TC, "tc", false},
	{HF_F_IP6_HOP, "hop", false},
	{HF_F_IP6_FRAG, "has_frag_ext", false},
	{HF_F_TCP_SPORT, "src", false},
	{HF_F_TCP_DPORT, "dst", false},
	{HF_F_TCP_FLAGS, "flags", false},
	{HF_F_UDP_SPORT, "src", false},
	{HF_F_UDP_DPORT, "dst", false},
	{HF_F_SCTP_SPORT, "src", false},
	{HF_F_SCTP_DPORT, "dst", false},
	{HF_F_ICMP_TYPE, "type", false},
	{HF_F_ICMP_CODE, "code", false},
	{HF_F_ICMP6_TYPE, "type", false},
	{HF_F_ICMP6_CODE, "code", false},
	{HF_F_TAG, "data", false},
	{HF_F_PORT_ID, "id", false},
	{HF_F_REPRESENTED_PORT, "ethdev_port_id", false},
};

static void put_value(
	struct hf_text *t, const struct hf_field_info *info, bool addr, const uint8_t *v)
{
	struct hf_addr a = {.family = info->layer == HF_LAYER_IPV4 ? 4 : 6};
	char buf[HF_ADDRSTR_SIZE];
	uint32_t n = 0;
	size_t i;

	if (addr) {
		memcpy(a.b, v, a.family == 4 ? 4 : 16);
		hf_text_put(t, "%s", hf_addr_print(&a, buf));
	} else if (info->size == 6) {
		hf_text_put(t, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4], v[5]);
	} else {
		for (i = 0; i < info->size; i++)
			n = n << 8 | v[i];
		hf_text_put(t, "%" PRIu32, n);
	}
}

/* All bits of an address field: four bytes for IPv4. */
static size_t field_size(const struct hf_field_info *info)
{
	return info->layer == HF_LAYER_IPV4 && info->size == 16 ? 4 : info->size;
}

static void put_field(struct hf_text *t, const struct hf_pattern *p, size_t w)
{
	const struct hf_field_info *info = hf_field_info(words[w].field);
	const uint8_t *spec = (const uint8_t *)&p->spec + info->offset;
	const uint8_t *mask = (const uint8_t *)&p->mask + info->offset;
	size_t size = field_size(info), i;
	uint8_t any = 0, all = 0xff;

	for (i = 0; i < size; i++) {
		any |= mask[i];
		all &= mask[i];
	}
	if (!any)
		return;
	if (all == 0xff || words[w].field == HF_F_ETH_HAS_VLAN || words[w].field == HF_F_IP6_FRAG) {
		hf_text_put(t, " %s is ", words[w].word);
		put_value(t, info, words[w].addr, spec);
		return;
	}
	hf_text_put(t, " %s spec ", words[w].word);
	put_value(t, info, words[w].addr, spec);
	hf_text_put(t, " %s mask ", words[w].word);
	put_value(t, info, words[w].addr, mask);
}

/* The forms in which drivers know "a fragment" and "no fragment" (docs/hw-profiles.md). */
static void put_fragment(struct hf_text *t, const struct hf_flow *flow)
{
	static const char *const forms[HF_FRAG_MAX_] = {
		[HF_FRAG_UNSAID] = "",
		[HF_FRAG_NOT] = " fragment_offset spec 0 fragment_offset mask 0x3fff",
		[HF_FRAG_ANY] = " fragment_offset spec 1 fragment_offset last 0x3fff "
				"fragment_offset mask 0x3fff",
		[HF_FRAG_MF_RANGE] = " fragment_offset spec 8 fragment_offset last 0x2000 "
				     "fragment_offset mask 0x3fff",
		[HF_FRAG_MF] = " fragment_offset spec 0x2000 fragment_offset mask 0x2000",
	};

	hf_text_put(t, "%s", forms[flow->frag]);
}

static void put_item(struct hf_text *t, const struct hf_flow *flow, enum hf_layer layer)
{
	size_t w;

	hf_text_put(t, " %s", hf_layer_name(layer));
	for (w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		if (hf_field_info(words[w].field)->layer == layer)
			put_field(t, &flow->pattern, w);
	}
	if (layer == HF_LAYER_IPV4)
		put_fragment(t, flow);
	if (layer == HF_LAYER_TAG)
		hf_text_put(t, " index is 0");
	hf_text_put(t, " /");
}

static void put_action(struct hf_text *t, const struct hf_flow_action *a)
{
	static const struct {
		const char *word;
		bool value;
	} acts[HF_ACT_MAX_] = {
		[HF_ACT_DROP] = {"drop", false},
		[HF_ACT_QUEUE] = {"queue index", true},
		[HF_ACT_MARK] = {"mark id", true},
		[HF_ACT_FLAG] = {"flag", false},
		[HF_ACT_JUMP] = {"jump group", true},
		[HF_ACT_COUNT] = {"count", false},
		[HF_ACT_PASSTHRU] = {"passthru", false},
		[HF_ACT_PORT_ID] = {"port_id id", true},
		[HF_ACT_REPRESENTED_PORT] = {"represented_port ethdev_port_id", true},
	};
	uint32_t q;

	if (a->act == HF_ACT_RSS) {
		hf_text_put(t, " rss queues");
		for (q = 0; q < a->value; q++)
			hf_text_put(t, " %" PRIu32, q);
		hf_text_put(t, " end /");
		return;
	}
	if (a->act == HF_ACT_SET_TAG) {
		hf_text_put(t, " set_tag data %" PRIu32 " mask 0x%" PRIx32 " index 0 /", a->value,
			~a->keep);
		return;
	}
	hf_text_put(t, " %s", acts[a->act].word);
	if (acts[a->act].value)
		hf_text_put(t, " %" PRIu32, a->value);
	hf_text_put(t, " /");
}

int hf_flow_print_testpmd(const struct hf_flow *flow, uint16_t port, char *buf, size_t size)
{
	struct hf_text t = {.buf = buf, .size = size};
	size_t i;

	hf_text_put(&t, "flow create %u", port);
	if (flow->group)
		hf_text_put(&t, " group %" PRIu32, flow->group);
	if (flow->priority)
		hf_text_put(&t, " priority %" PRIu32, flow->priority);
	hf_text_put(&t, " %s pattern",
		flow->ingress  ? "ingress"
		: flow->egress ? "egress"
			       : "transfer");
	for (i = 0; i < flow->n_items; i++)
		put_item(&t, flow, (enum hf_layer)flow->items[i]);
	hf_text_put(&t, " end actions");
	for (i = 0; i < flow->n_actions; i++)
		put_action(&t, &flow->actions[i]);
	hf_text_put(&t, " end");
	return (int)t.len;
}

/* Longest line: two IPv6 addresses with masks and 64 queues are well below. */
#define LINE_SIZE 2048

void hf_flows_print_testpmd(const struct hf_plan *plan, const struct hf_nic *nic,
	const struct hf_flow_opts *opts, FILE *out)
{
	char line[LINE_SIZE], reason[64];
	struct hf_flow flow;
	size_t i;

	for (i = 0; i < hf_plan_n_entries(plan); i++) {
		const struct hf_entry *e = hf_plan_entry(plan, i);

		hf_plan_flow(plan, nic, i, opts->n_queues, &flow);
		(void)hf_flow_print_testpmd(&flow, opts->port, line, sizeof(line));
		fprintf(out, "# %zu %s", i, hf_fate_name(e->fate));
		if (e->fate == HF_FATE_PUNT)
			fprintf(out, " (%s)", hf_reason_print(e->reason, e->detail, reason));
		fprintf(out, " %s\n%s\n",
			hf_plan_origin(plan, e->origin)[0] ? hf_plan_origin(plan, e->origin)
							   : hf_plan_table(plan, e->table)->name,
			line);
	}
}
