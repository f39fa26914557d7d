/* SPDX-License-Identifier: BSD-3-Clause */

#include "notes.h"
#include "table.h"

#include <hepflow/base/arena.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int dest_cmp(const void *pa, const void *pb)
{
	const struct hf_dest *a = pa, *b = pb;
	int c = (int)b->net.len - (int)a->net.len;

	return c ? c : hf_prefix_cmp(&a->net, &b->net);
}

static int dnat_key_cmp(
	const struct hf_dnat *d, uint8_t proto, const struct hf_addr *addr, uint16_t port)
{
	int c = (int)d->proto - (int)proto;

	if (c == 0)
		c = hf_addr_cmp(&d->addr, addr);
	return c ? c : (int)d->port - (int)port;
}

static int dnat_cmp(const void *pa, const void *pb, void *arg)
{
	const struct hf_dnat *dnats = arg;
	uint32_t ia = *(const uint32_t *)pa, ib = *(const uint32_t *)pb;
	const struct hf_dnat *b = &dnats[ib];
	int c = dnat_key_cmp(&dnats[ia], b->proto, &b->addr, b->port);

	return c ? c : ia < ib ? -1 : 1;
}

static bool same_run(const struct hf_dest *a, const struct hf_dest *b)
{
	return a->net.len == b->net.len && a->net.addr.family == b->net.addr.family;
}

static int index_dests(struct hf_rules *rules)
{
	struct hf_dest_run *run = NULL;
	bool sorted = true;
	size_t i, n = 0;

	for (i = 1; i < rules->n_dests; i++)
		sorted &= dest_cmp(&rules->dests[i - 1], &rules->dests[i]) < 0;
	if (!sorted)
		qsort(rules->dests, rules->n_dests, sizeof(*rules->dests), dest_cmp);
	for (i = 0; i < rules->n_dests; i++)
		n += i == 0 || !same_run(&rules->dests[i], &rules->dests[i - 1]);
	rules->runs = hf_arena_calloc(rules->facts, n, sizeof(*rules->runs));
	if (!rules->runs)
		return -ENOMEM;
	for (i = 0; i < rules->n_dests; i++) {
		if (i == 0 || !same_run(&rules->dests[i], &rules->dests[i - 1])) {
			run = &rules->runs[rules->n_runs++];
			run->family = rules->dests[i].net.addr.family;
			run->len = rules->dests[i].net.len;
			run->first = i;
		}
		run->n++;
	}
	return 0;
}

int hf_rules_index(struct hf_rules *rules)
{
	size_t i;
	int rc = index_dests(rules);

	if (rc < 0)
		return rc;
	rules->dnat_order =
		hf_arena_calloc(rules->facts, rules->n_dnats, sizeof(*rules->dnat_order));
	if (!rules->dnat_order)
		return -ENOMEM;
	for (i = 0; i < rules->n_dnats; i++)
		rules->dnat_order[i] = (uint32_t)i;
	if (rules->n_dnats)
		qsort_r(rules->dnat_order, rules->n_dnats, sizeof(*rules->dnat_order), dnat_cmp,
			rules->dnats);
	return 0;
}

/* The destination of the run whose net holds addr, or NULL. */
static const struct hf_dest *run_find(
	const struct hf_rules *rules, const struct hf_dest_run *run, const struct hf_addr *addr)
{
	const struct hf_dest *v = rules->dests + run->first;
	size_t lo = 0, hi = run->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hf_addr_cmp(&v[mid].net.addr, addr) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && hf_prefix_has(&v[lo - 1].net, addr) ? &v[lo - 1] : NULL;
}

/* Nets of one length are disjoint, so one binary search for each length in use is enough. */
const struct hf_dest *hf_rules_find_dest(const struct hf_rules *rules, const struct hf_addr *dst)
{
	static const struct hf_dest nowhere = {.class = HF_CLASS_REMOTE};
	const struct hf_dest *dest;
	size_t i;

	for (i = 0; i < rules->n_runs; i++) {
		if (rules->runs[i].family != dst->family)
			continue;
		dest = run_find(rules, &rules->runs[i], dst);
		if (dest)
			return dest;
	}
	return &nowhere;
}

static const struct hf_dnat *dnat_find(
	const struct hf_rules *rules, uint8_t proto, const struct hf_addr *addr, uint16_t port)
{
	size_t lo = 0, hi = rules->n_dnats;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (dnat_key_cmp(&rules->dnats[rules->dnat_order[mid]], proto, addr, port) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == rules->n_dnats ||
		dnat_key_cmp(&rules->dnats[rules->dnat_order[lo]], proto, addr, port) != 0)
		return NULL;
	return &rules->dnats[rules->dnat_order[lo]];
}

/* A rewrite of one port goes before one of the whole address. */
const struct hf_dnat *hf_rules_find_dnat(
	const struct hf_rules *rules, uint8_t proto, const struct hf_addr *dst, uint16_t dport)
{
	const struct hf_dnat *one = proto ? dnat_find(rules, proto, dst, dport) : NULL;

	return one ? one : dnat_find(rules, 0, dst, 0);
}

size_t hf_rules_n_ifaces(const struct hf_rules *rules)
{
	return rules->n_ifaces;
}

const struct hf_iface *hf_rules_iface(const struct hf_rules *rules, size_t i)
{
	return &rules->ifaces[i];
}

size_t hf_rules_n_dests(const struct hf_rules *rules)
{
	return rules->n_dests;
}

const struct hf_dest *hf_rules_dest(const struct hf_rules *rules, size_t i)
{
	return &rules->dests[i];
}

size_t hf_rules_n_dnats(const struct hf_rules *rules)
{
	return rules->n_dnats;
}

const struct hf_dnat *hf_rules_dnat(const struct hf_rules *rules, size_t i)
{
	return &rules->dnats[i];
}

size_t hf_rules_n_sets(const struct hf_rules *rules)
{
	return rules->n_sets;
}

const struct hf_set *hf_rules_set(const struct hf_rules *rules, size_t i)
{
	return &rules->sets[i];
}

uint64_t hf_rules_set_id(const struct hf_rules *rules, size_t i)
{
	return rules->set_ids[i];
}

uint64_t hf_rules_facts_id(const struct hf_rules *rules)
{
	return rules->facts_id;
}

size_t hf_rules_n_blocks(const struct hf_rules *rules)
{
	return rules->n_blocks;
}

const struct hf_block *hf_rules_block(const struct hf_rules *rules, size_t i)
{
	return &rules->blocks[i];
}

size_t hf_rules_n_paths(const struct hf_rules *rules)
{
	return rules->n_paths;
}

const struct hf_path *hf_rules_path(const struct hf_rules *rules, size_t i)
{
	return &rules->paths[i];
}

int hf_rules_keep(const struct hf_rules *rules, struct hf_arena *arena)
{
	return hf_arena_keep(arena, rules->arena);
}

const char *hf_rules_place(const struct hf_rules *rules, size_t i)
{
	return rules->places[i];
}

size_t hf_rules_n_origins(const struct hf_rules *rules)
{
	return rules->n_origins;
}

const char *hf_rules_origin(const struct hf_rules *rules, size_t i)
{
	return rules->origins[i];
}

size_t hf_rules_n_dead(const struct hf_rules *rules)
{
	return rules->n_dead;
}

const struct hf_dead *hf_rules_dead(const struct hf_rules *rules, size_t i)
{
	return &rules->dead[i];
}

enum hf_verdict hf_rules_kernel_policy(
	const struct hf_rules *rules, enum hf_from from, enum hf_class class)
{
	bool drop;

	if (from == HF_FROM_HOST)
		drop = rules->drop_output || (class == HF_CLASS_HOST && rules->drop_input);
	else
		drop = class == HF_CLASS_HOST ? rules->drop_input : rules->drop_forward;
	return drop ? HF_VERDICT_DENY : HF_VERDICT_ALLOW;
}

int hf_rules_find_iface(const struct hf_rules *rules, const char *name)
{
	size_t i;

	for (i = 0; i < rules->n_ifaces; i++) {
		if (strcmp(rules->ifaces[i].name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

const struct hf_path *hf_rules_find_path(
	const struct hf_rules *rules, uint16_t in, enum hf_class class)
{
	return in < rules->n_ifaces ? &rules->paths[in * HF_N_CLASSES + class] : NULL;
}

void hf_rules_free(struct hf_rules *rules)
{
	if (!rules)
		return;
	hf_notes_free(rules->notes);
	hf_arena_free(rules->arena);
	free(rules);
}
