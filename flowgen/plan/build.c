/* SPDX-License-Identifier: BSD-3-Clause */

#include "build.h"

#include <hepflow/err.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hf_build_entry(struct builder *b, const struct hf_entry *entry)
{
	if (hf_vec_push(&b->entries, *entry))
		return -ENOMEM;
	return 0;
}

bool hf_build_takes(const struct builder *b, const struct shape *s, struct hf_entry *entry)
{
	const struct hf_table table = {0};
	const struct hf_plan one = {.n_tables = 1, .tables = &table};
	enum hf_reject reject;
	struct hf_flow flow;

	if (s->reason)
		return false;
	entry->match = s->pattern;
	hf_entry_flow(&one, b->nic, entry, 1, &flow);
	return hf_nic_accept(b->nic, &flow, &reject) == b->engine &&
	       hf_nic_danger(b->engine, &flow) == HF_F_MAX_;
}

int hf_build_table(struct builder *b, const char *name)
{
	struct hf_table t = {.group = (uint32_t)b->tables.n, .name = name};

	return name && !hf_vec_push(&b->tables, t) ? 0 : -ENOMEM;
}

int hf_build_punt_rest(struct builder *b, uint32_t table, uint32_t priority, enum hf_layer layer,
	enum hf_reason reason)
{
	struct hf_entry e = {
		.table = table,
		.priority = priority,
		.match.layers = HF_LAYER_BIT(HF_LAYER_ETH) | HF_LAYER_BIT(layer),
		.origin = UINT32_MAX,
		.reason = reason,
		.detail = HF_F_MAX_,
	};

	return hf_build_entry(b, &e);
}

void hf_build_miss(struct builder *b, uint32_t origin, enum hf_reason reason, uint32_t detail)
{
	struct miss miss = {origin, reason, detail};

	if (origin >= hf_rules_n_origins(b->rules))
		return;
	if (!b->misses)
		hf_tally_miss(&b->tallies[origin], reason, detail);
	else if (hf_vec_push(b->misses, miss))
		b->failed = true;
}

void hf_build_miss_lost(struct builder *b, const struct items *items, enum hf_reason reason)
{
	size_t i;

	for (i = 0; i < items->n_lost; i++)
		hf_build_miss(b, items->lost[i], reason, HF_F_MAX_);
}

void hf_build_miss_items(struct builder *b, const struct items *items, enum hf_reason reason)
{
	size_t i;

	for (i = 0; i < items->n; i++)
		hf_build_miss(b, items->v[i].origin, reason, HF_F_MAX_);
}

bool hf_build_has_vlan(const struct builder *b)
{
	const char *name = hf_rules_iface(b->rules, b->in)->name;
	size_t len = strlen(name), i;

	for (i = 1; i < hf_rules_n_ifaces(b->rules); i++) {
		const char *other = hf_rules_iface(b->rules, i)->name;

		if (strncmp(other, name, len) == 0 && other[len] == '.')
			return true;
	}
	return false;
}

/* All entries as one run. They are megabytes: handed over, not copied. */
static int hand_over(struct builder *b)
{
	size_t n = b->entries.n;
	struct entry_buf *buf = hf_entry_buf_new(b->entries.v);
	int rc;

	memset(&b->entries, 0, sizeof(b->entries));
	if (!buf)
		return -ENOMEM;
	rc = hf_plan_add_run(b->plan, buf, buf->v, n, hf_run_is_inner(buf->v, n));
	hf_entry_buf_free(buf);
	return rc;
}

static int finish(struct builder *b)
{
	struct hf_plan *p = b->plan;
	size_t n = hf_rules_n_origins(b->rules), i;
	const char **origins = hf_arena_calloc(p->arena, n, sizeof(*origins));
	const char **places = hf_arena_calloc(p->arena, n, sizeof(*places));
	int rc;

	p->tables = hf_arena_dup(p->arena, b->tables.v, b->tables.n * sizeof(*b->tables.v));
	if (!origins || !places || !p->tables || hf_rules_keep(b->rules, p->arena) < 0)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		origins[i] = hf_rules_origin(b->rules, i);
		places[i] = hf_rules_place(b->rules, i);
	}
	p->n_tables = b->tables.n;
	p->n_origins = n;
	p->origins = origins;
	p->places = places;
	rc = p->memory ? hf_memory_hand_over(b) : hand_over(b);
	if (rc == 0)
		p->accounts = hf_accounts_new(b);
	return p->accounts ? 0 : -ENOMEM;
}

int hf_build_miss_all(struct builder *b, enum hf_reason reason)
{
	struct sight_host host;
	size_t i, f;
	int rc = hf_sight_init(&host, b->rules, b->in, &b->items);

	if (rc < 0)
		return rc;
	for (i = 0; i < host.n_paths; i++) {
		for (f = 0; f < 2; f++) {
			const struct items *items = &host.paths[i].items[f];

			hf_build_miss_items(b, items, reason);
			hf_build_miss_lost(b, items, reason);
		}
	}
	hf_sight_fini(&host);
	return 0;
}

/* Group 0 needs two priorities: that of the root entry and a stronger one. */
static bool has_groups(const struct hf_engine *e)
{
	return e->groups > 1 && e->order == HF_PRIO_LOWER && e->prios > 256 && e->prio_first == 0 &&
	       e->prios_root > 1 && e->actions & HF_ACT_BIT(HF_ACT_JUMP);
}

/* What an e-switch is used for here: rules between ports, in groups, that know where from. */
static int check_eswitch(
	const struct builder *b, const struct hf_plan_opts *opts, struct hf_err *err)
{
	const uint32_t items =
		HF_LAYER_BIT(HF_LAYER_REPRESENTED_PORT) | HF_LAYER_BIT(HF_LAYER_PORT_ID);
	const uint32_t acts = HF_ACT_BIT(HF_ACT_REPRESENTED_PORT) | HF_ACT_BIT(HF_ACT_PORT_ID);

	if (!opts->eswitch.on)
		return 0;
	if (!b->engine || !has_groups(b->engine) || !(b->engine->layers & items) ||
		!(b->engine->actions & acts))
		return hf_fail(err, -ENOTSUP, "profile %s has no e-switch", b->nic->name);
	if (opts->fallback != HF_FALLBACK_SOFTWARE)
		return hf_fail(err, -ENOTSUP, "e-switch plans need fallback software");
	if (opts->eswitch.wire == opts->eswitch.host)
		return hf_fail(err, -EINVAL, "the e-switch's wire and host are one port");
	return 0;
}

/*
 * An engine with masks that cannot tell software what it has allowed: what is dropped is all that
 * there is to say, and the order of drops does not matter.
 */
static bool is_for_drops(const struct hf_engine *e)
{
	const uint32_t telling = HF_ACT_BIT(HF_ACT_MARK) | HF_ACT_BIT(HF_ACT_SET_META);
	uint8_t mask = e->field[HF_F_IP4_DST];

	return !(e->actions & telling) && e->shape == HF_SHAPE_FREE &&
	       (mask == HF_MASK_ANY || mask == HF_MASK_PARTIAL_ONLY);
}

static int lower(struct builder *b)
{
	if (!b->engine)
		return hf_build_miss_all(b, HF_REASON_NO_ENGINE);
	b->plan->order = b->engine->order;
	b->plan->type_scope = b->engine->type_scope;
	if (!has_groups(b->engine))
		return !b->carrier && is_for_drops(b->engine) ? hf_lower_drops(b)
							      : hf_lower_flat(b);
	/* Beyond group 0 nothing can be handed back to the kernel. */
	return b->items.fallback == HF_FALLBACK_KERNEL ? hf_lower_drops(b) : hf_lower_grouped(b);
}

static int find_uplink(const struct hf_rules *rules, const char *name, struct hf_err *err)
{
	size_t i;
	int in;

	if (name) {
		in = hf_rules_find_iface(rules, name);
		if (in <= 0)
			return hf_fail(err, -ENOENT, "no interface '%s' on this host", name);
		return in;
	}
	for (i = 1; i < hf_rules_n_ifaces(rules); i++) {
		const struct hf_iface *iface = hf_rules_iface(rules, i);

		if (iface->from == HF_FROM_UPLINK && strcmp(iface->name, "lo") != 0)
			return (int)i;
	}
	return hf_fail(err, -ENOENT, "this host has no uplink to plan for");
}

static int build(struct builder *b, struct hf_err *err)
{
	struct hf_plan *p = b->plan;
	int rc;

	p->arena = hf_arena_new();
	b->tallies = calloc(hf_rules_n_origins(b->rules) + 1, sizeof(*b->tallies));
	if (!p->arena || !b->tallies)
		return hf_fail(err, -ENOMEM, "plan: out of memory");
	p->iface = hf_arena_strdup(p->arena, hf_rules_iface(b->rules, b->in)->name);
	p->nic = hf_arena_strdup(p->arena, b->nic->name);
	p->fallback = b->items.fallback;
	p->eswitch = b->eswitch;
	p->capacity = b->capacity;
	p->fragments_match_l4 = b->nic->fragments_match_l4;
	rc = p->iface && p->nic ? lower(b) : -ENOMEM;
	if (rc == 0)
		rc = finish(b);
	return rc < 0 ? hf_fail(err, rc, "plan: out of memory") : 0;
}

static int weight_cmp(const void *a, const void *b)
{
	return strcmp(((const struct hf_weight *)a)->origin, ((const struct hf_weight *)b)->origin);
}

static int weigh(struct builder *b, const struct hf_plan_opts *opts)
{
	size_t n = hf_rules_n_origins(b->rules), i;
	struct hf_weight *sorted, key, *found;

	if (!opts->weights)
		return 0;
	b->weights = calloc(n + 1, sizeof(*b->weights));
	sorted = calloc(opts->n_weights + 1, sizeof(*sorted));
	if (!b->weights || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	memcpy(sorted, opts->weights, opts->n_weights * sizeof(*sorted));
	qsort(sorted, opts->n_weights, sizeof(*sorted), weight_cmp);
	for (i = 0; i < n; i++) {
		key.origin = hf_rules_origin(b->rules, i);
		found = bsearch(&key, sorted, opts->n_weights, sizeof(*sorted), weight_cmp);
		b->weights[i] = found ? found->packets : 0;
	}
	free(sorted);
	return 0;
}

static uint32_t capacity_of(const struct builder *b, const struct hf_plan_opts *opts)
{
	uint32_t capacity = b->engine && b->engine->capacity ? b->engine->capacity : UINT32_MAX;

	if (opts->capacity == HF_CAPACITY_NONE)
		return 0;
	return opts->capacity && opts->capacity < capacity ? opts->capacity : capacity;
}

int hf_plan_build(const struct hf_rules *rules, const struct hf_nic *nic,
	const struct hf_plan_opts *opts, struct hf_plan **ret, struct hf_err *err)
{
	struct builder b = {.rules = rules,
		.nic = nic,
		.items = {opts->fallback, opts->strict_invalid},
		.classify_from = opts->classify_from,
		.short_denies = opts->short_denies,
		.eswitch = opts->eswitch,
		.previous = opts->previous};
	int rc = find_uplink(rules, opts->iface, err);

	if (rc < 0)
		return rc;
	b.in = (uint16_t)rc;
	b.engine = hf_plan_engine(nic, opts->eswitch.on);
	if (opts->reserve && opts->fallback == HF_FALLBACK_SOFTWARE && !opts->eswitch.on)
		b.carrier = hf_plan_carrier(nic);
	if (!b.engine && b.carrier) {
		b.engine = b.carrier;
		b.reserved = true;
	}
	rc = check_eswitch(&b, opts, err);
	if (rc < 0)
		return rc;
	b.capacity = capacity_of(&b, opts);
	b.plan = calloc(1, sizeof(*b.plan));
	if (!b.plan)
		return hf_fail(err, -ENOMEM, "plan: out of memory");
	rc = weigh(&b, opts) < 0 ? hf_fail(err, -ENOMEM, "plan: out of memory") : build(&b, err);
	free(b.tallies);
	free(b.weights);
	hf_vec_fini(&b.tables);
	hf_vec_fini(&b.entries);
	if (rc < 0) {
		hf_plan_free(b.plan);
		return rc;
	}
	*ret = b.plan;
	return 0;
}

void hf_plan_free(struct hf_plan *plan)
{
	size_t i;

	if (!plan)
		return;
	hf_addr_map_free(plan->addrs[0]);
	hf_addr_map_free(plan->addrs[1]);
	hf_arena_free(plan->arena);
	hf_accounts_free(plan->accounts);
	hf_memory_free(plan->memory);
	for (i = 0; i < plan->runs.n; i++)
		hf_entry_buf_free(plan->runs.v[i].buf);
	hf_vec_fini(&plan->runs);
	hf_keep_box_free(plan->keep);
	free(plan);
}

const char *hf_plan_iface(const struct hf_plan *plan)
{
	return plan->iface;
}

const char *hf_plan_nic(const struct hf_plan *plan)
{
	return plan->nic;
}

enum hf_fallback hf_plan_fallback(const struct hf_plan *plan)
{
	return plan->fallback;
}

uint32_t hf_plan_capacity(const struct hf_plan *plan)
{
	return plan->capacity == UINT32_MAX ? 0 : plan->capacity;
}

size_t hf_plan_n_tables(const struct hf_plan *plan)
{
	return plan->n_tables;
}

const struct hf_table *hf_plan_table(const struct hf_plan *plan, size_t i)
{
	return &plan->tables[i];
}

size_t hf_plan_n_entries(const struct hf_plan *plan)
{
	return plan->n_entries;
}

const struct hf_entry *hf_plan_entry(const struct hf_plan *plan, size_t i)
{
	return hf_plan_at(plan, i);
}

struct hf_entry *hf_plan_copy_entries(const struct hf_plan *plan)
{
	struct hf_entry *v = calloc(hf_plan_n_entries(plan) + 1, sizeof(*v));
	size_t r;

	for (r = 0; v && r < plan->runs.n; r++) {
		const struct entry_run *run = &plan->runs.v[r];

		memcpy(&v[run->first], run->v, run->n * sizeof(*v));
	}
	return v;
}

const char *hf_plan_place(const struct hf_plan *plan, size_t i)
{
	return i < plan->n_origins ? plan->places[i] : "";
}

const struct hf_eswitch *hf_plan_eswitch(const struct hf_plan *plan)
{
	return &plan->eswitch;
}

const char *hf_plan_origin(const struct hf_plan *plan, size_t i)
{
	return i < plan->n_origins ? plan->origins[i] : "";
}
