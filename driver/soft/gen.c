/* SPDX-License-Identifier: BSD-3-Clause */

/* Generations: what is worked out from rules and wires before workers see them. */

#include "state.h"

#include <hepflow/err.h>

#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VID_MAX 4094 /* IEEE 802.1Q */

/*
 * Whether established (or related) packets need judging. Calico's conntrack prologue lets them pass
 * in front of policy, but untracked policy and the guards against foreign encapsulation stand in
 * front of the prologue. So the blocks are looked through: a block is calm if no rule that such a
 * packet can meet in it, or behind its jumps, says anything but "pass". Jumps lead forward, so that
 * this comes to an end. Blocks behind the prologue, which are the large ones, are not asked for.
 */
enum calmness {
	CALM_UNKNOWN,
	CALM_NO,
	CALM_YES,
};

struct calm {
	const struct hf_rules *rules;
	uint8_t ct; /* HF_CT_BIT */
	enum hf_calm_group group;
	uint64_t protos[4]; /* of the group; a bit each */
	uint16_t out;	    /* leaving interface, or HF_IF_ANY when it is not known */
	uint8_t *blocks;    /* enum calmness of each */
};

/* Does the match meet any (all: every) protocol of the group? */
static bool meets_group(const struct calm *c, const struct hf_match *m, bool all)
{
	int i;

	for (i = 0; i < 4; i++) {
		if (all ? (c->protos[i] & ~m->proto[i]) != 0 : (c->protos[i] & m->proto[i]) != 0)
			return !all;
	}
	return all;
}

static bool can_meet(const struct calm *c, const struct hf_match *m)
{
	if (!(m->ct & c->ct) || !meets_group(c, m, false))
		return false;
	return m->out == HF_IF_ANY || c->out == HF_IF_ANY || m->out == c->out;
}

/* Of the packets that can_meet() is about, does it take every one? */
static bool takes_all(const struct calm *c, const struct hf_match *m)
{
	return meets_group(c, m, true) && !m->family && !m->dnated_only &&
	       (m->out == HF_IF_ANY || m->out == c->out) && m->wire_out == HF_IF_ANY &&
	       !m->n_addr && !m->n_port && !m->n_icmp;
}

static bool block_is_calm(struct calm *c, uint32_t block);

static bool rule_is_calm(struct calm *c, const struct hf_rule *r)
{
	if (r->op == HF_OP_GOTO)
		return block_is_calm(c, r->target);
	return r->verdict == HF_VERDICT_ALLOW || r->verdict == HF_VERDICT_NO_DECISION;
}

static bool rules_are_calm(struct calm *c, const struct hf_block *b)
{
	uint32_t i;

	for (i = 0; i < b->n_rules; i++) {
		const struct hf_rule *r = &b->rules[i];

		if (r->op == HF_OP_LOG || !can_meet(c, &r->match))
			continue;
		if (!rule_is_calm(c, r))
			return false;
		if (takes_all(c, &r->match))
			return true;
	}
	return true;
}

static bool block_is_calm(struct calm *c, uint32_t block)
{
	if (c->blocks[block] == CALM_UNKNOWN)
		c->blocks[block] =
			rules_are_calm(c, hf_rules_block(c->rules, block)) ? CALM_YES : CALM_NO;
	return c->blocks[block] == CALM_YES;
}

static void forget_calm(struct calm *c)
{
	memset(c->blocks, CALM_UNKNOWN, hf_rules_n_blocks(c->rules));
}

static bool path_is_calm(struct calm *c, size_t in, enum hf_class class)
{
	const struct hf_path *path = hf_rules_find_path(c->rules, (uint16_t)in, class);

	return path && block_is_calm(c, path->block);
}

static bool in_is_calm(struct calm *c, size_t in)
{
	return path_is_calm(c, in, HF_CLASS_REMOTE) && path_is_calm(c, in, HF_CLASS_WORKLOAD) &&
	       path_is_calm(c, in, HF_CLASS_HOST);
}

/* Going out: all that hf_judge() judges there. */
static bool out_is_calm(struct calm *c, const struct hf_gen *gen, enum hf_class class)
{
	size_t in;

	for (in = 0; in < gen->n_ifaces; in++) {
		if (!gen->ifaces[in].wired && !path_is_calm(c, in, class))
			return false;
	}
	return true;
}

static void mark_calm(struct hf_gen *gen, struct calm *c)
{
	size_t i;

	c->out = HF_IF_ANY;
	forget_calm(c);
	for (i = 0; i < gen->n_ifaces; i++) {
		struct hf_gen_iface *iface = &gen->ifaces[i];

		if (iface->wired && in_is_calm(c, i))
			iface->calm[HF_SOFT_IN][c->group] |= c->ct;
		if (iface->wired && iface->from == HF_FROM_WORKLOAD &&
			out_is_calm(c, gen, HF_CLASS_WORKLOAD))
			iface->calm[HF_SOFT_OUT][c->group] |= c->ct;
	}
	/* Uplinks are few, and policy on one must not slow down the others. */
	for (i = 0; i < gen->n_ifaces; i++) {
		if (!gen->ifaces[i].wired || gen->ifaces[i].from == HF_FROM_WORKLOAD)
			continue;
		c->out = (uint16_t)i;
		forget_calm(c);
		if (out_is_calm(c, gen, HF_CLASS_REMOTE))
			gen->ifaces[i].calm[HF_SOFT_OUT][c->group] |= c->ct;
	}
}

static int mark_all_calm(struct hf_gen *gen)
{
	struct calm c = {.rules = gen->rules};
	int group, p;

	c.blocks = calloc(hf_rules_n_blocks(gen->rules) + 1, sizeof(*c.blocks));
	if (!c.blocks)
		return -ENOMEM;
	for (group = 0; group < HF_CALM_N_GROUPS; group++) {
		c.group = (enum hf_calm_group)group;
		memset(c.protos, 0, sizeof(c.protos));
		for (p = 0; p < 256; p++) {
			if (hf_calm_group((uint8_t)p) == c.group)
				c.protos[p / 64] |= UINT64_C(1) << p % 64;
		}
		c.ct = HF_CT_BIT(HF_CT_ESTABLISHED);
		mark_calm(gen, &c);
		c.ct = HF_CT_BIT(HF_CT_RELATED);
		mark_calm(gen, &c);
	}
	free(c.blocks);
	return 0;
}

/* ".100" and ".100.200" behind the name of a wire. */
static bool parse_tags(const char *text, struct hf_tagged *ret)
{
	unsigned int n;
	char *end;

	for (n = 0; *text == '.' && n < HF_VLAN_TAGS_MAX; n++) {
		unsigned long vid;

		if (text[1] < '1' || text[1] > '9')
			return false;
		vid = strtoul(text + 1, &end, 10);
		if (vid > VID_MAX)
			return false;
		ret->vlan[n] = (uint16_t)vid;
		text = end;
	}
	return n > 0 && *text == '\0';
}

/* Notes the interfaces of a wire. room has place for one more entry per interface. */
static void fill_wire(struct hf_gen *gen, const struct hf_wire *from, struct hf_gen_wire *to,
	struct hf_tagged *room)
{
	size_t i, len = strlen(from->name);

	to->used = true;
	to->role = from->role;
	to->zone = from->zone;
	to->offer_after = from->offer_after;
	to->pairs = from->pairs;
	to->delivers = from->delivers;
	to->iface = HF_NO_IFACE;
	to->tagged = room;
	for (i = 1; i < gen->n_ifaces; i++) {
		const struct hf_iface *iface = hf_rules_iface(gen->rules, i);
		struct hf_tagged tagged = {.iface = (uint16_t)i};

		if (strncmp(iface->name, from->name, len) != 0)
			continue;
		if (iface->name[len] == '\0') {
			to->iface = (uint16_t)i;
		} else if (parse_tags(iface->name + len, &tagged)) {
			room[to->n_tagged++] = tagged;
		} else {
			continue;
		}
		gen->ifaces[i].wired = true;
	}
}

static int fill_wires(struct hf_gen *gen, const struct hf_soft *soft)
{
	size_t w, used = 0;

	for (w = 0; w < gen->n_ifaces; w++)
		gen->ifaces[w].from = hf_rules_iface(gen->rules, w)->from;
	/* An interface belongs to at most two wires: "a", and "a.1" if that is one as well. */
	gen->tagged = calloc(gen->n_ifaces * (HF_VLAN_TAGS_MAX + 1), sizeof(*gen->tagged));
	if (!gen->tagged)
		return -ENOMEM;
	for (w = 0; w < HF_SOFT_WIRES_MAX; w++) {
		if (!soft->wires[w].used)
			continue;
		fill_wire(gen, &soft->wires[w], &gen->wires[w], gen->tagged + used);
		used += gen->wires[w].n_tagged;
	}
	return 0;
}

int hf_backend_cmp(const struct hf_backend *a, const struct hf_backend *b)
{
	int c = (int)a->proto - (int)b->proto;

	if (c == 0)
		c = hf_addr_cmp(&a->addr, &b->addr);
	return c ? c : (int)a->port - (int)b->port;
}

static int backend_qcmp(const void *a, const void *b)
{
	return hf_backend_cmp(a, b);
}

static int fill_backends(struct hf_gen *gen)
{
	size_t i, n = 0;
	uint16_t t;

	for (i = 0; i < hf_rules_n_dnats(gen->rules); i++)
		n += hf_rules_dnat(gen->rules, i)->n_to;
	gen->backends = calloc(n + 1, sizeof(*gen->backends));
	if (!gen->backends)
		return -ENOMEM;
	for (i = 0; i < hf_rules_n_dnats(gen->rules); i++) {
		const struct hf_dnat *dnat = hf_rules_dnat(gen->rules, i);

		for (t = 0; t < dnat->n_to; t++)
			gen->backends[gen->n_backends++] = (struct hf_backend){
				.proto = dnat->proto,
				.addr = dnat->to[t].addr,
				.port = dnat->proto ? dnat->to[t].port : 0,
				.dnat = dnat,
			};
	}
	qsort(gen->backends, gen->n_backends, sizeof(*gen->backends), backend_qcmp);
	return 0;
}

/* May a call to the service reach a backend without leaving by a wire? */
static bool is_loose(const struct hf_gen *gen, const struct hf_dnat *dnat)
{
	const struct hf_dest *dest;
	uint16_t t;

	for (t = 0; t < dnat->n_to; t++) {
		dest = hf_find_dest(gen, &dnat->to[t].addr, NULL);
		if (dest->class == HF_CLASS_HOST || !gen->ifaces[dest->out].wired)
			return true;
	}
	return false;
}

/* Of services with more backends than are judged for a packet. */
static int mark_loose(struct hf_gen *gen)
{
	size_t i, n = hf_rules_n_dnats(gen->rules);

	gen->loose = calloc(n + 1, sizeof(*gen->loose));
	if (!gen->loose)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		const struct hf_dnat *dnat = hf_rules_dnat(gen->rules, i);

		gen->loose[i] = dnat->n_to > HF_BACKENDS_MAX && is_loose(gen, dnat);
	}
	return 0;
}

static int make_counts(struct hf_gen *gen)
{
	unsigned int w;

	gen->n_origins = hf_rules_n_origins(gen->rules);
	gen->carried = calloc(gen->n_origins + 1, sizeof(*gen->carried));
	gen->from_older = calloc(gen->n_origins + 1, sizeof(*gen->from_older));
	if (!gen->carried || !gen->from_older)
		return -ENOMEM;
	for (w = 0; w < gen->n_workers; w++) {
		gen->counts[w] = rte_calloc("hf_counts", gen->n_origins + 1,
			sizeof(*gen->counts[w]), RTE_CACHE_LINE_SIZE);
		if (!gen->counts[w])
			return -ENOMEM;
	}
	return 0;
}

/* Addresses of hosts and services change less often than policy. */
static int share_dests(struct hf_gen *gen, const struct hf_gen *older)
{
	if (older && hf_dests_same(older->rules, gen->rules)) {
		gen->dests = older->dests;
		gen->dests_refs = older->dests_refs;
		++*gen->dests_refs;
		return 0;
	}
	gen->dests_refs = calloc(1, sizeof(*gen->dests_refs));
	if (!gen->dests_refs)
		return -ENOMEM;
	*gen->dests_refs = 1;
	return hf_dests_build(&gen->dests, gen->rules);
}

static void drop_dests(struct hf_gen *gen)
{
	if (!gen->dests_refs || --*gen->dests_refs > 0)
		return;
	hf_spans_fini(&gen->dests);
	free(gen->dests_refs);
}

int hf_gen_new(const struct hf_soft *soft, const struct hf_rules *rules, struct hf_gen **ret,
	struct hf_err *err)
{
	struct hf_gen *gen = calloc(1, sizeof(*gen));
	int rc = gen ? 0 : -ENOMEM;

	if (rc == 0) {
		gen->rules = rules;
		gen->held = calloc(1, sizeof(*gen->held));
		gen->n_workers = soft->n_workers;
		gen->n_ifaces = hf_rules_n_ifaces(rules);
		gen->ifaces = calloc(gen->n_ifaces + 1, sizeof(*gen->ifaces));
		rc = gen->ifaces && gen->held ? fill_wires(gen, soft) : -ENOMEM;
	}
	/* First, because it reads the new rules ahead. */
	if (rc == 0)
		rc = hf_tables_new(soft, rules, &gen->tables);
	if (rc == 0)
		rc = mark_all_calm(gen);
	if (rc == 0)
		rc = fill_backends(gen);
	if (rc == 0)
		rc = hf_logs_build(rules, soft->gen, &gen->logs);
	if (rc == 0)
		rc = hf_rejudge_build(soft, gen);
	if (rc == 0)
		rc = make_counts(gen);
	if (rc == 0)
		rc = share_dests(gen, soft->gen);
	if (rc == 0)
		rc = mark_loose(gen);
	if (rc < 0) {
		hf_gen_free(gen);
		return hf_fail(err, rc, "software path: out of memory for new rules");
	}
	*ret = gen;
	return 0;
}

void hf_gen_free(struct hf_gen *gen)
{
	unsigned int w;

	if (!gen)
		return;
	for (w = 0; w < gen->n_workers; w++)
		rte_free(gen->counts[w]);
	hf_tables_free(gen->tables);
	drop_dests(gen);
	free(gen->held);
	free(gen->carried);
	free(gen->from_older);
	free(gen->backends);
	free(gen->loose);
	free(gen->logs);
	free(gen->denies);
	free(gen->tagged);
	free(gen->ifaces);
	free(gen);
}
