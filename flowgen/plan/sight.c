/* SPDX-License-Identifier: BSD-3-Clause */

#include "sight.h"

#include <errno.h>
#include <stdlib.h>

/* Whether all packets of a region meet an entry before item i; that of one item is enough to ask.
 */
static bool decided_before(const struct items *items, size_t i, const struct cube *region)
{
	size_t k;

	for (k = 0; k < i; k++) {
		if ((items->v[k].ct & HF_CT_BIT(HF_CT_NEW)) &&
			hf_cube_covers(&items->v[k].cube, region))
			return true;
	}
	return false;
}

/*
 * Whether packets of item i that are in a hidden state meet the same fate. Guards before i may have
 * taken them; what no guard takes is i's if i decides for the state. Earlier items that decide NEW
 * as well are no guards: they are entries of their own, and stronger.
 */
static bool state_agrees(const struct items *items, size_t i, uint8_t state)
{
	const struct item *item = &items->v[i];
	struct cube both;
	bool whole;
	size_t k;

	for (k = 0; k < items->n_guards && items->guards[k] < i; k++) {
		const struct item *guard = &items->v[items->guards[k]];

		if (!(guard->ct & state) || !hf_cube_intersect(&guard->cube, &item->cube, &both))
			continue;
		whole = hf_cube_covers(&guard->cube, &item->cube);
		if (items->deep && guard->fate != item->fate && !whole)
			*items->deep = true;
		if (guard->fate != item->fate && (whole || !decided_before(items, i, &both)))
			return false;
		if (whole)
			return true;
	}
	return item->ct & state;
}

enum sight hf_sight_item(const struct items *items, size_t i)
{
	uint8_t state;

	if (!(items->v[i].ct & HF_CT_BIT(HF_CT_NEW)))
		return SIGHT_MIXED;
	/* A packet that only opens a connection is new, or invalid where that is asked. */
	state = HF_CT_BIT(HF_CT_INVALID);
	if (items->seen & state && !state_agrees(items, i, state))
		return SIGHT_MIXED;
	if (state_agrees(items, i, HF_CT_BIT(HF_CT_ESTABLISHED)) &&
		state_agrees(items, i, HF_CT_BIT(HF_CT_RELATED)))
		return SIGHT_DECIDED;
	return SIGHT_OPENING;
}

/* The first fate is taken down; false when a later one differs. */
static bool agree(const struct item *item, enum hf_fate *fate, bool *first, uint32_t *origin)
{
	if (*first) {
		*fate = item->fate;
		*origin = item->origin;
		*first = false;
	}
	return item->fate == *fate && item->fate != HF_FATE_PUNT;
}

static const uint8_t states[] = {HF_CT_BIT(HF_CT_NEW), HF_CT_BIT(HF_CT_ESTABLISHED),
	HF_CT_BIT(HF_CT_RELATED), HF_CT_BIT(HF_CT_INVALID)};

enum hf_fate hf_sight_region(const struct items *items, const struct cube *region,
	uint32_t *ret_origin, enum hf_reason *ret_reason)
{
	enum hf_fate fate = HF_FATE_PUNT;
	bool first = true;
	size_t s, i;

	for (s = 0; s < sizeof(states); s++) {
		for (i = 0; i < items->n; i++) {
			const struct item *item = &items->v[i];

			if (!(item->ct & states[s]) || !hf_cube_meets(&item->cube, region))
				continue;
			if (!agree(item, &fate, &first, ret_origin)) {
				*ret_reason = item->fate == HF_FATE_PUNT ? item->reason
					      : s			 ? HF_REASON_STATEFUL
									 : HF_REASON_OVERLAP;
				return HF_FATE_PUNT;
			}
			if (hf_cube_covers(&item->cube, region))
				break;
		}
	}
	return fate;
}

bool hf_sight_behind(const struct items *items, size_t i, const struct cube *region)
{
	enum hf_fate fate = items->v[i].fate;
	size_t s, k;

	if (items->deep)
		*items->deep = true;
	for (s = 0; fate != HF_FATE_PUNT && s < sizeof(states); s++) {
		for (k = 0; k < items->n; k++) {
			const struct item *item = &items->v[k];

			if (k < i && item->ct & HF_CT_BIT(HF_CT_NEW))
				continue;
			if (!(item->ct & states[s]) || !hf_cube_meets(&item->cube, region))
				continue;
			if (item->fate != fate)
				return false;
			if (hf_cube_covers(&item->cube, region))
				break;
		}
	}
	return fate != HF_FATE_PUNT;
}

bool hf_sight_answered(const struct items *sent, const struct cube *answers)
{
	size_t i;

	for (i = 0; i < sent->n; i++) {
		const struct item *item = &sent->v[i];

		if (!(item->ct & HF_CT_BIT(HF_CT_NEW)) || !hf_cube_meets(&item->cube, answers))
			continue;
		if (item->fate != HF_FATE_ALLOW && item->fate != HF_FATE_ALLOW_UNTRACKED)
			return false;
		if (hf_cube_covers(&item->cube, answers))
			return true;
	}
	return false;
}

/*
 * ICMP messages that ask for something new; every other is an answer or an error. The same list as
 * Linux (nf_conntrack_proto_icmp.c and _icmpv6.c) starts entries by.
 */
static const struct {
	uint8_t family;
	uint8_t type;
} openers[] = {{4, 8}, {4, 13}, {4, 15}, {4, 17}, {6, 128}, {6, 139}};

size_t hf_sight_opening(
	const struct cube *cube, unsigned int proto, struct cube ret[OPENING_MAX], bool *ret_syn)
{
	struct cube want = hf_cube_all(cube->family);
	size_t i, n = 0;

	*ret_syn = proto == HF_PROTO_TCP;
	if (*ret_syn) {
		ret[0] = *cube;
		return 1;
	}
	if (proto != (cube->family == 4 ? HF_PROTO_ICMP : HF_PROTO_ICMPV6))
		return 0;
	for (i = 0; i < sizeof(openers) / sizeof(openers[0]); i++) {
		if (openers[i].family != cube->family)
			continue;
		want.type = openers[i].type;
		want.type_mask = 0xff;
		n += hf_cube_intersect(cube, &want, &ret[n]);
	}
	return n;
}

static const struct sight_path *find_path(
	const struct sight_host *h, enum hf_class class, uint16_t out)
{
	size_t i;

	for (i = 0; i < h->n_paths; i++) {
		if (h->paths[i].class == class && h->paths[i].out == out)
			return &h->paths[i];
	}
	return NULL;
}

int hf_sight_init(struct sight_host *h, const struct hf_rules *rules, uint16_t in,
	const struct items_opts *opts)
{
	size_t i;
	int rc = 0;

	*h = (struct sight_host){.rules = rules};
	h->paths = calloc(hf_rules_n_dests(rules) + 1, sizeof(*h->paths));
	if (!h->paths)
		return -ENOMEM;
	for (i = 0; i < hf_rules_n_dests(rules) && rc == 0; i++) {
		const struct hf_dest *d = hf_rules_dest(rules, i);
		const struct hf_path *path = hf_rules_find_path(rules, in, d->class);
		struct sight_path *p = &h->paths[h->n_paths];

		if (!path || find_path(h, d->class, d->out))
			continue;
		p->class = d->class;
		p->out = d->out;
		h->n_paths++;
		rc = hf_items_build(rules, path, d->out, 4, opts, &p->items[0]);
		if (rc == 0)
			rc = hf_items_build(rules, path, d->out, 6, opts, &p->items[1]);
	}
	if (rc < 0)
		hf_sight_fini(h);
	return rc;
}

void hf_sight_fini(struct sight_host *h)
{
	size_t i;

	for (i = 0; i < h->n_paths; i++) {
		hf_items_fini(&h->paths[i].items[0]);
		hf_items_fini(&h->paths[i].items[1]);
	}
	free(h->paths);
	*h = (struct sight_host){0};
}

bool hf_sight_rewritten(const struct hf_rules *rules, const struct cube *region)
{
	size_t i;

	for (i = 0; i < hf_rules_n_dnats(rules); i++) {
		const struct hf_dnat *d = hf_rules_dnat(rules, i);
		struct cube c = hf_cube_all(d->addr.family);

		c.dst.addr = d->addr;
		c.dst.len = (uint8_t)hf_addr_bits(&d->addr);
		if (d->proto) {
			hf_protos_only(c.proto, d->proto);
			c.dport = (struct hf_ports){d->port, d->port};
		}
		if (hf_cube_meets(&c, region))
			return true;
	}
	return false;
}

size_t hf_sight_path(const struct sight_host *h, const struct hf_addr *dst)
{
	const struct hf_dest *d = hf_rules_find_dest(h->rules, dst);
	const struct sight_path *p = find_path(h, d->class, d->out);

	return p ? (size_t)(p - h->paths) : h->n_paths;
}
