/* SPDX-License-Identifier: BSD-3-Clause */

#include "soft.h"

#include "state.h"

#include <hepflow/err.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XLAT_PART 4 /* of the connections of a family may be translated ones */
#define XLAT_MIN  16u

static_assert(HF_SOFT_N_TIMERS == HF_CT_N_TIMERS, "they are the same");

bool hf_soft_set_timeout(struct hf_soft_opts *opts, const char *name, uint32_t seconds)
{
	unsigned int i;

	for (i = 0; i < HF_CT_N_TIMERS; i++) {
		if (!hf_ct_timers[i].name || strcmp(hf_ct_timers[i].name, name) != 0)
			continue;
		opts->timeouts[i] = seconds;
		return true;
	}
	return false;
}

static int worker_new(
	const struct hf_soft_opts *opts, uint64_t hz, struct hf_worker **ret, struct hf_err *err)
{
	struct hf_ct_opts ct = {
		.max_entries = opts->max_conns ? opts->max_conns : HF_SOFT_CONNS,
		.hz = hz,
		.socket = opts->socket,
	};
	struct hf_frag_opts frag = {
		.max_entries = opts->max_frags ? opts->max_frags : HF_SOFT_FRAGS,
		.max_held = opts->max_held ? opts->max_held : HF_SOFT_FRAGS_HELD,
		.hz = hz,
		.socket = opts->socket,
	};
	struct hf_worker *w =
		rte_zmalloc_socket("hf_worker", sizeof(*w), RTE_CACHE_LINE_SIZE, opts->socket);
	int rc;

	memcpy(ct.seconds, opts->timeouts, sizeof(ct.seconds));
	if (!w)
		return hf_fail(err, -ENOMEM, "software path: out of memory");
	*ret = w; /* hf_soft_free() takes care of what there is of it */
	rc = hf_ct_new(&ct, &w->ct, err);
	if (rc < 0)
		return rc;
	w->tap = hf_tap_new(opts->socket);
	w->memo = hf_memo_new(opts->socket);
	if (!w->tap || !w->memo ||
		hf_xlat_new(RTE_MAX(ct.max_entries / XLAT_PART, XLAT_MIN), opts->socket, &w->xlat) <
			0 ||
		hf_offers_new(opts->socket, &w->offers) < 0 ||
		hf_offers_new(opts->socket, &w->touches) < 0)
		return hf_fail(err, -ENOMEM, "software path: out of memory");
	return hf_frag_new(&frag, &w->frag, err);
}

static int qsbr_new(unsigned int n, int socket, struct rte_rcu_qsbr **ret)
{
	struct rte_rcu_qsbr *q = rte_zmalloc_socket(
		"hf_qsbr", rte_rcu_qsbr_get_memsize(n), RTE_CACHE_LINE_SIZE, socket);

	if (!q)
		return -ENOMEM;
	*ret = q;
	return rte_rcu_qsbr_init(q, n) ? -ENOMEM : 0;
}

int hf_soft_new(const struct hf_soft_opts *opts, struct hf_soft **ret, struct hf_err *err)
{
	struct hf_soft *soft;
	int rc = 0;

	if (opts->n_workers < 1 || opts->n_workers > HF_SOFT_WORKERS_MAX)
		return hf_fail(err, -EINVAL, "software path: %u workers: must be 1 to %d",
			opts->n_workers, HF_SOFT_WORKERS_MAX);
	soft = rte_zmalloc_socket("hf_soft", sizeof(*soft), RTE_CACHE_LINE_SIZE, opts->socket);
	if (!soft)
		return hf_fail(err, -ENOMEM, "software path: out of memory");
	soft->reclassify = opts->reclassify;
	soft->ambiguous = opts->ambiguous;
	soft->hz = opts->hz ? opts->hz : rte_get_tsc_hz();
	soft->lists = opts->any_list ? HF_FLAT_ANY : HF_FLAT_FASTER;
	soft->aside_from = opts->aside_from ? opts->aside_from : HF_SOFT_ASIDE_FROM;
	while (rc == 0 && soft->n_workers < opts->n_workers) {
		rc = worker_new(opts, soft->hz, &soft->workers[soft->n_workers], err);
		soft->n_workers++;
	}
	soft->nat = rc == 0 ? hf_nat_new(soft->hz, opts->socket) : NULL;
	if (rc == 0 && (!soft->nat || qsbr_new(opts->n_workers, opts->socket, &soft->qsbr) < 0))
		rc = hf_fail(err, -ENOMEM, "software path: out of memory");
	if (rc < 0) {
		hf_soft_free(soft);
		return rc;
	}
	*ret = soft;
	return 0;
}

void hf_soft_free(struct hf_soft *soft)
{
	struct hf_gen *gen, *older;
	struct hf_held *held;
	unsigned int w;

	if (!soft)
		return;
	hf_tables_end(soft);
	for (gen = soft->gen; gen; gen = older) {
		older = gen->older;
		hf_gen_free(gen);
	}
	while ((held = soft->held)) {
		soft->held = held->next;
		free(held);
	}
	for (w = 0; w < soft->n_workers; w++) {
		if (!soft->workers[w])
			continue;
		hf_ct_free(soft->workers[w]->ct);
		hf_xlat_free(soft->workers[w]->xlat);
		hf_frag_free(soft->workers[w]->frag);
		hf_tap_free(soft->workers[w]->tap);
		hf_memo_free(soft->workers[w]->memo);
		rte_free(soft->workers[w]->offers);
		rte_free(soft->workers[w]->touches);
		rte_free(soft->workers[w]);
	}
	hf_nat_free(soft->nat);
	rte_free(soft->qsbr);
	rte_free(soft);
}

int hf_soft_add_wire(struct hf_soft *soft, const char *name, enum hf_soft_role role,
	unsigned int *ret_wire, struct hf_err *err)
{
	unsigned int w, place = HF_SOFT_WIRES_MAX;
	struct hf_wire *wire;

	if (!name[0] || strlen(name) >= HF_IFNAME_SIZE)
		return hf_fail(err, -EINVAL, "wire '%s': not the name of an interface", name);
	for (w = 0; w < HF_SOFT_WIRES_MAX; w++) {
		if (soft->wires[w].used && strcmp(soft->wires[w].name, name) == 0)
			return hf_fail(err, -EEXIST, "wire '%s': there already", name);
		if (!soft->wires[w].used && place == HF_SOFT_WIRES_MAX)
			place = w;
	}
	if (place == HF_SOFT_WIRES_MAX)
		return hf_fail(
			err, -ENOSPC, "wire '%s': more than %d wires", name, HF_SOFT_WIRES_MAX);
	if (soft->last_zone == HF_CT_ZONE_MAX)
		return hf_fail(err, -ENOSPC, "wire '%s': %u wires have been added since the start",
			name, HF_CT_ZONE_MAX);
	wire = &soft->wires[place];
	/* Always a new zone, so that connections of an earlier wire in this place stay dead. */
	*wire = (struct hf_wire){.role = role, .zone = ++soft->last_zone};
	memcpy(wire->name, name, strlen(name) + 1);
	wire->base[HF_SOFT_IN] = hf_soft_count_wire(soft, place, HF_SOFT_IN);
	wire->base[HF_SOFT_OUT] = hf_soft_count_wire(soft, place, HF_SOFT_OUT);
	wire->used = true;
	*ret_wire = place;
	return 0;
}

bool hf_soft_next_record(struct hf_soft *soft, struct hf_tap_record *ret)
{
	unsigned int w;

	for (w = 0; w < soft->n_workers; w++) {
		if (hf_tap_read(soft->workers[w]->tap, ret))
			return true;
	}
	return false;
}

void hf_soft_capture(struct hf_soft *soft, uint64_t reasons, bool any_wire, unsigned int wire)
{
	uint64_t place = any_wire ? 0 : wire + 1;

	HF_SET(soft->capture, reasons ? reasons | place << HF_CAPTURE_WIRE_SHIFT : 0);
}

void hf_soft_del_wire(struct hf_soft *soft, unsigned int wire)
{
	soft->wires[wire].used = false;
}

/* Origins of an older generation, sorted by text, of which those that are taken are marked. */
#define TAKEN (UINT32_C(1) << 31)

static int text_cmp(const void *pa, const void *pb, void *older)
{
	uint32_t a = *(const uint32_t *)pa & ~TAKEN, b = *(const uint32_t *)pb & ~TAKEN;
	int c = strcmp(hf_rules_origin(older, a), hf_rules_origin(older, b));

	return c ? c : (a > b) - (a < b);
}

/* One of this text that is not taken, or HF_NO_ORIGIN. */
static uint32_t take_origin(
	const struct hf_rules *older, uint32_t *sorted, size_t n, const char *text)
{
	size_t lo = 0, hi = n;
	uint32_t i;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(hf_rules_origin(older, sorted[mid] & ~TAKEN), text) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo < n && sorted[lo] & TAKEN)
		lo++;
	if (lo == n || strcmp(hf_rules_origin(older, sorted[lo]), text) != 0)
		return HF_NO_ORIGIN;
	i = sorted[lo];
	sorted[lo] |= TAKEN;
	return i;
}

/* They are looked at in their order, one way or the other. */
static void fetch_origin(const struct hf_gen *gen, size_t i)
{
	if (i < gen->n_origins)
		__builtin_prefetch(hf_rules_origin(gen->rules, i));
}

static bool same_origin(const struct hf_gen *a, size_t i, const struct hf_gen *b, size_t k)
{
	const char *ta = hf_rules_origin(a->rules, i), *tb = hf_rules_origin(b->rules, k);

	return ta == tb || strcmp(ta, tb) == 0;
}

/*
 * Finds for every origin the one of the same text in the generation before, which counts once.
 * Mostly all but a few stand in the same order. False: out of memory, for now.
 */
static bool link_origins(struct hf_gen *gen, const struct hf_gen *older)
{
	size_t i, k, n = gen->n_origins, n_older = older->n_origins, n_sorted = 0;
	uint32_t *room = calloc(n_older + 1, sizeof(*room));

	if (!room)
		return false;
	for (i = 0; i < n && i < n_older && same_origin(gen, i, older, i); i++) {
		fetch_origin(gen, i + 8);
		fetch_origin(older, i + 8);
		gen->from_older[i] = (uint32_t)i;
	}
	while (n > i && n_older > i && same_origin(gen, n - 1, older, n_older - 1)) {
		fetch_origin(gen, n - 9);
		fetch_origin(older, n_older - 9);
		gen->from_older[--n] = (uint32_t)--n_older;
	}
	for (k = i; k < n_older; k++)
		room[n_sorted++] = (uint32_t)k;
	qsort_r(room, n_sorted, sizeof(*room), text_cmp, (void *)(uintptr_t)older->rules);
	for (; i < n; i++)
		gen->from_older[i] =
			take_origin(older->rules, room, n_sorted, hf_rules_origin(gen->rules, i));
	free(room);
	return true;
}

bool hf_gens_link(struct hf_gen *gen)
{
	bool all = true;

	for (; gen && gen->older; gen = gen->older) {
		if (!gen->linked)
			gen->linked = link_origins(gen, gen->older);
		all = all && gen->linked;
	}
	return all;
}

int hf_soft_publish(struct hf_soft *soft, const struct hf_rules *rules, struct hf_err *err)
{
	struct hf_gen *gen = NULL;
	int rc;

	hf_tables_take(soft);
	rc = hf_gen_new(soft, rules, &gen, err);
	if (rc < 0)
		return rc;
	gen->number = soft->reclassify ? ++soft->last_number : 0;
	soft->conn_mark = gen->conn_mark = hf_offers_mark(gen, soft->conn_mark);
	gen->older = soft->gen;
	__atomic_store_n(&soft->gen, gen, __ATOMIC_RELEASE);
	/* The rules hold; what is left to do is done when somebody asks for it. */
	if (gen->older)
		gen->older->token = rte_rcu_qsbr_start(soft->qsbr);
	return 0;
}

/* The generation before the last one of the chain, or NULL when there is only one. */
static struct hf_gen *last_but_one(struct hf_gen *gen)
{
	while (gen && gen->older && gen->older->older)
		gen = gen->older;
	return gen && gen->older ? gen : NULL;
}

/* Lets go of the oldest generation, which no worker uses. Its counts live on in the next. */
static void drop_oldest(struct hf_soft *soft, struct hf_gen *newer)
{
	struct hf_gen *old = newer->older;
	struct hf_held **end = &soft->held;
	size_t i;

	for (i = 0; i < newer->n_origins; i++) {
		if (newer->from_older[i] != HF_NO_ORIGIN)
			newer->carried[i] = hf_gen_count(old, newer->from_older[i]);
	}
	while (*end)
		end = &(*end)->next;
	*end = old->held;
	old->held->rules = old->rules;
	old->held = NULL;
	newer->older = NULL;
	hf_gen_free(old);
}

static bool gens_use(const struct hf_soft *soft, const struct hf_rules *rules)
{
	const struct hf_gen *g;

	for (g = soft->gen; g; g = g->older) {
		if (g->rules == rules)
			return true;
	}
	return false;
}

/* The first that nothing uses. Those that a generation has (again) will be held for that one. */
static const struct hf_rules *take_held(struct hf_soft *soft)
{
	struct hf_held **at = &soft->held;
	const struct hf_rules *rules;

	while (*at) {
		struct hf_held *held = *at;
		bool again = gens_use(soft, held->rules);

		if (!again && hf_tables_use(soft, held->rules)) {
			at = &held->next;
			continue;
		}
		rules = held->rules;
		*at = held->next;
		free(held);
		if (!again)
			return rules;
	}
	return NULL;
}

const struct hf_rules *hf_soft_reclaim(struct hf_soft *soft)
{
	struct hf_gen *newer;

	hf_tables_take(soft);
	if (!hf_gens_link(soft->gen))
		return NULL;
	while ((newer = last_but_one(soft->gen)) &&
		rte_rcu_qsbr_check(soft->qsbr, newer->older->token, false))
		drop_oldest(soft, newer);
	return take_held(soft);
}

bool hf_soft_is_settled(const struct hf_soft *soft)
{
	return !(soft->behind.running && !soft->behind.base) &&
	       !(soft->gen && soft->gen->tables->delta);
}

bool hf_soft_is_idle(const struct hf_soft *soft)
{
	const struct hf_tables *t = soft->gen ? soft->gen->tables : NULL;

	return !soft->behind.running && (!t || !t->classifier || (!t->delta && t->flat_tried));
}

int hf_soft_worker_start(struct hf_soft *soft, unsigned int worker)
{
	if (rte_rcu_qsbr_thread_register(soft->qsbr, worker))
		return -EINVAL;
	rte_rcu_qsbr_thread_online(soft->qsbr, worker);
	return 0;
}

void hf_soft_worker_stop(struct hf_soft *soft, unsigned int worker)
{
	rte_rcu_qsbr_thread_offline(soft->qsbr, worker);
	(void)rte_rcu_qsbr_thread_unregister(soft->qsbr, worker);
}
