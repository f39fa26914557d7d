/* SPDX-License-Identifier: BSD-3-Clause */

#include "conns_shape.h"

#include <hepflow/plan.h>

#include <errno.h>
#include <string.h>

#define TCP_ENDING (HF_TCP_SYN | HF_TCP_FIN | HF_TCP_RST)

int hf_conn_shape_of(const struct hf_conn *c)
{
	if (c->proto != HF_PROTO_TCP && c->proto != HF_PROTO_UDP)
		return -ENOTSUP;
	return (c->out ? 4 : 0) + (c->src.family == 6 ? 2 : 0) + (c->proto == HF_PROTO_UDP);
}

/* What differs from connection to connection. */
void hf_conn_fill(struct hf_flow *f, const struct hf_conn *c)
{
	struct hf_hdr *spec = &f->pattern.spec;
	size_t size = c->src.family == 4 ? 4 : 16, i;

	memcpy(spec->ip_src, c->src.b, size);
	memcpy(spec->ip_dst, c->dst.b, size);
	spec->sport[0] = (uint8_t)(c->sport >> 8);
	spec->sport[1] = (uint8_t)c->sport;
	spec->dport[0] = (uint8_t)(c->dport >> 8);
	spec->dport[1] = (uint8_t)c->dport;
	for (i = 0; i < f->n_actions; i++) {
		if (f->actions[i].act == HF_ACT_MARK)
			f->actions[i].value = c->mark;
	}
}

static void add_action(struct hf_flow *f, enum hf_act act, uint32_t value)
{
	f->actions[f->n_actions++] = (struct hf_flow_action){.act = act, .value = value};
}

struct wish {
	bool count;
	bool age;
	bool untagged; /* the pattern says so; else software does */
	bool port_id;  /* in an e-switch: the older words for ports */
	uint32_t priority;
	enum hf_act receive;
};

static void make_flow(const struct hf_conns_opts *o, const struct hf_conn *like,
	const struct wish *wish, struct hf_flow *ret)
{
	bool tcp = like->proto == HF_PROTO_TCP;
	enum hf_layer ip = like->src.family == 4 ? HF_LAYER_IPV4 : HF_LAYER_IPV6;
	enum hf_layer l4 = tcp ? HF_LAYER_TCP : HF_LAYER_UDP;
	struct hf_flow f = {
		.ingress = true,
		.priority = wish->priority,
		.n_items = 3,
		.items = {HF_LAYER_ETH, (uint8_t)ip, (uint8_t)l4},
	};
	struct hf_hdr *mask = &f.pattern.mask;
	size_t size = like->src.family == 4 ? 4 : 16;

	f.pattern.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(ip) | HF_LAYER_BIT(l4);
	memset(mask->ip_src, 0xff, size);
	memset(mask->ip_dst, 0xff, size);
	memset(mask->sport, 0xff, sizeof(mask->sport));
	memset(mask->dport, 0xff, sizeof(mask->dport));
	mask->tcp_flags = tcp ? TCP_ENDING : 0;
	mask->has_vlan = wish->untagged;
	if (wish->count)
		add_action(&f, HF_ACT_COUNT, 0);
	if (wish->age)
		add_action(&f, HF_ACT_AGE, o->idle_s);
	add_action(&f, wish->receive, wish->receive == HF_ACT_RSS ? o->n_queues : 0);
	add_action(&f, HF_ACT_MARK, 0);
	hf_conn_fill(&f, like);
	*ret = f;
}

/* Would exactly these packets be marked, wherever the plan's rules stand? */
static bool is_taken(const struct hf_nic *nic, const struct hf_flow *f)
{
	enum hf_reject reject;
	const struct hf_engine *e = hf_nic_accept(nic, f, &reject);
	size_t at = 0;

	return e && e->order == HF_PRIO_LOWER && f->priority == (e->depth_rank ? 1 : 0) &&
	       hf_nic_danger(e, f) == HF_F_MAX_ && hf_nic_next_danger(e, f, &at) == HF_F_MAX_;
}

/* The best of all ways to say it that the NIC takes. */
static void find_shape(
	const struct hf_conns_opts *o, const struct hf_conn *like, struct hf_conn_shape *ret)
{
	static const enum hf_act receive[] = {HF_ACT_RSS, HF_ACT_PASSTHRU, HF_ACT_QUEUE};
	unsigned int i, r;

	/* Counters first, then age, then the tag; the priority is what the engine makes it. */
	for (r = o->n_queues > 1 ? 0 : 1; r < 3; r++) {
		for (i = 0; i < 16; i++) {
			struct wish wish = {
				.count = !(i & 8),
				.age = !(i & 4) && !o->nic->async_only, /* async.c */
				.untagged = !(i & 2),
				.priority = i & 1,
				.receive = receive[r],
			};
			struct hf_flow f;

			make_flow(o, like, &wish, &f);
			if (!is_taken(o->nic, &f))
				continue;
			*ret = (struct hf_conn_shape){true, wish.count, wish.age, f};
			return;
		}
	}
}

/* From what one port of an e-switch stands for to what the other does. */
static void deliver(const struct hf_conns_opts *o, const struct hf_conn *like,
	const struct wish *wish, struct hf_flow *ret)
{
	uint16_t from = like->out ? o->eswitch.host : o->eswitch.wire;
	uint16_t to = like->out ? o->eswitch.wire : o->eswitch.host;
	enum hf_layer item = wish->port_id ? HF_LAYER_PORT_ID : HF_LAYER_REPRESENTED_PORT;
	struct hf_hdr *spec = &ret->pattern.spec, *mask = &ret->pattern.mask;

	ret->ingress = false;
	ret->transfer = true;
	memmove(&ret->items[1], &ret->items[0], ret->n_items * sizeof(ret->items[0]));
	ret->items[0] = (uint8_t)item;
	ret->n_items++;
	ret->pattern.layers |= HF_LAYER_BIT(item);
	if (wish->port_id) {
		spec->port_id[2] = (uint8_t)(from >> 8);
		spec->port_id[3] = (uint8_t)from;
		memset(mask->port_id, 0xff, sizeof(mask->port_id));
	} else {
		spec->represented_port[0] = (uint8_t)(from >> 8);
		spec->represented_port[1] = (uint8_t)from;
		memset(mask->represented_port, 0xff, sizeof(mask->represented_port));
	}
	ret->n_actions = 0;
	add_action(ret, HF_ACT_COUNT, 0);
	add_action(ret, wish->port_id ? HF_ACT_PORT_ID : HF_ACT_REPRESENTED_PORT, to);
}

/* A later fragment must not follow one that software has not seen. */
static void find_pair_shape(
	const struct hf_conns_opts *o, const struct hf_conn *like, struct hf_conn_shape *ret)
{
	unsigned int i;

	for (i = 0; i < 4 && !o->nic->fragments_match_l4; i++) {
		struct wish wish = {
			.count = true, .untagged = true, .priority = i & 1, .port_id = i & 2};
		struct hf_flow f;

		make_flow(o, like, &wish, &f);
		deliver(o, like, &wish, &f);
		if (!is_taken(o->nic, &f))
			continue;
		*ret = (struct hf_conn_shape){true, true, false, f};
		return;
	}
}

bool hf_conn_shapes_find(
	const struct hf_conns_opts *o, struct hf_conn_shape ret[static HF_CONN_SHAPES])
{
	struct hf_conn like = {.sport = 1, .dport = 1, .mark = HF_MARK_CONN_MAX};
	bool any = false;
	int i;

	memset(like.src.b, 1, sizeof(like.src.b));
	memset(like.dst.b, 1, sizeof(like.dst.b));
	for (i = 0; i < (o->eswitch.on ? HF_CONN_SHAPES : HF_CONN_SHAPES / 2); i++) {
		like.out = i >= HF_CONN_SHAPES / 2;
		like.src.family = like.dst.family = i & 2 ? 6 : 4;
		like.proto = i % 2 ? HF_PROTO_UDP : HF_PROTO_TCP;
		if (o->eswitch.on)
			find_pair_shape(o, &like, &ret[i]);
		else
			find_shape(o, &like, &ret[i]);
		any = any || ret[i].can;
	}
	return any;
}
